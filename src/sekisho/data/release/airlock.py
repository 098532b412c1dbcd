"""The airlock: two people look at exact bytes, and exactly those bytes leave.

Rules it keeps:
- what is asked for is named by hash, and frozen from then on;
- a table that the checks refused cannot be asked for;
- two different people review it; neither made the study nor belongs to the applicant's team;
- a reviewer does not see the other's verdict before giving an own one;
- one refusal ends it; a release compares the bytes with the reviewed hashes first.

Pure: (state, command, facts) gives events or raises a refusal; the caller stores the events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum
from typing import Literal

import msgspec

from sekisho.common.canonical import digest
from sekisho.common.errors import Refusal, TamperError

RULE = "no output leaves unchecked; what was checked (by hash) is what leaves (design, promise 5)"


class State(Enum):
    """Where a request stands."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    ONE_REVIEW = "one_review"
    APPROVED = "approved"
    RELEASED = "released"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


TRANSITIONS: dict[tuple[State, str], State] = {
    (State.DRAFT, "submitted"): State.SUBMITTED,
    (State.SUBMITTED, "approved"): State.ONE_REVIEW,
    (State.SUBMITTED, "refused"): State.REFUSED,
    (State.SUBMITTED, "withdrawn"): State.WITHDRAWN,
    (State.ONE_REVIEW, "approved"): State.APPROVED,
    (State.ONE_REVIEW, "refused"): State.REFUSED,
    (State.ONE_REVIEW, "withdrawn"): State.WITHDRAWN,
    (State.APPROVED, "released"): State.RELEASED,
    (State.APPROVED, "withdrawn"): State.WITHDRAWN,
}
"""(state, kind of event) → state; what is not here cannot happen."""


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a request: its name, the SHA-256 of its bytes, what the checks said, and why."""

    name: str
    sha256: str
    verdict: Literal["released", "masked"]
    purpose: str


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that happened to a request. ``files`` and ``team`` are set on ``submitted``."""

    kind: Literal["submitted", "approved", "refused", "withdrawn", "released"]
    request: str
    actor: str
    at: datetime
    reason: str = ""
    files: tuple[File, ...] = ()
    team: tuple[str, ...] = ()


class Request(msgspec.Struct, frozen=True):
    """What the events of one request add up to."""

    state: State = State.DRAFT
    id: str = ""
    files: tuple[File, ...] = ()
    team: frozenset[str] = frozenset()
    reviews: tuple[Event, ...] = ()


def fold(events: Iterable[Event]) -> Request:
    """Return the state after ``events``.

    Raises:
        Refusal: an event that the table of transitions does not allow.
    """
    request = Request()
    for event in events:
        request = _apply(request, event)
    return request


def submit(
    request: str, files: Iterable[File], author: str, team: Iterable[str], at: datetime
) -> Event:
    """Ask for the release of ``files``; ``team`` is everyone of the applicant's side."""
    asked = tuple(sorted(files, key=lambda f: f.name))
    if not asked or len({f.name for f in asked}) != len(asked):
        raise _refusal("airlock.files", "A request names at least one file, each once.")
    if not all(f.purpose.strip() for f in asked):
        raise _refusal("airlock.purpose", "Each file states its purpose.")
    members = tuple(sorted({author, *team}))
    return Event("submitted", request, author, at, files=asked, team=members)


def review(
    request: Request, reviewer: str, approve: bool, at: datetime, *, reason: str = ""
) -> Event:
    """Give the verdict of one reviewer.

    Raises:
        Refusal: of the team, a second time, without a reason, or at the wrong time.
    """
    if reviewer in request.team:
        raise _refusal("airlock.of-the-team", "A reviewer is not of the applicant's team.")
    if any(r.actor == reviewer for r in request.reviews):
        raise _refusal("airlock.twice", "The two reviews are by different people.")
    if not approve and not reason.strip():
        raise _refusal("airlock.no-reason", "A refusal states its reason.")
    kind: Literal["approved", "refused"] = "approved" if approve else "refused"
    event = Event(kind, request.id, reviewer, at, reason=reason)
    _apply(request, event)
    return event


def withdraw(request: Request, actor: str, at: datetime) -> Event:
    """Take the request back; only the team can."""
    if actor not in request.team:
        raise _refusal("airlock.not-of-the-team", "Only the applicant's team withdraws a request.")
    event = Event("withdrawn", request.id, actor, at)
    _apply(request, event)
    return event


def release(
    request: Request, content: Mapping[str, bytes], actor: str, at: datetime
) -> tuple[Event, dict[str, bytes]]:
    """Return the event and exactly the reviewed bytes, by name.

    Raises:
        Refusal: two approvals are missing.
        TamperError: bytes differ from what was reviewed, or a file is missing or added.
    """
    event = Event("released", request.id, actor, at)
    _apply(request, event)
    if set(content) != {f.name for f in request.files}:
        raise TamperError("airlock.other-files", "The files are not those that were reviewed.")
    for file in request.files:
        if digest(content[file.name]) != file.sha256:
            raise TamperError(
                "airlock.other-bytes",
                f"The bytes of {file.name} are not those that were reviewed.",
                rule=RULE,
                next_step="submit the new bytes as a new request; find out who changed them",
            )
    return event, {f.name: content[f.name] for f in request.files}


def visible_reviews(request: Request, viewer: str) -> tuple[Event, ...]:
    """Return the reviews that ``viewer`` may see: all when decided, else only the own one."""
    if request.state in {State.SUBMITTED, State.ONE_REVIEW}:
        return tuple(r for r in request.reviews if r.actor == viewer)
    return request.reviews


def _apply(request: Request, event: Event) -> Request:
    after = TRANSITIONS.get((request.state, event.kind))
    if after is None or (request.id and request.id != event.request):
        raise _refusal(
            "airlock.not-now", f"A request that is {request.state.value} cannot be {event.kind}."
        )
    if event.kind == "submitted":
        team = frozenset(event.team)
        return Request(after, event.request, event.files, team, ())
    if event.kind in {"approved", "refused"}:
        # Checked here as well: a stored event proves nothing about who wrote it.
        if event.actor in request.team or any(r.actor == event.actor for r in request.reviews):
            raise _refusal("airlock.reviewer", "The reviewers are two people outside the team.")
        reviews = (*request.reviews, event)
        return msgspec.structs.replace(request, state=after, reviews=reviews)
    return msgspec.structs.replace(request, state=after)


def _refusal(code: str, message: str) -> Refusal:
    return Refusal(code, message, rule=RULE)
