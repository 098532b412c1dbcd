"""Personal payload of entries: kept in files of its own, and erased by the body's operator.

Who applied and who works with the data stands in no entry. It is erased here, when nothing rests on
it any more: files, documents, the lane's events and the records, in one outcome with its own entry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from sekisho.body.context import Body
from sekisho.body.flows.permits import PERMIT
from sekisho.body.ports import Json, Outcome
from sekisho.common.clock import SystemClock
from sekisho.common.errors import Refusal, UserError
from sekisho.control.ledger import Payload
from sekisho.control.review import Permit, Stage, read_events, replay
from sekisho.exchange import jws

KEPT = "payload"
"""The record of a payload by its commitment: what it is about, or when it was erased."""
FOLDER = "payload"
"""Where payloads lie below a body's documents."""
ERASED = "erased"
"""What stands where a name or a person's words stood."""

WORDS = frozenset({"applicant", "reason", "reasons", "missing"})
"""Fields of applications, events and records that are a person's words, or name the applicant."""
DOCUMENTS = ("decisions/{}.jws", "permits/{}.json")
RECORDS = ("joined", "decision", "signed-permit", "project", "job")
ENDED = frozenset({Stage.DECIDED, Stage.WITHDRAWN})


def keep(outcome: Outcome, body: Body, application: str, said: Mapping[str, Any]) -> str:
    """Keep a payload apart; return the commitment that stands in the entry."""
    payload = Payload.of(said, body.random)
    outcome.documents.append((name_of(payload.commitment), payload.to_bytes().decode()))
    outcome.put.append((KEPT, payload.commitment, {"application": application}))
    return payload.commitment


def name_of(commitment: str) -> str:
    """Return the name of a payload's file below a body's documents."""
    return f"{FOLDER}/{commitment}.json"


def sweep(body: Body) -> None:
    """Remove payloads of outcomes that a crash kept from being committed."""
    for file in (body.documents.folder / FOLDER).glob("*.json"):
        if body.store.get(KEPT, file.stem) is None:
            file.unlink()


def erase(body: Body, application: str) -> Outcome:
    """Erase who applied, who is of the team, and people's words, from an application that is over.

    Raises:
        UserError: this body holds nothing of it.
        Refusal: its lane has not decided, or a permit is in force: its people still count.
    """
    held = [
        key
        for key, kept in body.store.find(KEPT)
        if kept["application"] == application and "erased" not in kept
    ]
    documents = [
        name
        for name in (one.format(application) for one in DOCUMENTS)
        if body.documents.exists(name)
    ]
    if not held and not documents:
        raise UserError(
            "payload.none",
            "This body holds no payload of that application.",
            next_step="see its windows and lanes for the bodies that do",
        )
    _check_over(body, application)
    outcome, names = Outcome(), _names(body, application, held)
    today = body.today().isoformat()
    for commitment in held:
        outcome.put.append((KEPT, commitment, {"application": application, "erased": today}))
    files = [*map(name_of, held), *documents]
    outcome.remove += [body.documents.folder / name for name in files]
    outcome.remove += _delivered(body, application)
    stream = f"lane/{application}"
    events = body.store.events(stream)
    if events:
        outcome.rewrite.append((stream, [_without(event, names) for event in events]))
    for kind in RECORDS:
        for key, kept in body.store.find(kind, application):
            if key == application or key.startswith(f"{application}:"):
                outcome.put.append((kind, key, _closed(kept, names)))
    outcome.fact(
        "payload.erased",
        application=application,
        payloads=sorted(held),
        documents=documents,
        events=len(events),
    )
    return outcome


def _delivered(body: Body, application: str) -> list[Path]:
    """Return the messages on this application that are kept in case a peer must be restored."""
    named = application.encode()
    kept = body.store.delivered_before(SystemClock().now() + timedelta(minutes=1))
    return [file for file in kept if file.exists() and named in file.read_bytes()]


def _check_over(body: Body, application: str) -> None:
    state = replay(read_events(body.store.events(f"lane/{application}")))
    if state.application is not None and state.stage not in ENDED:
        raise Refusal(
            "payload.undecided",
            "The lane of this body has not decided on the application.",
            rule="an applicant is named until the case is over",
            next_step="decide, or let the applicant withdraw it",
        )
    permit = _permit(body, application)
    ended = (body.store.get("project", application) or {}).get("state") in {"closed", "revoked"}
    if permit is not None and body.today() <= permit.expires and not ended:
        raise Refusal(
            "payload.permit-in-force",
            f"A permit for the application is in force until {permit.expires}.",
            rule="a permit names the people whom it lets work with the data",
            next_step="erase after it has ended or was revoked",
        )


def _names(body: Body, application: str, held: Sequence[str]) -> frozenset[str]:
    """Return the accounts of the team, from whatever this body holds of the application."""
    found: set[str] = set()
    for commitment in held:
        data = body.documents.read(name_of(commitment)).encode()
        found |= set(Payload.from_bytes(data).said.get("team", ()))
    permit = _permit(body, application)
    return frozenset(found | set(permit.team if permit else ()))


def _permit(body: Body, application: str) -> Permit | None:
    signed = body.store.get("signed-permit", application) or {}
    if "payload" in signed:
        return Permit.from_payload(signed["payload"])
    name = DOCUMENTS[1].format(application)
    kept = (body.store.get("project", application) or {}).get("permit")
    text = kept or (body.documents.read(name) if body.documents.exists(name) else None)
    if text is None:
        return None
    return Permit.from_payload(jws.verify_shared(text, body.directory.resolve, PERMIT).payload)


def _closed(kept: Json, names: frozenset[str]) -> Json:
    """Return a record without signed texts, which cannot be changed, and without names."""
    texts = {"permit", "token", "payload", "signatures"}
    return {k: v for k, v in _without(kept, names).items() if k not in texts}


def _without(value: Any, names: frozenset[str]) -> Any:
    """Return a JSON value without names and people's words; its shape stays."""
    if isinstance(value, dict):
        return {
            k: _blank(v) if k in WORDS else [ERASED] if k == "team" else _without(v, names)
            for k, v in value.items()
        }
    if isinstance(value, list):
        return [_without(one, names) for one in value]
    return ERASED if isinstance(value, str) and value in names else value


def _blank(value: Any) -> Any:
    if isinstance(value, str):
        return ERASED
    if isinstance(value, list):
        return [ERASED] if value else []
    return value
