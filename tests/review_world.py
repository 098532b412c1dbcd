"""A committee, an application and the shipped rules: what tests of review start from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import msgspec

from sekisho.control.review import (
    Application,
    CallBallot,
    CastVote,
    CheckCompleteness,
    CloseBallot,
    Cohort,
    Command,
    Committee,
    Event,
    Facts,
    LaneDecision,
    LaneState,
    Motion,
    SealDecision,
    Seat,
    Submit,
    command_name,
    decide,
    decision_of,
    read_ballot_rule,
    read_form_rule,
    replay,
)

RULES = Path(__file__).resolve().parent.parent / "rules" / "review"
START = date(2026, 4, 11)
PAPERS = ("a" * 64,)

COMMITTEE = Committee(
    seats=(
        Seat(member="chair", organisation="body", office="chair"),
        Seat(
            member="deputy", organisation="Law Office", kind="legal", outside=True, office="deputy"
        ),
        Seat(member="method", organisation="Institute", kind="method", outside=True),
        Seat(member="lay", organisation="Patients", kind="lay", outside=True),
        Seat(member="expert", organisation="body"),
    ),
    handlers=("handler",),
    pool=(
        Seat(member="pool-lay", organisation="Citizens", kind="lay", outside=True),
        Seat(member="pool-expert", organisation="Hospital", outside=True),
        Seat(member="pool-conflicted", organisation="EXAMPLE  university", outside=True),
    ),
)

APPLICATION = Application(
    id="kidney",
    applicant="Example University",
    team=("researcher", "student"),
    purpose="research",
    tables=("person", "condition_occurrence", "measurement"),
    cohort=Cohort(codes=("44054006", "E11"), from_=date(2015, 1, 1), min_age=18),
    linkage=True,
    submitted_on=START,
)

FACTS = Facts(
    today=START,
    body="alpha",
    classes=("additional",),
    committee=COMMITTEE,
    form=read_form_rule(RULES / "application.toml"),
    ballot=read_ballot_rule(RULES / "ballot.toml"),
    recognise_days=14,
)


@dataclass
class World:
    """A lane that keeps its events, as whoever stores them would."""

    facts: Facts = FACTS
    events: list[Event] = field(default_factory=list)
    state: LaneState = field(default_factory=LaneState)
    seen: set[tuple[str, str, str]] = field(default_factory=set)
    """Every (stage, command, stage) that happened."""

    def ask(self, command: Command) -> tuple[Event, ...]:
        made = decide(self.state, command, self.facts)
        before = self.state.stage.value
        self.events += made
        self.state = replay(made, self.state)
        self.seen.add((before, command_name(command), self.state.stage.value))
        return made

    def wait(self, days: int) -> None:
        today = self.facts.today + timedelta(days=days)
        self.facts = msgspec.structs.replace(self.facts, today=today)

    def open(self, application: Application = APPLICATION) -> None:
        """Bring the lane to where a ballot can be called."""
        self.ask(Submit(by=application.team[0], application=application))
        self.ask(CheckCompleteness(by="handler"))

    def call(self, by: str = "chair") -> None:
        self.ask(CallBallot(by=by, motion=Motion(classes=self.state.classes), papers=PAPERS))

    def vote(self, members: Iterable[str], data: str = "yes", linkage: str | None = "yes") -> None:
        for member in members:
            reason = "too wide" if "no" in (data, linkage) else ""
            self.ask(CastVote(by=member, data=data, linkage=linkage, reason=reason))  # type: ignore[arg-type]

    def close(self, by: str = "chair") -> None:
        self.ask(CloseBallot(by=by))

    def seal(self, by: str = "chair") -> LaneDecision:
        self.ask(SealDecision(by=by))
        return decision_of(self.state)


ALL_SEATS = tuple(seat.member for seat in COMMITTEE.seats)
