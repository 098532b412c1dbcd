"""The days of plain receipts, in columns: on which something was done, and the visits they give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm.scalars import int32, int64, null, text
from sekisho.provider.readers.uke_layouts import MEDICAL
from sekisho.provider.readers.uke_lines import ORAL
from sekisho.provider.readers.uke_plain import Receipts
from sekisho.provider.readers.uke_receipt import COUNTED_DAY, INSURED, VISITED
from sekisho.provider.readers.uke_split import BEFORE_DAYS, begins, each, mapped
from sekisho.provider.readers.uke_values import uke_day, whole_number
from sekisho.provider.records import Unreadable

MOST = 100_000_000
"""Larger counts and points are read one by one, so that their product, in yen, fits."""
_COUNT_BITS = 32
_COUNT = (1 << _COUNT_BITS) - 1
_CARRIERS = ("SI", "IY", "TO", "CO")
"""Record types whose first field, 診療識別, holds for the lines after them."""


@dataclass(frozen=True)
class Days:
    """All places are int32.

    Args:
        items: the lines of what was done, given or used; `oral`: whether each is of 内服.
        item: of each day of an item its place in ``items``; `rec`: its receipt.
        date, count: the day, as days since 1970-01-01, and how often.
        visit: the visit that the day belongs to; null: none.
        visit_rec, visit_start: receipt and first day of each visit, in order.
        first_visit: of each receipt; null: none. `only_visit`: where it has no other.
        last: the last day of each receipt on which something was done; null: none.
    """

    items: pa.Array
    oral: pa.Array
    item: pa.Array
    rec: pa.Array
    date: pa.Array
    count: pa.Array
    visit: pa.Array
    visit_rec: pa.Array
    visit_start: pa.Array
    first_visit: pa.Array
    only_visit: pa.Array
    last: pa.Array


def days_of(of: Receipts) -> Days:
    """Return the days of the receipts; those with a day that cannot be read are spoilt."""
    lines = of.lines
    items = lines.of(*MEDICAL.items)
    owner = of.rec.take(items)
    item, days = _marked(of, items, _used)
    rec, column = owner.take(item), pc.shift_right(days, int64(_COUNT_BITS)).cast(pa.int32())
    count = pc.bit_wise_and(days, int64(_COUNT))
    of.spoil(pc.greater(column, of.length.take(rec)), rec)
    oral, seen = _unit_kinds(of)
    done = lines.by_kind(lambda kind: kind == "SI", pa.bool_()).take(items)
    visited = pc.and_(seen, done).take(item)
    key = _key(rec, column)
    keys, admitted = _visits(of, rec, key, visited, _counted(of))
    visit_rec = pc.shift_right(keys, int32(5))
    start = _day(of, visit_rec, pc.bit_wise_and(keys, int32(31)))
    start = pc.if_else(pc.is_valid(admitted.take(visit_rec)), admitted.take(visit_rec), start)
    everyone = pa.arange(0, len(of)).cast(pa.int32())
    low = pc.search_sorted(keys, _key(everyone, int32(0)), side="left").cast(pa.int32())
    high = pc.search_sorted(keys, _key(everyone, int32(31)), side="right").cast(pa.int32())
    first_visit = pc.if_else(pc.less(low, high), low, null(low))
    only = pc.if_else(pc.equal(pc.subtract(high, low), int32(1)), low, null(low))
    latest = pc.search_sorted(keys, key, side="right").cast(pa.int32())
    latest = pc.max_element_wise(pc.subtract(latest, int32(1)), first_visit.take(rec))
    visit = pc.if_else(pc.is_valid(first_visit.take(rec)), latest, null(latest))
    return Days(
        items,
        oral,
        item,
        rec,
        _day(of, rec, column),
        count,
        visit,
        visit_rec,
        start,
        first_visit,
        only,
        _last(of, key),
    )


def _marked(
    of: Receipts, lines: pa.Array, read: Callable[[list[str]], list[int]]
) -> tuple[pa.Array, pa.Array]:
    """Return what ``read`` makes of the rests of some lines, with the place among these of each.

    The receipt of a line that it cannot read is spoilt.
    """
    places, made = each(of.lines.fields(lines).rest(), lambda rest: read(rest.split(",")))
    found = pa.array(made, pa.list_(pa.int64())).take(places)
    of.spoil(pc.is_null(found), of.rec.take(lines))
    return pc.list_parent_indices(found).cast(pa.int32()), pc.list_flatten(found)


def _used(rest: list[str]) -> list[int]:
    """Return column and count, as one number, of each day of an item."""
    made = []
    for column, field in enumerate(rest[BEFORE_DAYS : BEFORE_DAYS + 31], 1):
        if field and (count := whole_number(field)):
            if count > MOST:
                raise Unreadable("uke.field")
            made.append(column << _COUNT_BITS | count)
    return made


def _counted(of: Receipts) -> pa.Array:
    """Return the days that JD counts, of receipts of outpatients, as keys."""
    lines = of.lines.of("JD")
    if not len(lines):
        return lines
    own = pc.equal(of.lines.fields(lines).get(1), text(INSURED))
    lines = lines.filter(pc.and_(own, pc.invert(of.inpatient.take(of.rec.take(lines)))))
    line, column = _marked(of, lines, _counted_days)
    rec, column = of.rec.take(lines).take(line), column.cast(pa.int32())
    return _key(rec, column).filter(pc.less_equal(column, of.length.take(rec)))


def _counted_days(rest: list[str]) -> list[int]:
    return [n for n, mark in enumerate(rest[:31], 1) if mark.strip() == COUNTED_DAY]


def _unit_kinds(of: Receipts) -> tuple[pa.Array, pa.Array]:
    """Return of each item whether its 診療識別 is 内服, and whether it is 初診 or 再診.

    A blank one is that of the line before.
    """
    lines = of.lines
    carriers = lines.of("RE", *_CARRIERS)
    head = lines.by_kind(lambda kind: kind == "RE", pa.bool_()).take(carriers)
    places, kinds = each(lines.fields(carriers).at(1), str.strip)
    blank = pa.array([not kind for kind in kinds], pa.bool_()).take(places)
    # what no line has at all, says that the receipt has none yet
    own = pc.if_else(head, int32(len(kinds)), pc.if_else(blank, null(places), places))
    items = lines.by_kind(lambda kind: kind in MEDICAL.items, pa.bool_()).take(carriers)
    found = pc.fill_null_forward(own).filter(items)
    oral = pa.array([*(kind == ORAL for kind in kinds), False], pa.bool_())
    seen = pa.array([*(kind in VISITED for kind in kinds), False], pa.bool_())
    return oral.take(found), seen.take(found)


def _visits(
    of: Receipts, rec: pa.Array, key: pa.Array, visited: pa.Array, counted: pa.Array
) -> tuple[pa.Array, pa.Array]:
    """Return the visits as sorted keys, and the day on which each receipt says it began, or null.

    An outpatient's are the days that are counted, else visited, else the first of all days.
    """
    told = of.head(8)
    admitted = mapped(told, lambda day: uke_day(day) if day else None, pa.int32())
    admitted = pc.if_else(of.inpatient, admitted, null(admitted))
    of.spoil(pc.and_(of.inpatient, pc.and_(pc.not_equal(told, text("")), pc.is_null(admitted))))
    everyone = pa.arange(0, len(of)).cast(pa.int32())
    settled = everyone.filter(pc.is_valid(admitted))
    found = [_key(settled, int32(0))]
    outside = pc.invert(of.inpatient)
    if len(counted):
        counted = pc.unique(counted)
        found.append(counted)
        settled = pc.unique(pa.concat_arrays([settled, pc.shift_right(counted, int32(5))]))
        outside = pc.and_(outside, pc.invert(pc.is_in(everyone, value_set=settled)))
    seen = pc.unique(key.filter(pc.and_(visited, outside.take(rec))))
    found.append(seen)
    settled = pc.unique(pa.concat_arrays([settled, pc.shift_right(seen, int32(5))]))
    left = pc.invert(pc.is_in(everyone, value_set=settled)).take(rec)
    rest = _sorted(key.filter(left))
    found.append(rest.filter(begins(pc.shift_right(rest, int32(5)))))
    keys = pa.concat_arrays(found)
    return _sorted(keys), admitted


def _last(of: Receipts, key: pa.Array) -> pa.Array:
    """Return the last day of each receipt of an inpatient."""
    inside = of.inpatient.take(pc.shift_right(key, int32(5)))
    latest = _sorted(key.filter(inside))[::-1]
    rec = pc.shift_right(latest, int32(5))
    new = begins(rec)
    column = pc.bit_wise_and(latest, int32(31)).filter(new)
    column = pc.scatter(column, rec.filter(new), max_index=len(of) - 1)
    return pc.add(pc.subtract(of.first_day, int32(1)), column)


def _sorted(keys: pa.Array) -> pa.Array:
    return keys.take(pc.sort_indices(keys))


def _key(rec: pa.Array, column: pa.Array | pa.Scalar) -> pa.Array:
    return pc.add(pc.shift_left(rec, int32(5)), column)


def _day(of: Receipts, rec: pa.Array, column: pa.Array) -> pa.Array:
    return pc.add(pc.subtract(of.first_day, int32(1)).take(rec), column)
