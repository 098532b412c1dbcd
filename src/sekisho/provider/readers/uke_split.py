"""Lines of receipts split into columns: all fields in one, and where those of each line begin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm.scalars import int32, null, text
from sekisho.provider.records import Unreadable

T = TypeVar("T")
BORDERS = ("RE", "IR", "YK", "MN", "GO")
"""Record types that end the receipt before them."""
_MOST_KINDS = 200


@dataclass(frozen=True)
class Split:
    """Lines, all of them decoded.

    Args:
        raw: the lines as bytes, without what ends them.
        offsets: int32, the first field of each line in ``values``, and the end of the last.
        count: int32, how many fields each line has; empty ones at its end are not in ``values``.
        kinds: each record type, and `kind`: its place of each line.
    """

    raw: pa.Array = field(repr=False)
    offsets: pa.Array = field(repr=False)
    count: pa.Array = field(repr=False)
    values: pa.Array = field(repr=False)
    kinds: list[str]
    kind: pa.Array = field(repr=False)

    def __len__(self) -> int:
        return len(self.kind)

    def part(self, first: int, end: int) -> Split:
        """Return some of the lines."""
        size = end - first
        low, high = self.offsets[first].as_py(), self.offsets[end].as_py()
        return Split(
            self.raw.slice(first, size),
            pc.subtract(self.offsets.slice(first, size + 1), int32(low)),
            self.count.slice(first, size),
            self.values.slice(low, high - low),
            self.kinds,
            self.kind.slice(first, size),
        )

    def by_kind(self, of: Callable[[str], Any], type_: pa.DataType) -> pa.Array:
        """Return for each line what ``of`` says of its record type."""
        return pa.array([of(kind) for kind in self.kinds], type_).take(self.kind)

    def of(self, *kinds: str) -> pa.Array:
        """Return the lines that are of these record types, as int32."""
        there = self.by_kind(lambda kind: kind in kinds, pa.bool_())
        return pc.indices_nonzero(there).cast(pa.int32())

    def at(self, lines: pa.Array, index: int) -> pa.Array:
        """Return one field of some lines; empty where a line lacks it."""
        places = pc.add(self.offsets.take(lines), int32(index))
        there = pc.less(places, self.offsets[1:].take(lines))
        if pc.all(there).as_py() is not False:
            return self.values.take(places)
        found = self.values.take(pc.if_else(there, places, null(places)))
        return pc.fill_null(found, text(""))

    def get(self, lines: pa.Array, index: int) -> pa.Array:
        """Return one field without the white space around it; empty where a line lacks it."""
        if not index:
            return pa.repeat(text(""), len(lines))
        return pc.utf8_trim_whitespace(self.at(lines, index))

    def filled(self) -> tuple[pa.Array, pa.Array, pa.Array]:
        """Return line, place in it, and text of each field that is not empty."""
        places = pc.indices_nonzero(pc.binary_length(self.values))
        lines = pc.list_parent_indices(pa.ListArray.from_arrays(self.offsets, self.values))
        lines = lines.take(places).cast(pa.int32())
        return lines, pc.subtract(places.cast(pa.int32()), self.offsets.take(lines)), places


def split(data: bytes) -> Split | None:
    """Split whole lines; None where some must be looked at one by one.

    That is where there is a NUL, a byte that is no CP932, the prefix of a returned file, or more
    record types than any family of receipts has.
    """
    if b"\0" in data:
        return None
    data = data.replace(b"\r\n", b"\n")
    raw = pc.split_pattern(pa.array([data.removesuffix(b"\n")], pa.binary()), b"\n").flatten()
    decoded = _decoded(raw)
    if decoded is None:
        return None
    if b"\r" in data:
        decoded = pc.utf8_rtrim(decoded, characters="\r")
    count = pc.add(pc.count_substring(decoded, ","), int32(1))
    # most lines end in day columns that are empty: these need not be made to be empty
    fields = pc.split_pattern(pc.ascii_rtrim(decoded, characters=","), ",")
    kinds = fields.values.take(fields.offsets[:-1]).dictionary_encode()
    found = kinds.dictionary.to_pylist()
    if len(found) > _MOST_KINDS or any(kind[:1].isdigit() for kind in found):
        return None
    return Split(raw, fields.offsets, count, fields.values, found, kinds.indices)


def _decoded(raw: pa.Array) -> pa.Array | None:
    """Decode lines; most are of ASCII alone, which costs nothing to decode."""
    _, offsets, data = raw.buffers()
    plain = pa.Array.from_buffers(pa.string(), len(raw), [None, offsets, data], offset=raw.offset)
    other = pc.invert(pc.string_is_ascii(plain))
    if not pc.any(other).as_py():
        return plain
    found = raw.filter(other)
    one = pa.ListArray.from_arrays(pa.array([0, len(found)], pa.int32()), found)
    joined = pc.binary_join(one, pa.scalar(b"\n", pa.binary()))[0].as_buffer()
    try:
        decoded = pa.array([str(joined, "cp932")], pa.string())
    except UnicodeDecodeError:
        return None
    return pc.replace_with_mask(plain, other, pc.split_pattern(decoded, "\n").flatten())


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
