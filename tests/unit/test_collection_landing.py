"""Landing: each rule quarantines what it must, records stay whole, and the receipt is stable."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.cdm import transit_schema
from sekisho.common.errors import Defect, UserError
from sekisho.data.collection import (
    Balance,
    Line,
    balance,
    read_declared,
    receipt_payload,
    survey_of,
)
from sekisho.provider import Part
from sekisho.quality import (
    CollectionRules,
    Landed,
    check,
    content_digest,
    load_rules,
    persons_content,
)
from submissions import NORTH, SOUTH, condition, laboratory, ndjson, patient, prepared

DAY = date(2026, 4, 1)
Tables = dict[str, pa.Table]


@pytest.fixture(scope="session")
def rules(root: Path) -> CollectionRules:
    return load_rules(root / "rules" / "collection.toml")


@pytest.fixture
def part(tmp_path: Path) -> Part:
    """Two patients with two conditions each, and a death."""
    resources = [patient(1), patient(2, deceasedDateTime="2025-01-01")]
    resources += [condition(n, 1 + n % 2, abatementDateTime="2020-02-01") for n in range(4)]
    return prepared([ndjson(tmp_path / "a.ndjson", *resources)]).parts[NORTH]


def held(landed: Landed, rules: CollectionRules) -> set[str]:
    """Return the rules for which something was held back."""
    return {b.rule for b in landed.breaches if rules.find(b.rule).verdict == "hold"}


def tags(part: Part) -> set[str]:
    return {tag for tag, _ in part.identities}


def content_of(tables: Mapping[str, pa.Table]) -> str:
    return content_digest(persons_content(tables))


def changed(tables: Tables, table: str, column: str, value: Any, row: int = 0) -> Tables:
    """Return the tables with one value replaced."""
    rows = tables[table]
    values = rows.column(column).to_pylist()
    values[row] = value
    place, field = rows.schema.get_field_index(column), rows.schema.field(column)
    return {**tables, table: rows.set_column(place, field, pa.array(values, field.type))}


def plainly(tables: Mapping[str, pa.Table]) -> list[bytes]:
    """Return what `persons_content` must, one value after the other."""
    texts: dict[str, list[str]] = {}
    for name, table in tables.items():
        for row in table.to_pylist():
            cells = [""]
            for column in (
                "source_id",
                *(name for name in row if name not in ("tag", "source_id")),
            ):
                text = "" if row[column] is None else str(row[column])
                cells += ["-" if row[column] is None else str(len(text.encode())), text]
                if column == "source_id":
                    cells.append(name)
            texts.setdefault(row["tag"], []).append(":".join(cells))
    return sorted(hashlib.sha256("\n".join(sorted(of)).encode()).digest() for of in texts.values())


ROW = st.fixed_dictionaries(
    {
        "tag": st.sampled_from(["a", "b", "c"]),
        "source_id": st.sampled_from(["1", "1:2", "", "あ", None]),
        "death_date": st.sampled_from([date(2020, 1, 2), date(1900, 1, 1), None]),
        "cause_concept_id": st.sampled_from([0, -7, None]),
    }
)


@given(st.lists(ROW, min_size=1), st.lists(ROW), st.integers(1, 5))
def test_content_is_a_digest_for_each_person_over_every_value_of_theirs(
    deaths: list[dict[str, Any]], persons: list[dict[str, Any]], chunk: int
) -> None:
    made = {"death": deaths, "person": [{**row, "year_of_birth": 1950} for row in persons]}
    tables = {
        name: pa.Table.from_batches(
            pa.Table.from_pylist(
                [{n: row.get(n) for n in transit_schema(name).names} for row in rows],
                transit_schema(name),
            ).to_batches(max_chunksize=chunk),
            transit_schema(name),
        )
        for name, rows in made.items()
    }
    assert sorted(persons_content(tables)) == plainly(tables)


def test_what_is_right_lands(part: Part, rules: CollectionRules) -> None:
    landed = check(part.tables, rules, day=DAY, tags=tags(part))
    assert landed.tables == part.tables
    assert landed.quarantined == {}
    assert held(landed, rules) == set()


BAD = [
    ("person", "year_of_birth", 1899, "date.too-early"),
    ("person", "year_of_birth", 2027, "date.born-after-submission"),
    ("person", "year_of_birth", None, "present.content"),
    ("person", "month_of_birth", 13, "month.of-birth"),
    ("person", "gender_concept_id", 3, "code.sex"),
    ("condition_occurrence", "condition_start_date", date(1899, 12, 31), "date.too-early"),
    ("condition_occurrence", "condition_start_date", date(9999, 1, 1), "date.after-submission"),
    ("condition_occurrence", "condition_start_date", date(1980, 4, 30), "date.before-birth"),
    ("condition_occurrence", "condition_start_date", None, "present.content"),
    ("condition_occurrence", "condition_end_date", date(2019, 1, 1), "date.end-before-start"),
    ("condition_occurrence", "condition_end_date", date(2028, 1, 1), "date.far-after-submission"),
    ("condition_occurrence", "condition_source_value", "a\nb", "form.text"),
    ("condition_occurrence", "tag", "not a tag", "form.tag"),
    ("condition_occurrence", "source_id", "Condition/c1", "form.source-id"),
    ("condition_occurrence", "visit_ref", "Encounter/1", "form.visit"),
    ("condition_occurrence", "kind", None, "present.key"),
    ("death", "death_date", date(2026, 4, 3), "date.after-submission"),
]


@pytest.mark.parametrize(("table", "column", "value", "rule"), BAD)
def test_each_rule_quarantines_the_record_that_breaks_it(
    part: Part, rules: CollectionRules, table: str, column: str, value: Any, rule: str
) -> None:
    tables = changed(part.tables, table, column, value)
    landed = check(tables, rules, day=DAY)
    assert rule in {b.rule for b in landed.breaches}
    assert landed.quarantined[table].num_rows == 1
    assert rule in landed.quarantined[table].column("rules").to_pylist()[0].split()
    assert rows(landed) == {name: t.num_rows for name, t in tables.items()}


def rows(landed: Landed) -> dict[str, int]:
    found: dict[str, int] = {}
    for tables in (landed.tables, landed.quarantined):
        for name, table in tables.items():
            found[name] = found.get(name, 0) + table.num_rows
    return found


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("value_as_number", "6.10", "form.number"),
        ("value_as_number", "1e3", "form.number"),
        ("value_as_number", "-0", "form.number"),
        ("value_as_number", "-0.5", None),
        ("unit_source_value", "", "form.text"),
    ],
)
def test_numbers_have_one_spelling(
    tmp_path: Path, rules: CollectionRules, column: str, value: str, rule: str | None
) -> None:
    file = ndjson(tmp_path / "a.ndjson", patient(1), laboratory(1))
    tables = changed(prepared([file]).parts[SOUTH].tables, "measurement", column, value)
    landed = check(tables, rules, day=DAY)
    assert held(landed, rules) == ({rule} if rule else set())


def test_negative_amounts_are_quarantined(tmp_path: Path, rules: CollectionRules) -> None:
    benefit = {
        "resourceType": "ExplanationOfBenefit",
        "id": "e",
        "patient": {"reference": "Patient/p1"},
        "created": "2020-01-01",
        "total": [{"amount": {"value": -1, "currency": "JPY"}}],
    }
    one = prepared([ndjson(tmp_path / "a.ndjson", patient(1), benefit)])
    landed = check(one.parts[SOUTH].tables, rules, day=DAY)
    assert [b.rule for b in landed.breaches] == ["amount.negative"]


def test_one_bad_row_holds_back_its_whole_record(part: Part, rules: CollectionRules) -> None:
    """A patient's row of person goes with the bad row of death, and no other patient's."""
    tables = changed(part.tables, "death", "death_date", date(1950, 1, 1))
    landed = check(tables, rules, day=DAY, tags=tags(part))
    assert landed.quarantined["person"].num_rows == 1
    assert landed.tables["person"].num_rows == 1
    assert "death" not in landed.tables
    assert landed.quarantined["person"].column("rules").to_pylist() == ["date.before-birth"]


def test_persons_whose_identity_did_not_arrive_are_quarantined(
    part: Part, rules: CollectionRules
) -> None:
    missing = sorted(tags(part))[0]
    landed = check(part.tables, rules, day=DAY, tags=tags(part) - {missing})
    for table in landed.quarantined.values():
        assert set(table.column("tag").to_pylist()) == {missing}
    for table in landed.tables.values():
        assert missing not in table.column("tag").to_pylist()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda t: {**t, "note": t["person"]},
        lambda t: {**t, "person": t["person"].drop_columns(["tag"])},
        lambda t: {**t, "person": t["person"].append_column("name", t["person"].column("tag"))},
        lambda t: {**t, "death": t["person"]},
        lambda t: {
            **t,
            "person": t["person"].set_column(
                7, "year_of_birth", t["person"].column("year_of_birth").cast(pa.string())
            ),
        },
    ],
)
def test_another_layout_is_refused_whole(
    part: Part, rules: CollectionRules, spoil: Callable[[Tables], Tables]
) -> None:
    with pytest.raises(UserError, match="agreed layout"):
        check(spoil(part.tables), rules, day=DAY)


def landed_and_balanced(part: Part, rules: CollectionRules) -> tuple[Landed, Balance]:
    landed = check(part.tables, rules, day=DAY, tags=tags(part))
    return landed, balance(read_declared(part.declared()), survey_of(landed))


def test_the_balance_is_even_and_counts_what_never_left(
    tmp_path: Path, rules: CollectionRules
) -> None:
    resources = [patient(1), condition(1), condition(1), condition(2, 77), condition(3, code=None)]
    part = prepared([ndjson(tmp_path / "a.ndjson", *resources)]).parts[NORTH]
    tables = changed(part.tables, "condition_occurrence", "condition_start_date", date(1900, 1, 1))
    landed = check(tables, rules, day=DAY)
    made = balance(read_declared(part.declared()), survey_of(landed))
    assert made.totals == {
        "sent": 5, "landed": 1, "quarantined": 1, "refused": 1, "superseded": 1, "set_aside": 1
    }  # fmt: skip
    assert made.rows_landed == {"person": 1}


def test_an_uneven_balance_cannot_exist() -> None:
    with pytest.raises(Defect):
        Line("Condition", "basic", 3, 1, 1, 0, 0, 0)
    with pytest.raises(Defect):
        Line("Condition", "basic", 1, 2, -1, 0, 0, 0)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: [x for x in d if x["record_type"] != "Condition"],
        lambda d: [*d, d[0]],
        lambda d: [{**d[0], "delivered": d[0]["delivered"] + 1}, *d[1:]],
        lambda d: [{**d[0], "sent": d[0]["sent"] + 1}, *d[1:]],
        lambda d: [{**d[0], "sent": "many"}, *d[1:]],
        lambda d: {"record_type": "Condition"},
    ],
)
def test_what_arrived_must_be_what_was_declared(
    part: Part, rules: CollectionRules, change: Callable[[list[dict[str, Any]]], object]
) -> None:
    landed = check(part.tables, rules, day=DAY)
    with pytest.raises(UserError) as caught:
        balance(read_declared(change(part.declared())), survey_of(landed))
    assert caught.value.code == "collection.declaration"


def test_the_same_files_give_the_same_receipt_although_tags_differ(
    tmp_path: Path, rules: CollectionRules
) -> None:
    files = [ndjson(tmp_path / "a.ndjson", patient(1), patient(2), condition(1), condition(2, 2))]
    payloads = []
    for seed in (1, 2):
        part = prepared(files, seed=seed).parts[NORTH]
        landed, made = landed_and_balanced(part, rules)
        payloads.append(
            receipt_payload(
                survey_of(landed), made, provider="1310000001", file_digests=part.file_digests
            )
        )
    assert payloads[0] == payloads[1]


def test_the_digest_says_whose_the_records_are(part: Part, rules: CollectionRules) -> None:
    """The same rows, with one condition moved to the other person, are other content."""
    first, second = sorted(tags(part))
    rows = part.tables["condition_occurrence"]
    place = rows.column("tag").to_pylist().index(first)
    moved = changed(part.tables, "condition_occurrence", "tag", second, place)
    assert content_of(moved) != content_of(part.tables)


def test_the_digest_does_not_hang_on_the_order_of_rows(part: Part) -> None:
    turned = {
        name: rows.take(list(range(rows.num_rows))[::-1]) for name, rows in part.tables.items()
    }
    assert content_of(turned) == content_of(part.tables)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('check = "years"', 'check = "yeras"', "yeras"),
        ("earliest = 1900", "", "needs 'earliest'"),
        ('id = "code.sex"', 'id = "form.tag"', "twice"),
        ('columns = ["*.*_end_date"]', 'columns = ["*.*_ende"]', "no column"),
        ('check = "identity"', 'check = "identity"\ncolumns = ["*.tag"]', "name columns"),
    ],
)
def test_a_wrong_rule_file_is_refused_with_its_line(
    root: Path, tmp_path: Path, old: str, new: str, said: str
) -> None:
    text = (root / "rules" / "collection.toml").read_text("utf-8")
    assert old in text
    path = tmp_path / "collection.toml"
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(UserError, match=said) as caught:
        load_rules(path)
    assert "collection.toml:" in caught.value.message


def test_every_rule_tells_a_clerk_what_to_do_in_both_languages(rules: CollectionRules) -> None:
    for rule in rules.rule:
        assert rule.title.ja != rule.title.en
        assert rule.mend.ja != rule.mend.en
        assert rules.find(rule.id) is rule
