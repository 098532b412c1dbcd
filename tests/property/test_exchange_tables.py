"""Tables in transit: equal tables are equal bytes, and what is not ours is refused."""

from __future__ import annotations

import datetime
from contextlib import suppress

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.common.errors import PeerError, UserError
from sekisho.exchange import tables

ROW = st.tuples(
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.text(max_size=5),
    st.none() | st.dates(datetime.date(1900, 1, 1), datetime.date(9999, 12, 31)),
    st.none() | st.booleans(),
)
SCHEMA = pa.schema(
    [("n", pa.int64()), ("text", pa.string()), ("day", pa.date32()), ("flag", pa.bool_())]
)


def table_of(rows: list[tuple]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [()] * len(SCHEMA)
    arrays = [pa.array(column, f.type) for column, f in zip(columns, SCHEMA, strict=True)]
    return pa.table(arrays, schema=SCHEMA)


@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, max_size=40), st.integers(0, 40), st.integers(1, 7))
def test_chunks_slices_and_metadata_leave_no_trace(rows, extra, width) -> None:
    plain = table_of(rows)
    padded = table_of([(9, "padding", datetime.date(2000, 1, 1), True)] * extra + rows)
    sliced = padded.slice(extra).replace_schema_metadata({"who": "somebody"})
    chunks = [plain.slice(start, width) for start in range(0, len(rows), width)]
    chunked = pa.concat_tables(chunks) if chunks else plain
    packed = tables.pack({"plain": plain})
    assert tables.pack({"plain": sliced}) == packed
    assert tables.pack({"plain": chunked}) == packed
    assert tables.unpack(packed)["plain"].equals(plain)


def test_bytes_under_a_null_do_not_travel() -> None:
    valid = pa.py_buffer(b"\x05")
    hidden = pa.array([1, 4711, 3], pa.int64()).buffers()[1]
    array = pa.Array.from_buffers(pa.int64(), 3, [valid, hidden])
    clean = pa.array([1, None, 3], pa.int64())
    assert tables.pack({"t": pa.table({"n": array})}) == tables.pack({"t": pa.table({"n": clean})})


def test_no_table_and_empty_tables_round_trip() -> None:
    assert tables.unpack(tables.pack({})) == {}
    several = {"b": table_of([]), "a": pa.table({"n": pa.array([], pa.int64())})}
    assert list(tables.unpack(tables.pack(several))) == ["a", "b"]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_payload_never_does_worse_than_be_refused(data) -> None:
    rows = [(1, "x", None, True), (None, "y", datetime.date(2020, 2, 29), None)]
    packed = bytearray(tables.pack({"a": table_of(rows), "b": table_of(rows * 3)}))
    place = data.draw(st.integers(0, len(packed) - 1))
    if data.draw(st.booleans()):
        packed[place] ^= data.draw(st.integers(1, 255))
    else:
        del packed[place:]
    with suppress(PeerError):  # any other error fails the test
        tables.unpack(bytes(packed))


def test_a_table_needs_a_name_of_ours() -> None:
    with pytest.raises(UserError):
        tables.pack({"../etc": table_of([])})
