"""Whose days a review took, and what is overdue. Deadlines are a rule file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from sekisho.common.toml import read_toml
from sekisho.control.catalogue import Title
from sekisho.control.review.events import Event
from sekisho.control.review.stages import STAGE_OWNERS, TERMINAL, Owner, Stage
from sekisho.control.review.state import LaneState, evolve
from sekisho.control.review.values import Value
from sekisho.control.review.workdays import add_months, add_working_days

STAGE_CLOCKS: dict[Stage, str] = {
    Stage.SUBMITTED: "completeness",
    Stage.INFO_NEEDED: "missing-information",
    Stage.CONFLICT_CHECK: "decision",
    Stage.BALLOTING: "decision",
    Stage.BALLOT_CLOSED: "decision",
    Stage.RECALL: "decision",
    Stage.ESCALATED: "decision",
}
"""Which clock runs in a stage. The others of the file belong to steps that follow a permit."""


class Clock(Value, frozen=True, kw_only=True):
    """One deadline. What happens when it passes is the deployment's choice."""

    id: str
    title: Title
    amount: Annotated[int, msgspec.Meta(ge=1)]
    unit: Literal["days", "working_days", "weeks", "months"]
    owner: Literal["applicant", "body", "provider", "operator", "user", "registry", "party"]
    on_expiry: Literal["escalate", "deemed_refused", "deemed_granted", "auto_extend"]
    source: str
    extension: Annotated[int, msgspec.Meta(ge=0)] = 0
    """May be prolonged once, with a reason, by this amount."""


class ClockRule(Value, frozen=True, kw_only=True):
    """``rules/review/clocks.toml``."""

    id: str
    version: str
    clock: tuple[Clock, ...]

    def __post_init__(self) -> None:
        names = [clock.id for clock in self.clock]
        if len(set(names)) < len(names):
            raise ValueError("a clock is there twice")
        if missing := sorted(set(STAGE_CLOCKS.values()) - set(names)):
            raise ValueError(f"no clock is called {', '.join(missing)}")

    def of(self, name: str) -> Clock:
        """Return the clock called ``name``; KeyError where there is none."""
        return {clock.id: clock for clock in self.clock}[name]


@dataclass(frozen=True)
class Running:
    """The clock that runs in a lane, and the last day on which it is kept."""

    clock: Clock
    due_on: date

    def days_over(self, today: date) -> int:
        """Return the days since the deadline; 0 where it is kept."""
        return max(0, (today - self.due_on).days)


def read_clock_rule(path: Path) -> ClockRule:
    """Read the rule file."""
    return read_toml(path, ClockRule)


def clock_schema() -> dict[str, Any]:
    """Return the JSON Schema of the rule file."""
    return msgspec.json.schema(ClockRule)


def due_on(clock: Clock, start: date) -> date:
    """Return the last day of a clock that started on ``start``."""
    match clock.unit:
        case "days":
            return start + timedelta(days=clock.amount)
        case "weeks":
            return start + timedelta(weeks=clock.amount)
        case "months":
            return add_months(start, clock.amount)
        case "working_days":
            return add_working_days(start, clock.amount)


def owned_days(events: Iterable[Event], until: date | None = None) -> dict[Owner, int]:
    """Return whose days a lane has taken so far; together they are all days since submission.

    ``until`` counts an open lane up to that day; else it is counted up to its last event.
    """
    found: dict[Owner, int] = {"applicant": 0, "body": 0}
    state = LaneState()
    for event in events:
        _spend(found, state, event.on)
        state = evolve(state, event)
    if until is not None:
        _spend(found, state, until)
    return found


def review_days(events: Iterable[Event]) -> int | None:
    """Return the days from submission to the lane's end; None while it is open."""
    first: date | None = None
    state = LaneState()
    for event in events:
        first = first or event.on
        state = evolve(state, event)
    if first is None or state.last_on is None or state.stage not in TERMINAL:
        return None
    return (state.last_on - first).days


def running(events: Iterable[Event], rule: ClockRule) -> Running | None:
    """Return the clock that runs in a lane; None before its submission and after its end.

    The decision is due a time after the (first) submission in which the applicant's own days, when
    information was missing, do not count.
    """
    state = LaneState()
    first = entered = None
    history = tuple(events)
    for event in history:
        first = first or event.on
        before, state = state.stage, evolve(state, event)
        entered = event.on if state.stage is not before else entered
    name = STAGE_CLOCKS.get(state.stage)
    if name is None or first is None or entered is None:
        return None
    clock = rule.of(name)
    if name != "decision":
        return Running(clock, due_on(clock, entered))
    waited = owned_days(history)["applicant"]
    return Running(clock, due_on(clock, first) + timedelta(days=waited))


def _spend(found: dict[Owner, int], state: LaneState, until: date) -> None:
    owner = STAGE_OWNERS[state.stage]
    if owner is not None and state.last_on is not None and until > state.last_on:
        found[owner] += (until - state.last_on).days
