"""A lane, step by step: each promise of the review room by an example."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec
import pytest

from review_world import ALL_SEATS, APPLICATION, FACTS, PAPERS, World
from sekisho.common.canonical import canonical_json
from sekisho.common.errors import Refusal, TamperError, UserError
from sekisho.control.review import (
    COMMAND_ROLES,
    STAGE_OWNERS,
    TERMINAL,
    TRANSITIONS,
    CallBallot,
    CastVote,
    CheckCompleteness,
    CloseBallot,
    Command,
    DeclareConflict,
    LaneState,
    Motion,
    Recognise,
    SealDecision,
    Stage,
    Submit,
    Substitute,
    Withdraw,
    can,
    command_name,
    decide,
    decision_of,
    read_command,
    read_events,
    replay,
    stage_diagram,
)

OTHER_LANE = msgspec.structs.replace(FACTS, body="beta")


def opened() -> World:
    world = World()
    world.open()
    return world


def refused(world: World, command: Command, code: str) -> Refusal:
    before = world.state.canonical()
    with pytest.raises(Refusal) as caught:
        world.ask(command)
    assert caught.value.code == f"review.{code}"
    assert caught.value.rule
    assert world.state.canonical() == before
    assert not can(world.state, command, world.facts)
    return caught.value


def motion(*classes: str) -> CallBallot:
    return CallBallot(by="chair", motion=Motion(classes=classes or ("additional",)), papers=PAPERS)


def test_a_case_is_granted_by_its_committee() -> None:
    world = opened()
    world.wait(20)
    world.call()
    world.vote(ALL_SEATS)
    world.close()
    decision = world.seal()
    assert (decision.outcome, decision.granted, decision.linkage) == (
        "grant",
        ("additional",),
        True,
    )
    assert decision.reasons == ()
    assert world.state.stage is Stage.DECIDED


def test_a_refusal_gives_the_written_reasons_and_no_names() -> None:
    world = opened()
    world.call()
    world.vote(("chair", "lay"))
    world.vote(("deputy", "method", "expert"), "no", "no")
    world.close()
    decision = world.seal()
    assert (decision.outcome, decision.granted, decision.linkage) == ("refuse", (), False)
    assert decision.reasons == ("too wide",)
    assert not any(seat in canonical_json(decision.payload()).decode() for seat in ALL_SEATS)


def test_data_can_be_granted_without_linkage() -> None:
    world = opened()
    world.call()
    world.vote(("chair", "lay"))
    world.vote(("deputy", "method", "expert"), "yes", "no")
    world.close()
    decision = world.seal()
    assert (decision.outcome, decision.linkage, decision.reasons) == ("grant", False, ("too wide",))


def test_a_tie_on_linkage_is_no_linkage() -> None:
    world = opened()
    world.call()
    world.vote(("chair", "lay"))
    world.vote(("deputy", "method"), "yes", "no")
    world.vote(("expert",), "yes", "abstain")
    world.close()
    assert not world.seal().linkage


def test_linkage_is_voted_on_only_where_it_is_asked_for() -> None:
    world = opened()
    world.call()
    refused(world, CastVote(by="lay", data="yes"), "linkage-question")
    plain = World()
    plain.open(msgspec.structs.replace(APPLICATION, linkage=False))
    plain.call()
    refused(plain, CastVote(by="lay", data="yes", linkage="yes"), "linkage-question")
    plain.vote(ALL_SEATS, linkage=None)
    plain.close()
    decision = plain.seal()
    assert (decision.outcome, decision.linkage, decision.reasons) == ("grant", False, ())


@pytest.mark.parametrize("form", ["anonymised", "table"])
def test_a_form_that_cannot_be_made_yet_is_refused_at_submission(form: str) -> None:
    world = World()
    application = msgspec.structs.replace(APPLICATION, form=form)
    with pytest.raises(Refusal, match="not offered yet in this version"):
        world.ask(Submit(by="researcher", application=application))
    assert world.events == []


def test_advertising_is_no_purpose() -> None:
    application = msgspec.structs.replace(APPLICATION, purpose="advertising")
    with pytest.raises(Refusal) as caught:
        World().ask(Submit(by="researcher", application=application))
    assert caught.value.code == "application.purpose-refused"
    assert caught.value.rule
    unknown = msgspec.structs.replace(APPLICATION, purpose="fun")
    with pytest.raises(UserError, match="no purpose"):
        World().ask(Submit(by="researcher", application=unknown))


def test_missing_information_is_asked_for_and_the_case_goes_on() -> None:
    world = World()
    world.ask(Submit(by="researcher", application=APPLICATION))
    world.ask(CheckCompleteness(by="handler", missing=("period",)))
    assert world.state.stage is Stage.INFO_NEEDED
    other = msgspec.structs.replace(APPLICATION, id="liver")
    refused(world, Submit(by="researcher", application=other), "other-case")
    joined = msgspec.structs.replace(APPLICATION, team=("researcher", "handler"))
    refused(world, Submit(by="researcher", application=joined), "handler-in-team")
    stranger = msgspec.structs.replace(APPLICATION, team=("stranger",))
    refused(world, Submit(by="stranger", application=stranger), "not-allowed")
    world.ask(Submit(by="student", application=APPLICATION))
    world.ask(CheckCompleteness(by="handler"))
    assert world.state.stage is Stage.CONFLICT_CHECK


def test_who_is_of_the_team_or_of_the_applicants_house_does_not_judge() -> None:
    world = World()
    world.open(msgspec.structs.replace(APPLICATION, team=("researcher", "expert")))
    assert world.state.recused == ("expert",)
    world.call()
    refused(world, CastVote(by="expert", data="yes", linkage="yes"), "recused")
    house = World()
    house.open(msgspec.structs.replace(APPLICATION, applicant="Ｌａｗ　office"))
    assert house.state.recused == ("deputy",)
    refused(
        house,
        CallBallot(by="deputy", motion=Motion(classes=("additional",)), papers=PAPERS),
        "recused",
    )


def test_a_conflicted_newcomer_is_found_before_the_ballot() -> None:
    world = opened()
    seats = [
        msgspec.structs.replace(seat, organisation="Example University")
        if seat.member == "chair"
        else seat
        for seat in world.facts.committee.seats
    ]
    committee = msgspec.structs.replace(world.facts.committee, seats=tuple(seats))
    world.facts = msgspec.structs.replace(world.facts, committee=committee)
    refused(world, motion(), "conflicted")
    world.call("deputy")
    assert world.state.recused == ("chair",)
    assert "chair" not in {s.member for s in world.state.ballot.roster}  # type: ignore[union-attr]


def test_a_recused_member_takes_no_further_part() -> None:
    world = opened()
    refused(world, DeclareConflict(by="expert", member="lay", reason="rival"), "recuse-other")
    refused(world, DeclareConflict(by="expert", member="expert", reason=" "), "reason")
    world.ask(DeclareConflict(by="expert", member="expert", reason="co-author"))
    world.ask(DeclareConflict(by="chair", member="method", reason="paid by the applicant"))
    for command in (
        DeclareConflict(by="expert", member="expert", reason="again"),
        Withdraw(by="expert"),
    ):
        assert not can(world.state, command, world.facts)
    refused(world, DeclareConflict(by="chair", member="expert", reason="again"), "no-such-seat")
    world.call()
    refused(world, DeclareConflict(by="chair", member="lay", reason="rival"), "recuse-other")
    refused(world, CastVote(by="expert", data="yes", linkage="yes"), "recused")


def test_a_vote_stands_and_each_seat_has_one() -> None:
    world = opened()
    world.call()
    world.vote(("lay",))
    refused(world, CastVote(by="lay", data="no", linkage="no", reason="thought again"), "voted")
    refused(world, CastVote(by="method", data="no", linkage="no"), "reason")
    refused(world, CastVote(by="method", data="no", linkage="no", reason="x" * 5000), "reason")
    refused(world, CastVote(by="researcher", data="yes", linkage="yes"), "not-allowed")
    refused(world, CastVote(by="stranger", data="yes", linkage="yes"), "not-allowed")
    refused(world, CastVote(by="handler", data="yes", linkage="yes"), "not-allowed")


def test_who_comes_or_goes_during_a_ballot_does_not_change_it() -> None:
    world = opened()
    world.call()
    world.vote(("lay", "expert"))
    seats = (
        *(seat for seat in world.facts.committee.seats if seat.member != "expert"),
        msgspec.structs.replace(world.facts.committee.pool[0], member="newcomer"),
    )
    committee = msgspec.structs.replace(world.facts.committee, seats=seats)
    world.facts = msgspec.structs.replace(world.facts, committee=committee)
    refused(world, CastVote(by="newcomer", data="yes", linkage="yes"), "not-on-roster")
    world.vote(("chair", "deputy", "method"))
    world.close()
    assert world.state.ballot.tally.present == 5  # type: ignore[union-attr]


def test_a_ballot_stays_open_until_all_have_voted_or_its_window_ends() -> None:
    world = opened()
    world.call()
    world.vote(("chair", "deputy", "lay"))
    refused(world, CloseBallot(by="chair"), "window-open")
    world.wait(FACTS.ballot.window_days)
    world.vote(("method",))
    refused(world, CloseBallot(by="deputy"), "window-open")
    world.wait(1)
    refused(world, CastVote(by="expert", data="yes", linkage="yes"), "window-closed")
    world.close("deputy")
    assert world.state.stage is Stage.BALLOT_CLOSED


def test_a_ballot_without_quorum_is_called_once_more_then_escalated() -> None:
    world = opened()
    for expected in (Stage.RECALL, Stage.ESCALATED):
        world.call()
        world.vote(("chair", "deputy"))
        world.wait(15)
        world.close()
        assert world.state.stage is expected
        assert "quorum" in world.state.ballot.tally.lacking  # type: ignore[union-attr]
    refused(world, motion(), "wrong-stage")
    world.ask(Substitute(by="chair", member="pool-lay"))
    world.call()
    assert world.state.ballot.round == 3  # type: ignore[union-attr]
    world.vote((*ALL_SEATS, "pool-lay"))
    world.close()
    assert world.seal().outcome == "grant"


def test_a_tie_is_called_once_more() -> None:
    world = opened()
    world.call()
    world.vote(("chair", "lay"))
    world.vote(("deputy", "method"), "no", "no")
    world.vote(("expert",), "abstain", "abstain")
    world.close()
    assert world.state.stage is Stage.RECALL
    assert world.state.ballot.tally.validity == "tied"  # type: ignore[union-attr]


def test_recusals_that_make_a_quorum_impossible_ask_for_substitutes() -> None:
    world = opened()
    for member in ("deputy", "method", "lay"):
        world.ask(DeclareConflict(by=member, member=member, reason="co-author"))
    assert "quorum" in str(refused(world, motion(), "no-quorum-possible"))
    refused(world, Substitute(by="chair", member="pool-conflicted"), "no-substitute")
    refused(world, Substitute(by="chair", member="stranger"), "no-substitute")
    for member in ("pool-lay", "pool-expert"):
        world.ask(Substitute(by="chair", member=member))
    refused(world, Substitute(by="chair", member="pool-lay"), "no-substitute")
    world.call()


def test_a_conflict_that_comes_out_after_the_count_voids_the_ballot() -> None:
    world = opened()
    world.call()
    world.vote(ALL_SEATS)
    world.close()
    refused(world, DeclareConflict(by="chair", member="lay", reason="rival"), "recuse-other")
    world.ask(DeclareConflict(by="lay", member="lay", reason="my own study"))
    assert world.state.stage is Stage.RECALL
    refused(world, SealDecision(by="chair"), "wrong-stage")


def test_the_vote_of_who_recuses_during_the_ballot_is_kept_but_not_counted() -> None:
    world = opened()
    world.call()
    world.vote(("chair", "lay"))
    world.vote(("deputy", "method"), "no", "no")
    world.ask(DeclareConflict(by="method", member="method", reason="my own study"))
    world.vote(("expert",), "abstain", "abstain")
    world.close()
    ballot = world.state.ballot
    assert ballot is not None
    assert ballot.tally is not None
    assert (ballot.tally.eligible, ballot.tally.yes, ballot.tally.no) == (4, 2, 1)
    assert len(ballot.votes) == 5
    assert world.seal().outcome == "grant"


def test_a_ballot_needs_papers_and_data_that_the_lane_decides_on() -> None:
    world = opened()
    refused(world, motion("basic"), "motion-too-wide")
    bare = CallBallot(by="chair", motion=Motion(classes=("additional",)), papers=())
    refused(world, bare, "no-papers")
    with pytest.raises(UserError):
        world.ask(msgspec.structs.replace(bare, papers=("not a digest",)))


def test_the_clock_does_not_go_back() -> None:
    world = opened()
    world.wait(-1)
    refused(world, Withdraw(by="researcher"), "clock-backwards")


def test_a_body_that_decides_on_nothing_takes_no_application() -> None:
    world = World(msgspec.structs.replace(FACTS, classes=()))
    refused(world, Submit(by="researcher", application=APPLICATION), "not-competent")
    late = msgspec.structs.replace(APPLICATION, submitted_on=FACTS.today.replace(year=2030))
    refused(World(), Submit(by="researcher", application=late), "future")


def granted_by_beta() -> World:
    world = World(OTHER_LANE)
    world.open()
    world.call()
    world.vote(ALL_SEATS)
    world.close()
    world.seal()
    return world


def test_another_bodys_decision_is_taken_over_where_the_framework_lets_it() -> None:
    first = decision_of(granted_by_beta().state)
    world = opened()
    world.wait(3)
    world.ask(Recognise(by="chair", decision=first))
    taken = decision_of(world.state)
    assert (taken.body, taken.recognises, taken.granted, taken.linkage) == (
        "alpha",
        "beta",
        ("additional",),
        True,
    )


@pytest.mark.parametrize(
    "change",
    [
        {"application_digest": "0" * 64},
        {"application": "liver"},
        {"classes": ("basic",), "granted": ("basic",)},
        {"recognises": "gamma"},
        {"body": "alpha"},
    ],
)
def test_a_decision_on_something_else_is_not_taken_over(change: dict[str, object]) -> None:
    first = decision_of(granted_by_beta().state)
    other = msgspec.structs.replace(first, **change)
    refused(opened(), Recognise(by="chair", decision=other), "not-recognisable")


def test_recognition_ends_after_its_days_and_is_off_by_default() -> None:
    first = decision_of(granted_by_beta().state)
    world = opened()
    world.wait(15)
    refused(world, Recognise(by="chair", decision=first), "not-recognisable")
    off = World(msgspec.structs.replace(FACTS, recognise_days=None))
    off.open()
    refused(off, Recognise(by="chair", decision=first), "not-recognisable")


# --- the tables ------------------------------------------------------------------------------


def test_the_tables_speak_of_every_stage_and_command() -> None:
    commands = {str(kind.__struct_config__.tag) for kind in Command.__args__}  # type: ignore[attr-defined]
    assert set(STAGE_OWNERS) == set(Stage)
    assert set(COMMAND_ROLES) == commands == {name for _, name in TRANSITIONS}
    assert {stage for stage, _ in TRANSITIONS} == set(Stage) - TERMINAL
    reached = {target for targets in TRANSITIONS.values() for target in targets}
    assert reached == set(Stage) - {Stage.NEW}
    for (stage, _), targets in TRANSITIONS.items():
        for target in targets:
            assert f"{stage.value} --> {target.value}" in stage_diagram()


def _conflict(member: str) -> DeclareConflict:
    return DeclareConflict(by=member, member=member, reason="co-author")


def _fail_ballot(world: World) -> None:
    world.call()
    world.wait(15)
    world.close()


def _incomplete(world: World) -> None:
    world.ask(Submit(by="researcher", application=APPLICATION))
    world.ask(CheckCompleteness(by="handler", missing=("period",)))


def _counted(world: World) -> None:
    world.open()
    world.call()
    world.vote(("chair", "deputy", "lay"))
    world.wait(15)
    world.close()


def _recall(world: World) -> None:
    world.open()
    _fail_ballot(world)


def _escalated(world: World) -> None:
    _recall(world)
    _fail_ballot(world)


def _balloting(world: World) -> None:
    world.open()
    world.call()


def _submitted(world: World) -> None:
    world.ask(Submit(by="researcher", application=APPLICATION))


def _decided(world: World) -> None:
    _counted(world)
    world.seal()


def _withdrawn(world: World) -> None:
    world.open()
    world.ask(Withdraw(by="researcher"))


REACH: dict[Stage, Callable[[World], None]] = {
    Stage.NEW: lambda world: None,
    Stage.SUBMITTED: _submitted,
    Stage.INFO_NEEDED: _incomplete,
    Stage.CONFLICT_CHECK: World.open,
    Stage.BALLOTING: _balloting,
    Stage.BALLOT_CLOSED: _counted,
    Stage.RECALL: _recall,
    Stage.ESCALATED: _escalated,
    Stage.DECIDED: _decided,
    Stage.WITHDRAWN: _withdrawn,
}
ASKED: tuple[Command, ...] = (
    Submit(by="researcher", application=APPLICATION),
    CheckCompleteness(by="handler"),
    CheckCompleteness(by="handler", missing=("period",)),
    _conflict("expert"),
    _conflict("lay"),
    Substitute(by="chair", member="pool-lay"),
    motion(),
    CastVote(by="lay", data="yes", linkage="yes"),
    CloseBallot(by="chair"),
    SealDecision(by="chair"),
    Recognise(by="chair", decision=decision_of(granted_by_beta().state)),
    Withdraw(by="researcher"),
)


def test_every_transition_of_the_table_is_reached_and_no_other() -> None:
    seen: set[tuple[str, str, str]] = set()
    for stage, reach in REACH.items():
        for command in ASKED:
            world = World()
            reach(world)
            assert world.state.stage is stage
            known = (stage, command_name(command)) in TRANSITIONS
            if not known:
                refused(world, command, "wrong-stage")
            elif can(world.state, command, world.facts):
                world.ask(command)
            seen |= world.seen
    table = {
        (stage.value, command, target.value)
        for (stage, command), targets in TRANSITIONS.items()
        for target in targets
    }
    assert seen == table


# --- events ----------------------------------------------------------------------------------


def test_events_come_back_from_their_text_and_give_the_same_state() -> None:
    world = World()
    _escalated(world)
    world.ask(Substitute(by="chair", member="pool-lay"))
    world.call()
    world.vote((*ALL_SEATS, "pool-lay"), "yes", "no")
    world.close()
    world.seal()
    texts = [canonical_json(event.payload()) for event in world.events]
    events = read_events(json.loads(text) for text in texts)
    assert [canonical_json(event.payload()) for event in events] == texts
    assert replay(events).canonical() == world.state.canonical()


def test_a_history_with_an_event_lost_doubled_or_moved_is_found() -> None:
    world = opened()
    world.call()
    world.vote(("lay", "method"))
    events = world.events
    for wrong in (
        events[1:],
        events[:2] + events[3:],
        [*events[:3], events[2], *events[3:]],
        [*events[:3], events[4], events[3]],
    ):
        with pytest.raises(TamperError):
            replay(wrong)
    renumbered = msgspec.structs.replace(events[0], seq=len(events) + 1)
    with pytest.raises(TamperError):
        replay([*events, renumbered])


def test_what_is_no_event_or_command_is_refused() -> None:
    with pytest.raises(UserError):
        read_events([{"event": "permit_granted_by_nobody", "seq": 1}])
    with pytest.raises(UserError):
        read_command({"command": "withdraw", "by": "x", "force": True})
    assert read_command(Withdraw(by="x").payload()) == Withdraw(by="x")


def test_deciding_does_not_change_what_was_asked() -> None:
    state = LaneState()
    command = Submit(by="researcher", application=APPLICATION)
    assert decide(state, command, FACTS) == decide(state, command, FACTS)
    assert state == LaneState()
