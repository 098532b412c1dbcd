"""Rows to Arrow, a batch at a time: what is kept in memory is columns, not Python values.

A large table goes to disk in slices by the beginning of its source ids, which are keyed digests,
and one slice at a time is sorted: the order of what is sent says nothing about the files' order,
and needs no more memory for more rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm import ORIGIN, SLICES, Sliced, arrow_type, table, transit_schema
from sekisho.provider.records import Shape, absent
from sekisho.provider.scratch import Scratch

_BATCH = 1 << 12
"""Rows that are Python values at most."""
AT_ONCE_BYTES: Final = 16 << 20
"""Arrow's bytes that are sorted at once at most, about; to sort them takes several times that."""
RECORD = "record"
_LINKS = {"patient": pa.int32(), RECORD: pa.int32(), **dict.fromkeys(ORIGIN, pa.string())}


class Columns:
    """Gathers the rows of one table for one data class.

    Args:
        scratch: where they go when more than ``wait_bytes`` wait in memory.
    """

    def __init__(self, name: str, scratch: Scratch, wait_bytes: int) -> None:
        self._rows: defaultdict[Shape, list[tuple[Any, ...]]] = defaultdict(list)
        self._waiting = 0
        # dates are gathered as days: Arrow takes integers much faster than date objects
        content = {
            c.name: pa.int32() if c.type == "date" else arrow_type(c) for c in table(name).content
        }
        self._content = [(name, type_, absent(name)) for name, type_ in content.items()]
        self._schema = pa.schema([*_LINKS.items(), *content.items()])
        self._sliced = Sliced(self._schema, "source_id", scratch.file, wait_bytes)

    def add(self, shape: Shape, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add (patient, record, source_id, visit_ref, kind, data_class, record_type, *given)."""
        self._rows[shape] += rows
        self._waiting += len(rows)
        if self._waiting >= _BATCH:
            self._flush()

    def extend(self, links: Sequence[pa.Array], values: Mapping[str, pa.Array | str | int]) -> None:
        """Add rows in columns.

        Args:
            links: patient, record, source_id, visit_ref, kind, data_class and record_type.
            values: column of the content → its values, or one for all rows.
        """
        size = len(links[0])
        alike: dict[tuple[Any, pa.DataType], pa.Array] = {}
        content = []
        for name, type_, nothing in self._content:
            column = values.get(name, nothing)
            if not isinstance(column, pa.Array):
                # columns that say one thing share its memory
                key = (column, type_)
                if key not in alike:
                    alike[key] = _column(column, type_, size)
                column = alike[key]
            content.append(column)
        self._sliced.add(pa.Table.from_arrays([*links, *content], schema=self._schema))

    def finished(self) -> Sliced:
        """Return all rows; none is added afterwards."""
        self._flush()
        return self._sliced

    def _flush(self) -> None:
        rows, self._rows, self._waiting = self._rows, defaultdict(list), 0
        types = {**_LINKS, **{name: type_ for name, type_, _ in self._content}}
        for shape, found in rows.items():
            names = (*_LINKS, *shape.given)
            each = zip(names, zip(*found, strict=True), strict=True)
            arrays = {name: _array(values, types[name]) for name, values in each}
            links = [arrays.pop(name) for name in _LINKS]
            self.extend(links, {**shape.fixed, **arrays})


def _column(value: str | int | None, type_: pa.DataType, size: int) -> pa.Array:
    return pa.nulls(size, type_) if value is None else pa.repeat(pa.scalar(value, type_), size)


def _array(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    first = values[0]
    if first is values[-1] and values.count(first) == len(values):  # as most columns are
        return _column(first, type_, len(values))
    return pa.array(values, type_)


@dataclass(frozen=True)
class Rows:
    """One table for one body, in transit layout: made anew each time that it is read.

    Args:
        stores: the same table's rows of each data class that the body gets.
        alive: by record number, whether it is sent.
        persons: by patient number, that of the person, or null.
        tags: by person number, the tag or null; alive records have one.
        gone: tags of persons who are held back.
    """

    name: str
    stores: Sequence[Columns]
    alive: pa.Array
    persons: pa.Array
    tags: pa.Array
    gone: pa.Array = field(default_factory=lambda: pa.array([], pa.string()))

    @property
    def schema(self) -> pa.Schema:
        return transit_schema(self.name)

    def batches(self) -> Iterator[pa.Table]:
        """Yield the rows in order of source id; a record's rows are in one batch."""
        for rows in self.numbered():
            yield rows.drop_columns([RECORD])

    def numbered(self) -> Iterator[pa.Table]:
        """Yield the same, and beside each row the number of its record (`RECORD`)."""
        schema = self.schema.append(pa.field(RECORD, pa.int32()))
        for gathered in self._gathered():
            made = self._tagged(gathered)
            if made.num_rows:
                made = made.combine_chunks()
                yield made.take(_order(made)).cast(schema)

    def _gathered(self) -> Iterator[pa.Table]:
        stores = [store.finished() for store in self.stores]
        cut = any(store.on_disk for store in stores)
        for number in range(SLICES if cut else 1):
            # nothing holds a slice any more when the next one is read
            yield from _cut([store.slice(number, cut) for store in stores])

    def table(self) -> pa.Table:
        """Return all rows."""
        return pa.concat_tables([self.schema.empty_table(), *self.batches()]).combine_chunks()

    def __bool__(self) -> bool:
        for gathered in self._gathered():
            alive = pc.take(self.alive, gathered.column(RECORD))
            if not len(self.gone):
                there = pc.any(alive).as_py()
            else:
                there = self._tagged(gathered.select(["patient", RECORD])).num_rows
            if there:
                return True
        return False

    def _tagged(self, gathered: pa.Table) -> pa.Table:
        gathered = gathered.filter(pc.take(self.alive, gathered.column(RECORD)))
        tag = pc.take(self.tags, pc.take(self.persons, gathered.column("patient")))
        number = gathered.column(RECORD)
        made = gathered.drop_columns(["patient", RECORD]).add_column(0, "tag", tag)
        made = made.append_column(RECORD, number)
        if len(self.gone):
            made = made.filter(pc.invert(pc.is_in(made.column("tag"), value_set=self.gone)))
        return made


def _cut(tables: Sequence[pa.Table]) -> Iterator[pa.Table]:
    """Yield rows in parts by how their source ids begin, in order, where they are many."""
    rows = pa.concat_tables(tables)
    parts = -(-rows.nbytes // AT_ONCE_BYTES)
    if parts < 2:
        yield rows
        return
    begins = pc.utf8_slice_codeunits(rows.column("source_id"), 0, 3)
    distinct = sorted(begins.unique().to_pylist())
    each = -(-len(distinct) // parts)
    for start in range(0, len(distinct), each):
        here = pa.array(distinct[start : start + each], pa.string())
        yield rows.filter(pc.is_in(begins, value_set=here))


def _order(rows: pa.Table) -> pa.Array:
    """Return the places of rows in order of source id and record type."""
    # two sorts, of which the second keeps the first's order, cost a fraction of one by both
    kinds = rows.column("record_type").combine_chunks().dictionary_encode()
    ranks = pc.rank(kinds.dictionary).take(kinds.indices)
    by_kind = pc.array_sort_indices(ranks)
    sources = rows.column("source_id").combine_chunks().take(by_kind)
    return by_kind.take(pc.array_sort_indices(sources))


class Tables(Mapping[str, pa.Table]):
    """The tables for one body. A look-up reads a table whole; its `rows` can be read in batches."""

    def __init__(self, rows: Mapping[str, Rows]) -> None:
        self.rows = dict(rows)

    def __getitem__(self, name: str) -> pa.Table:
        return self.rows[name].table()

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def without(self, tags: pa.Array) -> Tables:
        """Return the tables without the rows under ``tags``."""
        left = {name: replace(rows, gone=tags) for name, rows in self.rows.items()}
        return Tables({name: rows for name, rows in left.items() if rows})
