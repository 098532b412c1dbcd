"""Tables between provider and collector, in Arrow: links first, then what a reader fills."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from sekisho.cdm.tables import Column, table

ORIGIN: Final = ("source_id", "visit_ref", "kind", "data_class", "record_type")
"""Where a row comes from, as keyed names."""
TRANSIT: Final = ("tag", *ORIGIN)
"""Columns before the content, provider → collector."""

_TYPES: Final = {
    "int64": pa.int64(),
    "date": pa.date32(),
    "string": pa.string(),
    "decimal": pa.string(),
}


def arrow_type(column: Column) -> pa.DataType:
    """Return the Arrow type; a decimal is a string in its canonical spelling."""
    return _TYPES[column.type]


def content_fields(name: str) -> list[tuple[str, pa.DataType]]:
    """Return name and type of the columns of ``name`` that a reader fills."""
    return [(column.name, arrow_type(column)) for column in table(name).content]


def transit_schema(name: str) -> pa.Schema:
    """Return the schema of table ``name`` between provider and collector."""
    return pa.schema([(column, pa.string()) for column in TRANSIT] + content_fields(name))


def object_schema() -> pa.Schema:
    """Return the schema of what belongs to rows and is no row: images, a person's variants.

    One travels in pieces, which stand in a row and are numbered from 0.
    """
    return pa.schema(
        [
            ("tag", pa.string()),
            ("source_id", pa.string()),
            ("data_class", pa.string()),
            ("object", pa.string()),
            ("piece", pa.int32()),
            ("data", pa.binary()),
        ]
    )
