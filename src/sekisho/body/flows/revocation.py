"""A permit taken back by a lane that granted it: told to everyone whom the permit binds.

Whoever is shown the permit afterwards refuses it (`permits.granted_permit`), converters refuse its
conversions, and the environment closes the project: data, and the project's key, are removed.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import msgspec

from sekisho.body.context import Body
from sekisho.body.flows.permits import REVOKED, Granted, read_permit
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.canonical import canonical_json, digest
from sekisho.common.errors import Refusal, UserError
from sekisho.control.review import Permit, read_committee
from sekisho.exchange import jws

REVOCATION = "sekisho-revocation"
DOOR = "status/permit-revoked"


class Revocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a lane signs. ``code`` is one word for the cause; ``digest`` is that of the permit."""

    permit: str
    application: str
    digest: str
    by: str
    on: str
    code: str


class _Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    application: str
    code: str


def revoke(body: Body, message: Incoming) -> Outcome:
    """Take back a permit that this lane signed; only the chair of its committee may say so."""
    try:
        asked = msgspec.json.decode(message.read(), type=_Asked, strict=True)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise UserError(
            "revocation.form", "A revocation names an application and a code for its cause."
        ) from error
    committee = read_committee(body.folders.base / "committee.toml")
    if message.sender not in {s.member for s in committee.seats if s.office == "chair"}:
        raise Refusal(
            "revocation.not-chair",
            "Only the chair of a lane's committee takes a permit back.",
            next_step="have the chair send it",
        )
    signed = body.store.get("signed-permit", asked.application)
    if signed is None:
        raise Refusal("revocation.no-permit", "This lane signed no permit for that application.")
    return take_back(body, asked.application, signed["payload"], asked.code)


def take_back(body: Body, application: str, payload: Json, code: str) -> Outcome:
    """Sign that a permit of this lane is taken back, and tell everyone whom it binds; once."""
    if body.documents.exists(name := f"revocations/{application}.jws"):
        return Outcome()
    permit = Permit.from_payload(payload)
    said = Revocation(
        permit=permit.id,
        application=permit.application,
        digest=digest(canonical_json(payload)),
        by=body.id,
        on=body.today().isoformat(),
        code=code,
    )
    token = jws.sign(msgspec.to_builtins(said), body.keys.signing, body.id, REVOCATION)
    outcome = Outcome(documents=[(name, token)])
    outcome.fact(
        "lane.revoked",
        application=permit.application,
        permit=permit.id,
        lane=body.id,
        code=said.code,
        digest=digest(token.encode()),
    )
    for one in sorted(_bound(body, permit)):
        outcome.send.append(Outgoing(one, DOOR, token.encode(), content_type="application/jose"))
    return outcome


def _bound(body: Body, permit: Permit) -> Collection[str]:
    """Return every body that the permit binds or serves, and both converters."""
    passed = {hop for part in permit.parts for hop in part.hops}
    keepers = {minimum.registry for minimum in permit.opt_out}
    converters = {body.auxiliary("converter"), body.auxiliary("oversight")}
    return passed | keepers | converters | set(permit.granted_by) | {permit.environment}


def take(body: Body, message: Incoming) -> Outcome:
    """Keep another body's revocation; at the environment, close the project."""
    token = message.read().decode("ascii", "replace")
    signed = jws.verify(token, body.directory.resolve, REVOCATION)
    said = msgspec.convert(signed.payload, Revocation)
    if not signed.signer == said.by == message.sender:
        raise Refusal("revocation.not-its-own", "A revocation comes from the lane that signed it.")
    key = f"{said.permit}:{said.by}"
    if body.store.get(REVOKED, key) is not None:
        return Outcome()
    outcome = Outcome(put=[(REVOKED, key, {**msgspec.to_builtins(said), "token": token})])
    outcome.fact(
        "permit.revoked",
        permit=said.permit,
        application=said.application,
        by=said.by,
        code=said.code,
        digest=digest(token.encode()),
    )
    kept = body.store.get("project", said.application)
    if kept is not None:
        outcome.add(_close(body, said, kept))
    return outcome


def _close(body: Body, said: Revocation, kept: Json) -> Outcome:
    """Close the project whose permit was taken back by a lane that granted it."""
    from sekisho.body.flows.project import folder

    outcome = Outcome()
    if not kept.get("permit") or kept["state"] == "revoked":
        return outcome  # another lane took it back before
    granted = read_permit(body, kept["permit"])
    if granted.id != said.permit or said.by not in granted.permit.granted_by:
        return outcome
    problem = {"type": "urn:sekisho:problem:permit.revoked", "title": said.code, "by": said.by}
    outcome.put.append(
        ("project", said.application, {**kept, "state": "revoked", "problem": problem})
    )
    home = folder(body, said.application)
    outcome.remove += [home / "incoming", home / "data", home / "jobs"]
    outcome.remove += _keys(body, granted)
    outcome.fact(
        "project.closed", application=said.application, permit=said.permit, code="permit.revoked"
    )
    return outcome


def _keys(body: Body, granted: Granted) -> list[Path]:
    return [file for one in granted.domains_of(body.id) for file in body.keys.domain_files(one)]
