"""What is as long as a submission and read again in order: only the latest is in memory."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import pyarrow as pa

PIECE: Final = 1 << 20
"""So many values are read at once, and fewer wait in memory."""
SHELF_BYTES: Final = 4 << 20
"""Arrow's bytes that wait in memory before they go to disk."""
Sort: TypeAlias = Literal["B", "H", "I", "Q", "i"]
"""As in ``array``: unsigned of 1, 2, 4 and 8 bytes, signed of 4."""
Values: TypeAlias = "bytes | bytearray | memoryview | array[Any]"
"""The memory of some values."""

_TYPES = {"B": pa.uint8(), "H": pa.uint16(), "I": pa.uint32(), "Q": pa.uint64(), "i": pa.int32()}


class LongColumn:
    """Takes numbers at its end. Columns of one length come in pieces of the same lengths.

    Args:
        new_file: names the file that is made when a piece is full.
    """

    def __init__(self, sort: Sort, new_file: Callable[[], Path]) -> None:
        self._tail: array[int] = array(sort)
        self._sort, self._new_file = sort, new_file
        self._file: Path | None = None
        self._full = 0

    def extend(self, values: Values) -> None:
        """Add values by their memory."""
        self._tail.frombytes(memoryview(values).cast("B"))
        while len(self._tail) >= PIECE:
            self._to_disk()

    def append_all(self, values: Iterable[int]) -> None:
        """Add values one by one."""
        self.extend(array(self._sort, values))

    def __len__(self) -> int:
        return self._full * PIECE + len(self._tail)

    def pieces(self) -> Iterator[pa.Array]:
        """Yield all values, `PIECE` at a time."""
        for number in range(self._full):
            yield self._array(self._read(number))
        if self._tail:
            yield self._array(self._tail.tobytes())

    def _array(self, data: bytes) -> pa.Array:
        size = len(data) // self._tail.itemsize
        return pa.Array.from_buffers(_TYPES[self._sort], size, [None, pa.py_buffer(data)])

    def _to_disk(self) -> None:
        if self._file is None:
            self._file = self._new_file()
        with self._file.open("ab") as file:
            self._tail[:PIECE].tofile(file)
        del self._tail[:PIECE]
        self._full += 1

    def _read(self, number: int) -> bytes:
        assert self._file is not None, "a full piece is on disk"
        size = PIECE * self._tail.itemsize
        with self._file.open("rb") as file:
            file.seek(number * size)
            return file.read(size)


class Shelf:
    """Takes tables, and gives them back in order."""

    def __init__(self, new_file: Callable[[], Path]) -> None:
        self._new_file = new_file
        self._waiting = list[pa.Table]()
        self._files = list[tuple[Path, int]]()

    def add(self, rows: pa.Table) -> None:
        """Lay a table at the end."""
        self._waiting.append(rows)
        if sum(one.nbytes for one in self._waiting) >= SHELF_BYTES:
            self._to_disk()

    def __iter__(self) -> Iterator[pa.Table]:
        for path, number in self._files:
            with pa.OSFile(str(path)) as file:
                for _ in range(number):
                    yield pa.ipc.open_stream(file).read_all()
        yield from self._waiting

    def _to_disk(self) -> None:
        path = self._new_file()
        with pa.OSFile(str(path), "w") as file:
            for rows in self._waiting:
                with pa.ipc.new_stream(file, rows.schema) as stream:
                    stream.write_table(rows)
        self._files.append((path, len(self._waiting)))
        self._waiting = []
