"""Whatever anyone asks of a lane, in whatever order, its promises hold."""

from __future__ import annotations

import msgspec
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from review_world import ALL_SEATS, APPLICATION, COMMITTEE, FACTS, PAPERS, World
from sekisho.common.canonical import canonical_json
from sekisho.common.errors import Refusal
from sekisho.control.review import (
    TERMINAL,
    TRANSITIONS,
    CallBallot,
    CastVote,
    CheckCompleteness,
    CloseBallot,
    Command,
    DeclareConflict,
    LaneDecision,
    Motion,
    Recognise,
    SealDecision,
    Stage,
    Submit,
    Substitute,
    Withdraw,
    command_name,
    owned_days,
    read_events,
    replay,
    review_days,
)

POOL = tuple(seat.member for seat in COMMITTEE.pool)
TEAM = ("researcher", "student")
ACTORS = (*ALL_SEATS, *POOL, *TEAM, "handler", "stranger")
actors = st.sampled_from(ACTORS)
chairs = st.sampled_from(("chair", "chair", "deputy", "lay"))
opinions = st.sampled_from(("yes", "yes", "no", "abstain"))
FOREIGN = LaneDecision(
    body="beta",
    application=APPLICATION.id,
    application_digest=APPLICATION.fingerprint(),
    outcome="grant",
    classes=("additional", "basic"),
    granted=("additional",),
    linkage=True,
    conditions=(),
    reasons=(),
    decided_on=FACTS.today,
)


class Lane(RuleBasedStateMachine):
    """Any account asks anything, on any day."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    def ask(self, command: Command) -> None:
        before = (self.world.state.canonical(), len(self.world.events))
        stage = self.world.state.stage
        try:
            self.world.ask(command)
        except Refusal:
            # 14: a command that is refused changes nothing.
            assert (self.world.state.canonical(), len(self.world.events)) == before
        else:
            assert self.world.state.stage in TRANSITIONS[stage, command_name(command)]
            assert stage not in TERMINAL, "8: an ended lane takes no command"

    @initialize(
        linkage=st.booleans(),
        recognition=st.booleans(),
        conflicted=st.booleans(),
        tie=st.sampled_from(("recall", "refuse", "chair")),
        steps=st.integers(0, 4),
    )
    def begin(
        self, linkage: bool, recognition: bool, conflicted: bool, tie: str, steps: int
    ) -> None:
        ballot = msgspec.structs.replace(FACTS.ballot, tie=tie)
        self.world.facts = msgspec.structs.replace(
            FACTS,
            ballot=ballot,
            recognise_days=14 if recognition else None,
            classes=("additional", "hard"),
        )
        team = (*TEAM, "expert") if conflicted else TEAM
        self.application = msgspec.structs.replace(APPLICATION, linkage=linkage, team=team)
        self.go_on("chair", "yes", "yes", steps)

    @rule(by=st.sampled_from(TEAM))
    def submit(self, by: str) -> None:
        self.ask(Submit(by=by, application=self.application))

    @rule(complete=st.sampled_from((True, True, True, False)))
    def check(self, complete: bool) -> None:
        self.ask(CheckCompleteness(by="handler", missing=() if complete else ("period",)))

    @rule(member=st.sampled_from(ALL_SEATS))
    def recuse_oneself(self, member: str) -> None:
        self.recuse(member, member)

    @rule(voters=st.lists(st.sampled_from(ALL_SEATS), max_size=4), data=opinions)
    def few_vote_and_the_window_ends(self, voters: list[str], data: str) -> None:
        for member in voters:
            self.vote(member, data, data, True)
        if voters and data == "no":
            self.recuse_oneself(voters[0])
        self.wait(15)
        self.close("deputy")

    @rule(by=actors, member=actors)
    def recuse(self, by: str, member: str) -> None:
        self.ask(DeclareConflict(by=by, member=member, reason="co-author"))

    @rule(by=chairs, member=st.sampled_from(POOL))
    def substitute(self, by: str, member: str) -> None:
        self.ask(Substitute(by=by, member=member))

    @rule(by=chairs, classes=st.sampled_from((("additional",), ("additional", "hard"), ("basic",))))
    def call(self, by: str, classes: tuple[str, ...]) -> None:
        self.ask(CallBallot(by=by, motion=Motion(classes=classes), papers=PAPERS))

    @rule(by=actors, data=opinions, linkage=opinions, written=st.booleans())
    def vote(self, by: str, data: str, linkage: str, written: bool) -> None:
        asked = linkage if self.application.linkage else None
        reason = "too wide" if written else ""
        self.ask(CastVote(by=by, data=data, linkage=asked, reason=reason))  # type: ignore[arg-type]

    @rule(data=opinions, linkage=opinions)
    def all_vote(self, data: str, linkage: str) -> None:
        for member in (*ALL_SEATS, *POOL):
            self.vote(member, data, linkage, True)

    @rule(by=chairs)
    def close(self, by: str) -> None:
        self.ask(CloseBallot(by=by))

    @rule(by=chairs)
    def seal(self, by: str) -> None:
        self.ask(SealDecision(by=by))

    @rule(by=chairs)
    def recognise(self, by: str) -> None:
        self.ask(Recognise(by=by, decision=FOREIGN))

    @rule(by=st.sampled_from((*ALL_SEATS, "researcher")), chance=st.integers(0, 19))
    def withdraw(self, by: str, chance: int) -> None:
        if chance == 7:
            self.ask(Withdraw(by=by))

    @rule(by=chairs, data=opinions, linkage=opinions, steps=st.integers(1, 8))
    def go_on(self, by: str, data: str, linkage: str, steps: int) -> None:
        """What would be asked next in an ordinary case, so that cases come to an end at all."""
        for _ in range(steps):
            match self.world.state.stage:
                case Stage.NEW | Stage.INFO_NEEDED:
                    self.submit("researcher")
                case Stage.SUBMITTED:
                    self.check(True)
                case Stage.CONFLICT_CHECK | Stage.RECALL:
                    self.call(by, ("additional",))
                case Stage.BALLOTING if data == "abstain":
                    self.few_vote_and_the_window_ends(["deputy", "lay"], linkage)
                case Stage.BALLOTING:
                    self.all_vote(data, linkage)
                    self.close(by)
                case Stage.BALLOT_CLOSED:
                    self.seal(by)
                case Stage.ESCALATED:
                    self.substitute(by, "pool-lay")

    @rule(days=st.integers(0, 20))
    def wait(self, days: int) -> None:
        self.world.wait(days)

    @rule(by=actors)
    def anyone_decides(self, by: str) -> None:
        """Who has no office asks for what only an office may."""
        for command in (CloseBallot(by=by), SealDecision(by=by), CheckCompleteness(by=by)):
            if by not in ("chair", "deputy", "handler"):
                self.ask(command)

    @invariant()
    def no_decision_without_a_valid_ballot_or_a_recognised_one(self) -> None:
        """Invariant 5."""
        kinds = [type(each).__name__ for each in self.world.events]
        if self.world.state.stage is not Stage.DECIDED:
            assert "DecisionSealed" not in kinds
            assert "DecisionRecognised" not in kinds
            return
        decision = self.world.state.decision
        assert decision is not None
        if decision.recognises:
            assert self.world.facts.recognise_days is not None
            assert set(decision.granted) <= set(FOREIGN.granted)
            return
        ballot = self.world.state.ballot
        assert ballot is not None
        assert ballot.tally is not None
        eligible = {s.member for s in ballot.roster} - set(self.world.state.recused)
        # Recounted from the events, apart from the code under test.
        cast = {
            e.vote.member: e.vote
            for e in self.world.events
            if type(e).__name__ == "VoteCast" and e.round == ballot.round
        }  # type: ignore[union-attr]
        present = [vote for member, vote in cast.items() if member in ballot_seats(ballot)]
        assert len(present) == len(cast)
        counted = [vote for vote in present if vote.member in eligible]
        yes = sum(vote.data == "yes" for vote in counted)
        no = sum(vote.data == "no" for vote in counted)
        assert len(counted) >= 3
        assert 2 * len(counted) > len(eligible)
        if decision.outcome == "grant":
            assert yes >= no
            if "hard" in decision.granted:
                assert yes >= 2 * no
        if decision.linkage:
            assert self.application.linkage
            assert decision.outcome == "grant"
            assert sum(v.linkage == "yes" for v in counted) > sum(
                v.linkage == "no" for v in counted
            )

    @invariant()
    def who_is_recused_does_nothing_more(self) -> None:
        """Invariant 6."""
        out: set[str] = set()
        for each in self.world.events:
            assert each.by not in out
            if type(each).__name__ in ("ConflictDeclared", "ConflictFound"):
                out.add(each.member)  # type: ignore[union-attr]
        assert out == set(self.world.state.recused)

    @invariant()
    def roles_that_must_not_meet_do_not(self) -> None:
        """Invariant 7: who applies neither handles, nor votes, nor decides; one vote per seat."""
        team = set(self.application.team)
        votes = []
        for each in self.world.events:
            if type(each).__name__ not in ("CaseSubmitted", "CaseWithdrawn"):
                assert each.by not in team
            else:
                assert each.by in team
            if type(each).__name__ == "VoteCast":
                votes.append((each.round, each.by))  # type: ignore[union-attr]
                assert each.vote.member == each.by  # type: ignore[union-attr]
        assert len(set(votes)) == len(votes)

    @invariant()
    def the_events_alone_give_the_same_state(self) -> None:
        """Invariant 9."""
        texts = [canonical_json(each.payload()) for each in self.world.events]
        again = read_events(msgspec.json.decode(text) for text in texts)
        assert replay(again).canonical() == self.world.state.canonical()

    def teardown(self) -> None:
        event(f"ended {self.world.state.stage.value}")

    @invariant()
    def every_day_has_an_owner(self) -> None:
        """Invariant 11."""
        events = self.world.events
        if events:
            elapsed = (events[-1].on - events[0].on).days
            assert sum(owned_days(events).values()) == elapsed
            ended = self.world.state.stage in TERMINAL
            assert review_days(events) == (elapsed if ended else None)


def ballot_seats(ballot: object) -> set[str]:
    return {seat.member for seat in ballot.roster}  # type: ignore[attr-defined]


Lane.TestCase.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
TestLane = Lane.TestCase
