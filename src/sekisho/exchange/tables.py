"""A set of Arrow tables as one run of bytes: the payload of a transfer.

Layout: ``SEKISHO-TABLES-1\\n``, then for every table in order of name a 2-byte length and the
name, an 8-byte length and an Arrow IPC stream (zstd buffers); lengths are big-endian. Equal
tables give equal bytes, however they were chunked, sliced or annotated.

A table in a file is written and read a bounded number of rows at a time.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from sekisho.common.errors import PeerError, UserError

if TYPE_CHECKING:
    import pyarrow as pa

_MAGIC = b"SEKISHO-TABLES-1\n"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
_ROWS = 1 << 14
"""Rows of one batch of an IPC stream; the last has fewer."""


class Batched(Protocol):
    """A table that is read some rows at a time, as often as one likes."""

    @property
    def schema(self) -> pa.Schema: ...

    def batches(self) -> Iterator[pa.Table]: ...


def write(file: Path, tables: Mapping[str, pa.Table | Batched]) -> None:
    """Write ``tables`` to a new file of mode 0600, in bounded memory."""
    opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(opened, "wb") as out:
        _write(out, tables)


def pack(tables: Mapping[str, pa.Table]) -> bytes:
    """Return ``tables`` as bytes. Schema metadata are left behind: they are no data."""
    out = io.BytesIO()
    _write(out, tables)
    return out.getvalue()


def unpack(data: bytes) -> dict[str, pa.Table]:
    """Return the tables in ``data``, every buffer validated.

    Raises:
        PeerError: the bytes are not what `pack` writes.
    """
    places = _places(io.BytesIO(data), len(data))
    found = {}
    for name, (start, size) in places.items():
        with _opened(io.BytesIO(data[start : start + size])) as batches:
            found[name] = _whole(batches)
    return found


@dataclass(frozen=True)
class StoredTable:
    """One table where it lies in a file. Reading it raises PeerError where it is broken."""

    file: Path
    start: int
    size: int

    @property
    def schema(self) -> pa.Schema:
        with _opened(_Part(self.file, self.start, self.size)) as batches:
            return batches.schema

    def batches(self) -> Iterator[pa.Table]:
        """Yield its rows, as many at a time as its writer put together."""
        with _opened(_Part(self.file, self.start, self.size)) as batches:
            yield from batches

    def table(self) -> pa.Table:
        """Return all of it."""
        with _opened(_Part(self.file, self.start, self.size)) as batches:
            return _whole(batches)


class StoredTables(Mapping[str, "pa.Table"]):
    """The tables of a file. A look-up reads a table whole, `stored` nothing yet."""

    def __init__(self, file: Path) -> None:
        size = file.stat().st_size
        with file.open("rb") as source:
            places = _places(source, size)
        self._tables = {name: StoredTable(file, *place) for name, place in places.items()}

    def __getitem__(self, name: str) -> pa.Table:
        return self._tables[name].table()

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def stored(self, name: str) -> StoredTable:
        return self._tables[name]


def batched(tables: Mapping[str, pa.Table]) -> Mapping[str, pa.Table | Batched]:
    """Return tables, unread where they lie in a file."""
    if isinstance(tables, StoredTables):
        return {name: tables.stored(name) for name in tables}
    return tables


def in_batches(table: pa.Table | Batched) -> Iterator[pa.Table]:
    """Yield a table's rows in batches of equal size but the last, whoever holds it."""
    import pyarrow as pa

    held: list[pa.Table] = []
    size = 0
    for rows in [table] if isinstance(table, pa.Table) else table.batches():
        held.append(rows)
        size += rows.num_rows
        if size < _ROWS:
            continue
        whole = pa.concat_tables(held)
        cut = size - size % _ROWS
        for start in range(0, cut, _ROWS):
            yield whole.slice(start, _ROWS)
        held, size = [whole.slice(cut)], size - cut
    if size:
        yield pa.concat_tables(held)


def _write(out: BinaryIO, tables: Mapping[str, pa.Table | Batched]) -> None:
    out.write(_MAGIC)
    for name in sorted(tables):
        if not _NAME.fullmatch(name):
            raise UserError("tables.name", f"{name!r} is not a table's name.")
        out.write(len(name).to_bytes(2, "big") + name.encode())
        place = out.tell()
        out.write(bytes(8))
        _write_stream(out, tables[name])
        end = out.tell()
        out.seek(place)
        out.write((end - place - 8).to_bytes(8, "big"))
        out.seek(end)


def _write_stream(out: BinaryIO, table: pa.Table | Batched) -> None:
    import pyarrow as pa

    schema = pa.schema([pa.field(field.name, field.type) for field in table.schema])
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    # Without a block of its own: closing it would close the file.
    sink = pa.PythonFile(out, mode="w")
    with pa.ipc.new_stream(sink, schema, options=options) as writer:
        for rows in in_batches(table):
            columns = [_plain(column) for column in rows.columns]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))


def _plain(column: pa.ChunkedArray) -> pa.Array:
    """Return the column as one array that holds nothing under its nulls and beyond its slice."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array = pa.concat_arrays(column.chunks) if column.num_chunks else column.combine_chunks()
    if not array.null_count and not pa.types.is_boolean(array.type):
        return array  # the writer leaves out what is beyond its slice, but for bits of one byte
    if array.null_count == len(array):
        return pa.nulls(len(array), array.type)
    # Bytes under a null are whatever the writer left there: gathering writes zeros instead.
    valid = pc.is_valid(array)
    ranks = pc.subtract(pc.cumulative_sum(pc.cast(valid, pa.int64())), 1)
    nowhere = pa.scalar(None, pa.int64())
    return pc.take(pc.drop_null(array), pc.if_else(valid, ranks, nowhere))


def _places(source: BinaryIO, size: int) -> dict[str, tuple[int, int]]:
    """Return name → start and size of each table's stream."""
    if source.read(len(_MAGIC)) != _MAGIC:
        raise _broken("it does not start as a set of tables")
    place = len(_MAGIC)
    found: dict[str, tuple[int, int]] = {}
    while place < size:
        name_bytes = _counted(source, 2, size)
        name = name_bytes.decode("ascii", "replace")
        if not _NAME.fullmatch(name) or (found and name <= max(found)):
            raise _broken("its tables are not named in order")
        length = int.from_bytes(_exactly(source, 8), "big")
        start = source.tell()
        place = start + length
        if place > size:
            raise _broken("it is cut short")
        found[name] = (start, length)
        source.seek(place)
    return found


def _counted(source: BinaryIO, width: int, size: int) -> bytes:
    length = int.from_bytes(_exactly(source, width), "big")
    if source.tell() + length > size:
        raise _broken("it is cut short")
    return _exactly(source, length)


def _exactly(source: BinaryIO, size: int) -> bytes:
    data = source.read(size)
    if len(data) != size:
        raise _broken("it is cut short")
    return data


class _Part(io.RawIOBase):
    """A part of a file as a file of its own: a stream in it cannot reach beyond."""

    def __init__(self, file: Path, start: int, size: int) -> None:
        self._file = file.open("rb")
        self._file.seek(start)
        self._left = size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data

    def close(self) -> None:
        self._file.close()
        super().close()


class _opened:
    """Reads an IPC stream batch by batch; whatever is wrong with it is a PeerError."""

    def __init__(self, source: BinaryIO | io.RawIOBase) -> None:
        self._source = source

    def __enter__(self) -> _opened:
        import pyarrow as pa

        try:
            self._reader = pa.ipc.open_stream(pa.PythonFile(self._source, mode="r"))
        except _wrong() as error:
            self._source.close()
            raise _broken("a table in it cannot be read") from error
        self.schema: pa.Schema = self._reader.schema
        return self

    def __exit__(self, *error: object) -> None:
        self._reader.close()
        self._source.close()

    def __iter__(self) -> Iterator[pa.Table]:
        import pyarrow as pa

        while True:
            try:
                batch = self._reader.read_next_batch()
                rows = pa.Table.from_batches([batch], self.schema)
                rows.validate(full=True)
            except StopIteration:
                return
            except _wrong() as error:
                raise _broken("a table in it cannot be read") from error
            yield rows


def _wrong() -> tuple[type[Exception], ...]:
    import pyarrow as pa

    return (pa.ArrowException, ValueError, TypeError, OSError, MemoryError)


def _whole(batches: _opened) -> pa.Table:
    import pyarrow as pa

    rows: Iterable[pa.Table] = batches
    return pa.concat_tables([batches.schema.empty_table(), *rows])


def _broken(reason: str) -> PeerError:
    return PeerError("tables.broken", f"The payload of a transfer is not as agreed: {reason}.")
