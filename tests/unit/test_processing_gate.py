"""What passes the gate, what it drops and counts, and what it refuses."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date
from typing import Any

import pyarrow as pa
import pytest

import gate_rows as make
from gate_rows import Route, plan_for, pseudonym
from sekisho.common.errors import PeerError, Refusal
from sekisho.common.randomness import seeded
from sekisho.data.analysis.dummy import dummy_data
from sekisho.data.linkage import WEIGHT_TABLE, Link, join_links
from sekisho.data.processing import (
    Cohort,
    GateResult,
    Incident,
    OptOuts,
    Part,
    find_members,
    gate,
    matches,
)

DIABETES = Cohort(codes=("E11",))


def drops(scopes: Collection[str], data_class: str, holder: str, purpose: str) -> bool:
    return bool(
        {"all", f"data:{data_class}", f"operator:{holder}", f"purpose:{purpose}"} & set(scopes)
    )


def passed(
    routes: list[Route],
    cohort: Cohort | None = None,
    out: dict[int, set[str]] | None = None,
    **more: Any,
) -> GateResult:
    plan = plan_for(cohort, **more)
    lists = [OptOuts("registry", {pseudonym(p): scopes for p, scopes in (out or {}).items()})]
    return gate(make.parts_of(routes, plan, seeded(7)), plan, lists, drops)


def everyone(*stops: tuple[str, str]) -> list[Route]:
    """Three persons; the second has no diabetes, the third is at each stop as the others."""
    records = [
        *(make.patient(p, f"patient-{p}") for p in (1, 2, 3)),
        make.condition(1, "c1", "E11.9"),
        make.condition(2, "c2", "I10"),
        make.condition(3, "c3", "E110"),
        make.measurement(3, "m3", "1.5"),
    ]
    return [Route(record, stops or (("one", "basic"),)) for record in records]


def persons(result: GateResult) -> int:
    return int(result.tables["person"].num_rows)


def test_only_the_cohort_passes_and_the_rest_is_counted() -> None:
    result = passed(everyone(), DIABETES)
    assert persons(result) == 2
    codes = result.tables["condition_occurrence"].column("condition_source_value").to_pylist()
    assert sorted(codes) == ["E11.9", "E110"]
    assert (result.counts.received, result.counts.outside_cohort, result.counts.included) == (
        3,
        1,
        2,
    )
    assert result.incidents == ()


def test_criterion_at_one_holder_admits_rows_from_another() -> None:
    """Neither holder could tell alone: one has the diagnosis, the other the laboratory."""
    routes = [
        Route(make.condition(1, "c1"), (("one", "basic"),)),
        Route(make.measurement(1, "m1", "5"), (("two", "additional"),)),
        Route(make.measurement(2, "m2", "6"), (("two", "additional"),)),
    ]
    result = passed(routes, DIABETES)
    assert result.tables["measurement"].column("value_as_number").to_pylist() == ["5"]
    assert result.counts.linked == 1
    assert result.counts.without_person_row == 1


def test_opted_out_rows_that_a_holder_let_through_are_dropped_and_raise_an_incident() -> None:
    """The planted fault: no holder filters; one person is out of all, one of one class."""
    routes = everyone(("one", "basic"), ("two", "additional"))
    result = passed(routes, out={1: {"all"}, 3: {"data:additional"}})

    assert persons(result) == 2
    assert result.incidents == (
        Incident("one", "basic", rows=2, persons=1),
        Incident("two", "additional", rows=5, persons=2),
    )
    assert result.counts.opted_out == 1
    assert result.counts.received == 3
    assert result.counts.rows["measurement"] == 1


def test_a_choice_counts_for_every_record_of_a_person_whom_a_link_unites() -> None:
    """Nobody's fault: the holder of the second number's records could not know of the choice."""
    plan = plan_for(None)
    parts = make.parts_of(everyone(), plan, seeded(7))
    lists = [OptOuts("registry", {pseudonym(9): {"all"}})]
    link = Link(pseudonym(3), pseudonym(9), False, True, 20.0, 0.999, "link")
    here = {one for part in parts for one in part.pseudonyms.values()}
    result = gate(parts, plan, lists, drops, matched=join_links([link], here.__contains__))
    assert result.counts.opted_out == result.by_link == 1
    assert result.incidents == ()
    assert persons(result) == 2
    assert result.tables[WEIGHT_TABLE].num_rows == 0


def test_persons_whom_a_link_unites_are_one_person_and_their_weight_is_told() -> None:
    plan = plan_for(None)
    parts = make.parts_of(everyone(), plan, seeded(7))
    link = Link(pseudonym(1), pseudonym(3), False, True, 12.5, 0.99, "reviewed")
    here = {one for part in parts for one in part.pseudonyms.values()}
    result = gate(parts, plan, [], drops, matched=join_links([link], here.__contains__))
    assert result.counts.received == 2
    assert persons(result) == 2
    sure = result.tables[WEIGHT_TABLE]
    assert sure.schema == dummy_data([WEIGHT_TABLE], None, 1)[WEIGHT_TABLE].schema
    (told,) = sure.to_pylist()
    assert told["person_id"] in result.tables["person"]["person_id"].to_pylist()
    assert told == {
        "person_id": told["person_id"],
        "identities": 2,
        "match_weight": 12.5,
        "match_probability": 0.99,
        "decided_by": "clerk",
    }
    assert WEIGHT_TABLE not in gate(parts, plan, [], drops).tables


@pytest.mark.parametrize("scope", ["operator:two", "purpose:research"])
def test_scopes_reach_the_rule_that_is_handed_in(scope: str) -> None:
    routes = everyone(("two", "basic"))
    assert passed(routes, out={3: {scope}}).counts.included == 2
    assert passed(routes, out={3: {"operator:one", "purpose:commercial"}}).counts.included == 3


def test_any_registry_is_enough() -> None:
    plan = plan_for()
    parts = make.parts_of(everyone(), plan, seeded(1))
    lists = [OptOuts("north", {pseudonym(1): {"all"}}), OptOuts("south", {pseudonym(2): {"all"}})]
    assert gate(parts, plan, lists, drops).counts.included == 1


def test_criterion_facts_of_a_class_opted_out_do_not_count() -> None:
    routes = [
        Route(make.patient(1, "p"), (("one", "basic"),)),
        Route(make.condition(1, "c"), (("one", "additional"),)),
    ]
    assert passed(routes, DIABETES).counts.included == 1
    assert passed(routes, DIABETES, out={1: {"data:additional"}}).counts.included == 0


@pytest.mark.parametrize(
    ("born", "age", "inside"),
    [
        ((2002, 5), 18, True),
        ((2002, 6), 18, False),
        ((2002, None), 18, False),
        ((2001, None), 18, True),
        ((None, None), 0, False),
    ],
)
def test_age_is_that_of_year_and_month_on_the_day_of_the_condition(
    born: tuple[int | None, int | None], age: int, inside: bool
) -> None:
    routes = [
        Route(make.patient(1, "p", *born)),
        Route(make.condition(1, "c", day=date(2020, 5, 1))),
    ]
    result = passed(routes, Cohort(codes=("E11",), min_age=age))
    assert result.counts.included == int(inside)
    if born[0] is not None:
        upper = passed(routes, Cohort(codes=("E11",), max_age=age - 1))
        assert upper.counts.included == int(not inside)


@pytest.mark.parametrize(
    ("day", "inside"),
    [
        (date(2014, 12, 31), False),
        (date(2015, 1, 1), True),
        (date(2016, 12, 31), True),
        (date(2017, 1, 1), False),
        (None, False),
    ],
)
def test_condition_counts_from_and_to_its_days(day: date | None, inside: bool) -> None:
    cohort = Cohort(codes=("E11",), start=date(2015, 1, 1), end=date(2016, 12, 31))
    assert passed([Route(make.condition(1, "c", day=day))], cohort).counts.included == int(inside)


def test_cohort_without_codes_is_everyone_of_the_age_on_its_day() -> None:
    routes = [Route(make.patient(1, "a", 1950)), Route(make.patient(2, "b", 2010))]
    assert passed(routes).counts.included == 2
    assert passed(routes, Cohort(start=date(2020, 1, 1), min_age=18)).counts.included == 1


@pytest.mark.parametrize(
    ("code", "system", "inside"),
    [
        ("E11", None, True),
        ("E11", "anything", True),
        ("E11.9", "http://hl7.org/fhir/sid/icd-10", True),
        ("E119", "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/ICD10-2013-full", True),
        ("e11.90", "urn:oid:2.16.840.1.113883.6.90", True),
        ("E11-", "http://hl7.org/fhir/sid/icd-10", True),
        ("E12", "http://hl7.org/fhir/sid/icd-10", False),
        ("E1", "http://hl7.org/fhir/sid/icd-10", False),
        ("E119", None, False),
        ("E119", "http://example.org/local", False),
        ("44054006", "http://snomed.info/sct", True),
        ("440540061", "http://snomed.info/sct", False),
        ("440540061", "http://hl7.org/fhir/sid/icd-10", False),
    ],
)
def test_code_matches_itself_and_its_descendants(
    code: str, system: str | None, inside: bool
) -> None:
    assert matches(code, system, ("E11", "44054006")) is inside


def test_longer_code_does_not_admit_its_stem() -> None:
    icd = "http://hl7.org/fhir/sid/icd-10"
    assert matches("E119", icd, ("E11.9",))
    assert matches("E1190", icd, ("E11.9",))
    assert not matches("E11", icd, ("E11.9",))


def test_one_person_row_by_content_whoever_sent_it() -> None:
    routes = [
        Route(make.patient(1, "a", 1950, None), (("one", "basic"),)),
        Route(make.patient(1, "b", 1951, 2), (("two", "basic"),)),
        Route(make.patient(1, "c", 1950, 3), (("two", "additional"),)),
        Route(make.death(1, "a"), (("one", "basic"),)),
        Route(make.death(1, "b", "I21"), (("two", "additional"),)),
    ]
    result = passed(routes)
    (row,) = result.tables["person"].to_pylist()
    assert (row["year_of_birth"], row["month_of_birth"]) == (1950, 3)
    assert result.tables["death"].column("cause_source_value").to_pylist() == ["I21"]


def test_equal_rows_of_two_records_stay_two_and_one_record_sent_twice_stays_one() -> None:
    both = (("one", "basic"), ("two", "basic"))
    routes = [
        Route(make.condition(1, "c1"), (("one", "basic"),)),
        Route(make.condition(1, "c2"), (("two", "basic"),)),
        Route(make.measurement(1, "m1", "5", "5"), both),
    ]
    result = passed(routes)
    assert result.tables["condition_occurrence"].num_rows == 2
    assert result.tables["measurement"].num_rows == 2
    assert result.counts.repeated["measurement"] == 2


def test_of_two_versions_of_one_record_one_is_taken_whole() -> None:
    routes = [
        Route(make.measurement(1, "m1", "5"), (("one", "basic"),)),
        Route(make.measurement(1, "m1", "6", "7"), (("two", "basic"),)),
    ]
    values = passed(routes).tables["measurement"].column("value_as_number").to_pylist()
    assert values == ["6", "7"]


def test_rows_follow_their_visit_inside_one_class_only() -> None:
    routes = [
        Route(make.visit(1, "v1", date(2020, 2, 2))),
        Route(make.visit(1, "v2", date(2020, 1, 1))),
        Route(make.condition(1, "c1", "A01", visit="v1")),
        Route(make.condition(1, "c2", "A02", visit="v2")),
        Route(make.condition(1, "c3", "A03", visit="v1"), (("one", "additional"),)),
        Route(make.condition(2, "c4", "A04", visit="v1")),
    ]
    tables = passed(routes).tables
    visits = {
        row["visit_occurrence_id"]: row["visit_start_date"]
        for row in tables["visit_occurrence"].to_pylist()
    }
    rows = tables["condition_occurrence"].to_pylist()
    days = {row["condition_source_value"]: visits.get(row["visit_occurrence_id"]) for row in rows}
    assert days == {"A01": date(2020, 2, 2), "A02": date(2020, 1, 1), "A03": None, "A04": None}


def test_nothing_of_a_source_survives_and_keys_are_dense() -> None:
    tables = passed(everyone(("one", "basic"), ("two", "basic"))).tables
    for name, table in tables.items():
        assert not {"tag", "source_id", "visit_ref", "part", "holder"} & set(table.column_names)
        key = "person_id" if name in {"person", "death"} else f"{name}_id"
        assert table.column(key).to_pylist() == list(range(1, table.num_rows + 1))
        assert table.column("person_id").to_pylist() == sorted(
            table.column("person_id").to_pylist()
        )
    in_order = sorted((1, 2, 3), key=pseudonym)
    codes = {1: "E11.9", 2: "I10", 3: "E110"}
    got = tables["condition_occurrence"].column("condition_source_value").to_pylist()
    assert got == [codes[person] for person in in_order]


def test_only_permitted_columns_are_released() -> None:
    asked = {"measurement": ("measurement_date", "visit_occurrence_id")}
    result = passed(everyone(), Cohort(codes=("E11",), min_age=18), tables=asked)
    assert list(result.tables) == ["measurement"]
    assert result.tables["measurement"].column_names == [
        "measurement_id",
        "person_id",
        "measurement_date",
    ]


def test_column_or_table_that_was_not_permitted_is_refused() -> None:
    plan = plan_for()
    (part,) = make.parts_of(everyone(), plan, seeded(1))
    more = part.tables["person"].append_column("name", pa.array(["x"] * 3))
    for tables in ({**part.tables, "person": more}, {**part.tables, "cost": more}):
        with pytest.raises(Refusal, match="not what the plan names"):
            gate([replace(part, tables=tables)], plan, [], drops)


def test_person_without_a_pseudonym_stops_the_whole_extract() -> None:
    plan = plan_for()
    (part,) = make.parts_of(everyone(), plan, seeded(1))
    lost = dict(list(part.pseudonyms.items())[1:])
    with pytest.raises(PeerError, match="1 persons came without"):
        gate([replace(part, pseudonyms=lost)], plan, [], drops)
    with pytest.raises(PeerError, match="32 bytes"):
        gate([replace(part, pseudonyms={"t": b"short"})], plan, [], drops)


def test_nothing_received_gives_empty_tables() -> None:
    result = gate([], plan_for(DIABETES), [], drops)
    assert result.counts.received == 0
    assert result.tables["person"].num_rows == 0
    empty = Part("one", "basic", {}, {"unused": pseudonym(1)})
    assert gate([empty], plan_for(), [], drops).counts.received == 0


def test_returned_cohort_is_found_from_criterion_facts_alone() -> None:
    plan = plan_for(replace(DIABETES, mode="returned"), tables={})
    parts = make.parts_of(everyone(), plan, seeded(1))
    assert set(parts[0].tables) == {"condition_occurrence"}
    assert find_members(parts, plan, [], drops) == {pseudonym(1), pseudonym(3)}
    lists = [OptOuts("registry", {pseudonym(1): {"all"}})]
    assert find_members(parts, plan, lists, drops) == {pseudonym(3)}
