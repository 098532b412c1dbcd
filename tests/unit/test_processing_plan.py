"""A plan says everything that decides an extract, and refuses what nobody classified."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from sekisho.cdm import TABLES
from sekisho.common.errors import Refusal, UserError
from sekisho.common.toml import parse_toml
from sekisho.data.lake import Snapshot, Versions
from sekisho.data.processing import (
    Cohort,
    ExtractOrder,
    Period,
    Rules,
    make_plan,
    read_rules,
)


@pytest.fixture(scope="module")
def rules(root: Path) -> Rules:
    return read_rules(root / "rules" / "processing" / "pseudonymised.toml")


def order(**more: Any) -> ExtractOrder:
    asked: dict[str, Any] = {
        "application": "kidney",
        "purpose": "research",
        "operator": "one",
        "form": "pseudonymised",
        "classes": ("basic",),
        "tables": {"measurement": ()},
    }
    return ExtractOrder(**{**asked, **more})


def test_shipped_rules_speak_of_every_column(rules: Rules) -> None:
    whole = order(tables={table.name: () for table in TABLES})
    plan = make_plan(whole, rules)
    assert [planned.name for planned in plan.tables] == sorted(table.name for table in TABLES)


def test_cohort_columns_travel_for_the_gate_and_are_not_released(rules: Rules) -> None:
    plan = make_plan(order(cohort=Cohort(codes=("E11",), min_age=18)), rules)
    sent = {planned.name: planned for planned in plan.tables}

    assert set(sent) == {"condition_occurrence", "measurement", "person"}
    assert not sent["person"].asked
    assert sent["person"].released == ()
    assert [c.name for c in sent["person"].sent] == ["year_of_birth", "month_of_birth"]


def test_code_system_travels_with_its_code(rules: Rules) -> None:
    asked = {"drug_exposure": ("drug_source_value",)}
    (drug,) = make_plan(order(tables=asked), rules).tables
    assert drug.released == ("drug_source_value",)
    assert drug.criteria == ("drug_source_system",)


@pytest.mark.parametrize("tables", [{"person": ("name",)}, {"measurement": ("tag",)}])
def test_unclassified_column_is_refused(rules: Rules, tables: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(Refusal, match="unclassified-column"):
        make_plan(order(tables=tables), rules)


def test_column_whose_role_has_no_rule_is_refused(rules: Rules) -> None:
    import msgspec

    without = msgspec.structs.replace(
        rules, role=tuple(rule for rule in rules.role if rule.role != "sensitive")
    )
    with pytest.raises(Refusal, match="unclassified-column"):
        make_plan(order(), without)


def test_unknown_table_and_other_form_are_refused(rules: Rules) -> None:
    with pytest.raises(UserError, match="no table"):
        make_plan(order(tables={"note": ()}), rules)
    with pytest.raises(Refusal, match="other-form"):
        make_plan(order(form="anonymised"), rules)


def test_hash_follows_meaning_not_spelling(rules: Rules) -> None:
    one = order(cohort=Cohort(codes=("E11", "I10")), classes=("basic", "additional"))
    other = order(cohort=Cohort(codes=("I10", "E11", "I10")), classes=("additional", "basic"))
    assert make_plan(one, rules).plan_hash == make_plan(other, rules).plan_hash


@pytest.mark.parametrize(
    "change",
    [
        {"application": "liver"},
        {"tables": {"measurement": ("measurement_date",)}},
        {"cohort": Cohort(codes=("E11",))},
        {"period": Period(start=date(2020, 1, 1))},
        {"purpose": "commercial"},
    ],
)
def test_hash_changes_with_anything_that_decides(rules: Rules, change: dict[str, Any]) -> None:
    before, after = make_plan(order(), rules), make_plan(order(**change), rules)
    assert before.plan_hash != after.plan_hash
    assert before.request_hash != after.request_hash


def test_request_is_the_same_at_every_holder_and_snapshot(rules: Rules) -> None:
    here = make_plan(order(), rules, Snapshot(1, Versions({"measurement": 1})))
    there = make_plan(order(operator="two", classes=("additional",)), rules)
    assert here.request_hash == there.request_hash
    assert here.plan_hash != there.plan_hash
    assert here.plan_hash != here.at(Snapshot(2, Versions({"measurement": 1}))).plan_hash


def test_invalid_orders_cannot_exist() -> None:
    with pytest.raises(UserError, match="ends before"):
        Period(date(2021, 1, 1), date(2020, 1, 1))
    with pytest.raises(UserError, match="ages"):
        Cohort(codes=("E11",), min_age=60, max_age=50)
    with pytest.raises(UserError, match="neither a condition nor a day"):
        Cohort(min_age=18)
    with pytest.raises(UserError, match="once"):
        order(classes=("basic", "basic"))
    with pytest.raises(UserError, match="application"):
        replace(order(), application="")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('role = "quasi"', 'role = "quaint"', "no role"),
        ('column = "month_of_birth"', 'column = "birthday"', "no column"),
        ("expression = '(?i)", "expression = '(?<i>", "not RE2"),
        ("longest = 120", "longest = 0", "at least 1"),
        ("longest = 120", "longest = 120\nlimit = 3", "unknown field"),
    ],
)
def test_faulty_rule_file_is_refused(root: Path, old: str, new: str, message: str) -> None:
    text = (root / "rules" / "processing" / "pseudonymised.toml").read_text("utf-8")
    assert old in text
    with pytest.raises(UserError, match=message):
        parse_toml(text.replace(old, new), Rules, "rules")
