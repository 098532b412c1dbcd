"""The holder's side: who opted out goes first, and only what is permitted leaves."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import pytest

from gate_rows import plan_for, pseudonym, rules
from lake_rows import condition, held, person
from sekisho.common.errors import Defect
from sekisho.data.lake import Lake, Snapshot
from sekisho.data.processing import (
    ClassCounts,
    Cohort,
    Extract,
    Incident,
    OptOuts,
    Part,
    Period,
    Plan,
    extract,
    gate,
    process,
    retag,
)

CONDITIONS = {"condition_occurrence": ("condition_start_date", "condition_source_value")}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """x and y in both classes, z in basic alone; the second submission mends one record."""
    lake = Lake(tmp_path_factory.mktemp("lake"))
    rows = [
        condition("x", "1", "E11"),
        condition("x", "2", "I10", condition_start_date=date(2010, 1, 1)),
        condition("x", "3", "J45", data_class="additional"),
        condition("y", "4", "E11"),
        condition("y", "5", "I10", data_class="additional", condition_start_date=None),
        condition("z", "6", "I10"),
    ]
    people = [person(key, f"p{key}", 1950 + n) for n, key in enumerate("xyz")]
    tables = {
        "person": held("person", people),
        "condition_occurrence": held("condition_occurrence", rows),
    }
    lake.land(1, "a", tables)
    mended = held("condition_occurrence", [condition("z", "6", "E11")], batch=2)
    lake.land(2, "b", {"condition_occurrence": mended})
    return lake


def at_head(lake: Lake, plan: Plan) -> Plan:
    return plan.at(Snapshot(1, lake.head()))


def taken(lake: Lake, plan: Plan, **dropped: Collection[str]) -> Extract:
    return extract(lake, at_head(lake, plan), dropped)


def codes(result: Extract, data_class: str = "basic") -> list[tuple[str, str]]:
    rows = result.parts[data_class]["condition_occurrence"].to_pylist()
    return sorted((row["person_key"], row["condition_source_value"]) for row in rows)


def test_all_permitted_rows_leave_per_class_and_are_counted(lake: Lake) -> None:
    result = taken(lake, plan_for(tables=CONDITIONS))
    assert codes(result) == [("x", "E11"), ("x", "I10"), ("y", "E11"), ("z", "E11")]
    assert codes(result, "additional") == [("x", "J45"), ("y", "I10")]
    assert result.counts["basic"] == ClassCounts({"condition_occurrence": 4}, persons=3, dropped=0)
    assert result.persons() == ["x", "y", "z"]
    assert result.persons("additional") == ["x", "y"]


def test_opted_out_persons_never_leave_within_the_scope(lake: Lake) -> None:
    result = taken(lake, plan_for(tables=CONDITIONS), basic=["x", "unknown"], additional=["y"])
    assert codes(result) == [("y", "E11"), ("z", "E11")]
    assert codes(result, "additional") == [("x", "J45")]
    assert [result.counts[it].dropped for it in ("basic", "additional")] == [1, 1]


def test_only_permitted_classes_columns_and_days_leave(lake: Lake) -> None:
    period = Period(start=date(2020, 1, 1), end=date(2020, 12, 31))
    result = taken(lake, plan_for(tables=CONDITIONS, period=period, classes=("additional",)))
    assert list(result.parts) == ["additional"]
    assert codes(result, "additional") == [("x", "J45")]
    columns = result.parts["additional"]["condition_occurrence"].column_names
    assert columns == [
        "person_key",
        "source_id",
        "visit_ref",
        "fact",
        "route",
        "wanted",
        "condition_start_date",
        "condition_source_value",
        "condition_source_system",
    ]


def test_row_ids_of_two_projects_cannot_be_compared(lake: Lake) -> None:
    ids = []
    for application in ("kidney", "liver"):
        result = taken(lake, plan_for(tables=CONDITIONS, application=application))
        ids.append(
            set(result.parts["basic"]["condition_occurrence"].column("source_id").to_pylist())
        )
    assert not ids[0] & ids[1]
    assert not {"1", "2", "4", "6"} & ids[0]


def test_returned_cohort_limits_the_extract_to_its_members(lake: Lake) -> None:
    plan = at_head(lake, plan_for(tables=CONDITIONS))
    assert codes(extract(lake, plan, {}, only=["y"])) == [("y", "E11")]
    assert codes(extract(lake, plan, {"basic": ["y"]}, only=["y"])) == []
    assert codes(extract(lake, plan, {}, only=[])) == []


def test_plan_without_a_snapshot_is_not_carried_out(lake: Lake) -> None:
    with pytest.raises(Defect, match="snapshot"):
        extract(lake, plan_for(), {})


def test_tags_replace_person_keys_and_the_order_of_the_lake(lake: Lake) -> None:
    result = taken(lake, plan_for(tables=CONDITIONS))
    tagged = retag(result.parts["basic"], {"x": "3", "y": "1", "z": "2"})["condition_occurrence"]
    assert tagged.column("tag").to_pylist() == ["1", "2", "3", "3"]
    assert "person_key" not in tagged.column_names
    with pytest.raises(Defect, match="1 of 4 rows"):
        retag(result.parts["basic"], {"x": "3", "y": "1"})


def test_gate_catches_what_a_holder_without_a_filter_lets_through(lake: Lake) -> None:
    """Planted fault: the holder's filter is off. The gate drops the rows and raises an incident."""

    def drops(scopes: Collection[str], data_class: str, holder: str, purpose: str) -> bool:
        return "all" in scopes

    plan = at_head(lake, plan_for(Cohort(codes=("E11",), min_age=18)))
    lists = [OptOuts("registry", {pseudonym(ord("x")): {"all"}})]
    results = []
    for filtered in (True, False):
        out = {"basic": ["x"], "additional": ["x"]} if filtered else {}
        result = extract(lake, plan, out)
        parts = []
        for data_class, tables in result.parts.items():
            tags = {key: f"{data_class}{key}" for key in result.persons(data_class)}
            done = process(retag(tables, tags), rules())
            owners = {tag: pseudonym(ord(key)) for key, tag in tags.items()}
            parts.append(Part("one", data_class, done.tables, owners))
        results.append(gate(parts, plan, lists, drops))

    sound, faulty = results
    assert not sound.incidents
    assert faulty.incidents == (
        Incident("one", "additional", rows=1, persons=1),
        Incident("one", "basic", rows=3, persons=1),
    )
    assert sound.counts.included == 2
    for name, table in sound.tables.items():
        assert faulty.tables[name].equals(table)
