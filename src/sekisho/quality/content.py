"""Digests of what tables say, whatever their order, their tags and in how many parts they came."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from itertools import groupby, pairwise

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm.scalars import text

_NEXT = "\n"
"""Stands before each row, and is left out before a person's first."""
_FIRST = "source_id"
_NOTHING = "-:"
"""An empty value; that of no letters is ``0:``."""


def content_digest(persons: Iterable[bytes]) -> str:
    """Return one digest of all persons' content, whatever their order."""
    state = hashlib.sha256(b"sekisho-landed-3\n")
    for digest in sorted(persons):
        state.update(digest)
    return state.hexdigest()


def persons_content(tables: Mapping[str, pa.Table]) -> tuple[bytes, ...]:
    """Return for each person SHA-256 over all of their rows, whatever the order and the tag.

    A tag is left out, and yet the digests say which records are of one person.
    """
    there = [(name, rows) for name, rows in sorted(tables.items()) if rows.num_rows]
    if not there:
        return ()
    texts = pa.concat_arrays([_texts(name, rows) for name, rows in there])
    tags = pa.concat_arrays([_whole(rows.column("tag")) for _, rows in there])
    persons = tags.dictionary_encode("encode").indices
    # Two sorts, of which the second keeps the first's order, cost a fraction of one by both.
    by_text = pc.array_sort_indices(texts)
    order = by_text.take(pc.array_sort_indices(persons.take(by_text)))
    ends = pc.run_end_encode(persons.take(order)).run_ends
    texts = texts.take(order)
    places = pc.cumulative_sum(pc.binary_length(texts).cast(pa.int64()))
    stops = places.take(pc.subtract(ends, pa.scalar(1, ends.type))).to_pylist()
    data = memoryview(texts.buffers()[2])
    return tuple(
        hashlib.sha256(data[start + len(_NEXT) : stop]).digest()
        for start, stop in pairwise([0, *stops])
    )


def _texts(name: str, rows: pa.Table) -> pa.StringArray:
    """Return one text a row: every value with its length before it, so that no two rows meet."""
    columns = [one for one in rows.column_names if one not in ("tag", _FIRST)]
    # what differs most stands first: to sort the texts is several times as fast
    cells: list[str | pa.Array] = [_NEXT, *_counted(_whole(rows.column(_FIRST))), name]
    for column in columns:
        cells += _counted(_whole(rows.column(column)))
    joined = [
        one
        for alike, of in groupby(cells, lambda cell: isinstance(cell, str))
        for one in ([":".join(of)] if alike else of)
    ]
    joined[0] = pa.repeat(text(joined[0]), rows.num_rows)
    each = [text(one) if isinstance(one, str) else one for one in joined]
    return pc.binary_join_element_wise(
        *each, text(":"), null_handling="replace", null_replacement=_NOTHING
    )


def _counted(column: pa.Array) -> list[str | pa.Array]:
    """Return each value after its length (null: none) in cells, which are texts where all agree."""
    if column.null_count == len(column):
        return [_NOTHING]
    if not column.null_count and column.type == pa.string() and column[0] != column[-1]:
        lengths = pc.min_max(pc.binary_length(column))
        if lengths["min"] == lengths["max"]:  # as those of names of records are, which differ
            return [str(lengths["min"]), column]
    encoded = column.dictionary_encode()
    values = encoded.dictionary.cast(pa.string())
    length = pc.binary_length(values).cast(pa.string())
    if len(values) == 1 and not column.null_count:
        return [f"{length[0]}:{values[0]}"]
    each = pc.binary_join_element_wise(length, values, text(":"))
    return [each.take(encoded.indices)]


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks != 1 else column.chunk(0)
