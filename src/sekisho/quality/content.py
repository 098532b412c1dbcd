"""Digests of what tables say, whatever their order, their tags and in how many parts they came."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


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
    parts = [
        pa.table({"tag": pc.fill_null(rows.column("tag"), ""), "text": _texts(name, rows)})
        for name, rows in sorted(tables.items())
        if rows.num_rows
    ]
    if not parts:
        return ()
    ordered = pa.concat_tables(parts).sort_by([("tag", "ascending"), ("text", "ascending")])
    pairs = zip(ordered["tag"].to_pylist(), ordered["text"].to_pylist(), strict=True)
    return tuple(
        hashlib.sha256("\n".join(text for _, text in rows).encode()).digest()
        for _, rows in groupby(pairs, key=lambda pair: pair[0])
    )


def _texts(name: str, rows: pa.Table) -> pa.ChunkedArray:
    """Return one text a row: every value with its length before it, so that no two rows meet."""
    cells: list[Any] = [pa.scalar(name)]
    for column_name in rows.column_names:
        if column_name == "tag":
            continue
        text = rows.column(column_name).cast(pa.string())
        cells += [
            pc.fill_null(pc.binary_length(text).cast(pa.string()), "-"),
            pc.fill_null(text, ""),
        ]
    return pc.binary_join_element_wise(*cells, ":")
