"""A set of Arrow tables as one run of bytes: the payload of a transfer.

Layout: ``SEKISHO-TABLES-1\\n``, then for every table in order of name a 2-byte length and the
name, an 8-byte length and an Arrow IPC stream (zstd buffers); lengths are big-endian. Equal
tables give equal bytes, however they were chunked, sliced or annotated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sekisho.common.errors import PeerError, UserError

if TYPE_CHECKING:
    import pyarrow as pa

_MAGIC = b"SEKISHO-TABLES-1\n"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")


def pack(tables: Mapping[str, pa.Table]) -> bytes:
    """Return ``tables`` as bytes. Schema metadata are left behind: they are no data."""
    parts = [_MAGIC]
    for name in sorted(tables):
        if not _NAME.fullmatch(name):
            raise UserError("tables.name", f"{name!r} is not a table's name.")
        stream = _stream(tables[name])
        parts += [len(name).to_bytes(2, "big"), name.encode()]
        parts += [len(stream).to_bytes(8, "big"), stream]
    return b"".join(parts)


def unpack(data: bytes) -> dict[str, pa.Table]:
    """Return the tables in ``data``, every buffer validated.

    Raises:
        PeerError: the bytes are not what `pack` writes.
    """
    if not data.startswith(_MAGIC):
        raise _broken("it does not start as a set of tables")
    view, place = memoryview(data), len(_MAGIC)
    tables: dict[str, pa.Table] = {}
    while place < len(view):
        name_bytes, place = _piece(view, place, 2)
        stream, place = _piece(view, place, 8)
        name = bytes(name_bytes).decode("ascii", "replace")
        if not _NAME.fullmatch(name) or (tables and name <= max(tables)):
            raise _broken("its tables are not named in order")
        tables[name] = _table(stream)
    return tables


def _stream(table: pa.Table) -> bytes:
    import pyarrow as pa

    columns = [_plain(column) for column in table.columns]
    plain = pa.table(columns, schema=_bare(table.schema))
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, plain.schema, options=options) as writer:
        for batch in plain.to_batches():
            writer.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())


def _bare(schema: pa.Schema) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([pa.field(field.name, field.type) for field in schema])


def _plain(column: pa.ChunkedArray) -> pa.Array:
    """Return the column as one array that holds nothing under its nulls and beyond its slice."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array = pa.concat_arrays(column.chunks) if column.num_chunks else column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # more than 2 GiB of text in one column
        raise UserError("tables.too-large", "One column of a transfer holds over 2 GiB.")
    # Bytes under a null are whatever the writer left there: gathering writes zeros instead.
    valid = pc.is_valid(array)
    ranks = pc.subtract(pc.cumulative_sum(pc.cast(valid, pa.int64())), 1)
    nowhere = pa.scalar(None, pa.int64())
    return pc.take(pc.drop_null(array), pc.if_else(valid, ranks, nowhere))


def _piece(view: memoryview, place: int, width: int) -> tuple[memoryview, int]:
    start = place + width
    end = start + int.from_bytes(view[place:start], "big")
    if start > len(view) or end > len(view):
        raise _broken("it is cut short")
    return view[start:end], end


def _table(stream: memoryview) -> pa.Table:
    import pyarrow as pa

    try:
        source = pa.BufferReader(pa.py_buffer(stream))
        with pa.ipc.open_stream(source) as reader:
            table = reader.read_all()
        table.validate(full=True)
    except (pa.ArrowException, ValueError, TypeError, OSError, MemoryError) as error:
        raise _broken("a table in it cannot be read") from error
    return table


def _broken(reason: str) -> PeerError:
    return PeerError("tables.broken", f"The payload of a transfer is not as agreed: {reason}.")
