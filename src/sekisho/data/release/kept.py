"""What is remembered of a release, inside: who was counted where, and which numbers were shown.

Kept so that a later table can be compared with it by persons and not by names of dimensions.
Never leaves the body that keeps it: it holds true counts and person ids of the project.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from sekisho.common.errors import TamperError

META = b"sekisho.kept"


@dataclass(frozen=True)
class Hidden:
    """One number that is not shown, and what the rules alone tell about it (both inclusive)."""

    cell: int
    low: int
    high: int | None


@dataclass(frozen=True, eq=False)
class Kept:
    """A table as it was (or would be) released.

    Args:
        counts: true persons per cell.
        hidden: the cells whose number is not shown.
        members: columns ``person_id`` and ``cell``, each person once.
    """

    name: str
    counts: tuple[int, ...]
    hidden: tuple[Hidden, ...]
    members: pa.Table

    def to_bytes(self) -> bytes:
        """Return the table and its facts as one Parquet file."""
        facts = {
            "name": self.name,
            "counts": list(self.counts),
            "hidden": [[h.cell, h.low, h.high] for h in self.hidden],
        }
        table = self.members.replace_schema_metadata({META: orjson.dumps(facts)})
        target = io.BytesIO()
        pq.write_table(table, target, store_schema=True)
        return target.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Kept:
        """Read what `to_bytes` wrote.

        Raises:
            TamperError: it is something else.
        """
        try:
            table = pq.read_table(io.BytesIO(data))
            facts = orjson.loads((table.schema.metadata or {})[META])
            hidden = tuple(Hidden(*each) for each in facts["hidden"])
            counts = tuple(facts["counts"])
            members = table.replace_schema_metadata(None).select(["person_id", "cell"])
            return cls(facts["name"], counts, hidden, members)
        except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
            raise TamperError("release.kept", "A kept release cannot be read.") from error


def everyone(persons: pa.Array | pa.ChunkedArray) -> Kept:
    """Return the project's number of persons as a kept table: for where that number is public."""
    count = len(persons)
    cells = pa.array([0] * count, pa.int64())
    return Kept("everyone", (count,), (), pa.table({"person_id": persons, "cell": cells}))
