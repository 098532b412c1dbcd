"""What happened in a lane. Events are kept for good: fields are added with defaults, never taken.

``seq`` counts a lane's events from 1 without a gap, so that a lost, doubled or reordered event
shows when they are read again; changed ones show in the ledger, which holds each event's digest.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Literal

from sekisho.control.review.application import Application
from sekisho.control.review.ballot import BallotRule, Motion, Tally, Vote
from sekisho.control.review.committee import Seat
from sekisho.control.review.decision import LaneDecision
from sekisho.control.review.values import Value, read_value

SYSTEM = "system"
"""Who acts where a rule does and no person."""


class _Event(Value, frozen=True, kw_only=True, tag_field="event"):
    seq: int
    on: date
    by: str


class CaseSubmitted(_Event, frozen=True, kw_only=True, tag="case_submitted"):
    """``classes`` are those on which the body decides; ``rule`` the rule of the form."""

    body: str
    application: Application
    classes: tuple[str, ...]
    rule: str


class CompletenessConfirmed(_Event, frozen=True, kw_only=True, tag="completeness_confirmed"):
    """The form is complete; the lane is assigned to the committee."""


class InformationRequested(_Event, frozen=True, kw_only=True, tag="information_requested"):
    """The clock is now the applicant's."""

    missing: tuple[str, ...]


class ConflictDeclared(_Event, frozen=True, kw_only=True, tag="conflict_declared"):
    member: str
    reason: str


class ConflictFound(_Event, frozen=True, kw_only=True, tag="conflict_found"):
    """A member is of the team or of the applicant's organisation."""

    member: str
    ground: Literal["team", "organisation"]


class MemberSubstituted(_Event, frozen=True, kw_only=True, tag="member_substituted"):
    seat: Seat


class BallotCalled(_Event, frozen=True, kw_only=True, tag="ballot_called"):
    """The roster and the rule are fixed here: who joins the committee later does not vote."""

    round: int
    motion: Motion
    roster: tuple[Seat, ...]
    rule: BallotRule
    papers: tuple[str, ...]
    application_digest: str
    closes_on: date


class VoteCast(_Event, frozen=True, kw_only=True, tag="vote_cast"):
    round: int
    vote: Vote


class BallotClosed(_Event, frozen=True, kw_only=True, tag="ballot_closed"):
    round: int
    tally: Tally


class DecisionSealed(_Event, frozen=True, kw_only=True, tag="decision_sealed"):
    decision: LaneDecision


class DecisionRecognised(_Event, frozen=True, kw_only=True, tag="decision_recognised"):
    """``recognised`` is the digest of the other body's decision."""

    decision: LaneDecision
    recognised: str


class CaseWithdrawn(_Event, frozen=True, kw_only=True, tag="case_withdrawn"):
    """The applicant took the application back."""


Event = (
    CaseSubmitted
    | CompletenessConfirmed
    | InformationRequested
    | ConflictDeclared
    | ConflictFound
    | MemberSubstituted
    | BallotCalled
    | VoteCast
    | BallotClosed
    | DecisionSealed
    | DecisionRecognised
    | CaseWithdrawn
)


def read_event(payload: object) -> Event:
    """Read one event from a JSON value.

    Raises:
        UserError: it is not one.
    """
    event: Event = read_value(Event, payload, "review.event", "an event")  # type: ignore[arg-type]  # a union is no class
    return event


def read_events(payloads: Iterable[object]) -> tuple[Event, ...]:
    """Read events from JSON values, in their order."""
    return tuple(read_event(payload) for payload in payloads)
