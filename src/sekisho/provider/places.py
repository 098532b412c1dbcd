"""Where the records of a submission stand in the provider's files, by their numbers."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.quality import Where


@dataclass(frozen=True)
class Places:
    """Of each record read: its file, its line and its type, as columns over the record numbers.

    Args:
        names: the files' names, which never leave.
        types: the record types.
    """

    names: Sequence[str] = field(repr=False)
    types: Sequence[str]
    file: array[int] = field(repr=False)
    line: array[int] = field(repr=False)
    type: array[int] = field(repr=False)

    def __len__(self) -> int:
        return len(self.line)

    def first(self, records: Records, most: int) -> tuple[Where, ...]:
        """Return the first places of ``records``, in order of file name and line."""
        numbers = pc.indices_nonzero(records.mask())
        ranks = {name: rank for rank, name in enumerate(sorted(self.names))}
        by_file = pa.array([ranks[name] for name in self.names], pa.uint32())
        places = pa.table(
            {
                "name": pc.take(by_file, pc.take(column(self.file, pa.uint32()), numbers)),
                "line": pc.take(column(self.line, pa.uint32()), numbers),
            }
        )
        distinct = places.group_by(["name", "line"]).aggregate([])
        order = [("name", "ascending"), ("line", "ascending")]
        chosen = distinct.take(pc.select_k_unstable(distinct, most, order))
        named = sorted(ranks, key=lambda name: ranks[name])
        pairs = zip(chosen["name"].to_pylist(), chosen["line"].to_pylist(), strict=True)
        return tuple(Where(named[rank], line) for rank, line in pairs)

    def by_type(self, records: Records) -> Counter[str]:
        """Return record type → how many of ``records`` are of it."""
        counted = pc.value_counts(column(self.type, pa.uint16()).filter(records.mask()))
        return Counter({self.types[one["values"]]: one["counts"] for one in counted.to_pylist()})


class Records:
    """A set of record numbers below ``size``, one bit each."""

    def __init__(self, size: int) -> None:
        self._size, self._bits = size, bytearray((size + 7) // 8)

    def add(self, numbers: pa.ChunkedArray) -> None:
        for number in numbers.unique().to_pylist():
            self._bits[number >> 3] |= 1 << (number & 7)

    def update(self, other: Records) -> None:
        """Add all of another set of the same size."""
        both = int.from_bytes(self._bits) | int.from_bytes(other._bits)
        self._bits[:] = both.to_bytes(len(self._bits))

    def __len__(self) -> int:
        return int.from_bytes(self._bits).bit_count()

    def mask(self) -> pa.Array:
        """Return by record number whether it is in the set."""
        return pa.Array.from_buffers(pa.bool_(), self._size, [None, pa.py_buffer(self._bits)])


def column(values: array[int] | bytearray, type_: pa.DataType) -> pa.Array:
    """Return an Arrow array over the same memory: it must be gone before ``values`` grows."""
    return pa.Array.from_buffers(type_, len(values), [None, pa.py_buffer(values)])
