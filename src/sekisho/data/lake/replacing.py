"""Records sent again: the rows of the latest batch count, also where they moved to another table.

A record is (provider, record type, source id). When a submission lands, the records that an
earlier (or, out of order, a later) batch holds already are noted once with their latest batch, so
that a reader compares against this short list instead of grouping all rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sekisho.data.lake.sql import Sql, fill, literal, literals

RECORD = ("provider", "record_type", "source_id")
SCHEMA = pa.schema(
    [*((column, pa.string()) for column in RECORD), ("latest", pa.int64()), ("batch", pa.int64())]
)
"""``latest``: the batch whose rows count. ``batch``: the one whose landing noted it."""

# A note made by a submission that broke off does not count yet.
VISIBLE = """
SELECT provider, record_type, source_id, max(latest) AS latest
FROM all_replaced WHERE {visible} GROUP BY provider, record_type, source_id
"""
LANDED = "SELECT * FROM {landed} WHERE {visible}"
CURRENT = """
SELECT * FROM {landed} l WHERE {visible} AND NOT EXISTS (
  SELECT 1 FROM replaced r
  WHERE r.source_id = l.source_id AND r.record_type = l.record_type
    AND r.provider = l.provider AND r.latest > l.batch)
"""
HELD = """
SELECT l.provider, l.record_type, l.source_id, l.batch FROM {landed} l
WHERE EXISTS (SELECT 1 FROM sent s WHERE s.source_id = l.source_id
  AND s.record_type = l.record_type AND s.provider = l.provider)
"""
_FOUND = """
SELECT provider, record_type, source_id,
  CASE WHEN max(batch) > {batch} THEN max(batch) ELSE {batch} END AS latest, {batch} AS batch
FROM ({held}) h WHERE batch NOT IN ({others})
GROUP BY provider, record_type, source_id ORDER BY provider, record_type, source_id
"""


def found(held: Sequence[Sql], batch: int, others: Sequence[int]) -> Sql:
    """Return the query for the records of ``sent`` that batches other than ``others`` hold."""
    union = Sql("\nUNION ALL\n".join(held))
    return fill(_FOUND, held=union, batch=literal(batch), others=literals(others))
