"""What is asked of providers: periods, steps in order and once, money for what is new."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from memory_town import ROOT, START
from provider_world import Place, placed
from sekisho.cdm import transit_schema
from sekisho.commands import app
from sekisho.common.errors import UserError
from sekisho.data.collection import months_by_kind
from sekisho.framework import Ask, load_provider_functions
from sekisho.reference.report_of_bodies import AskedOfProviders
from submissions import condition, ndjson, patient

RULES = ROOT / "rules" / "providers.toml"
FRAMEWORK = ROOT / "frameworks" / "1.toml"
CODE = "1310000001"


def asked(every: Any, since: date, due_days: int = 10) -> Ask:
    return Ask(("acute",), ("receipt",), every, due_days, since, "test")


def test_only_periods_that_are_over_are_asked_for() -> None:
    ask = asked("month", date(2026, 3, 15))
    labels = [one.label for one in ask.periods(date(2026, 5, 31))]
    assert labels == ["2026-03", "2026-04"]  # May is over on the first of June
    assert [one.label for one in ask.periods(date(2026, 6, 1))][-1] == "2026-05"
    (first, *_) = ask.periods(date(2026, 6, 1))
    assert (first.start, first.end) == (date(2026, 3, 1), date(2026, 3, 31))
    assert ask.due_on(first) == date(2026, 4, 10)


def test_a_fiscal_year_begins_in_april() -> None:
    ask = asked("fiscal-year", date(2026, 3, 1), 215)
    (only,) = ask.periods(date(2026, 4, 1))
    assert (only.label, only.start, only.end) == ("FY2025", date(2025, 4, 1), date(2026, 3, 31))
    assert ask.due_on(only) == date(2026, 11, 1)
    assert len(only.months) == 12
    assert (only.months[0], only.months[-1]) == ("2025-04", "2026-03")


def test_a_leap_year_and_the_turn_of_the_year_lose_no_month() -> None:
    ask = asked("month", date(2027, 11, 1))
    labels = [one.label for one in ask.periods(date(2028, 4, 1))]
    assert labels == ["2027-11", "2027-12", "2028-01", "2028-02", "2028-03"]


@pytest.mark.parametrize(
    ("sent", "landed", "level"),
    [(100, 100, "full"), (100, 99, "full"), (100, 98, "good"), (100, 50, "some"), (100, 49, None)],
)
def test_the_best_level_that_is_reached_counts(sent: int, landed: int, level: str | None) -> None:
    found = load_provider_functions(RULES).level_of(sent, landed)
    assert (found and found.id) == level


def test_nothing_sent_reaches_no_level() -> None:
    assert load_provider_functions(RULES).level_of(0, 0) is None


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('functions = ["insurer"]', 'functions = ["nobody"]', "no function 'nobody'"),
        ('kinds = ["image", "genome"]', 'kinds = ["receipt"]', "'receipt' is paid twice"),
    ],
)
def test_a_rule_file_that_contradicts_itself_is_refused_with_its_line(
    tmp_path: Path, old: str, new: str, what: str
) -> None:
    text = RULES.read_text("utf-8").replace(old, new)
    file = tmp_path / "providers.toml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        load_provider_functions(file)
    line = 1 + text[: text.index(new)].count("\n")
    assert what in str(caught.value)
    assert abs(int(str(caught.value).split(":")[1]) - line) <= 1 or new == 'kinds = ["receipt"]'


def test_months_follow_from_the_days_of_rows_kind_by_kind() -> None:
    rows = [
        {"kind": "receipt", "visit_start_date": date(2026, 3, 31)},
        {"kind": "receipt", "visit_start_date": date(2026, 4, 1)},
        {"kind": "record-core", "visit_start_date": date(2025, 1, 1)},
        {"kind": "record-core", "visit_start_date": None},
    ]
    visits = pa.Table.from_pylist(rows, transit_schema("visit_occurrence"))
    people = pa.Table.from_pylist([{"kind": "patient"}], transit_schema("person"))
    found = months_by_kind({"visit_occurrence": visits, "person": people})
    assert found == {"receipt": {"2026-03", "2026-04"}, "record-core": {"2025-01"}}


# In running bodies


def _framework(folder: Path, basis: str) -> str:
    text = FRAMEWORK.read_text("utf-8")
    assert 'basis = "duty"' in text
    file = folder / "framework.toml"
    file.write_text(text.replace('basis = "duty"', f'basis = "{basis}"'))
    return str(file)


def _place(folder: Path, patch: pytest.MonkeyPatch, basis: str, function: str = "acute") -> Place:
    told = START - timedelta(days=30)
    return placed(
        folder, patch, _framework(folder, basis), function=function, told_everyone_on=told
    )


def _diagnosis(folder: Path, name: str, *days: str) -> Path:
    """Write a patient with one diagnosis a day: FHIR's core, as kind ``record-core``."""
    made = [condition(n, onsetDateTime=day) for n, day in enumerate(days, 1)]
    return ndjson(folder / name, patient(1), *made)


def _steps(place: Place) -> list[tuple[str, str, str]]:
    entries = place.town.entries("national", "duty.step")
    return [(one["data_kind"], one["period"], one["step"]) for one in entries]


def test_late_records_go_through_the_steps_once_each_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = _place(tmp_path, monkeypatch, "duty")
    due = date(2026, 4, 10)
    place.town.begin(due)
    assert _steps(place) == []
    for days in (1, 1, 29, 30, 60, 119, 120, 121):
        place.town.begin(due + timedelta(days=days))
    march = [
        step for kind, period, step in _steps(place) if (kind, period) == ("receipt", "2026-03")
    ]
    assert march == ["reminder", "recommendation", "publication", "penalty"]


def test_a_body_that_was_down_takes_all_steps_that_fell_due_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = _place(tmp_path, monkeypatch, "duty")
    place.town.begin(date(2026, 4, 10) + timedelta(days=70))
    march = [
        step for kind, period, step in _steps(place) if (kind, period) == ("receipt", "2026-03")
    ]
    assert march == ["reminder", "recommendation", "publication"]


def test_what_has_come_is_met_and_followed_up_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = _place(tmp_path, monkeypatch, "duty")
    place.desk().submit([_diagnosis(tmp_path, "a.ndjson", "2026-03-05")], "fhir-ndjson")
    place.town.settle()
    place.town.begin()
    met = place.town.entries("national", "duty.met")
    assert [(one["data_kind"], one["period"], one["late"]) for one in met] == [
        ("record-core", "2026-03", False)
    ]
    place.town.begin(date(2026, 7, 1))
    assert ("record-core", "2026-03", "reminder") not in _steps(place)
    assert ("record-core", "2026-04", "reminder") in _steps(place)
    desk = place.desk(date(2026, 7, 1))
    april = ndjson(tmp_path / "b.ndjson", patient(1), condition(9, onsetDateTime="2026-04-09"))
    desk.submit([april], "fhir-ndjson")
    place.town.settle()
    place.town.begin()
    late = [one for one in place.town.entries("national", "duty.met") if one["late"]]
    assert [one["period"] for one in late] == ["2026-04"]


def test_a_clinic_that_is_free_to_send_is_reminded_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = _place(tmp_path, monkeypatch, "duty", "clinic")
    place.town.begin(date(2027, 1, 1))
    of_kind = {kind: {s for k, _, s in _steps(place) if k == kind} for kind, _, _ in _steps(place)}
    assert of_kind["record-core"] == {"reminder"}
    assert of_kind["receipt"] == {"reminder", "recommendation", "publication", "penalty"}
    assert "record-detail" not in of_kind  # nobody asks a clinic for it


def test_money_is_for_new_records_and_a_second_copy_earns_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = _place(tmp_path, monkeypatch, "incentive")
    first = _diagnosis(tmp_path, "a.ndjson", "2026-03-05", "2026-03-06")
    more = _diagnosis(tmp_path, "b.ndjson", "2026-03-05", "2026-03-07", "2026-03-08")
    for file in (first, more):  # the second corrects one and repeats another
        place.desk().submit([file], "fhir-ndjson")
        place.town.settle()
    credited = [kept["yen"] for kept in place.town.records("national", "account").values()]
    assert sorted(credited) == [2, 4]  # two diagnoses at 2 yen, then one that is new
    told = place.desk().standing()["national"]
    assert sum(one["yen"] for one in told["credited"]) == 6
    entries = place.town.entries("national", "incentive.credited")
    assert [one["yen"] for one in entries] == [10, 10]  # a ledger says nothing finer than tens
    assert {one["level"] for one in entries} == {"full"}


def test_the_basis_decides_what_a_report_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {}
    for basis in ("duty", "incentive", "voluntary"):
        folder = tmp_path / basis
        folder.mkdir()
        place = _place(folder, monkeypatch, basis)
        place.desk().submit([_diagnosis(folder, "a.ndjson", "2026-03-05")], "fhir-ndjson")
        place.town.settle()
        place.town.begin(date(2026, 8, 1))
        from sekisho.body.flows import duty

        figures = duty.figures(place.town.body("national"))
        msgspec.convert(figures, AskedOfProviders)
        seen[basis] = (figures["yen"], Counter(figures["steps"]))
        of = figures["by_function"]["acute"]
        assert (of["providers"], of["sent"], of["met"]) == (1, 1, 1)
        assert of["asked"] == 3 * 5  # receipts, core and detail of March to July
    assert seen["duty"][0] == 0
    assert seen["incentive"][0] == 2
    assert set(seen["duty"][1]) == {"reminder", "recommendation", "publication"}
    assert set(seen["incentive"][1]) == set(seen["voluntary"][1]) == {"reminder"}


def test_a_provider_sees_its_own_standing_and_nobody_elses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = _place(tmp_path, monkeypatch, "duty")
    from sekisho.body.flows import duty

    body = place.town.body("national")
    own = duty.standing(body, CODE, {}, b"")
    assert {one["state"] for one in own["owed"]} == {"open"}
    assert {one["kind"] for one in own["owed"]} == {"receipt", "record-core", "record-detail"}
    stranger = duty.standing(body, "1310000099", {"provider": CODE}, b"")
    assert stranger == {"provider": "1310000099", "owed": [], "credited": []}


def test_the_command_shows_what_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = _place(tmp_path, monkeypatch, "duty")
    said = CliRunner().invoke(app, ["provider", "standing", str(place.folder), "--json"])
    assert said.exit_code == 0, said.output
    told = orjson.loads(said.stdout)
    assert {one["period"] for one in told["national"]["owed"]} == {"2026-03"}
    plain = CliRunner().invoke(app, ["provider", "standing", str(place.folder)])
    assert "2026-03" in plain.stdout
    assert "0 yen" in plain.stdout
