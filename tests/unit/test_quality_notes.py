"""Rules that only tell the clerk: what they notice, what they leave alone, and that all lands."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.cdm import transit_schema
from sekisho.common.errors import UserError
from sekisho.quality import CollectionRules, Landed, check, load_rules

DAY = date(2026, 4, 1)
ICD10 = "http://hl7.org/fhir/sid/icd-10"
LOINC = "http://loinc.org"
MALE, FEMALE = 8507, 8532


@pytest.fixture(scope="session")
def rules(root: Path) -> CollectionRules:
    return load_rules(root / "rules" / "collection.toml")


def rows(table: str, *given: dict[str, Any]) -> pa.Table:
    """Return a table in transit; what is not given has a value that breaks no rule."""
    schema = transit_schema(table)
    common = {"kind": "k", "data_class": "basic", "record_type": "R", "visit_ref": "f" * 32}
    made = [
        {
            **{name: 0 for name in schema.names if name.endswith("_concept_id")},
            **common,
            "tag": f"{0:032x}",
            "source_id": f"{number:032x}",
            **one,
        }
        for number, one in enumerate(given)
    ]
    return pa.Table.from_pylist(made, schema)


def person(sex: int, n: int = 0) -> dict[str, Any]:
    return {
        "tag": f"{n:032x}",
        "gender_concept_id": sex,
        "year_of_birth": 1980,
        "source_id": "e" * 32,
    }


def diagnosis(code: str, **more: Any) -> dict[str, Any]:
    return {
        "condition_start_date": date(2020, 1, 1),
        "condition_source_value": code,
        "condition_source_system": ICD10,
        **more,
    }


def measured(value: str, unit: str | None = "cm", code: str = "8302-2") -> dict[str, Any]:
    return {
        "measurement_date": date(2020, 1, 1),
        "measurement_source_value": code,
        "measurement_source_system": LOINC,
        "value_as_number": value,
        "unit_source_value": unit,
    }


def noted(rules: CollectionRules, tables: dict[str, pa.Table]) -> dict[str, int]:
    """Return rule → rows that broke it; everything has to land."""
    landed: Landed = check(tables, rules, day=DAY)
    assert landed.quarantined == {}
    assert {name: t.num_rows for name, t in landed.tables.items()} == {
        name: t.num_rows for name, t in tables.items()
    }
    return {breach.rule: breach.rows for breach in landed.breaches}


@pytest.mark.parametrize(
    ("sex", "code", "found"),
    [
        (MALE, "C53.9", 1),
        (FEMALE, "C53.9", 0),
        (MALE, "O80", 1),
        (FEMALE, "C61", 1),
        (MALE, "C61", 0),
        (0, "C61", 0),  # sex not known
        (FEMALE, "E11.9", 0),
    ],
)
def test_a_diagnosis_of_the_other_sex_is_noted(
    rules: CollectionRules, sex: int, code: str, found: int
) -> None:
    tables = {
        "person": rows("person", person(sex)),
        "condition_occurrence": rows("condition_occurrence", diagnosis(code)),
    }
    assert noted(rules, tables).get("code.other-sex", 0) == found


def test_a_code_of_another_system_says_nothing_of_sex(rules: CollectionRules) -> None:
    odd = diagnosis("C61", condition_source_system="urn:oid:1.2.3")
    tables = {
        "person": rows("person", person(FEMALE)),
        "condition_occurrence": rows("condition_occurrence", odd),
    }
    assert "code.other-sex" not in noted(rules, tables)


def test_sources_that_disagree_on_a_sex_settle_nothing(rules: CollectionRules) -> None:
    tables = {
        "person": rows("person", person(FEMALE), person(MALE) | {"source_id": "d" * 32}),
        "condition_occurrence": rows("condition_occurrence", diagnosis("C61")),
    }
    assert "code.other-sex" not in noted(rules, tables)


@pytest.mark.parametrize(
    ("value", "unit", "found"),
    [
        ("170", "cm", 0),
        ("1700", "cm", 1),
        ("1.7", "cm", 1),
        ("1.7", "m", 0),  # another unit is not judged by this range
        ("275", "cm", 0),
        ("275.1", "cm", 1),
    ],
)
def test_a_value_outside_its_range_is_noted(
    rules: CollectionRules, value: str, unit: str, found: int
) -> None:
    tables = {"measurement": rows("measurement", measured(value, unit))}
    assert noted(rules, tables).get("value.implausible", 0) == found


def test_the_same_said_twice_is_noted_once_for_each_repetition(rules: CollectionRules) -> None:
    same = [diagnosis("E11.9")] * 3
    other = [diagnosis("E11.9", tag=f"{1:032x}"), diagnosis("I10")]
    tables = {"condition_occurrence": rows("condition_occurrence", *same, *other)}
    assert noted(rules, tables)["record.twice"] == 2


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "tag": st.sampled_from([f"{n:032x}" for n in range(2)]),
                "source_id": st.sampled_from([f"{n:032x}" for n in range(4)]),
                "condition_source_value": st.sampled_from(["I10", "E11.9", None]),
                "condition_start_date": st.sampled_from([date(2020, 1, 1), None]),
                "condition_concept_id": st.sampled_from([0, 1]),
            }
        )
    )
)
def test_a_repetition_is_what_another_record_said_before(
    rules: CollectionRules, given: list[dict[str, Any]]
) -> None:
    table = rows("condition_occurrence", *given)
    said: dict[tuple[Any, ...], list[str]] = {}
    for one in given:
        same = tuple(value for name, value in sorted(one.items()) if name != "source_id")
        said.setdefault(same, []).append(one["source_id"])
    expected = sum(len(them) - 1 for them in said.values() if len(set(them)) > 1)
    landed = check({"condition_occurrence": table}, rules, day=DAY)
    assert sum(it.rows for it in landed.breaches if it.rule == "record.twice") == expected


def test_two_rows_of_one_record_are_no_repetition(rules: CollectionRules) -> None:
    one = {"source_id": "c" * 32}
    tables = {
        "condition_occurrence": rows(
            "condition_occurrence", diagnosis("I10", **one), diagnosis("I10", **one)
        )
    }
    assert "record.twice" not in noted(rules, tables)


def test_care_long_after_death_is_noted(rules: CollectionRules) -> None:
    care = [measured("170") | {"measurement_date": date(2020, m, 1)} for m in (1, 2, 4)]
    tables = {
        "death": rows("death", {"death_date": date(2020, 1, 15), "source_id": "e" * 32}),
        "measurement": rows("measurement", *care),
    }
    assert noted(rules, tables)["date.after-death"] == 1


@pytest.mark.parametrize(("without", "found"), [(2, 0), (3, 3)])
def test_units_are_asked_for_where_more_than_one_in_five_lacks_one(
    rules: CollectionRules, without: int, found: int
) -> None:
    given = [measured("170", None if n < without else "cm") for n in range(10)]
    tables = {"measurement": rows("measurement", *given)}
    assert noted(rules, tables).get("unit.missing", 0) == found


def test_a_rule_over_many_rows_cannot_hold_records_back(root: Path, tmp_path: Path) -> None:
    text = (root / "rules" / "collection.toml").read_text("utf-8")
    head, tail = text.split('id = "unit.missing"')
    broken = tmp_path / "rules.toml"
    broken.write_text(head + 'id = "unit.missing"' + tail.replace('verdict = "note"\n', "", 1))
    with pytest.raises(UserError) as caught:
        load_rules(broken)
    assert "only be noted" in str(caught.value)
