"""Records sent again: the rows of the latest batch count, also where they moved to another table.

What is replaced is a unit: a resource, or all parts of a receipt or identified bundle, whose
source ids are ``<unit>.<part>``. So a part that is missing from the new one counts no more, and a
unit that was taken back is replaced by nothing. When a
submission lands, the units that an earlier (or, out of order, a later) batch holds already are
noted once with their latest batch, so that a reader compares against this short list.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sekisho.data.lake.sql import Sql, fill, literal, literals

SCHEMA = pa.schema(
    [
        ("provider", pa.string()),
        ("unit", pa.string()),
        ("latest", pa.int64()),
        ("batch", pa.int64()),
    ]
)
"""``latest``: the batch whose rows count. ``batch``: the one whose landing noted it."""

# A note made by a submission that broke off does not count yet.
VISIBLE = """
SELECT provider, unit, max(latest) AS latest
FROM all_replaced WHERE {visible} GROUP BY provider, unit
"""
LANDED = "SELECT * FROM {landed} WHERE {visible}"
CURRENT = """
SELECT * FROM {landed} l WHERE {visible} AND NOT EXISTS (
  SELECT 1 FROM replaced r
  WHERE r.unit = split_part(l.source_id, '.', 1) AND r.provider = l.provider
    AND r.latest > l.batch)
"""
SENT = """
SELECT DISTINCT provider, split_part(source_id, '.', 1) AS unit FROM {landed} WHERE batch = {batch}
"""
HELD = """
SELECT l.provider, split_part(l.source_id, '.', 1) AS unit, l.batch FROM {landed} l
WHERE EXISTS (SELECT 1 FROM units u
  WHERE u.unit = split_part(l.source_id, '.', 1) AND u.provider = l.provider)
"""
_FOUND = """
SELECT provider, unit,
  CASE WHEN max(batch) > {batch} THEN max(batch) ELSE {batch} END AS latest, {batch} AS batch
FROM ({held}) h WHERE batch NOT IN ({others})
GROUP BY provider, unit ORDER BY provider, unit
"""


def noted(withdrawn: Sequence[tuple[str, str]], batch: int) -> pa.Table:
    """Return the notes that ``batch`` makes of units that were taken back and came with no rows."""
    return pa.table(
        {
            "provider": [provider for provider, _ in withdrawn],
            "unit": [unit for _, unit in withdrawn],
            "latest": [batch] * len(withdrawn),
            "batch": [batch] * len(withdrawn),
        },
        SCHEMA,
    )


def found(held: Sequence[Sql], batch: int, others: Sequence[int]) -> Sql:
    """Return the query for the units of ``sent`` that batches other than ``others`` hold."""
    union = Sql("\nUNION ALL\n".join(held))
    return fill(_FOUND, held=union, batch=literal(batch), others=literals(others))
