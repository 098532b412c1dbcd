"""A converter's desk at work: check the signed reason, convert blind, pass on, record sizes."""

from __future__ import annotations

import os
from pathlib import Path

from sekisho.body.context import Body
from sekisho.body.flows import epochs, exit, expulsion, uses
from sekisho.body.flows.permits import is_revoked, read_permit
from sekisho.body.flows.transfer import ALONE
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.canonical import canonical_json
from sekisho.common.errors import Refusal, SekishoError
from sekisho.common.ids import BodyId
from sekisho.control import conversion as desk
from sekisho.exchange import jws, parcel
from sekisho.exchange.transfer import REASON, Reason, key_digest
from sekisho.pseudonym.convert import step_of
from sekisho.pseudonym.stored import StoredBatch, convert_stored

CONVERTED = "conversion"


def convert(body: Body, message: Incoming) -> Outcome:
    """Convert each batch of a message. One that is refused does not stop the others."""
    header, blobs = parcel.open_file(message.file, each="reasons")
    outcome = Outcome()
    home = body.folders.spool / "converted"
    ways: dict[Way, list[tuple[str, Path]]] = {}
    for number, (token, blob) in enumerate(zip(header["reasons"], blobs, strict=True)):
        try:
            out = home / f"{message.id}.{number}"
            done, way = _convert_one(body, message.sender, token, blob, out)
            outcome.add(done)
            ways.setdefault(way, []).append((token, out))
        except SekishoError as refusal:
            outcome.fact("conversion.refused", code=refusal.code, sender=message.sender)
            said = {"path": message.path, "sender": message.sender}
            key = f"{message.id}:{len(outcome.put)}"
            problem = refusal.as_problem() | said
            outcome.put.append(("refused", key, problem))
            outcome.add(_tell_sender(body, message, problem))
    for number, ((to, path, _), batches) in enumerate(ways.items()):
        file = home / f"{message.id}.{number}.parcel"
        reasons = [token for token, _ in batches]
        converted = [parcel.Stored.whole(batch) for _, batch in batches]
        parcel.write(file, {"reasons": reasons}, converted)
        sent = Outgoing(to, path, b"", content_type=parcel.MEDIA_TYPE, file=file)
        outcome.send.append(sent)
        outcome.remove.append(file)
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


def _convert_one(
    body: Body, sender: str, token: str, blob: parcel.Stored, out: Path
) -> tuple[Outcome, Way]:
    signed = jws.verify(token, body.directory.resolve, REASON)
    reason = Reason.from_payload(signed.payload)
    first, second = (body.auxiliary(role) for role in ("converter", "oversight"))
    expected = signed.signer if body.id == first else first
    if sender != expected:
        raise Refusal("conversion.out-of-turn", "The batch does not come from whom it must.")
    batch, same = StoredBatch.open(blob.file, blob.start, blob.size), blob.digest()
    if body.store.get(CONVERTED, f"{signed.signer}/={same}"):
        raise Refusal(
            "conversion.replayed",
            "This very batch was converted before, for another reason.",
            rule="one reason is one batch, and one batch has one reason",
            next_step="encrypt the persons anew for the new reason",
        )
    if body.id == first and batch.public != epochs.global_key_at(body, reason.epoch):
        raise Refusal("conversion.not-global", "A batch starts under the global key.")
    facts = _facts(body, reason, signed.signer)
    ends = reason.from_domain, reason.to_domain
    desk.check(reason.payload(), signed.signer, *ends, len(batch), facts)
    _convert_to(out, body, batch, reason, facts.permit)
    outcome = Outcome(remove=[out])
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
    return outcome, (to, path, "" if reason.kind in ALONE else token)


def _convert_to(
    out: Path, body: Body, batch: StoredBatch, reason: Reason, permit: desk.Grant | None
) -> None:
    """Write the converted batch, in bounded memory."""
    step = step_of(
        body.keys.converter(),
        batch.public,
        reason.from_domain,
        reason.to_domain,
        reason.epoch,
        permit.epoch if permit else None,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("wb") as target:
        convert_stored(batch, step, target, body.random, len(os.sched_getaffinity(0)))


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
    epoch, former = epochs.accepted(body)
    gone = expulsion.revoked(body)
    parties = [one for one in body.directory if one.id not in gone]
    return desk.Facts(
        today=body.today(),
        epoch=epoch,
        former=former,
        receiver_keys={one.id: key_digest(one.seal_recipient) for one in parties},
        revoked=frozenset({permit.id} if permit is not None and revoked else ()),
        seen=frozenset({reason.id} if body.store.get(CONVERTED, _key(signer, reason)) else ()),
        roles={one.id: frozenset({one.kind, *one.roles}) for one in parties},
        framework=body.framework,
        permit=permit.grant(body.framework) if permit else None,
        rows_before=before["count"],
        holders_before=frozenset(BodyId(holder) for holder in before["holders"]),
        successions=exit.successions(body),
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
