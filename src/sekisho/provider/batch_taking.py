"""How a batch of records is gathered: what becomes of each, and its rows under names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm.scalars import text
from sekisho.provider.batches import Batch
from sekisho.provider.records import Outcome

_UINT8, _UINT16 = pa.uint8(), pa.uint16()


@dataclass(frozen=True)
class Fates:
    """What becomes of each record of a batch, in the numbers of who gathers them."""

    outcome: pa.Array
    type: pa.Array
    code: pa.Array
    line: pa.Array


def fates_of(
    batch: Batch, types: dict[str, int], codes: dict[str, int], has_kind: Callable[[str], bool]
) -> Fates:
    """Return what becomes of the records of a batch.

    Args:
        types, codes: the number of each record type and reason; new ones are added.
        has_kind: whether a record type is of any kind of data; else it is set aside.
    """
    used = set(batch.record_types())
    numbers, kindless = list[int](), list[bool]()
    for name in batch.types.dictionary.to_pylist():
        numbers.append(types.setdefault(name, len(types)) if name in used else 0)
        kindless.append(name in used and not has_kind(name))
    reasons = batch.codes.dictionary.to_pylist()
    code = pa.array([codes.setdefault(one, len(codes)) for one in reasons], _UINT16)
    code = code.take(batch.codes.indices)
    sent = pa.array([not reason for reason in reasons], pa.bool_()).take(batch.codes.indices)
    without = pc.and_(sent, pa.array(kindless, pa.bool_()).take(batch.types.indices))
    if any(kindless):
        no_kind = pa.scalar(codes.setdefault("no-kind", len(codes)), _UINT16)
        code = pc.if_else(without, no_kind, code)
        sent = pc.and_not(sent, without)
    outcome = pc.if_else(
        sent, pa.scalar(int(Outcome.SENT), _UINT8), pa.scalar(int(Outcome.SET_ASIDE), _UINT8)
    )
    type_ = pa.array(numbers, _UINT16).take(batch.types.indices)
    return Fates(outcome, type_, code, batch.lines)


def bytes_of(column: pa.Array, first: int = 0, end: int | None = None) -> memoryview:
    """Return the memory of some values of a column of numbers without nulls."""
    width, offset = column.type.bit_width // 8, column.offset
    end = len(column) if end is None else end
    return memoryview(column.buffers()[1])[(offset + first) * width : (offset + end) * width]


Naming = Callable[[str, Sequence[str]], Sequence[str]]
"""(what, local names) → their names under the provider's key."""


@dataclass(frozen=True)
class NamedRows:
    """Rows of one table under names: ``origin`` are the columns of `cdm.ORIGIN`."""

    table: str
    record: pa.Array
    origin: Sequence[pa.Array]
    values: Mapping[str, pa.Array | str | int]


def named_rows(
    batch: Batch, data_class: str, kinds: Mapping[str, Sequence[str]], name: Naming
) -> Iterator[NamedRows]:
    """Yield the rows of one data class.

    Args:
        kinds: record type → the kinds under which its rows go with the class.
    """
    units = pa.array(name("unit", batch.units), pa.string())
    visits = pa.array(name("visit", batch.visits), pa.string())
    part = pc.subtract(pa.arange(0, len(batch.lines)), _begins(batch))
    # the unit's name, and the part's place: a unit sent again supersedes all its parts
    sources = pc.binary_join_element_wise(units.take(batch.unit), part.cast(pa.string()), text("."))
    texts = batch.types.dictionary.cast(pa.string())
    for kind in sorted({kind for of in kinds.values() for kind in of}):
        goes = pa.array([kind in kinds.get(t, ()) for t in texts.to_pylist()], pa.bool_())
        everything = pc.all(goes).as_py() is not False
        for rows in batch.rows:
            types, one = batch.types.indices.take(rows.record), rows
            if not everything:
                here = goes.take(types)
                types, one = types.filter(here), rows.filter(here)
            size = len(one.record)
            if not size:
                continue
            origin = [
                sources.take(one.record),
                visits.take(one.visit),
                pa.repeat(text(kind), size),
                pa.repeat(text(data_class), size),
                texts.take(types),
            ]
            yield NamedRows(one.table, one.record, origin, one.values)


def _begins(batch: Batch) -> pa.Array:
    return pa.array(batch.starts, pa.int64()).take(batch.unit)
