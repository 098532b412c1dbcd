"""Rows of one table, in memory while they are few, on disk in slices where they are many.

A slice holds the rows whose digits (a keyed digest, a random tag) begin alike. These are spread
evenly, so that what must be seen together can be, one slice at a time, in memory that does not
grow with the number of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm.scalars import int32, uint8

SLICES: Final = 64
_AT_ONCE = 1 << 20
"""Bytes that are written to disk at once."""
_BEGINNINGS = pa.array([f"{number:02x}" for number in range(256)], pa.string())
_TOGETHER = uint8((256 // SLICES).bit_length() - 1)
"""How many bits of the first two digits' number do not tell slices apart."""


class Sliced:
    """Takes rows; afterwards gives them in slices.

    Args:
        by: the column of hexadecimal digits.
        new_file: names the file that is made when more than ``wait_bytes`` wait.
    """

    def __init__(
        self,
        schema: pa.Schema,
        by: str,
        new_file: Callable[[], Path],
        wait_bytes: int,
    ) -> None:
        self._schema, self._by = schema, by
        self._new_file, self._wait_bytes = new_file, wait_bytes
        self._waiting: list[pa.Table] = []
        self._bytes = 0
        self.nbytes = 0
        """Arrow's bytes of all rows."""
        self._file: Path | None = None
        self._writer: pa.RecordBatchFileWriter | None = None
        self._stream: pa.BufferedOutputStream | None = None
        self._places: list[list[int]] = [[] for _ in range(SLICES)]
        self._written = 0

    def add(self, rows: pa.Table) -> None:
        """Take rows; none after the first was given back."""
        self._waiting.append(rows)
        self._bytes += rows.get_total_buffer_size()  # a slice keeps all that it is cut from
        self.nbytes += rows.nbytes
        if self._bytes >= self._wait_bytes:
            self.to_disk()

    @property
    def on_disk(self) -> bool:
        """Whether some rows are on disk."""
        return self._file is not None

    def slices(self, cut: bool) -> Iterator[pa.Table]:
        """Yield all rows: in `SLICES` slices, or, where not ``cut``, as one."""
        for number in range(SLICES if cut else 1):
            yield self.slice(number, cut)

    def slice(self, number: int, cut: bool) -> pa.Table:
        """Return one of the slices."""
        if not cut:
            return pa.concat_tables([self._schema.empty_table(), *self._waiting])
        self.to_disk()
        if self._writer is not None and self._stream is not None:
            self._writer.close()
            self._stream.close()
            self._writer = None
        with pa.OSFile(str(self._file)) as file, pa.ipc.open_file(file) as reader:
            batches = [reader.get_batch(place) for place in self._places[number]]
            return pa.Table.from_batches(batches, self._schema)

    def to_disk(self) -> None:
        """Lay on disk what waits in memory."""
        if self._file is None:
            self._file = self._new_file()
            self._stream = pa.BufferedOutputStream(pa.OSFile(str(self._file), "w"), _AT_ONCE)
            # a slice's columns are small: threads to compress them cost more than they do
            options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
            self._writer = pa.ipc.new_file(self._stream, self._schema, options=options)
        if self._waiting:
            self._write(pa.concat_tables(self._waiting))
        self._waiting, self._bytes = [], 0

    def _write(self, rows: pa.Table) -> None:
        assert self._writer is not None, "its slices were read already"
        where = _slice_of(rows.column(self._by).combine_chunks())
        # numbers this small are counted, not compared; within a slice rows keep their order
        order = pc.sort_indices(where)
        rows = rows.take(order).combine_chunks()
        found = pc.run_end_encode(where.take(order))
        start = 0
        for slice_, end in zip(found.values.to_pylist(), found.run_ends.to_pylist(), strict=True):
            self._writer.write_table(rows.slice(start, end - start))
            self._places[slice_].append(self._written)
            self._written += 1
            start = end


def _slice_of(digits: pa.Array) -> pa.Array:
    """Return the slice of each row; what begins with no two digits is in the first."""
    begins = pc.utf8_slice_codeunits(digits, 0, 2)
    number = pc.index_in(begins, value_set=_BEGINNINGS).fill_null(int32(0)).cast(pa.uint8())
    return pc.shift_right(number, _TOGETHER)
