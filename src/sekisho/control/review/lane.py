"""The answer of a lane to a command: what then happened, or a refusal. Pure: nothing is changed.

A lane is one body's review of one application, from submission to its sealed decision. Whoever
stores the events makes them durable, enters their digests in the ledger and tells those concerned.
"""

from __future__ import annotations

import msgspec

from sekisho.common.errors import Refusal
from sekisho.control.review import commands as c
from sekisho.control.review import events as e
from sekisho.control.review.actors import check_actor_may
from sekisho.control.review.balloting import call_ballot, cast_vote, close_ballot
from sekisho.control.review.deciding import recognise, sealed
from sekisho.control.review.facts import Facts, refuse
from sekisho.control.review.opening import declare_conflict, found, submit, substitute
from sekisho.control.review.stages import TRANSITIONS
from sekisho.control.review.state import LaneState


def command_name(command: c.Command) -> str:
    """Return the name of a command as the tables of stages have it."""
    return str(command.__struct_config__.tag)


def decide(state: LaneState, command: c.Command, facts: Facts) -> tuple[e.Event, ...]:
    """Return what happens when ``command`` is asked of the lane.

    Raises:
        Refusal: a rule says no; the lane is as it was.
        UserError: the command itself is wrong.
    """
    name = command_name(command)
    if (state.stage, name) not in TRANSITIONS:
        possible = sorted(asked for stage, asked in TRANSITIONS if stage is state.stage)
        refuse(
            "wrong-stage",
            f"{name} cannot be asked of a lane that is {state.stage.value}.",
            "the stages of a lane",
            "possible now: " + (", ".join(possible) or "nothing, the lane has ended"),
        )
    if state.last_on is not None and facts.today < state.last_on:
        refuse(
            "clock-backwards",
            f"Today ({facts.today}) lies before the lane's last event ({state.last_on}).",
            "the events of a lane are in order of time",
            "set the clock of this body",
        )
    application = state.application
    if application is None and isinstance(command, c.Submit):
        application = command.application
    check_actor_may(state, facts.committee, application, command.by, name)
    events = _answer(state, command, facts)
    return tuple(
        msgspec.structs.replace(event, seq=state.seq + number)
        for number, event in enumerate(events, start=1)
    )


def can(state: LaneState, command: c.Command, facts: Facts) -> bool:
    """Return whether `decide` would let ``command`` happen."""
    try:
        decide(state, command, facts)
    except Refusal:
        return False
    return True


def _answer(state: LaneState, command: c.Command, facts: Facts) -> list[e.Event]:
    on, by = facts.today, command.by
    match command:
        case c.Submit():
            return submit(state, command, facts)
        case c.CheckCompleteness(missing=missing):
            if missing:
                return [e.InformationRequested(seq=0, on=on, by=by, missing=missing)]
            return [e.CompletenessConfirmed(seq=0, on=on, by=by), *found(state, facts)]
        case c.DeclareConflict():
            return declare_conflict(state, command, facts)
        case c.Substitute():
            return substitute(state, command, facts)
        case c.CallBallot():
            return call_ballot(state, command, facts)
        case c.CastVote():
            return cast_vote(state, command, facts)
        case c.CloseBallot():
            return close_ballot(state, command, facts)
        case c.SealDecision():
            return [e.DecisionSealed(seq=0, on=on, by=by, decision=sealed(state, facts))]
        case c.Recognise():
            return recognise(state, command, facts)
        case c.Withdraw():
            return [e.CaseWithdrawn(seq=0, on=on, by=by)]
