"""Applications: valid or not there; rule files: sourced or not read."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from review_world import ALL_SEATS, APPLICATION, COMMITTEE, FACTS, START, World
from sekisho.common.errors import UserError
from sekisho.control.catalogue import TableColumns
from sekisho.control.review import (
    Application,
    Cohort,
    ballot_schema,
    clock_schema,
    committee_schema,
    due_on,
    fields_typed,
    form_schema,
    joining_schema,
    owned_days,
    permit_schema,
    read_ballot_rule,
    read_clock_rule,
    read_committee,
    read_form_rule,
    read_joining_rule,
    read_permit_rule,
    review_days,
    running,
)
from sekisho.control.review.commands import CheckCompleteness, Submit
from sekisho.control.review.workdays import add_months, add_working_days


def test_an_application_comes_back_from_its_text() -> None:
    text = json.dumps(APPLICATION.payload())
    assert Application.from_payload(json.loads(text)) == APPLICATION
    assert json.loads(text)["cohort"]["from"] == "2015-01-01"


@pytest.mark.parametrize(
    "change",
    [
        {"id": "Kidney/.."},
        {"id": "a:b"},
        {"applicant": " "},
        {"team": []},
        {"team": ["a", "a"]},
        {"team": ["has space"]},
        {"purpose": ""},
        {"tables": []},
        {"tables": ["patients"]},
        {"columns": [{"table": "person", "columns": ["name"]}]},
        {"cohort": {"codes": ["E11", "E11"]}},
        {"cohort": {"codes": ["E 11"]}},
        {"cohort": {"from": "2020-02-01", "to": "2020-01-01"}},
        {"cohort": {"min_age": 80, "max_age": 18}},
        {"cohort": {"min_age": -1}},
        {"cohort": {"max_age": 151}},
        {"cohort": {"sex": "f"}},
        {"period": {"from": "2020-02-01", "to": "2020-01-01"}},
        {"submitted_on": "yesterday"},
        {"linkage": "yes"},
        {"note": "please"},
    ],
)
def test_an_application_that_cannot_be_meant_does_not_exist(change: dict[str, Any]) -> None:
    with pytest.raises(UserError) as caught:
        Application.from_payload({**APPLICATION.payload(), **change})
    assert caught.value.next_step


def test_every_entry_of_the_form_counts_once() -> None:
    plain = Application(
        id="a",
        applicant="A",
        team=("x",),
        purpose="research",
        tables=("person",),
        submitted_on=START,
    )
    assert fields_typed(plain) == 5
    assert fields_typed(APPLICATION) == 3 + 2 + 3 + 2 + 2 + 1
    more = msgspec.structs.replace(
        plain,
        columns=(TableColumns("person", ("year_of_birth", "gender_source_value")),),
        cohort=Cohort(max_age=70),
        environment="alpha",
    )
    assert fields_typed(more) == 5 + 2 + 1 + 1


# --- clocks ----------------------------------------------------------------------------------


def test_the_days_of_a_review_are_shared_out_without_a_rest(root: Path) -> None:
    rule = read_clock_rule(root / "rules" / "review" / "clocks.toml")
    world = World()
    assert running(world.events, rule) is None
    world.ask(Submit(by="researcher", application=APPLICATION))
    clock = running(world.events, rule)
    assert clock is not None
    assert (clock.clock.id, clock.due_on) == ("completeness", date(2026, 4, 24))
    world.wait(3)
    world.ask(CheckCompleteness(by="handler", missing=("period",)))
    waiting = running(world.events, rule)
    assert waiting is not None
    assert (waiting.clock.owner, waiting.due_on) == ("applicant", date(2026, 5, 12))
    world.wait(10)
    world.ask(Submit(by="researcher", application=APPLICATION))
    world.ask(CheckCompleteness(by="handler"))
    deciding = running(world.events, rule)
    assert deciding is not None
    assert (deciding.clock.id, deciding.due_on) == ("decision", date(2026, 7, 21))
    assert deciding.days_over(date(2026, 7, 21)) == 0
    assert deciding.days_over(date(2026, 7, 23)) == 2
    assert review_days(world.events) is None
    world.wait(7)
    assert owned_days(world.events, world.facts.today) == {"applicant": 10, "body": 10}
    world.call()
    world.vote(ALL_SEATS)
    world.close()
    world.seal()
    assert review_days(world.events) == 20
    assert owned_days(world.events) == {"applicant": 10, "body": 10}
    assert running(world.events, rule) is None


def test_deadlines_are_counted_as_people_count_them(root: Path) -> None:
    assert add_months(date(2026, 8, 31), 6) == date(2027, 2, 28)
    assert add_months(date(2026, 12, 1), 1) == date(2027, 1, 1)
    assert add_working_days(date(2026, 4, 10), 1) == date(2026, 4, 13)
    rule = read_clock_rule(root / "rules" / "review" / "clocks.toml")
    for clock in rule.clock:
        assert due_on(clock, START) > START
        assert clock.on_expiry != "deemed_granted", "silence grants nothing by default"


# --- rule files ------------------------------------------------------------------------------

FILES: dict[str, tuple[Callable[[Path], Any], Callable[[], dict[str, Any]]]] = {
    "application.toml": (read_form_rule, form_schema),
    "ballot.toml": (read_ballot_rule, ballot_schema),
    "clocks.toml": (read_clock_rule, clock_schema),
    "joining.toml": (read_joining_rule, joining_schema),
    "permit.toml": (read_permit_rule, permit_schema),
}


def test_every_shipped_rule_is_read_and_meets_its_schema(root: Path) -> None:
    folder = root / "rules" / "review"
    assert {file.name for file in folder.iterdir()} == set(FILES)
    for name, (read, schema) in FILES.items():
        read(folder / name)
        jsonschema.validate(tomllib.loads((folder / name).read_text("utf-8")), schema())


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("ballot.toml", 'tie = "recall"', 'tie = "coin"'),
        ("ballot.toml", 'lay_least = "Sekisho', 'lay_most = "Sekisho'),
        ("ballot.toml", "quorum_least = 3", "quorum_least = 3\ncolour = 1"),
        ("ballot.toml", 'quorum_over = "1/2"', 'quorum_over = "1/0"'),
        ("permit.toml", "max_months = 6", "max_months = 0"),
        ("joining.toml", "recognise_days = 14", "recognise_days = 1.5"),
        ("clocks.toml", 'id = "decision"', 'id = "decisions"'),
        ("clocks.toml", 'id = "hearing"', 'id = "deletion"'),
    ],
)
def test_a_rule_without_source_or_sense_is_refused(
    root: Path, tmp_path: Path, name: str, old: str, new: str
) -> None:
    text = (root / "rules" / "review" / name).read_text("utf-8")
    assert old in text
    file = tmp_path / name
    file.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(UserError):
        FILES[name][0](file)


def test_a_committee_is_read_from_a_file(tmp_path: Path) -> None:
    lines = ['handlers = ["handler"]']
    for seat in COMMITTEE.seats:
        lines += ["[[seats]]", *(f"{k} = {json.dumps(v)}" for k, v in seat.payload().items())]
    file = tmp_path / "committee.toml"
    file.write_text("\n".join(lines), "utf-8")
    assert read_committee(file).seats == COMMITTEE.seats
    jsonschema.validate(tomllib.loads(file.read_text("utf-8")), committee_schema())
    file.write_text("\n".join(lines).replace('"chair"', '"deputy"'), "utf-8")
    with pytest.raises(UserError):
        read_committee(file)


def test_facts_travel_as_json() -> None:
    assert msgspec.convert(FACTS.payload(), type(FACTS)) == FACTS
