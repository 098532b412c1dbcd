"""What the actors of a rehearsal state in writing: applications, choices, changes of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from sekisho.control.optout import Proxy, ask_again_on
from sekisho.rehearsal.scenario import Application, Cohort, OptOut, Scenario

Form = dict[str, Any]


def application(asked: Application, account: str, on: date) -> Form:
    """Return an application as its window takes it."""
    return {
        "id": asked.id,
        "applicant": asked.applicant,
        "team": [account],
        "purpose": asked.purpose,
        "tables": list(asked.tables),
        "submitted_on": on.isoformat(),
        "columns": [
            {"table": table, "columns": list(columns)} for table, columns in asked.columns.items()
        ],
        "cohort": _cohort(asked.cohort),
        "linkage": asked.linkage,
        "form": asked.form,
        "enclave": asked.enclave,
    }


def on_whose_behalf(scenario: Scenario, choice: OptOut, ages: Sequence[int]) -> Form:
    """Return what a desk's client adds to a choice: from when, who speaks, when to ask again.

    ``ages``: those at which a guardian's choice is put to the person.
    """
    said: Form = {}
    if choice.effective_from is not None:
        said["effective_from"] = _day(scenario, choice.effective_from).isoformat()
    if choice.proxy is None:
        return said
    until = None if choice.authority_until is None else _day(scenario, choice.authority_until)
    said["proxy"] = Proxy(choice.proxy, choice.authority_checked, until).payload()
    birth = scenario.birth_of(choice.person)
    if choice.proxy == "guardian" and birth is not None:
        again = ask_again_on(birth, _day(scenario, choice.day), ages)
        said["ask_again_on"] = None if again is None else again.isoformat()
    return said


def made_changes(scenario: Scenario, today: date) -> Iterator[tuple[tuple[int, date], Form]]:
    """Yield what changed for made people since their records began: which change, its form."""
    first = scenario.period().first
    for person in scenario.people():
        for old, new in pairwise(person.episodes):
            if first < new.since <= today and new.heard:
                form = _change(old.spec(), new.spec(), new.since, new.reason, split=False)
                yield (person.number, new.since), form


def named_changes(scenario: Scenario, day: int) -> Iterator[Form]:
    """Yield the changes of numbers that a scenario itself names for a day."""
    for one in scenario.number_change:
        if one.day == day:
            yield _change(
                scenario.spec_of(one.old, day),
                scenario.spec_of(one.new, day),
                one.valid_from or _day(scenario, day),
                one.reason,
                split=one.split,
            )


def plain(spec: Form) -> Form:
    """Return how a person is named, as JSON can say it."""
    return {k: v.isoformat() if isinstance(v, date) else v for k, v in spec.items()}


def _change(old: Form, new: Form, since: date, reason: str, *, split: bool) -> Form:
    return {
        "old": plain(old),
        "new": plain(new),
        "valid_from": since.isoformat(),
        "reason": reason,
        "split": split,
    }


def _cohort(cohort: Cohort) -> Form:
    said: Form = {"codes": list(cohort.codes), "concepts": list(cohort.concepts)}
    for name, value in (("from", cohort.from_), ("to", cohort.to)):
        if value is not None:
            said[name] = value.isoformat()
    for name, age in (("min_age", cohort.min_age), ("max_age", cohort.max_age)):
        if age is not None:
            said[name] = age
    return said


def _day(scenario: Scenario, day: int) -> date:
    return scenario.start + timedelta(days=day)
