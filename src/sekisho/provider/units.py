"""Which units of a submission came again: found by digests, for the texts of millions are large."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm.scalars import int64, uint64
from sekisho.provider.long_columns import LongColumn

_AT_ONCE = 1 << 20
"""About so many units are compared in one go; which ones follows from their digests."""


class Units:
    """Keeps of each unit a digest of 16 bytes (no two units share one) and where it began.

    Args:
        new_file: names files for what is too long for memory.
    """

    def __init__(self, new_file: Callable[[], Path]) -> None:
        self._halves = LongColumn("Q", new_file), LongColumn("Q", new_file)
        self._numbers = LongColumn("I", new_file)

    def extend(self, units: Iterable[str], numbers: Iterable[int]) -> None:
        """Note which units begin, and with which records, by their numbers; these ascend."""
        digests = [
            blake2b(unit.encode("utf-8", "surrogatepass"), digest_size=16).digest()
            for unit in units
        ]
        halves = array("Q", b"".join(digests))
        for place, column in enumerate(self._halves):
            column.extend(halves[place::2])
        self._numbers.append_all(numbers)

    def replaced(self) -> Iterator[int]:
        """Yield where units began that begin again later; the last beginning counts."""
        slices = -(-len(self._numbers) // _AT_ONCE)
        for one in range(slices):
            yield from _all_but_last(pa.concat_tables(self._slice(one, slices)))

    def _slice(self, one: int, slices: int) -> Iterator[pa.Table]:
        columns = (*self._halves, self._numbers)
        for pieces in zip(*(column.pieces() for column in columns), strict=True):
            here = pa.table(pieces, ["a", "b", "n"])
            if slices > 1:
                # Arrow has no remainder; the upper bits of a digest are as good as any
                place = pc.shift_right(here["a"], uint64(64 - 16))
                least = pc.greater_equal(place, uint64(one * 65536 // slices))
                here = here.filter(
                    pc.and_(least, pc.less(place, uint64((one + 1) * 65536 // slices)))
                )
            yield here


def _all_but_last(units: pa.Table) -> Iterator[int]:
    digests = units["a"].combine_chunks()
    digests = digests.take(pc.sort_indices(digests))
    if pc.any(pc.equal(digests[1:], digests[:-1])).as_py() is not True:
        return  # as in most submissions; to group them takes longer
    counted = units.group_by(["a", "b"]).aggregate([("n", "count")])
    several = counted.filter(pc.greater(counted["n_count"], int64(1)))
    if not several.num_rows:
        return
    found: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for row in units.filter(pc.is_in(units["a"], value_set=several["a"])).to_pylist():
        found[row["a"], row["b"]].append(row["n"])
    for numbers in found.values():
        yield from sorted(numbers)[:-1]
