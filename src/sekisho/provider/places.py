"""Where the records of a submission stand in the provider's files, by their numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.provider.long_columns import LongColumn
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
    file: LongColumn = field(repr=False)
    line: LongColumn = field(repr=False)
    type: LongColumn = field(repr=False)

    def __len__(self) -> int:
        return len(self.line)

    def first(self, records: Records, most: int) -> tuple[Where, ...]:
        """Return the first places of ``records``, in order of file name and line."""
        ranks = {name: rank for rank, name in enumerate(sorted(self.names))}
        by_file = pa.array([ranks[name] for name in self.names], pa.uint32())
        order = [("name", "ascending"), ("line", "ascending")]
        chosen = pa.table({name: pa.array([], pa.uint32()) for name, _ in order})
        for files, lines in self._of(records, self.file, self.line):
            here = pa.table([by_file.take(files), lines], chosen.schema.names)
            distinct = pa.concat_tables([chosen, here]).group_by(here.schema.names).aggregate([])
            chosen = distinct.take(pc.select_k_unstable(distinct, most, order))
        named = sorted(ranks, key=lambda name: ranks[name])
        pairs = zip(chosen["name"].to_pylist(), chosen["line"].to_pylist(), strict=True)
        return tuple(Where(named[rank], line) for rank, line in pairs)

    def by_type(self, records: Records) -> Counter[str]:
        """Return record type → how many of ``records`` are of it."""
        found = Counter[str]()
        for (types,) in self._of(records, self.type):
            for one in pc.value_counts(types).to_pylist():
                found[self.types[one["values"]]] += one["counts"]
        return found

    def _of(self, records: Records, *columns: LongColumn) -> Iterator[list[pa.Array]]:
        """Yield what columns say of ``records``, piece by piece, where there are any."""
        mask, first = records.mask(), 0
        for pieces in zip(*(column.pieces() for column in columns), strict=True):
            here = mask.slice(first, len(pieces[0]))
            first += len(here)
            if here.true_count:
                yield [piece.filter(here) for piece in pieces]


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
