"""The catalogue: what may be asked for, and on what terms."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from sekisho.cdm import TABLES
from sekisho.common.errors import UserError
from sekisho.common.toml import parse_toml
from sekisho.control.catalogue import (
    Catalogue,
    TableColumns,
    check_columns,
    describe,
    read_catalogue,
    rule_sets,
    schema,
)
from sekisho.framework import DataKinds

KINDS = """
version = "1"
source = "test"
[[category]]
number = 1
title = { ja = "公的", en = "public" }
[[kind]]
id = "patient"
title = { ja = "患者", en = "patient" }
category = 1
class = "basic"
holder = ["hospital"]
goes_with = ["additional"]
[[kind]]
id = "laboratory"
title = { ja = "検査", en = "laboratory" }
category = 1
class = "additional"
holder = ["hospital"]
[[record]]
format = "f"
records = ["P"]
kind = "patient"
tables = ["person", "death"]
[[record]]
format = "f"
records = ["*"]
kind = "laboratory"
tables = ["measurement"]
"""


@pytest.fixture
def catalogue(root: Path) -> Catalogue:
    return read_catalogue(root / "rules" / "catalogue.toml")


def test_a_table_named_alone_is_asked_for_whole() -> None:
    asked = check_columns([table.name for table in TABLES])
    assert [each.table for each in asked] == [table.name for table in TABLES]
    for each, table in zip(asked, TABLES, strict=True):
        assert each.columns == tuple(column.name for column in table.content)


def test_the_order_of_asking_does_not_show_in_what_is_asked() -> None:
    chosen = TableColumns("death", ("person_id", "cause_source_value", "death_date"))
    assert check_columns(["death", "person"], [chosen]) == check_columns(
        ["person", "death"], [TableColumns("death", ("death_date", "cause_source_value"))]
    )


@pytest.mark.parametrize(
    ("tables", "columns", "code"),
    [
        ([], [], "catalogue.nothing-asked"),
        (["patients"], [], "cdm.no-table"),
        (["person", "person"], [], "catalogue.named-twice"),
        (["person"], [TableColumns("person", ("name",))], "catalogue.no-column"),
        (["person"], [TableColumns("death", ("death_date",))], "catalogue.table-not-asked"),
        (["person"], [TableColumns("person", ("year_of_birth",) * 2)], "catalogue.named-twice"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(
    tables: list[str], columns: list[TableColumns], code: str
) -> None:
    with pytest.raises(UserError) as caught:
        check_columns(tables, columns)
    assert caught.value.code == code
    assert caught.value.next_step


def test_linked_data_meet_the_rules_of_every_data_set(catalogue: Catalogue) -> None:
    assert rule_sets(catalogue, ["basic"]) == ("ndb",)
    assert rule_sets(catalogue, ["additional", "basic"]) == ("ndb", "sekisho-default")
    with pytest.raises(UserError):
        rule_sets(catalogue, ["secret"])


def test_the_description_gives_every_column_its_role(catalogue: Catalogue) -> None:
    described = describe(catalogue, parse_toml(KINDS, DataKinds, "kinds"))
    json.dumps(described)
    by_class = {each["data_class"]: each for each in described["data_sets"]}
    assert [t["table"] for t in by_class["additional"]["tables"]] == [
        "person",
        "measurement",
        "death",
    ]
    assert [kind["id"] for kind in by_class["basic"]["kinds"]] == ["patient"]
    person = by_class["basic"]["tables"][0]
    assert person["columns"][0] == {
        "name": "person_id",
        "type": "int64",
        "role": "person",
        "issued_anew": True,
    }
    assert all(term["source"] for each in described["data_sets"] for term in each["terms"])


def test_data_hard_to_process_are_never_offered_as_anonymous(catalogue: Catalogue) -> None:
    assert "anonymised" not in catalogue.of("hard").forms


def test_the_shipped_file_meets_its_schema(root: Path) -> None:
    import tomllib

    raw = tomllib.loads((root / "rules" / "catalogue.toml").read_text("utf-8"))
    jsonschema.validate(raw, schema())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('terms = ["no-reidentification"', 'terms = ["unknown"'),
        ('data_class = "additional"', 'data_class = "basic"'),
        ('forms = ["pseudonymised", "anonymised", "table"]', "forms = []"),
        ('id = "catalogue"', 'id = "catalogue"\ncolour = 1'),
    ],
)
def test_a_file_that_does_not_hold_together_is_refused(
    root: Path, tmp_path: Path, old: str, new: str
) -> None:
    text = (root / "rules" / "catalogue.toml").read_text("utf-8")
    assert old in text
    file = tmp_path / "catalogue.toml"
    file.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(UserError):
        read_catalogue(file)
