"""Rows for tests of the data wing: made by hand, in the layouts of a lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa

from sekisho.cdm import transit_schema
from sekisho.data.lake import held_schema

Row = Mapping[str, Any]


def held(table: str, rows: Sequence[Row], batch: int = 1, provider: str = "p1") -> pa.Table:
    """Return ``rows`` in the held layout, unsaid columns filled or null."""
    schema = held_schema(table)
    filled = {"kind": "k", "data_class": "basic", "record_type": "R", "provider": provider}
    whole = [{**filled, "batch": batch, **row} for row in rows]
    return pa.Table.from_pylist([{n: row.get(n) for n in schema.names} for row in whole], schema)


def transit(table: str, rows: Sequence[Row]) -> pa.Table:
    """Return ``rows`` in the layout between provider and collector."""
    schema = transit_schema(table)
    filled = {"kind": "k", "data_class": "basic", "record_type": "R"}
    return pa.Table.from_pylist(
        [{n: {**filled, **row}.get(n) for n in schema.names} for row in rows], schema
    )


def condition(person: str, source: str, code: str = "E11", **more: Any) -> dict[str, Any]:
    """Return one row of condition_occurrence."""
    return {
        "person_key": person,
        "source_id": source,
        "condition_concept_id": 0,
        "condition_start_date": date(2020, 5, 1),
        "condition_source_value": code,
        "condition_source_system": "http://hl7.org/fhir/sid/icd-10",
        **more,
    }


def person(key: str, source: str, year: int | None = 1950, **more: Any) -> dict[str, Any]:
    """Return one row of person."""
    return {
        "person_key": key,
        "source_id": source,
        "gender_concept_id": 8532,
        "year_of_birth": year,
        "month_of_birth": None if year is None else 4,
        "gender_source_value": "female",
        **more,
    }
