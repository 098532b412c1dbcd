"""Which units of a submission came again: found by digests, for the texts of millions are large."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from hashlib import blake2b

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm.scalars import int64, uint64

_AT_ONCE = 1 << 20
"""About so many units are compared in one go; which ones follows from their digests."""


class Units:
    """Keeps of each unit a digest of 16 bytes (no two units share one) and where it began."""

    def __init__(self) -> None:
        self._halves = array("Q")
        self._numbers = array("I")

    def extend(self, units: Iterable[str], numbers: Iterable[int]) -> None:
        """Note which units begin, and with which records, by their numbers; these ascend."""
        texts = [unit.encode("utf-8", "surrogatepass") for unit in units]
        digests = [blake2b(text, digest_size=16).digest() for text in texts]
        self._halves.frombytes(b"".join(digests))
        self._numbers.extend(numbers)

    def replaced(self) -> Iterator[int]:
        """Yield where units began that begin again later; the last beginning counts."""
        if not self._numbers:
            return
        pairs = pa.FixedSizeListArray.from_arrays(pa.array(self._halves, pa.uint64()), 2)
        columns = [pc.list_element(pairs, int64(place)) for place in (0, 1)]
        whole = pa.table([*columns, pa.array(self._numbers, pa.uint32())], ["a", "b", "n"])
        slices = -(-len(self._numbers) // _AT_ONCE)
        for one in range(slices):
            # Arrow has no remainder; the upper bits of a digest are as good as any
            place = pc.shift_right(whole["a"], uint64(64 - 16))
            mine = pc.and_(
                pc.greater_equal(place, uint64(one * 65536 // slices)),
                pc.less(place, uint64((one + 1) * 65536 // slices)),
            )
            yield from _all_but_last(whole.filter(mine))


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
