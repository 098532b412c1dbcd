"""Digests of what tables say, whatever their order, their tags and in how many parts they came."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm.scalars import text

_NEXT = "\n"
"""Stands before each row, and is left out before a person's first."""
_NOTHING = "-:"
"""An empty value; that of no letters is ``0:``."""


def content_digest(persons: Iterable[bytes]) -> str:
    """Return one digest of all persons' content, whatever their order."""
    state = hashlib.sha256(b"sekisho-landed-2\n")
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
    cells: list[str | pa.Array] = [_NEXT + name]
    for column in (one for one in rows.column_names if one != "tag"):
        cell = _counted(_whole(rows.column(column)))
        if isinstance(cell, str) and isinstance(cells[-1], str):
            cells[-1] += f":{cell}"
        else:
            cells.append(cell)
    cells[0] = pa.repeat(text(cells[0]), rows.num_rows)
    each = [text(one) if isinstance(one, str) else one for one in cells]
    return pc.binary_join_element_wise(
        *each, text(":"), null_handling="replace", null_replacement=_NOTHING
    )


def _counted(column: pa.Array) -> str | pa.Array:
    """Return each value as a text after its length (null: none); one text where all are alike."""
    if column.null_count == len(column):
        return _NOTHING
    encoded = column.dictionary_encode()
    values = encoded.dictionary.cast(pa.string())
    length = pc.binary_length(values).cast(pa.string())
    if len(values) == 1 and not column.null_count:
        return f"{length[0]}:{values[0]}"
    each = pc.binary_join_element_wise(length, values, text(":"))
    return each.take(encoded.indices)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks != 1 else column.chunk(0)
