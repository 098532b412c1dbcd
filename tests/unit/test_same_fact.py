"""A fact that came by several routes counts once in an extract, by the rule; the lake keeps all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate_rows import RULES as PROCESSING
from gate_rows import Record, Route, parts_of, plan_for, pseudonym
from lake_rows import held
from sekisho.cdm import read_code_systems
from sekisho.common.errors import UserError
from sekisho.common.randomness import seeded
from sekisho.data.lake import Lake, Snapshot
from sekisho.data.processing import (
    ExtractOrder,
    GateResult,
    Part,
    extract,
    gate,
    make_plan,
    read_rules,
    read_same_fact,
    retag,
)
from sekisho.data.vocabulary import VocabularyStore

ROOT = Path(__file__).resolve().parents[2]
SAME = read_same_fact(ROOT / "rules" / "same-fact.toml")
RECEIPT = "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/masterB-disease"
NUMBER = "http://medis.or.jp/CodeSystem/master-disease-keyNumber"
EXCHANGE = "http://medis.or.jp/CodeSystem/master-disease-exCode"
ROUTES = {
    "receipt": {"kind": "receipt", "record_type": "SY"},
    "fhir": {"kind": "record-core", "record_type": "Condition"},
    "ss-mix2": {"kind": "record-core", "record_type": "PPR-01"},
}
CODES = {
    "receipt": (RECEIPT, "4375001"),
    "fhir": (NUMBER, "20050703"),
    "ss-mix2": (EXCHANGE, "CET2"),
}
DAYS = {"receipt": date(2020, 5, 20), "fhir": date(2020, 5, 7), "ss-mix2": date(2020, 5, 9)}
"""もやもや病 in three systems, by the masters of 2022; the month of the diagnosis is one."""


class World:
    """One holder's lake, with or without masters beside it."""

    def __init__(self, folder: Path, testdata: Path | None = None) -> None:
        self.lake = Lake(folder / "lake")
        self.version: str | None = None
        self.batch = 0
        self.head: Snapshot | None = None
        if testdata is not None:
            files = sorted((testdata / "uke-receiptisan" / "master-2022").glob("*.csv"))
            systems = read_code_systems(ROOT / "rules" / "code-systems.toml")
            store = VocabularyStore(self.lake.vocabularies)
            self.version = store.add(files, systems, date(2026, 4, 1)).version

    def land(self, route: str, source: str, *, person: str = "x", **more: Any) -> None:
        system, code = CODES[route]
        row = {
            "person_key": person,
            "source_id": source,
            "condition_concept_id": 0,
            "condition_start_date": DAYS[route],
            "condition_source_value": code,
            "condition_source_system": system,
            **ROUTES[route],
            **more,
        }
        self.put({"condition_occurrence": [row]})

    def put(self, tables: Mapping[str, list[dict[str, Any]]]) -> None:
        self.batch += 1
        rows = {name: held(name, given, self.batch) for name, given in tables.items()}
        versions = self.lake.land(self.batch, f"s{self.batch}", rows, vocabulary=self.version)
        self.head = Snapshot(self.batch, versions)

    def released(self, *tables: str) -> GateResult:
        asked = dict.fromkeys(tables or ("condition_occurrence",), ())
        order = ExtractOrder("kidney", "research", "one", "pseudonymised", ("basic",), asked)
        plan = make_plan(order, read_rules(PROCESSING), same=SAME)
        assert self.head is not None
        made = extract(self.lake, plan.at(self.head), {})
        keys = made.persons()
        tags = {key: f"{n:032x}" for n, key in enumerate(keys)}
        names = {tags[key]: pseudonym(n) for n, key in enumerate(keys)}
        part = Part("one", "basic", retag(made.parts["basic"], tags), names)
        return gate([part], plan, [], lambda *_: False)


def codes(result: GateResult) -> list[str]:
    return list(result.tables["condition_occurrence"]["condition_source_value"].to_pylist())


@pytest.mark.parametrize("order", [("receipt", "fhir", "ss-mix2"), ("ss-mix2", "fhir", "receipt")])
def test_a_diagnosis_by_three_routes_counts_once_whatever_came_first(
    tmp_path: Path, testdata: Path, order: tuple[str, ...]
) -> None:
    world = World(tmp_path, testdata)
    for number, route in enumerate(order):
        world.land(route, str(number))
    result = world.released()
    assert codes(result) == ["20050703"]  # the record's own date wins
    assert result.counts.collapsed == {"condition_occurrence": 2}
    assert result.counts.rows == {"condition_occurrence": 1}
    assert world.lake.everything(world.head)["condition_occurrence"].num_rows == 3  # type: ignore[arg-type]


def test_without_masters_only_equal_codes_of_one_system_are_the_same(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.land("receipt", "1")
    world.land("fhir", "2")
    world.land("ss-mix2", "3", condition_source_system=NUMBER, condition_source_value="20050703")
    assert world.lake.vocabularies_of(world.head) == []  # type: ignore[arg-type]
    result = world.released()
    assert sorted(codes(result)) == ["20050703", "4375001"]
    assert result.counts.collapsed == {"condition_occurrence": 1}


def test_withdrawing_the_row_that_counts_brings_the_next_one_back(
    tmp_path: Path, testdata: Path
) -> None:
    world = World(tmp_path, testdata)
    world.land("receipt", "a.1")
    world.land("ss-mix2", "b.1")
    world.land("fhir", "c.1")
    assert codes(world.released()) == ["20050703"]
    other = {**ROUTES["fhir"], "person_key": "x", "source_id": "c.2"}  # sent again without it
    world.put(
        {"observation": [{**other, "observation_source_value": "1", "observation_date": None}]}
    )
    assert codes(world.released()) == ["CET2"]


def test_erasing_one_routes_rows_brings_the_other_back(tmp_path: Path, testdata: Path) -> None:
    world = World(tmp_path, testdata)
    keys = world.lake.keys_for(["wrapped"], seeded("same"))
    key = keys["wrapped"]
    world.land("receipt", "1", person=key)
    world.land("fhir", "2", person=key, data_class="additional")
    erased = world.lake.erase("list-1", {"wrapped": ["additional"]}, world.head)  # type: ignore[arg-type]
    assert erased is not None
    world.head = Snapshot(9, world.lake.head())
    assert codes(world.released()) == ["4375001"]


def test_other_months_persons_values_and_uncoded_names_stay_facts_of_their_own(
    tmp_path: Path, testdata: Path
) -> None:
    world = World(tmp_path, testdata)
    world.land("receipt", "1")
    world.land("fhir", "2", condition_start_date=date(2020, 6, 1))
    world.land("fhir", "3", person="y")
    world.land("receipt", "4", condition_source_value="0000999")
    world.land("fhir", "5", condition_source_value="0000999", condition_source_system=RECEIPT)
    result = world.released()
    assert len(codes(result)) == 5
    assert result.counts.collapsed == {"condition_occurrence": 0}


def test_a_route_that_says_a_thing_twice_is_believed(tmp_path: Path, testdata: Path) -> None:
    world = World(tmp_path, testdata)
    world.land("receipt", "1")
    world.land("fhir", "2")
    world.land("fhir", "3")
    assert codes(world.released()) == ["20050703", "20050703"]


@pytest.mark.parametrize(
    ("other", "rows"), [({}, 1), ({"value_as_number": "6.2"}, 2), ({"data_class": "basic"}, 1)]
)
def test_a_laboratory_value_by_check_up_and_record_is_one_where_the_value_agrees(
    tmp_path: Path, other: dict[str, Any], rows: int
) -> None:
    world = World(tmp_path)
    value = {
        "person_key": "x",
        "measurement_date": date(2020, 5, 1),
        "measurement_source_value": "3D046000001906202",
        "measurement_source_system": "urn:oid:1.2.392.200119.6.1005",
        "value_as_number": "6.1",
    }
    by_cda = {**value, "source_id": "1", "kind": "checkup", "record_type": "Item"}
    by_fhir = {**value, "source_id": "2", "kind": "checkup", "record_type": "Observation", **other}
    world.put({"measurement": [by_cda, by_fhir]})
    assert world.released("measurement").tables["measurement"].num_rows == rows


rows = st.lists(
    st.tuples(
        st.integers(1, 2),
        st.sampled_from(["a", "b", None]),
        st.integers(0, 3),
        st.sampled_from(["one", "two"]),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(rows, st.integers(0, 3))
def test_of_each_fact_exactly_the_best_route_is_left_in_any_order(
    given_rows: list[tuple[int, str | None, int, str]], seed: int
) -> None:
    plan = plan_for(tables={"condition_occurrence": ()})
    routes = []
    for number, (person, fact, route, holder) in enumerate(given_rows):
        cells = (
            ("condition_source_value", f"{fact}-{route}"),
            ("fact", fact),
            ("route", route),
        )
        record = Record(person, "condition_occurrence", str(number), (cells,))
        routes.append(Route(record, ((holder, "basic"),)))
    best: dict[tuple[int, str], int] = {}
    for person, fact, route, _ in given_rows:
        if fact is not None:
            best[person, fact] = min(route, best.get((person, fact), route))
    expected = sorted(
        f"{fact}-{route}"
        for person, fact, route, _ in given_rows
        if fact is None or best[person, fact] == route
    )
    result = gate(parts_of(routes, plan, seeded("same", seed)), plan, [], lambda *_: False)
    left = result.tables["condition_occurrence"]["condition_source_value"].to_pylist()
    assert sorted(left) == expected
    assert result.counts.collapsed["condition_occurrence"] == len(given_rows) - len(expected)


def test_the_plan_names_the_rule_and_no_link_leaves_the_gate(tmp_path: Path) -> None:
    plan = plan_for()
    with_rule = replace(plan, same=SAME)
    assert with_rule.request_hash != plan.request_hash
    world = World(tmp_path)
    world.land("receipt", "1")
    table: pa.Table = world.released().tables["condition_occurrence"]
    assert not {"fact", "route", "canonical", "kind"} & set(table.column_names)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (('order = ["fhir", "ss-mix2", "dpc", "receipt"]', 'order = ["fax"]'), "no route 'fax'"),
        (('table = "drug_exposure"', 'table = "cost"'), "have no code"),
        (('date = "procedure_date"', 'date = "day"'), "no column 'day'"),
    ],
)
def test_a_rule_that_cannot_be_carried_out_is_refused(
    tmp_path: Path, change: tuple[str, str], why: str
) -> None:
    file = tmp_path / "same-fact.toml"
    file.write_text((ROOT / "rules" / "same-fact.toml").read_text().replace(*change, 1))
    with pytest.raises(UserError, match=why):
        read_same_fact(file)


DAY = date(2020, 5, 7)
STAYED, CAME = 9201, 9202


def seen(route: str, ref: str, kind: int = CAME, day: date = DAY, **more: Any) -> dict[str, Any]:
    """Return a visit as it comes by a route."""
    return {
        "person_key": "x",
        "source_id": ref,
        "visit_ref": ref,
        "visit_concept_id": kind,
        "visit_start_date": day,
        "visit_end_date": day,
        **ROUTES[route],
        **more,
    }


def during(route: str, ref: str, code: str, **more: Any) -> dict[str, Any]:
    """Return a diagnosis of that visit."""
    return {
        "person_key": "x",
        "source_id": f"{ref}/{code}",
        "visit_ref": ref,
        "condition_start_date": DAY,
        "condition_source_value": code,
        **ROUTES[route],
        **more,
    }


BOTH = ("visit_occurrence", "condition_occurrence")


def with_visits(world: World) -> tuple[list[dict[str, Any]], dict[str, int | None], GateResult]:
    """Return the visits, and code → visit of the diagnoses."""
    result = world.released(*BOTH)
    conditions = result.tables["condition_occurrence"].to_pylist()
    told = {row["condition_source_value"]: row["visit_occurrence_id"] for row in conditions}
    return result.tables["visit_occurrence"].to_pylist(), told, result


@pytest.mark.parametrize("first", ["receipt", "fhir"])
def test_a_visit_by_receipt_and_record_is_one_and_its_rows_go_with_it(
    tmp_path: Path, first: str
) -> None:
    world = World(tmp_path)
    by = {
        "receipt": {
            "visit_occurrence": [seen("receipt", "r", visit_source_value="1112")],
            "condition_occurrence": [during("receipt", "r", "A")],
        },
        "fhir": {
            "visit_occurrence": [seen("fhir", "f", visit_source_value="AMB")],
            "condition_occurrence": [during("fhir", "f", "B")],
        },
    }
    for route in (first, *({"receipt", "fhir"} - {first})):
        world.put(by[route])
    visits, told, result = with_visits(world)
    assert [one["visit_source_value"] for one in visits] == ["AMB"]
    assert told == {"A": visits[0]["visit_occurrence_id"], "B": visits[0]["visit_occurrence_id"]}
    assert result.counts.collapsed["visit_occurrence"] == 1


@pytest.mark.parametrize(
    "other",
    [
        {"visit_start_date": date(2020, 5, 8)},
        {"visit_concept_id": STAYED},
        {"provider": "p2"},
        {"person_key": "y"},
    ],
)
def test_visits_of_another_day_kind_institution_or_person_are_others(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    world = World(tmp_path)
    world.put(
        {
            "visit_occurrence": [seen("receipt", "r"), {**seen("fhir", "f"), **other}],
            "condition_occurrence": [during("receipt", "r", "A")],
        }
    )
    visits, told, result = with_visits(world)
    assert len(visits) == 2
    assert result.counts.collapsed["visit_occurrence"] == 0
    assert told["A"] in {one["visit_occurrence_id"] for one in visits}


def test_visits_of_an_unknown_kind_are_never_the_same(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.put({"visit_occurrence": [seen("receipt", "r", kind=0), seen("fhir", "f", kind=0)]})
    assert world.released("visit_occurrence").tables["visit_occurrence"].num_rows == 2


def test_of_two_visits_that_the_better_route_knows_the_first_takes_the_others_rows(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    ward, clinic = (seen("fhir", it, visit_source_value=it) for it in ("b", "a"))
    world.put(
        {
            "visit_occurrence": [ward, clinic, seen("receipt", "r")],
            "condition_occurrence": [during("receipt", "r", "A")],
        }
    )
    visits, told, _ = with_visits(world)
    assert [one["visit_source_value"] for one in visits] == ["a", "b"]
    assert told["A"] == visits[0]["visit_occurrence_id"]


def test_a_stay_of_three_receipts_is_the_stay_of_the_record(tmp_path: Path) -> None:
    world = World(tmp_path)
    for month in (5, 6, 7):
        ref = f"r{month}"
        last = date(2020, month, 28)
        stay = seen("receipt", ref, STAYED, visit_end_date=last)
        world.put(
            {"visit_occurrence": [stay], "condition_occurrence": [during("receipt", ref, ref)]}
        )
    whole = seen("fhir", "f", STAYED, visit_end_date=date(2020, 7, 29))
    world.put({"visit_occurrence": [whole]})
    visits, told, _ = with_visits(world)
    assert [one["visit_end_date"] for one in visits] == [date(2020, 7, 29)]
    assert set(told.values()) == {visits[0]["visit_occurrence_id"]}


visited = st.lists(
    st.tuples(st.integers(1, 2), st.sampled_from(["a", "b", None]), st.integers(0, 2)), max_size=8
)


@settings(max_examples=25, deadline=None)
@given(visited, st.integers(0, 3))
def test_every_row_of_a_visit_that_is_left_out_goes_to_one_of_the_same_fact(
    given_visits: list[tuple[int, str | None, int]], seed: int
) -> None:
    plan = plan_for(tables=dict.fromkeys(BOTH, ()))
    routes = []
    for number, (person, fact, route) in enumerate(given_visits):
        holder = ("one", "two")[number % 2]
        name = f"{person}-{fact or number}"
        cells = (("visit_source_value", name), ("fact", fact), ("route", route))
        record = Record(person, "visit_occurrence", f"v{number}", (cells,), f"v{number}")
        row = (("condition_source_value", name),)
        about = Record(person, "condition_occurrence", f"c{number}", (row,), f"v{number}")
        stops = ((holder, ("basic", "additional")[number % 2]),)
        routes += [Route(record, stops), Route(about, stops)]
    result = gate(parts_of(routes, plan, seeded("visits", seed)), plan, [], lambda *_: False)
    visits = result.tables["visit_occurrence"].to_pylist()
    named = {one["visit_occurrence_id"]: one["visit_source_value"] for one in visits}
    rows = result.tables["condition_occurrence"].to_pylist()
    assert len(rows) == len(given_visits)
    for row in rows:
        assert named[row["visit_occurrence_id"]] == row["condition_source_value"]
