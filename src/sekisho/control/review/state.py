"""What is known of a lane after its events, and how each event changes it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import msgspec

from sekisho.common.errors import TamperError
from sekisho.control.review import events as e
from sekisho.control.review.application import Application
from sekisho.control.review.ballot import BallotRule, Motion, Tally, Vote
from sekisho.control.review.committee import Seat
from sekisho.control.review.decision import LaneDecision
from sekisho.control.review.stages import Stage
from sekisho.control.review.values import Value


class Ballot(Value, frozen=True, kw_only=True):
    """The ballot that is open, or was the last."""

    round: int
    motion: Motion
    roster: tuple[Seat, ...]
    rule: BallotRule
    closes_on: date
    votes: tuple[Vote, ...] = ()
    tally: Tally | None = None

    def voted(self, member: str) -> bool:
        return any(vote.member == member for vote in self.votes)


class LaneState(Value, frozen=True, kw_only=True):
    """One body's lane for one application. ``LaneState()`` is the lane before its first event.

    ``seq`` is the number of events applied. ``failed`` counts ballots without a result since the
    committee was last made up.
    """

    stage: Stage = Stage.NEW
    seq: int = 0
    last_on: date | None = None
    body: str | None = None
    classes: tuple[str, ...] = ()
    application: Application | None = None
    handled_by: tuple[str, ...] = ()
    recused: tuple[str, ...] = ()
    substitutes: tuple[Seat, ...] = ()
    ballot: Ballot | None = None
    failed: int = 0
    decision: LaneDecision | None = None


_SITTING = frozenset({Stage.CONFLICT_CHECK, Stage.RECALL})

EVENT_STAGES: dict[type, frozenset[Stage]] = {
    e.CaseSubmitted: frozenset({Stage.NEW, Stage.INFO_NEEDED}),
    e.CompletenessConfirmed: frozenset({Stage.SUBMITTED}),
    e.InformationRequested: frozenset({Stage.SUBMITTED}),
    e.ConflictFound: _SITTING,
    e.ConflictDeclared: _SITTING | {Stage.BALLOTING, Stage.BALLOT_CLOSED, Stage.ESCALATED},
    e.MemberSubstituted: _SITTING | {Stage.ESCALATED},
    e.BallotCalled: _SITTING,
    e.VoteCast: frozenset({Stage.BALLOTING}),
    e.BallotClosed: frozenset({Stage.BALLOTING}),
    e.DecisionSealed: frozenset({Stage.BALLOT_CLOSED}),
    e.DecisionRecognised: frozenset({Stage.CONFLICT_CHECK}),
    e.CaseWithdrawn: frozenset(Stage) - {Stage.NEW, Stage.DECIDED, Stage.WITHDRAWN},
}
"""Stages in which an event can have happened; a history with another is not one of ours."""


def evolve(state: LaneState, event: e.Event) -> LaneState:
    """Return the lane after ``event``.

    Raises:
        TamperError: the event cannot be the next one.
    """
    backwards = state.last_on is not None and event.on < state.last_on
    if event.seq != state.seq + 1 or backwards or state.stage not in EVENT_STAGES[type(event)]:
        raise TamperError(
            "review.history",
            f"Event {event.seq} of a lane cannot follow event {state.seq}.",
            rule="the events of a lane are complete and in order",
            next_step="compare the lane's events with the ledger",
        )
    changed = msgspec.structs.replace(state, seq=event.seq, last_on=event.on)
    return _apply(changed, event)


def replay(events: Iterable[e.Event], state: LaneState | None = None) -> LaneState:
    """Return the lane after ``events``, from its beginning or from ``state``."""
    state = LaneState() if state is None else state
    for event in events:
        state = evolve(state, event)
    return state


def _apply(state: LaneState, event: e.Event) -> LaneState:
    change = msgspec.structs.replace
    match event:
        case e.CaseSubmitted():
            return change(
                state,
                stage=Stage.SUBMITTED,
                body=event.body,
                classes=event.classes,
                application=event.application,
            )
        case e.CompletenessConfirmed() | e.InformationRequested():
            complete = isinstance(event, e.CompletenessConfirmed)
            return change(
                state,
                stage=Stage.CONFLICT_CHECK if complete else Stage.INFO_NEEDED,
                handled_by=_with(state.handled_by, event.by),
            )
        case e.ConflictFound() | e.ConflictDeclared():
            return _recuse(state, event.member)
        case e.MemberSubstituted():
            escalated = state.stage is Stage.ESCALATED
            return change(
                state,
                stage=Stage.CONFLICT_CHECK if escalated else state.stage,
                failed=0 if escalated else state.failed,
                substitutes=(*state.substitutes, event.seat),
            )
        case e.BallotCalled():
            ballot = Ballot(
                round=event.round,
                motion=event.motion,
                roster=event.roster,
                rule=event.rule,
                closes_on=event.closes_on,
            )
            return change(state, stage=Stage.BALLOTING, ballot=ballot)
        case e.VoteCast():
            return _with_ballot(state, votes=(*ballot_of(state).votes, event.vote))
        case e.BallotClosed():
            closed = _with_ballot(state, tally=event.tally)
            if event.tally.validity == "valid":
                return change(closed, stage=Stage.BALLOT_CLOSED)
            failed = state.failed + 1
            return change(
                closed, stage=Stage.RECALL if failed == 1 else Stage.ESCALATED, failed=failed
            )
        case e.DecisionSealed() | e.DecisionRecognised():
            return change(state, stage=Stage.DECIDED, decision=event.decision)
        case e.CaseWithdrawn():
            return change(state, stage=Stage.WITHDRAWN)


def _recuse(state: LaneState, member: str) -> LaneState:
    """Take a member out. A counted ballot in which that member voted is void: it decided nothing
    yet, and a decision must not rest on the vote."""
    recused = msgspec.structs.replace(state, recused=_with(state.recused, member))
    if state.stage is Stage.BALLOT_CLOSED and ballot_of(state).voted(member):
        return msgspec.structs.replace(recused, stage=Stage.RECALL)
    return recused


def _with(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(sorted({*names, name}))


def application_of(state: LaneState) -> Application:
    """Return the application of a lane that has one."""
    assert state.application is not None, "a lane has an application from its first event on"
    return state.application


def ballot_of(state: LaneState) -> Ballot:
    """Return the ballot of a lane in which one was called."""
    assert state.ballot is not None, "the tables let no ballot be used before its call"
    return state.ballot


def _with_ballot(
    state: LaneState, votes: tuple[Vote, ...] | None = None, tally: Tally | None = None
) -> LaneState:
    ballot = ballot_of(state)
    ballot = msgspec.structs.replace(
        ballot, votes=ballot.votes if votes is None else votes, tally=tally or ballot.tally
    )
    return msgspec.structs.replace(state, ballot=ballot)
