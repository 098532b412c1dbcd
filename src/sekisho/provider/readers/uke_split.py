"""Lines of receipts split into columns: all fields in one, and where those of each line begin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm.scalars import int32
from sekisho.provider.readers.uke_layouts import MEDICAL
from sekisho.provider.records import Unreadable

T = TypeVar("T")
BORDERS = ("RE", "IR", "YK", "MN", "GO")
"""Record types that end the receipt before them."""
_MOST_KINDS = 200
BEFORE_DAYS = 7
"""Fields of the rest of an item's line that stand before its columns of days."""
JD_DAYS = 2
_ALL = -1
_REST = {
    "RE": MEDICAL.search + 1,
    "JD": JD_DAYS,
    **{kind: at.days - BEFORE_DAYS for kind, at in MEDICAL.items.items()},
}


@dataclass(frozen=True)
class Split:
    """Lines, all of them decoded.

    Args:
        raw: the lines as bytes, without the newline that ends them.
        start: int32, the first field of each line in ``values``.
        size: int32, how many fields each line has there; empty ones at its end are left out, and
            what stands from field `rest_of` on is one.
        count: int32, how many fields each line has in the file; a rest counts as one.
        values: all fields, and at the end an empty one for those that are not there.
        kinds: each record type, and `kind`: its place of each line.
    """

    raw: pa.Array = field(repr=False)
    start: pa.Array = field(repr=False)
    size: pa.Array = field(repr=False)
    count: pa.Array = field(repr=False)
    values: pa.Array = field(repr=False)
    kinds: list[str]
    kind: pa.Array = field(repr=False)

    def __len__(self) -> int:
        return len(self.kind)

    def part(self, first: int, end: int) -> Split:
        """Return some of the lines."""
        raw, start, size, count, kind = (
            column.slice(first, end - first)
            for column in (self.raw, self.start, self.size, self.count, self.kind)
        )
        return Split(raw, start, size, count, self.values, self.kinds, kind)

    def by_kind(self, of: Callable[[str], Any], type_: pa.DataType) -> pa.Array:
        """Return for each line what ``of`` says of its record type."""
        return pa.array([of(kind) for kind in self.kinds], type_).take(self.kind)

    def of(self, *kinds: str) -> pa.Array:
        """Return the lines that are of these record types, as int32."""
        there = self.by_kind(lambda kind: kind in kinds, pa.bool_())
        return pc.indices_nonzero(there).cast(pa.int32())

    def fields(self, lines: pa.Array) -> Fields:
        """Return the fields of some lines."""
        start, size = self.start.take(lines), self.size.take(lines)
        rest = pa.array([rest_of(kind) for kind in self.kinds], pa.int32())
        least = pc.min(size).as_py() or 0
        return Fields(self.values, start, size, least, rest.take(self.kind.take(lines)))


@dataclass(frozen=True)
class Fields:
    """The fields of some lines, of which the shortest has ``least``; else as in `Split`."""

    values: pa.Array = field(repr=False)
    start: pa.Array = field(repr=False)
    size: pa.Array = field(repr=False)
    least: int
    _rest: pa.Array = field(repr=False)

    def at(self, index: int) -> pa.Array:
        """Return one field; empty where a line lacks it."""
        if index < self.least:
            return self.values.take(pc.add(self.start, int32(index)))
        return self._found(int32(index))

    def get(self, index: int) -> pa.Array:
        """Return one field without the white space around it; empty where a line lacks it."""
        return pc.utf8_trim_whitespace(self.at(index))

    def rest(self) -> pa.Array:
        """Return what stands from field `rest_of` on, with its commas."""
        return self._found(self._rest)

    def _found(self, index: pa.Array | pa.Scalar) -> pa.Array:
        there = pc.less(index, self.size)
        places = pc.if_else(there, pc.add(self.start, index), int32(len(self.values) - 1))
        return self.values.take(places)


def rest_of(kind: str) -> int:
    """Return the field of lines of a record type from which on they are not split.

    There stand columns of days, which are alike in many lines, and in RE what is hardly used.
    """
    return _REST.get(kind, _ALL)


def split(data: bytes) -> Split | None:
    """Split whole lines; None where some must be looked at one by one.

    That is where there is a NUL, a byte that is no CP932, the prefix of a returned file, or more
    record types than any family of receipts has.
    """
    if b"\0" in data:
        return None
    raw = pc.split_pattern(_whole(data, pa.binary()), b"\n").flatten()
    if data.endswith(b"\n"):
        raw = raw[:-1]
    found = raw.dictionary_encode()  # most lines stand in a file more than once
    same = found.indices
    decoded = _decoded(found.dictionary)
    if decoded is None:
        return None
    ended = pc.ascii_rtrim(decoded, characters="\r")
    filled = pc.ascii_rtrim(ended, characters=",")
    start, size, values = _fields(filled)
    empty = pc.subtract(pc.binary_length(ended), pc.binary_length(filled))
    kinds = values.take(start).dictionary_encode()
    names = kinds.dictionary.to_pylist()
    if len(names) > _MOST_KINDS or any(kind[:1].isdigit() for kind in names):
        return None
    count = pc.add(size, empty)
    start, size, count, kind = (column.take(same) for column in (start, size, count, kinds.indices))
    return Split(raw, start, size, count, values, names, kind)


def _fields(lines: pa.Array) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Split lines at their commas, each as far as its record type says.

    Returns:
        For each line where its fields begin and how many they are; all fields, and an empty one.
    """
    begins = pc.utf8_slice_codeunits(lines, 0, 3).dictionary_encode()
    limits = [rest_of(one.removesuffix(",")) for one in begins.dictionary.to_pylist()]
    limit = pa.array(limits, pa.int8()).take(begins.indices)
    found = list[tuple[pa.Array, pa.Array, pa.Array]]()
    values, before = list[pa.Array](), 0
    for most in sorted(set(limits)):
        mine = pc.indices_nonzero(pc.equal(limit, pa.scalar(most, pa.int8()))).cast(pa.int32())
        fields = pc.split_pattern(lines.take(mine), ",", max_splits=most)
        starts = pc.add(fields.offsets[:-1], int32(before))
        found.append((mine, starts, pc.list_value_length(fields)))
        values.append(fields.values)
        before += len(fields.values)
    mine, starts, sizes = (pa.concat_arrays(parts) for parts in zip(*found, strict=True))
    last = len(lines) - 1
    start, size = (pc.scatter(of, mine, max_index=last) for of in (starts, sizes))
    nothing = pa.array([""], pa.string())
    return start, size, pa.concat_arrays([*values, nothing])


def _decoded(raw: pa.Array) -> pa.Array | None:
    """Decode lines; those of ASCII alone cost nothing to decode."""
    _, offsets, data = raw.buffers()
    plain = pa.Array.from_buffers(pa.string(), len(raw), [None, offsets, data], offset=raw.offset)
    other = pc.invert(pc.string_is_ascii(plain))
    if not pc.any(other).as_py():
        return plain
    found = raw.filter(other)
    one = pa.ListArray.from_arrays(pa.array([0, len(found)], pa.int32()), found)
    joined = pc.binary_join(one, pa.scalar(b"\n", pa.binary()))[0].as_buffer()
    try:
        decoded = _whole(str(joined, "cp932").encode(), pa.string())
    except UnicodeDecodeError:
        return None
    return pc.replace_with_mask(plain, other, pc.split_pattern(decoded, "\n").flatten())


def _whole(data: bytes, type_: pa.DataType) -> pa.Array:
    """Return a column of one text, which is not copied."""
    _, offsets = pa.array([0, len(data)], pa.int32()).buffers()
    return pa.Array.from_buffers(type_, 1, [None, offsets, pa.py_buffer(data)])


def each(column: pa.Array, read: Callable[[str], T]) -> tuple[pa.Array, list[T | None]]:
    """Read every distinct text once; return the place of each one's result, and the results.

    A text that cannot be read gives None.
    """
    found = column.dictionary_encode()

    def one(text: str) -> T | None:
        try:
            return read(text)
        except Unreadable:
            return None

    return found.indices, [one(text) for text in found.dictionary.to_pylist()]


def mapped(column: pa.Array, read: Callable[[str], Any], type_: pa.DataType) -> pa.Array:
    """Read every distinct text once; return the results, null where a text cannot be read."""
    places, made = each(column, read)
    return pa.array(made, type_).take(places)


def known(column: pa.Array, of: Mapping[str, Any], type_: pa.DataType) -> pa.Array:
    """Return what ``of`` says of each text; null where it says nothing."""
    return mapped(column, of.get, type_)


def first_of(lines: pa.Array, owners: pa.Array, number: int) -> pa.Array:
    """Return by owner (0 to ``number``) the first of the lines that are its; null: it has none.

    Lines and owners ascend.
    """
    new = begins(owners)
    return pc.scatter(lines.filter(new), owners.filter(new), max_index=number - 1)


def begins(column: pa.Array) -> pa.Array:
    """Return where a value stands that is not that of the place before."""
    if not len(column):
        return pa.array([], pa.bool_())
    first = pa.array([True], pa.bool_())
    return pa.concat_arrays([first, pc.not_equal(column[1:], column[:-1])])
