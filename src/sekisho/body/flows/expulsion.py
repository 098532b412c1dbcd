"""A body whose keys are in other hands: from a day on nobody answers it, converts for it or to it.

The oversight body signs the revocation; every body keeps it and refuses the revoked body's messages
from then on. What it signed before stays verifiable: receipts and permits do not become untrue.
"""

from __future__ import annotations

import msgspec

from sekisho.body.context import Body
from sekisho.body.ports import Incoming, Outcome, Outgoing
from sekisho.common.canonical import digest
from sekisho.common.errors import Refusal, UserError
from sekisho.exchange import jws

KIND = "sekisho-body-revocation"
REVOKED_BODY = "revoked-body"
DOOR = "status/body-revoked"


class BodyRevocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the oversight body signs: who, from which day on, one word for the cause."""

    body: str
    on: str
    code: str


class _Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    body: str
    code: str


def revoke(body: Body, message: Incoming) -> Outcome:
    """Sign the revocation of a body, on the word of the oversight body's own operator."""
    if message.sender != body.id:
        raise Refusal("keys.not-operator", "Only this body's own operator may revoke another.")
    try:
        asked = msgspec.json.decode(message.read(), type=_Asked, strict=True)
    except msgspec.DecodeError as error:
        raise UserError("keys.malformed", "A revocation names a body and a code.") from error
    if "body" not in body.directory.roles(asked.body) or asked.body == body.id:
        raise UserError("keys.no-such-body", "The directory has no other body of this name.")
    name = f"revoked-bodies/{asked.body}.jws"
    if body.documents.exists(name):
        return Outcome()
    said = BodyRevocation(body=asked.body, on=body.today().isoformat(), code=asked.code)
    token = jws.sign(msgspec.to_builtins(said), body.keys.signing, body.id, KIND)
    outcome = Outcome(documents=[(name, token)])
    outcome.fact(
        "oversight.revoked", body=asked.body, code=asked.code, digest=digest(token.encode())
    )
    for party in body.directory.of_kind("body"):
        if party.id != asked.body:
            outcome.send.append(
                Outgoing(party.id, DOOR, token.encode(), content_type="application/jose")
            )
    return outcome


def take(body: Body, message: Incoming) -> Outcome:
    """Keep a revocation that the oversight body signed."""
    signed = jws.verify(message.read().decode("ascii", "replace"), body.directory.resolve, KIND)
    said = msgspec.convert(signed.payload, BodyRevocation)
    if signed.signer != body.auxiliary("oversight"):
        raise Refusal("keys.not-oversight", "Only the oversight body revokes bodies.")
    if body.store.get(REVOKED_BODY, said.body) is not None:
        return Outcome()
    kept = {**msgspec.to_builtins(said), "token": message.read().decode("ascii")}
    outcome = Outcome(put=[(REVOKED_BODY, said.body, kept)])
    outcome.fact("body.revoked", body=said.body, on=said.on, code=said.code)
    return outcome


def revoked(body: Body) -> frozenset[str]:
    """Return all who were revoked, as far as this body was told."""
    return frozenset(party for party, _ in body.store.find(REVOKED_BODY))


def is_revoked(body: Body, party: str) -> bool:
    """Return whether ``party`` was revoked, as far as this body was told."""
    return body.store.get(REVOKED_BODY, party) is not None
