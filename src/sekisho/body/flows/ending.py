"""The steps of a body that leaves: cases end, choices move, records move, all is destroyed.

Each step waits for what it rests on and is looked at again every day; what waits for a day raises
an alarm. Nothing is destroyed before the successor's signed receipts come out even.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec

from sekisho.body.context import Body
from sekisho.body.flows import alarms, submission, succession
from sekisho.body.flows.exit import CODE, Withdrawal, of
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.canonical import canonical_json, digest
from sekisho.common.clock import SystemClock
from sekisho.common.errors import Refusal
from sekisho.common.ids import BodyId
from sekisho.common.secretfile import write_secret
from sekisho.control.review import (
    LaneDecision,
    Stage,
    decision_of,
    read_events,
    replay,
)
from sekisho.control.review.events import CaseWithdrawn
from sekisho.data.lake import Lake
from sekisho.exchange import jws, parcel, seal
from sekisho.exchange.keys import SealKey
from sekisho.framework import registries
from sekisho.pseudonym.wrap import new_wrapping_key

EXIT, NOW = "exit", "now"
ALARM = "exit"
PERSONAL = (
    "registry",
    "held-list",
    "early-list",
    "list-head",
    "alias",
    "choice",
    "choice-batch",
    "early-alias",
    "linkage-conflict",
    "set-aside",
)
"""Kinds of records that hold pseudonyms, choices or forms: dropped with the data."""
SPOOLED = ("transfers", "converted", "batches")
"""Folders of the spool in which batches lie, on their way in or out."""


def state(body: Body) -> Json:
    """Return how far a leaving body is. ``sent``: what → number, rows, and whether receipted."""
    return body.store.get(EXIT, NOW) or {"step": "begun", "sent": {}, "since": ""}


def is_over(body: Body) -> bool:
    """Return whether this body has destroyed what it had: it has no duties any more."""
    return bool(state(body)["step"] == "destroyed")


def next_step(body: Body, said: Withdrawal) -> Outcome:
    """Do what can be done today; raise an alarm where the step waits since an earlier day."""
    now, outcome = state(body), Outcome()
    today = body.today().isoformat()
    if now["step"] == "begun":
        outcome.add(_end_cases(body, said))
        now = {**now, "step": "moving", "since": today}
    if now["step"] == "moving":
        now = _move(body, said, now, outcome)
        wait = [one for one, sent in now["sent"].items() if not sent["receipted"]]
        late = now["since"] < today
        waits = ",".join(wait) or _waits(body)
        alarms.settle(outcome, body, ALARM, "exit.waiting", bool(waits) and late, waits_for=waits)
    outcome.put.append((EXIT, NOW, now))
    return outcome


def _waits(body: Body) -> str:
    """Return what must be finished before anything moves."""
    open_forms = any(
        kept["state"] in {"recorded", "sent", "converting"} for _, kept in body.store.find("choice")
    )
    halves = any(
        kept["state"] == "waiting" and kept["reason"]["kind"] == "submission"
        for _, kept in body.store.find("transfer")
    )
    return "choices" if open_forms else "submissions" if halves else ""


def _move(body: Body, said: Withdrawal, now: Json, outcome: Outcome) -> Json:
    """Send the next goods that may go: choices before records, so that no list is behind them.

    Goods sent on an earlier day without a receipt go again: the successor takes nothing twice.
    """
    if _waits(body):
        return now
    sent, today = dict(now["sent"]), body.today().isoformat()
    ways: dict[str, Callable[[Body, Withdrawal, int], tuple[Outcome, Json]]] = {}
    if BodyId(body.id) in registries(body.framework):
        ways[succession.CHOICES] = succession.send_choices
    if "collection" in body.rooms:
        ways[succession.RECORDS] = succession.send_records
    for what, send in ways.items():
        before = sent.get(what)
        if before is not None and before["receipted"]:
            continue
        if before is None or before["on"] < today:
            number = 1 if before is None else before["number"] + 1
            made, about = send(body, said, number)
            outcome.add(made)
            sent[what] = {"number": number, "on": today, "about": about, "receipted": False}
        return {**now, "sent": sent}
    return _all_receipted(body, {**now, "sent": sent}, outcome)


def _all_receipted(body: Body, now: Json, outcome: Outcome) -> Json:
    outcome.send.append(_next_destruction(body))
    return {**now, "step": "receipted"}


def _end_cases(body: Body, said: Withdrawal) -> Outcome:
    """End every open case of this body's lanes; its applicant is told so, and where to go."""
    from sekisho.body.flows.review import announce

    outcome = Outcome()
    for name in body.store.streams("lane/"):
        before = body.store.events(name)
        lane = replay(read_events(before))
        application = lane.application
        if application is None or lane.stage in {Stage.DECIDED, Stage.WITHDRAWN}:
            continue
        event = CaseWithdrawn(seq=lane.seq + 1, on=body.today(), by="system")
        ended = replay([event], lane)
        outcome.append.append((name, len(before), [event.payload()]))
        told = {
            "code": CODE,
            "reason": f"{body.id} leaves since {said.last_day}: {said.ground}",
            "next_step": f"apply again; the data are at {said.successor}",
        }
        outcome.put.append(("case-ended", application.id, told))
        decision: LaneDecision = decision_of(ended)
        outcome.add(announce(body, application, decision))
        outcome.fact("exit.case", application=application.id, lane=body.id, code=CODE)
    return outcome


def receipted(body: Body, message: Incoming) -> Outcome:
    """Keep the successor's receipt; it must say of everything that was sent what became of it."""
    token = message.read().decode("ascii", "replace")
    signed = jws.verify(token, body.directory.resolve, succession.RECEIPT)
    said, now, given = of(body, body.id), state(body), signed.payload
    if said is None or signed.signer != said.successor or given["from"] != body.id:
        raise Refusal("exit.not-the-successor", "A receipt comes from the successor alone.")
    what = given["what"]
    sent = now["sent"].get(what)
    if sent is None or sent["receipted"]:
        return Outcome()
    total = sum(sum(given[part].values()) for part in ("landed", "there", "set_aside"))
    if given["sent"] != sent["about"]["rows"] or total != sum(sent["about"]["rows"].values()):
        raise Refusal(
            "exit.unbalanced",
            "The receipt does not account for everything that was sent.",
            rule="sent = landed + already there + set aside",
        )
    outcome = Outcome(documents=[(f"{succession.TAKEN}{what}.jws", token)])
    now = {**now, "sent": {**now["sent"], what: {**sent, "receipted": True}}}
    outcome.fact(
        "exit.receipted",
        reason=given["reason"],
        what=what,
        by=said.successor,
        digest=digest(token.encode()),
    )
    outcome.put.append((EXIT, NOW, _move(body, said, now, outcome)))
    alarms.clear(outcome, body, ALARM)
    return outcome


def destroy(body: Body, message: Incoming) -> Outcome:
    """Destroy the data, and in a second step the keys, when nothing is under them any more.

    In between everything is committed: whenever a crash comes, each step can be done again.
    """
    now = state(body)
    if now["step"] == "receipted":
        return _destroy_data(body, now)
    if now["step"] == "emptied":
        return _destroy_keys(body, now)
    return Outcome()


def _destroy_data(body: Body, now: Json) -> Outcome:
    rows = Lake(body.folders.lake).totals(submission.snapshot(body))
    folders = ("lake", "objects", "quarantine", "held", "projects")
    outcome = Outcome(remove=[body.folders.data / name for name in folders])
    outcome.remove += [body.folders.spool / name for name in SPOOLED]
    outcome.remove += _delivered(body)
    for kind in PERSONAL:
        outcome.drop += [(kind, key) for key, _ in body.store.find(kind)]
    outcome.drop.append(("snapshot", "head"))
    records = {table: count for table, (count, _) in rows.items()}
    outcome.put.append((EXIT, NOW, {**now, "step": "emptied", "records": records}))
    outcome.send.append(_next_destruction(body))
    return outcome


def _destroy_keys(body: Body, now: Json) -> Outcome:
    """Destroy the keys; the documents go, sealed, to the oversight body for its archive.

    New keys are written over those for wrapping and sealing, which a body needs to start.
    """
    sealed = _archive(body)
    keys = sorted(body.keys.folder.glob("domain-*.key"))
    write_secret(body.keys.folder / "wrapping", new_wrapping_key(body.random))
    SealKey.generate(body.random).write(body.keys.folder / "seal")
    outcome = Outcome(remove=[*keys])
    outcome.put.append((EXIT, NOW, {**now, "step": "destroyed"}))
    outcome.fact(
        "exit.destroyed", records=now["records"], keys=len(keys) + 2, archive=digest(sealed)
    )
    archive = parcel.pack({"receipts": sorted(now["sent"])}, [sealed])
    oversight = body.auxiliary("oversight")
    outcome.send.append(
        Outgoing(oversight, "oversight/left", archive, content_type=parcel.MEDIA_TYPE)
    )
    return outcome


def _next_destruction(body: Body) -> Outgoing:
    return Outgoing(body.id, "status/exit-destroy", canonical_json({"exit": body.id}))


def afterwards(body: Body) -> Outcome:
    """Do what is left of a day at a body that has left: forget what was delivered."""
    return Outcome(remove=_delivered(body))


def _delivered(body: Body) -> list[Path]:
    """Return the files of all messages that were delivered; others still go out."""
    return body.store.delivered_before(SystemClock().now() + timedelta(minutes=1))


def _archive(body: Body) -> bytes:
    """Return the signed documents and the ledger, as far as it goes, sealed to oversight."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz") as out:
        for folder in (body.folders.documents, body.folders.ledger):
            if folder.is_dir():
                out.add(folder, arcname=folder.name)
    recipient = body.directory.find(body.auxiliary("oversight")).seal_recipient or ""
    return seal.seal(packed.getvalue(), recipient)


def keep_archive(body: Body, said: Withdrawal, message: Incoming) -> Outcome:
    """Keep, at the oversight body, the sealed archive of a body that left."""
    _, blobs = parcel.unpack(message.read(), needs=("receipts",))
    write_secret(body.folders.data / "archives" / f"{said.body}.tar.xz.age", blobs[0])
    kept = {"body": said.body, "digest": digest(blobs[0]), "bytes": len(blobs[0])}
    return Outcome(put=[("archive", said.body, kept)])


def shown(body: Body) -> Json:
    """Return where this body's exit stands, for its operator."""
    said, now = of(body, body.id), state(body)
    told = None if said is None else msgspec.to_builtins(said)
    sent = {
        what: {"rows": one["about"]["rows"], "receipted": one["receipted"]}
        for what, one in now["sent"].items()
    }
    return {"withdrawal": told, "step": now["step"] if said else None, "sent": sent}
