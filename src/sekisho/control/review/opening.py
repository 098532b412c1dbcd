"""Before a ballot: an application comes in, is found complete, and finds judges without a stake."""

from __future__ import annotations

from sekisho.control.review import commands as c
from sekisho.control.review import events as e
from sekisho.control.review.actors import conflict, seats_of
from sekisho.control.review.facts import Facts, refuse, written
from sekisho.control.review.forms import check_admissible
from sekisho.control.review.stages import Stage
from sekisho.control.review.state import LaneState, application_of


def submit(state: LaneState, command: c.Submit, facts: Facts) -> list[e.Event]:
    """Take an application in, or its mended form."""
    application = command.application
    check_admissible(application, facts.form)
    if not facts.classes:
        refuse(
            "not-competent",
            f"{facts.body!r} decides on none of the data asked for.",
            "the framework's assignment of review",
            "hand the application in at a body that does",
        )
    if application.submitted_on > facts.today:
        refuse(
            "future",
            "The application is dated on a day that has not come.",
            "an application is dated on the day it is handed in",
            "correct the date",
        )
    if state.application is not None and state.application.id != application.id:
        refuse(
            "other-case",
            f"This lane is about the application {state.application.id!r}.",
            "an application keeps its id when it is mended",
            "hand in another application as a new one",
        )
    if set(application.team) & set(state.handled_by):
        refuse(
            "handler-in-team",
            "Who handled this case is named in its team.",
            "conflict of interest: nobody handles their own case",
            "take that account out of the team",
        )
    return [
        e.CaseSubmitted(
            seq=0,
            on=facts.today,
            by=command.by,
            body=facts.body,
            application=application,
            classes=tuple(sorted(set(facts.classes))),
            rule=f"{facts.form.id} {facts.form.version}",
        )
    ]


def found(state: LaneState, facts: Facts) -> list[e.Event]:
    """Return the conflicts that a rule can see and nobody has declared."""
    application = application_of(state)
    return [
        e.ConflictFound(seq=0, on=facts.today, by=e.SYSTEM, member=seat.member, ground=ground)
        for seat in seats_of(state, facts.committee)
        if seat.member not in state.recused and (ground := conflict(application, seat))
    ]


def declare_conflict(state: LaneState, command: c.DeclareConflict, facts: Facts) -> list[e.Event]:
    """Recuse a member: by themselves, or by the chair as long as no ballot runs."""
    members = {seat.member: seat for seat in seats_of(state, facts.committee)}
    written(command.reason, "a recusal")
    if command.member not in members or command.member in state.recused:
        refuse(
            "no-such-seat",
            "That account has no seat in this lane, or is recused already.",
            "only who has a seat can be recused",
            "check the account",
        )
    voting = state.stage in (Stage.BALLOTING, Stage.BALLOT_CLOSED)
    offices = {seat.member for seat in members.values() if seat.office != "member"}
    if command.by != command.member and (voting or command.by not in offices):
        refuse(
            "recuse-other",
            "Only the chair recuses another member, and never from the call of a ballot on.",
            "conflict of interest: nobody takes away another's vote",
            "let the member declare the conflict",
        )
    return [
        e.ConflictDeclared(
            seq=0,
            on=facts.today,
            by=command.by,
            member=command.member,
            reason=command.reason,
        )
    ]


def substitute(state: LaneState, command: c.Substitute, facts: Facts) -> list[e.Event]:
    """Call in a free member of the pool."""
    taken = {seat.member for seat in seats_of(state, facts.committee)}
    for seat in facts.committee.pool:
        if seat.member == command.member and seat.member not in taken:
            if conflict(application_of(state), seat):
                break
            return [e.MemberSubstituted(seq=0, on=facts.today, by=command.by, seat=seat)]
    refuse(
        "no-substitute",
        "That account is not free in the pool of substitutes, or is in conflict with the case.",
        "substitutes come from the pool and judge no application of their own organisation",
        "choose another member of the pool",
    )
