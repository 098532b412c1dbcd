"""Keys of pseudonym domains: a body asks both converters for its shares; a converter gives them
only to the domain's owner."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from sekisho.body.context import Body
from sekisho.body.flows.permits import granted_permit
from sekisho.body.ports import Json
from sekisho.common.canonical import canonical_json
from sekisho.common.errors import Refusal, UserError
from sekisho.common.ids import BodyId, Domain, body_domain, registry_domain
from sekisho.control.conversion import place_of
from sekisho.exchange import seal
from sekisho.framework.model import Role
from sekisho.pseudonym.group import Scalar

CONVERTERS: tuple[Role, ...] = ("converter", "oversight")


def domain_secret(body: Body, domain: Domain, epoch: int, permit: str | None = None) -> Scalar:
    """Return this body's secret for one of its domains; a project's needs the permit."""
    return body.keys.domain_secret(domain, epoch, lambda: _fetch(body, domain, epoch, permit))


def _fetch(body: Body, domain: Domain, epoch: int, permit: str | None) -> tuple[Scalar, ...]:
    question = canonical_json({"domain": domain, "epoch": epoch, "permit": permit})
    shares = []
    for role in CONVERTERS:
        peer = body.directory.find(body.auxiliary(role))
        answer = body.client.post(peer, "/exchange/conversion/key-share", question).json()
        sealed = bytes.fromhex(answer["sealed"])
        shares.append(Scalar(seal.open_sealed(sealed, body.keys.seal)))
    return tuple(shares)


def give_share(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Answer a body's request for its share of a domain's key, sealed to that body."""
    domain, epoch, text = _read(data)
    own = {body_domain(sender), registry_domain(sender)}
    if domain not in own and not is_index_of(body, sender, domain):
        permit = granted_permit(body, text)
        if domain not in permit.domains_of(sender):
            raise Refusal(
                "keys.not-your-domain",
                "A body gets key shares for its own domains only.",
                rule="design section 5, Identity: the share of D is sealed to D",
            )
    share = body.keys.converter().key_share(domain, epoch)
    recipient = body.directory.find(sender).seal_recipient
    return {"sealed": seal.seal(bytes(share), recipient).hex()}


def is_index_of(body: Body, sender: str, domain: Domain) -> bool:
    """Whether ``domain`` is an index of uses, and ``sender`` the body that keeps them."""
    place = place_of(domain, [BodyId(one.id) for one in body.framework.body])
    return place.sort == "uses" and place.owner == sender == body.auxiliary("oversight")


def _read(data: bytes) -> tuple[Domain, int, str]:
    try:
        question = orjson.loads(data)
        return Domain(str(question["domain"])), int(question["epoch"]), question["permit"] or ""
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise UserError("keys.malformed", "A request for a key share names a domain.") from error
