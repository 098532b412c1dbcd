"""The checks themselves: a column and a rule to a mask of bad rows. Pure; Arrow in, Arrow out.

An empty value breaks only ``present``; every other check looks at what is there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from fnmatch import fnmatchcase

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm import ORIGIN
from sekisho.quality.facts import Facts
from sekisho.quality.rules import Check, Rule

Apply = Callable[[Rule, pa.Table, str, Facts], pa.ChunkedArray]


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
    born = _of_person(rows, facts.births, "born")
    return pc.less(pc.add(pc.multiply(pc.year(values), 12), pc.month(values)), born)


def after_start(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    del rule, facts
    return pc.less(rows.column(column), rows.column(column.replace("_end_", "_start_")))


def not_long_after_death(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    died = _of_person(rows, facts.deaths, "died")
    return pc.greater(pc.days_between(died, rows.column(column)), rule.days)


def longest(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    del facts
    start = rows.column(column.replace("_end_", "_start_"))
    return pc.greater(pc.days_between(start, rows.column(column)), rule.days)


def sex(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    """Bad where the code speaks of another sex than the person's; an unknown sex breaks nothing."""
    known = _of_person(rows, facts.sexes, "sex")
    bad = _never(rows)
    for one in rule.code or ():
        mask = pc.and_(_coded(rows, column, one.system, one.codes), pc.not_equal(known, one.gender))
        bad = pc.or_(bad, pc.fill_null(mask, False))
    return bad


def range_(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    del facts
    name = column.replace("value_as_number", f"{_stem(rows)}_source_value")
    text = rows.column(column)
    plain = pc.match_substring_regex(text, r"^-?[0-9]{1,18}(\.[0-9]{1,60})?$")
    numbers = pc.if_else(plain, text, None).cast(pa.float64())
    bad = _never(rows)
    for one in rule.range or ():
        unit = pc.is_in(rows.column("unit_source_value"), value_set=pa.array(one.unit, pa.string()))
        outside = pc.or_(pc.less(numbers, one.least), pc.greater(numbers, one.most))
        mask = pc.and_(pc.and_(_coded(rows, name, one.system, one.codes), unit), outside)
        bad = pc.or_(bad, pc.fill_null(mask, False))
    return bad


def twice(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    """Bad where another record says the same of the same person; the first of them is not."""
    del rule, column, facts
    cells = [
        rows.column(name).cast(pa.string()) for name in rows.column_names if name not in ORIGIN
    ]
    said = pc.binary_join_element_wise(*(pc.fill_null(cell, "\0") for cell in cells), "\x1f")
    numbers = pa.array(range(rows.num_rows), pa.int64())
    numbered = pa.table({"said": said, "record": rows.column("source_id"), "row": numbers})
    told = numbered.group_by("said").aggregate([("row", "min"), ("record", "count_distinct")])
    several = told.filter(pc.greater(told.column("record_count_distinct"), 1))
    again = pc.is_in(said, value_set=several.column("said").combine_chunks())
    first = pc.is_in(numbers, value_set=several.column("row_min").combine_chunks())
    return pc.and_(again, pc.invert(first))


def share(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    """Bad are the rows without a value, where these are more than the rule allows."""
    values = rows.column(column)
    here = 1 - values.null_count / rows.num_rows if rows.num_rows else 0.0
    if rows.num_rows and facts.filled.get(f"{facts.table}.{column}", here) >= (rule.least or 0):
        return _never(rows)
    return values.is_null()


def not_negative(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    del rule, facts
    values = rows.column(column)
    if pa.types.is_string(values.type):
        return pc.starts_with(values, "-")
    return pc.less(values, 0)


def identity(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    del rule, column
    if facts.tags is None:
        return _never(rows)
    return pc.invert(pc.is_in(rows.column("tag"), value_set=facts.tags))


def standard(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    """Bad are rows whose code is no standard one, where only standard ones are taken."""
    del rule
    if facts.systems is None:
        return _never(rows)
    return pc.invert(facts.systems.standard(rows, column))


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
    "not_long_after_death": not_long_after_death,
    "longest": longest,
    "sex": sex,
    "range": range_,
    "twice": twice,
    "share": share,
    "standard": standard,
}


def bad_rows(rule: Rule, table: str, rows: pa.Table, facts: Facts) -> pa.ChunkedArray | None:
    """Return the mask of rows that break ``rule``; None where it does not speak of the table."""
    columns = [name for name in rows.column_names if rule.of(table, name)]
    facts = replace(facts, table=table)
    if rule.check == "identity":
        columns = ["tag"]
    elif rule.check == "twice":  # of the whole row, once
        columns = columns[:1]
    masks = [
        pc.fill_null(CHECKS[rule.check](rule, rows, column, facts), False) for column in columns
    ]
    if not masks:
        return None
    mask = masks[0]
    for other in masks[1:]:
        mask = pc.or_(mask, other)
    return mask


def _of_person(rows: pa.Table, known: pa.Table, column: str) -> pa.ChunkedArray:
    """Return a fact about each row's person; null where there is none."""
    places = pc.index_in(rows.column("tag"), value_set=known.column("tag"))
    return pc.take(known.column(column), places)


def _coded(rows: pa.Table, column: str, system: str, codes: str) -> pa.ChunkedArray:
    """Tell which rows have a code of ``codes`` in a system like ``system``."""
    of = rows.column(column.replace("_source_value", "_source_system"))
    values = [
        one for one in of.unique().to_pylist() if one is not None and fnmatchcase(one, system)
    ]
    named = pc.is_in(of, value_set=pa.array(values, pa.string()))
    return pc.and_(named, pc.match_substring_regex(rows.column(column), f"^(?:{codes})$"))


def _stem(rows: pa.Table) -> str:
    """Return what a table's source columns begin with (``measurement``, ``observation``)."""
    names: list[str] = rows.column_names
    end = "_source_concept_id"
    return next(name.removesuffix(end) for name in names if name.endswith(end))


def _never(rows: pa.Table) -> pa.ChunkedArray:
    return pa.chunked_array([pa.repeat(False, rows.num_rows)])


def _years(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.year(values) if pa.types.is_date(values.type) else values
