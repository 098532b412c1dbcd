"""Which landed records a submission replaces.

A record's source id is ``<unit>`` or ``<unit>.<part>``: a receipt or an identified bundle is sent
and replaced as a whole, so a part that is missing from the new one is replaced by nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class Replaced:
    """Args:
    sources: per table, the landed source ids that no longer count.
    records: record type → landed records that are replaced.
    """

    sources: dict[str, pa.Array]
    records: dict[str, int]


def supersede(arrived: Mapping[str, pa.Table], landed: Mapping[str, pa.Table]) -> Replaced:
    """Return what ``arrived`` replaces of the same provider's landed records.

    Args:
        landed: per table, columns ``record_type`` and ``source_id`` of what is held already.
    """
    units = [unit_of(rows.column("source_id")).combine_chunks() for rows in arrived.values()]
    new = pa.concat_arrays([pa.array([], pa.string()), *units]).unique()
    sources: dict[str, pa.Array] = {}
    records: set[tuple[str, str]] = set()
    for table, rows in sorted(landed.items()):
        gone = rows.filter(pc.is_in(unit_of(rows.column("source_id")), value_set=new))
        if not gone.num_rows:
            continue
        sources[table] = gone.column("source_id").combine_chunks().unique()
        distinct = gone.group_by(["record_type", "source_id"]).aggregate([])
        records |= {(one["record_type"], one["source_id"]) for one in distinct.to_pylist()}
    counts = Counter(record_type for record_type, _ in records)
    return Replaced(sources, dict(sorted(counts.items())))


def unit_of(source_ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the units of source ids: what stands before the point."""
    return pc.replace_substring_regex(source_ids, r"\..*$", "")
