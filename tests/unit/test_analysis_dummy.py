"""Dummy data: from the catalogue alone, and as awkward as real data."""

from __future__ import annotations

import ast
import inspect

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sekisho.cdm import TABLES
from sekisho.common.errors import UserError
from sekisho.data.analysis import dummy
from sekisho.data.analysis.dummy import dummy_data
from sekisho.data.linkage import DECIDED, WEIGHT_TABLE

ALL = [t.name for t in TABLES]


def test_every_table_has_the_columns_and_types_of_an_extract() -> None:
    made = dummy_data(ALL, None, seed=1)
    types = {
        "int64": pa.int64(),
        "date": pa.date32(),
        "string": pa.string(),
        "decimal": pa.string(),
    }
    for definition in TABLES:
        table = made[definition.name]
        assert table.column_names == list(definition.names)
        for column in definition.columns:
            assert table.schema.field(column.name).type == types[column.type]
        assert table.num_rows > 0


def test_the_weights_of_an_enclave_are_there_to_try_a_study_on() -> None:
    """Of some persons only, and of sure and unsure ones; `test_processing_gate` compares types."""
    made = dummy_data([WEIGHT_TABLE, "person"], None, seed=1)
    weights = made[WEIGHT_TABLE]
    assert set(weights["person_id"].to_pylist()) < set(made["person"]["person_id"].to_pylist())
    assert set(weights["decided_by"].to_pylist()) == set(DECIDED.values())
    chances = weights["match_probability"].to_pylist()
    assert 0.5 < min(chances) < 0.9 < 0.999 < max(chances) < 1


def test_the_same_seed_gives_the_same_tables_and_another_seed_others() -> None:
    assert dummy_data(ALL, None, seed=1) == dummy_data(ALL, None, seed=1)
    assert dummy_data(ALL, None, seed=1) != dummy_data(ALL, None, seed=2)


def test_keys_are_unique_and_links_lead_to_rows() -> None:
    made = dummy_data(ALL, None, seed=3)
    persons = set(made["person"]["person_id"].to_pylist())
    visits = dict(
        zip(
            made["visit_occurrence"]["visit_occurrence_id"].to_pylist(),
            made["visit_occurrence"]["person_id"].to_pylist(),
            strict=True,
        )
    )
    for definition in TABLES:
        table = made[definition.name]
        assert set(table["person_id"].to_pylist()) <= persons
        if definition.key:
            assert pc.count_distinct(table[definition.key]).as_py() == table.num_rows
        if definition.has_visit:
            pairs = zip(
                table["visit_occurrence_id"].to_pylist(),
                table["person_id"].to_pylist(),
                strict=True,
            )
            assert all(visits[visit] == person for visit, person in pairs if visit is not None)


def test_what_breaks_studies_is_in_it() -> None:
    made = dummy_data(ALL, None, seed=7)
    without_rows = set(made["person"]["person_id"].to_pylist()) - set(
        made["visit_occurrence"]["person_id"].to_pylist()
    )
    assert without_rows
    values = made["measurement"]["value_source_value"].to_pylist()
    assert None in values
    assert any(v and not v.isascii() for v in values)
    assert made["measurement"]["visit_occurrence_id"].null_count
    assert min(made["person"]["year_of_birth"].to_pylist()) == 1905


def test_permitted_columns_and_given_codes_are_kept_to() -> None:
    made = dummy_data(
        ["condition_occurrence"],
        {"condition_occurrence": ["person_id", "condition_source_value"]},
        seed=1,
        codes={"condition_source_value": ["44054006"]},
    )
    table = made["condition_occurrence"]
    assert table.column_names == ["person_id", "condition_source_value"]
    assert "44054006" in table["condition_source_value"].to_pylist()


def test_an_unknown_table_or_column_is_refused() -> None:
    with pytest.raises(UserError):
        dummy_data(["patients"], None, seed=1)
    with pytest.raises(UserError):
        dummy_data(["person"], {"person": ["name"]}, seed=1)


def test_the_generator_opens_no_file_and_knows_no_lake() -> None:
    tree = ast.parse(inspect.getsource(dummy))
    imported = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert imported == {
        "__future__",
        "collections.abc",
        "datetime",
        "sekisho.cdm",
        "sekisho.common.errors",
        "sekisho.common.randomness",
        "sekisho.data.linkage",  # the name of the table with weights
    }
    called = {
        n.func.id
        for n in ast.walk(tree)
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
    }
    assert "open" not in called
