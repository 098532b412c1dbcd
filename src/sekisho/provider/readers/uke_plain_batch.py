"""A batch of receipts: those that are plain in columns, every other one by one in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm.scalars import flag, int32, int64, text
from sekisho.provider.batches import Batch
from sekisho.provider.readers.uke_plain import KNOWN, NO_TABLE, Receipts, joined
from sekisho.provider.readers.uke_plain_days import Days, days_of
from sekisho.provider.readers.uke_plain_rows import disease_rows, head_rows, item_rows, payer_rows
from sekisho.provider.readers.uke_receipt import Header
from sekisho.provider.readers.uke_split import Split, begins
from sekisho.provider.records import Record

_TABLE = "1"  # 点数表: medical
_CODES = ("", "no-table", "no-day", "unknown-type")


def batch_of(
    lines: Split,
    before: int,
    header: Header,
    one_by_one: Callable[[int, int], list[Record]],
    longest: int,
) -> tuple[Batch, int] | None:
    """Return the receipts of ``lines`` as a batch, and the points of those that are plain.

    None where most are not plain.

    Args:
        before: how many lines of the file stand before them.
        one_by_one: reads the receipt from one line to another.
        longest: lines of a receipt, at most.
    """
    if header.table != _TABLE:
        return None
    of = Receipts(lines, header)
    of.spoil(pc.greater(of.sizes(), int32(longest)))
    days = days_of(of)
    rows = [*head_rows(of, days), *payer_rows(of, days), *disease_rows(of, days)]
    rows += item_rows(of, days)
    if 2 * len(of.bad) > len(of):
        return None
    codes, visits = _codes(of, days), _visit_names(of, days)
    kept = pa.array([place not in of.bad for place in range(len(of))], pa.bool_())
    keep = kept.take(of.rec)
    new = _numbers(keep)
    heads = of.heads.filter(kept)
    batch = Batch(
        pa.DictionaryArray.from_arrays(lines.kind.filter(keep), pa.array(lines.kinds, pa.string())),
        pc.add(pa.arange(0, len(lines)), int64(before + 1)).filter(keep).cast(pa.uint32()),
        codes.filter(keep),
        of.unit.filter(kept).to_pylist(),
        new.take(heads).to_pylist(),
        _numbers(kept).take(of.rec).filter(keep),
        of.persons.filter(kept).who(),
        visits,
        [one.numbered(keep, new) for one in rows] if of.bad else rows,
        list(_between(of, one_by_one)),
    )
    return batch, pc.sum(pc.max_element_wise(of.points.filter(kept), int64(0))).as_py() or 0


def _codes(of: Receipts, days: Days) -> pa.DictionaryArray:
    """Return why each line is set aside; empty where it gives rows."""
    lines = of.lines
    why = lines.by_kind(_code_of, pa.int8())
    payers = lines.of("HO", "KO")
    others = payers.filter(pc.invert(pc.is_in(payers, value_set=of.payer)))
    why = _marked(why, others, _CODES.index("no-table"))
    if (pc.sum(begins(days.item)).as_py() or 0) < len(days.items):
        places = pa.arange(0, len(days.items)).cast(pa.int32())
        idle = pc.invert(pc.is_in(places, value_set=pc.unique(days.item)))
        why = _marked(why, days.items.filter(idle), _CODES.index("no-day"))
    return pa.DictionaryArray.from_arrays(why, pa.array(_CODES, pa.string()))


def _code_of(kind: str) -> int:
    if kind in NO_TABLE or kind == "SN":
        return _CODES.index("no-table")
    return 0 if kind in KNOWN else _CODES.index("unknown-type")


def _marked(why: pa.Array, lines: pa.Array, code: int) -> pa.Array:
    if not len(lines):
        return why
    marks = pc.scatter(pa.repeat(flag(True), len(lines)), lines, max_index=len(why) - 1)
    return pc.if_else(pc.fill_null(marks, flag(False)), pa.scalar(code, pa.int8()), why)


def _visit_names(of: Receipts, days: Days) -> list[str]:
    start = days.visit_start.cast(pa.string())
    names: list[str] = joined(of.unit.take(days.visit_rec), text("visit"), start).to_pylist()
    return names


def _between(
    of: Receipts, one_by_one: Callable[[int, int], list[Record]]
) -> Iterator[tuple[int, list[Record]]]:
    heads = [*of.heads.to_pylist(), len(of.lines)] if of.bad else []
    for read, place in enumerate(sorted(of.bad)):
        yield place - read, one_by_one(heads[place], heads[place + 1])


def _numbers(kept: pa.Array) -> pa.Array:
    """Number what is kept from 0 on."""
    return pc.subtract(pc.cumulative_sum(kept.cast(pa.int32())), int32(1))
