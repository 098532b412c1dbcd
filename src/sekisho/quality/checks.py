"""The checks themselves: a column and a rule to a mask of bad rows. Pure; Arrow in, Arrow out.

An empty value breaks only ``present``; every other check looks at what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.quality.rules import Check, Rule


@dataclass(frozen=True)
class Facts:
    """What checks know beside the row.

    Args:
        day: day of submission, in Japan.
        tags: tags whose identity arrived; None where that is settled elsewhere.
        births: tag → month of birth, as year × 12 + month (earliest where several are given).
    """

    day: date
    tags: Collection[str] | None
    births: pa.Table


Apply = Callable[[Rule, pa.Table, str, Facts], pa.ChunkedArray]


def births_of(person: pa.Table | None) -> pa.Table:
    """Return tag, born (year × 12 + month) from the table of persons; one row a tag."""
    if person is None:
        return pa.table({"tag": pa.array([], pa.string()), "born": pa.array([], pa.int64())})
    month = pc.fill_null(person.column("month_of_birth"), 1)
    born = pc.add(pc.multiply(person.column("year_of_birth"), 12), month)
    made = pa.table({"tag": person.column("tag"), "born": born}).group_by("tag")
    return made.aggregate([("born", "min")]).rename_columns(["tag", "born"])


def present(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    del rule, facts
    return rows.column(column).is_null()


def form(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    del facts
    return pc.invert(pc.match_substring_regex(rows.column(column), f"^(?:{rule.pattern})$"))


def allowed(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    del facts
    values = rows.column(column)
    known = pc.is_in(values, value_set=pa.array(rule.values, pa.int64()))
    return pc.and_(pc.invert(known), values.is_valid())


def years(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    del facts
    return pc.less(_years(rows.column(column)), rule.earliest)


def not_after(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    last = facts.day + timedelta(days=rule.days or 0)
    values = rows.column(column)
    if pa.types.is_date(values.type):
        return pc.greater(values, pa.scalar(last, pa.date32()))
    return pc.greater(values, last.year)


def not_before_birth(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    del rule
    values = rows.column(column)
    places = pc.index_in(rows.column("tag"), value_set=facts.births.column("tag"))
    born = pc.take(facts.births.column("born"), places)
    return pc.less(pc.add(pc.multiply(pc.year(values), 12), pc.month(values)), born)


def after_start(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    del rule, facts
    return pc.less(rows.column(column), rows.column(column.replace("_end_", "_start_")))


def not_negative(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    del rule, facts
    values = rows.column(column)
    if pa.types.is_string(values.type):
        return pc.starts_with(values, "-")
    return pc.less(values, 0)


def identity(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    del rule, column
    if facts.tags is None:
        return pa.chunked_array([pa.repeat(False, rows.num_rows)])
    arrived = pa.array(sorted(facts.tags), pa.string())
    return pc.invert(pc.is_in(rows.column("tag"), value_set=arrived))


CHECKS: dict[Check, Apply] = {
    "identity": identity,
    "present": present,
    "form": form,
    "allowed": allowed,
    "years": years,
    "not_after": not_after,
    "not_before_birth": not_before_birth,
    "after_start": after_start,
    "not_negative": not_negative,
}


def bad_rows(rule: Rule, table: str, rows: pa.Table, facts: Facts) -> pa.ChunkedArray | None:
    """Return the mask of rows that break ``rule``; None where it does not speak of the table."""
    columns = ["tag"] if rule.check == "identity" else []
    columns += [name for name in rows.column_names if rule.of(table, name)]
    masks = [
        pc.fill_null(CHECKS[rule.check](rule, rows, column, facts), False) for column in columns
    ]
    if not masks:
        return None
    mask = masks[0]
    for other in masks[1:]:
        mask = pc.or_(mask, other)
    return mask


def _years(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.year(values) if pa.types.is_date(values.type) else values
