"""Records sent again: the rows of the latest batch count, also where they moved to another table.

What is replaced is a unit: a resource, or all parts of a receipt or identified bundle, whose
source ids are ``<unit>.<part>``. So a part that is missing from the new one counts no more, and a
unit that was taken back is replaced by nothing. When a
submission lands, the units that an earlier (or, out of order, a later) batch holds already are
noted once with their latest batch, so that a reader compares against this short list.

A list of millions of units is made, and looked up, some units at a time: `slices`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from sekisho.data.lake.sql import Sql, fill, literal, name

SCHEMA = pa.schema(
    [
        ("provider", pa.string()),
        ("unit", pa.string()),
        ("latest", pa.int64()),
        ("batch", pa.int64()),
    ]
)
"""``latest``: the batch whose rows count. ``batch``: the one whose landing noted it."""

SLICE: Final = 250_000
"""Records or notes that are compared in memory at once, about."""
_MOST: Final = 256

# A note made by a submission that broke off does not count yet.
VISIBLE = """
SELECT provider, unit, max(latest) AS latest
FROM all_replaced WHERE {visible} AND {part} GROUP BY provider, unit
"""
LANDED = "SELECT * FROM {landed} WHERE {visible} AND {part}"
CURRENT = """
SELECT * FROM {landed} l WHERE {visible} AND {part} AND NOT EXISTS (
  SELECT 1 FROM replaced r
  WHERE r.unit = split_part(l.source_id, '.', 1) AND r.provider = l.provider
    AND r.latest > l.batch)
"""
SENT = """
SELECT DISTINCT provider, split_part(source_id, '.', 1) AS unit FROM {landed}
WHERE batch = {batch} AND {part}
"""
HELD = """
SELECT provider, split_part(source_id, '.', 1) AS unit, batch FROM {landed}
WHERE batch NOT IN ({others}) AND {part}
"""
# All tables are one side of one look-up: each would hold the units in memory for itself.
_FOUND = """
SELECT h.provider, h.unit,
  CASE WHEN max(h.batch) > {batch} THEN max(h.batch) ELSE {batch} END AS latest, {batch} AS batch
FROM ({held}) h
WHERE EXISTS (SELECT 1 FROM units u WHERE u.unit = h.unit AND u.provider = h.provider)
GROUP BY h.provider, h.unit ORDER BY h.provider, h.unit
"""


@dataclass(frozen=True)
class Slice:
    """The units whose names lie between two texts; None: no end there.

    A record's name begins with its unit's, so that both are in one slice.
    """

    low: str | None = None
    high: str | None = None

    def of(self, column: str) -> Sql:
        """Return the condition that ``column`` lies in it."""
        ends = ((">=", self.low), ("<", self.high))
        said = [f"{name(column)} {sign} {literal(end)}" for sign, end in ends if end is not None]
        return Sql(" AND ".join(said) or "true")


EVERYTHING: Final = Slice()


def slices(rows: int) -> list[Slice]:
    """Return slices that are disjoint and leave no name out, of `SLICE` of ``rows`` each, about.

    Names are digests in hexadecimal digits, which lie evenly; with others slices are right, too,
    but may be of unlike size.
    """
    number = min(_MOST, max(1, -(-rows // SLICE)))
    ends = [f"{_MOST * one // number:02x}" for one in range(1, number)]
    return [Slice(low, high) for low, high in zip([None, *ends], [*ends, None], strict=True)]


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


def found(held: Sequence[Sql], batch: int) -> Sql:
    """Return the query for those of ``units`` that ``held`` has."""
    return fill(_FOUND, held=Sql("\nUNION ALL\n".join(held)), batch=literal(batch))
