"""Brings a message to its receiver; in a rehearsal with planted mishaps, sometimes not quite."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from sekisho.body.context import Body
from sekisho.body.faults import Mishap, read_mishap
from sekisho.body.ports import Json, Outcome, Outgoing
from sekisho.common.ids import new_id
from sekisho.common.randomness import seeded

COUNTED, HELD_BACK, HAPPENED = "sent-on-path", "held-back", "mishap"


def post(body: Body, message_id: str, message: Outgoing) -> None:
    """Send one message; when this returns, its sender believes that it was delivered."""
    mishap = _mishap(body, message) if body.config.rehearsal else None
    if mishap is None:
        _send(body, message_id, message)
        _release(body, message.path)
        return
    happened = {
        "kind": mishap.kind,
        "path": message.path,
        "to": message.to,
        "on": body.today().isoformat(),
    }
    if mishap.kind == "duplicate":
        for name in (message_id, message_id, new_id(body.random)):
            _send(body, name, message)
    if mishap.kind in {"delay", "reorder"}:
        until = body.today() + timedelta(days=max(1, mishap.days))
        held = {
            "to": message.to,
            "path": message.path,
            "body": (message.file.read_bytes() if message.file else message.body).hex(),
            "meta": message.meta,
            "type": message.content_type,
            "until": until.isoformat(),
            "waits_for_next": mishap.kind == "reorder",
        }
        body.store.put(HELD_BACK, message_id, held)
    body.store.put(HAPPENED, message_id, happened)


def happened(body: Body) -> list[Json]:
    """Return the mishaps that this body's messages met with."""
    return [kept for _, kept in body.store.find(HAPPENED)]


def due(body: Body) -> Outcome:
    """Send what was held back until today."""
    outcome = Outcome()
    if body.config.rehearsal is None:
        return outcome
    for key, kept, message in _held_back(body):
        if date.fromisoformat(kept["until"]) <= body.today():
            outcome.send.append(message)
            outcome.put.append((HELD_BACK, key, {"released": True}))
    return outcome


def _send(body: Body, message_id: str, message: Outgoing) -> None:
    body.client.post(
        body.directory.find(message.to),
        f"/exchange/{message.path}",
        message.file or message.body,
        content_type=message.content_type,
        meta=message.meta,
        message_id=message_id,
    )


def _release(body: Body, path: str) -> None:
    """Send what was to arrive after the next message on its path: that has arrived now."""
    if body.config.rehearsal is None or not body.config.rehearsal.faults:
        return
    for key, kept, message in _held_back(body):
        if kept["waits_for_next"] and kept["path"] == path:
            _send(body, key, message)
            body.store.put(HELD_BACK, key, {"released": True})


def _held_back(body: Body) -> Iterator[tuple[str, Json, Outgoing]]:
    for key, kept in list(body.store.find(HELD_BACK)):
        if "released" not in kept:
            data = bytes.fromhex(kept["body"])
            yield (
                key,
                kept,
                Outgoing(kept["to"], kept["path"], data, kept["meta"], kept["type"]),
            )


def _mishap(body: Body, message: Outgoing) -> Mishap | None:
    """Return what happens to this message; messages are counted by path, from 1."""
    options = body.config.rehearsal
    planted = [read_mishap(fault) for fault in options.faults] if options else []
    mine = [one for one in planted if one and one.body in (None, body.id)]
    if options is None or not mine:
        return None
    kept = body.store.get(COUNTED, message.path)
    number = 1 if kept is None else kept["count"] + 1
    body.store.put(COUNTED, message.path, {"count": number})
    for one in mine:
        if one.kind == "drop-share":
            drawn = seeded(options.seed, one.kind, body.id, message.path, str(number))(4)
            if int.from_bytes(drawn, "big") < one.share * 2**32:
                return one
        elif (one.path, one.number) == (message.path, number):
            return one
    return None
