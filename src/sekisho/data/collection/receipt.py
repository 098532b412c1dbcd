"""The landing receipt: counts and a digest of what landed. The body signs it; this only states."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.data.collection.balance import Balance
from sekisho.quality import Landed


def receipt_payload(
    landed: Landed,
    balance: Balance,
    *,
    provider: str,
    file_digests: Sequence[str],
    withdrawn: int = 0,
) -> dict[str, Any]:
    """Return what the receipt says; equal for equal files, although their tags are random.

    What an earlier submission's records were replaced by is not in it: that depends on what was
    held before, and belongs in the ledger. ``withdrawn`` is how many units were taken back.
    """
    return {
        "provider": provider,
        "files": sorted(file_digests),
        "rules": landed.rules_version,
        "balance": [asdict(line) for line in balance.lines],
        "totals": balance.totals,
        "rows": dict(balance.rows_landed),
        "rows_quarantined": dict(balance.rows_quarantined),
        "withdrawn": withdrawn,
        "breaches": [asdict(breach) for breach in landed.breaches],
        "content": content_digest(landed.tables),
        "quarantined": content_digest(landed.quarantined),
    }


def content_digest(tables: Mapping[str, pa.Table]) -> str:
    """Return SHA-256 over all rows, whatever their order and whatever the persons' tags.

    A tag is replaced by the least record that stands under it, so that the digest still says which
    records are of one person.
    """
    persons = _persons(tables)
    state = hashlib.sha256(b"sekisho-landed-1\n")
    for name in sorted(tables):
        rows = tables[name]
        places = pc.index_in(rows.column("tag"), value_set=persons.column("tag"))
        person = pc.take(persons.column("person"), places)
        texts = _texts(rows.set_column(rows.column_names.index("tag"), "tag", person))
        state.update(f"{name}\n{rows.num_rows}\n".encode())
        for text in texts.take(pc.sort_indices(texts)).to_pylist():
            state.update(text.encode() + b"\n")
    return state.hexdigest()


def _persons(tables: Mapping[str, pa.Table]) -> pa.Table:
    """Return tag, person: the least source id under each tag."""
    parts = [rows.select(["tag", "source_id"]) for rows in tables.values()]
    if not parts:
        return pa.table({"tag": pa.array([], pa.string()), "person": pa.array([], pa.string())})
    least = pa.concat_tables(parts).group_by("tag").aggregate([("source_id", "min")])
    return least.rename_columns(["tag", "person"])


def _texts(rows: pa.Table) -> pa.Array:
    """Return one text a row: every value with its length before it, so that no two rows meet."""
    cells: list[Any] = []
    for column in rows.columns:
        text = column.cast(pa.string())
        cells += [
            pc.fill_null(pc.binary_length(text).cast(pa.string()), "-"),
            pc.fill_null(text, ""),
        ]
    joined = pc.binary_join_element_wise(*cells, ":")
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined
