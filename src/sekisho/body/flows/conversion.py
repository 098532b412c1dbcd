"""A converter's desk at work: check the signed reason, convert blind, pass on, record sizes."""

from __future__ import annotations

from sekisho.body.context import Body
from sekisho.body.flows import uses
from sekisho.body.flows.permits import is_revoked, read_permit
from sekisho.body.flows.transfer import ALONE
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.canonical import canonical_json, digest
from sekisho.common.errors import Defect, Refusal, SekishoError
from sekisho.common.ids import BodyId
from sekisho.control import conversion as desk
from sekisho.exchange import jws, parcel
from sekisho.exchange.transfer import REASON, Reason, batch_parcel, key_digest
from sekisho.pseudonym.convert import Batch, convert_batch, pack, unpack

CONVERTED = "conversion"


def convert(body: Body, message: Incoming) -> Outcome:
    """Convert each batch of a message. One that is refused does not stop the others."""
    header, blobs = parcel.unpack(message.read(), each="reasons")
    outcome = Outcome()
    ways: dict[Way, list[tuple[str, bytes]]] = {}
    for token, blob in zip(header["reasons"], blobs, strict=True):
        try:
            done, way, batch = _convert_one(body, message.sender, token, blob)
            outcome.add(done)
            ways.setdefault(way, []).append((token, batch))
        except SekishoError as refusal:
            outcome.fact("conversion.refused", code=refusal.code, sender=message.sender)
            said = {"path": message.path, "sender": message.sender}
            key = f"{message.id}:{len(outcome.put)}"
            problem = refusal.as_problem() | said
            outcome.put.append(("refused", key, problem))
            outcome.add(_tell_sender(body, message, problem))
    for (to, path, _), batches in ways.items():
        sent = batch_parcel(batches)
        outcome.send.append(Outgoing(to, path, sent, content_type=parcel.MEDIA_TYPE))
    return outcome


def _tell_sender(body: Body, message: Incoming, problem: Json) -> Outcome:
    """Tell a body why its batch was refused; a provider asks for its receipts, and sends again."""
    outcome = Outcome()
    if "body" in body.directory.roles(message.sender):
        about = problem | {"about": message.id}
        outcome.send.append(Outgoing(message.sender, "status/notice", canonical_json(about)))
    return outcome


Way = tuple[str, str, str]
"""Receiver, path, and what goes together: transfers without a payload, others one by one."""


def _convert_one(body: Body, sender: str, token: str, blob: bytes) -> tuple[Outcome, Way, bytes]:
    signed = jws.verify(token, body.directory.resolve, REASON)
    reason = Reason.from_payload(signed.payload)
    first, second = (body.auxiliary(role) for role in ("converter", "oversight"))
    expected = signed.signer if body.id == first else first
    if sender != expected:
        raise Refusal("conversion.out-of-turn", "The batch does not come from whom it must.")
    batch, same = unpack(blob), digest(blob)
    if body.store.get(CONVERTED, f"{signed.signer}/={same}"):
        raise Refusal(
            "conversion.replayed",
            "This very batch was converted before, for another reason.",
            rule="one reason is one batch, and one batch has one reason",
            next_step="encrypt the persons anew for the new reason",
        )
    if body.id == first and batch.public != body.keys.global_key:
        raise Refusal("conversion.not-global", "A batch starts under the global key.")
    desk.check(
        reason.payload(),
        signed.signer,
        reason.from_domain,
        reason.to_domain,
        len(batch),
        _facts(body, reason, signed.signer),
    )
    converted = _step(body, batch, reason)
    outcome = Outcome()
    to, path = (second, "conversion/batch") if body.id == first else _destination(reason)
    outcome.put.append((CONVERTED, _key(signed.signer, reason), {"count": len(batch)}))
    outcome.put.append((CONVERTED, f"{signed.signer}/={same}", {"reason": reason.id}))
    if reason.kind in desk.OF_A_PERMIT:
        outcome.put.append(("hop", reason.to_domain, _hop_after(body, reason, len(batch))))
    if reason.kind == "permit" and body.id == second:
        outcome.add(uses.data_move(body, read_permit(body, reason.permit or "")))
    outcome.fact(
        "conversion.done",
        reason=reason.id,
        reason_kind=reason.kind,
        from_domain=reason.from_domain,
        to_domain=reason.to_domain,
        count=len(batch),
        epoch=reason.epoch,
    )
    return outcome, (to, path, "" if reason.kind in ALONE else token), pack(converted)


def _step(body: Body, batch: Batch, reason: Reason) -> Batch:
    if body.keys.converter is None:
        raise Defect("conversion.no-secret", "A converter without its secret.")
    return convert_batch(
        body.keys.converter, batch, reason.from_domain, reason.to_domain, reason.epoch, body.random
    )


def _destination(reason: Reason) -> tuple[str, str]:
    return reason.receiver, f"{reason.room}/pseudonyms"


def _key(signer: str, reason: Reason) -> str:
    """Reasons are of their signer: nobody can use up another's."""
    return f"{signer}/{reason.id}"


def _facts(body: Body, reason: Reason, signer: str) -> desk.Facts:
    """What the desk must know: the day, what was converted before, who may sign what."""
    permit = read_permit(body, reason.permit) if reason.permit else None
    revoked = permit is not None and is_revoked(body, permit.permit)
    before = _hop(body, reason)
    return desk.Facts(
        today=body.today(),
        epoch=body.epoch,
        receiver_keys={peer.id: key_digest(peer.seal_recipient) for peer in body.directory},
        revoked=frozenset({permit.id} if permit is not None and revoked else ()),
        seen=frozenset({reason.id} if body.store.get(CONVERTED, _key(signer, reason)) else ()),
        roles={peer.id: frozenset({peer.kind, *peer.roles}) for peer in body.directory},
        framework=body.framework,
        permit=permit.grant(body.framework) if permit else None,
        rows_before=before["count"],
        holders_before=frozenset(BodyId(holder) for holder in before["holders"]),
    )


def _hop(body: Body, reason: Reason) -> Json:
    """Return what was converted for a project before: persons over this hop, and from whom."""
    kept: Json = body.store.get("hop", reason.to_domain) or {"counts": {}, "holders": []}
    return {"count": kept["counts"].get(reason.from_domain, 0), **kept}


def _hop_after(body: Body, reason: Reason, count: int) -> Json:
    """Return the same after ``count`` more persons."""
    before = _hop(body, reason)
    sort, _, owner = reason.from_domain.partition(":")
    holders = {*before["holders"], *([owner] if sort == "body" else [])}
    counts = {**before["counts"], reason.from_domain: before["count"] + count}
    return {"counts": counts, "holders": sorted(holders)}
