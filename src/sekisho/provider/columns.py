"""Rows to Arrow, a batch at a time: what is kept in memory is columns, not Python values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm import ORIGIN, Table, arrow_type, table, transit_schema

_BATCH = 1 << 15
_LOCAL = [("patient", pa.int32()), ("record", pa.int32())]
_TEXTS = [(name, pa.string()) for name in ORIGIN]


class Columns:
    """Gathers the rows of one table for one data class."""

    def __init__(self, name: str) -> None:
        self._table: Table = table(name)
        self._rows: list[tuple[Any, ...]] = []
        self._batches: list[pa.RecordBatch] = []
        # dates are gathered as days: Arrow takes integers much faster than date objects
        content = [
            (c.name, pa.int32() if c.type == "date" else arrow_type(c)) for c in self._table.content
        ]
        self._schema = pa.schema(_LOCAL + _TEXTS + content)

    def add(self, row: tuple[Any, ...]) -> None:
        """Add (patient, record, source_id, visit_ref, kind, data_class, record_type, *content)."""
        self._rows.append(row)
        if len(self._rows) >= _BATCH:
            self._flush()

    def finish(self, alive: pa.Array, tags: pa.Array) -> pa.Table:
        """Return the table in transit.

        Args:
            alive: by record number, whether it is sent.
            tags: by patient number, the tag or null; alive records have one.
        """
        self._flush()
        gathered = pa.Table.from_batches(self._batches, self._schema)
        self._batches = []
        gathered = gathered.filter(pc.take(alive, gathered.column("record")))
        tag = pc.take(tags, gathered.column("patient"))
        gathered = gathered.drop_columns(["patient", "record"]).add_column(0, "tag", tag)
        return gathered.cast(transit_schema(self._table.name))

    def _flush(self) -> None:
        if not self._rows:
            return
        arrays = [
            pa.array(values, field.type)
            for values, field in zip(zip(*self._rows, strict=True), self._schema, strict=True)
        ]
        self._batches.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._rows = []


def joined(tables: Iterable[pa.Table]) -> pa.Table:
    """Return tables of one layout as one, in an order that says nothing about the files' order."""
    whole = pa.concat_tables(tables).combine_chunks()
    keys = [("source_id", "ascending"), ("record_type", "ascending")]
    return whole.take(pc.sort_indices(whole, sort_keys=keys))
