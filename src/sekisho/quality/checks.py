"""The checks themselves: a column and a rule to a mask of bad rows. Pure; Arrow in, Arrow out.

An empty value breaks only ``present``; every other check looks at what is there.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import reduce
from itertools import groupby

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm import ORIGIN
from sekisho.cdm.scalars import flag, float64, int64, null
from sekisho.quality.facts import Facts
from sekisho.quality.rules import Check, Rule

Apply = Callable[[Rule, pa.Table, str, Facts], pa.ChunkedArray]


def present(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    del rule, facts
    return rows.column(column).is_null()


def allowed(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    del facts
    values = rows.column(column)
    known = pc.is_in(values, value_set=pa.array(rule.values, pa.int64()))
    return pc.and_(pc.invert(known), values.is_valid())


def years(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    del facts
    return pc.less(_years(rows.column(column)), int64(rule.earliest or 0))


def not_after(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    last = facts.day + timedelta(days=rule.days or 0)
    values = rows.column(column)
    if pa.types.is_date(values.type):
        return pc.greater(values, pa.scalar(last, pa.date32()))
    return pc.greater(values, int64(last.year))


def not_before_birth(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    del rule
    values = rows.column(column)
    born = _of_person(rows, facts.births, "born")
    months = pc.add(pc.multiply(pc.year(values), int64(12)), pc.month(values))
    return pc.less(months, born)


def after_start(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    del rule, facts
    return pc.less(rows.column(column), rows.column(column.replace("_end_", "_start_")))


def not_long_after_death(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    died = _of_person(rows, facts.deaths, "died")
    return pc.greater(pc.days_between(died, rows.column(column)), int64(rule.days or 0))


def longest(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    del facts
    start = rows.column(column.replace("_end_", "_start_"))
    return pc.greater(pc.days_between(start, rows.column(column)), int64(rule.days or 0))


def sex(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    """Bad where the code speaks of another sex than the person's; an unknown sex breaks nothing."""
    known = _of_person(rows, facts.sexes, "sex")
    bad = _never(rows)
    for one in rule.code or ():
        other = pc.not_equal(known, int64(one.gender))
        mask = pc.and_(_coded(rows, column, one.system, one.codes), other)
        bad = pc.or_(bad, pc.fill_null(mask, flag(False)))
    return bad


def range_(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    del facts
    name = column.replace("value_as_number", f"{_stem(rows)}_source_value")
    numbers = _each_value(rows.column(column), _numbers)
    bad = _never(rows)
    for one in rule.range or ():
        unit = pc.is_in(rows.column("unit_source_value"), value_set=pa.array(one.unit, pa.string()))
        outside = pc.or_(
            pc.less(numbers, float64(one.least)), pc.greater(numbers, float64(one.most))
        )
        mask = pc.and_(pc.and_(_coded(rows, name, one.system, one.codes), unit), outside)
        bad = pc.or_(bad, pc.fill_null(mask, flag(False)))
    return bad


def twice(rule: Rule, rows: pa.Table, column: str, facts: Facts) -> pa.ChunkedArray:
    """Bad where another record says the same of the same person; the first of them is not."""
    del rule, column, facts
    said = _groups([rows.column(name) for name in rows.column_names if name not in ORIGIN])
    if said is None:
        return _never(rows)
    record = rows.column("source_id").combine_chunks().dictionary_encode().indices
    row = pa.arange(0, rows.num_rows)
    told = (
        pa.table({"said": said, "record": record, "row": row})
        .group_by("said")
        .aggregate([("row", "min"), ("record", "min_max")])
    )
    records = told.column("record_min_max").combine_chunks()
    several = told.filter(pc.not_equal(records.field("min"), records.field("max")))
    again = pc.is_in(said, value_set=several.column("said").combine_chunks())
    first = pc.is_in(row, value_set=several.column("row_min").combine_chunks())
    return pa.chunked_array([pc.and_(again, pc.invert(first))])


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
    return pc.less(values, int64(0))


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


CHECKS: dict[Check, Apply] = {  # and "form", which is of all columns at once
    "identity": identity,
    "present": present,
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


def bad_rows(
    rule: Rule, tables: Mapping[str, pa.Table], facts: Facts
) -> Iterator[tuple[str, pa.ChunkedArray]]:
    """Yield each table that has rows which break ``rule``, with the mask of them."""
    spoken = [(table, column) for table in tables for column in _spoken(rule, table)]
    masks: Iterable[pa.ChunkedArray]
    if rule.check == "form":
        masks = _malformed(rule, [tables[table].column(column) for table, column in spoken])
        if not masks:
            return
    else:
        apply = CHECKS[rule.check]
        masks = (
            apply(rule, tables[table], column, replace(facts, table=table))
            for table, column in spoken
        )
    found = zip(spoken, masks, strict=True)
    no = flag(False)
    for table, of_table in groupby(found, key=lambda it: it[0][0]):
        mask = reduce(pc.or_, (pc.fill_null(one, no) for _, one in of_table))
        if pc.any(mask, min_count=0).as_py():
            yield table, mask


def _spoken(rule: Rule, table: str) -> tuple[str, ...]:
    if rule.check == "identity":
        return ("tag",)
    columns = rule.spoken[table]
    return columns[:1] if rule.check == "twice" else columns  # of the whole row, once


def _malformed(rule: Rule, columns: Sequence[pa.ChunkedArray]) -> list[pa.ChunkedArray]:
    """Return the masks of values that are not of the rule's pattern; none where all are.

    The values of all columns are matched at once: to prepare a pattern costs as much as to match
    thousands of them.
    """
    encoded = [column.combine_chunks().dictionary_encode() for column in columns]
    values = pa.concat_arrays([pa.array([], pa.string()), *(one.dictionary for one in encoded)])
    bad = pc.invert(pc.match_substring_regex(values, f"^(?:{rule.pattern})$"))
    if not pc.any(bad).as_py():
        return []
    masks, start = [], 0
    for one in encoded:
        masks.append(pa.chunked_array([bad.slice(start, len(one.dictionary)).take(one.indices)]))
        start += len(one.dictionary)
    return masks


def _of_person(rows: pa.Table, known: pa.Table, column: str) -> pa.ChunkedArray:
    """Return a fact about each row's person; null where there is none."""
    places = pc.index_in(rows.column("tag"), value_set=known.column("tag"))
    return pc.take(known.column(column), places)


def _coded(rows: pa.Table, column: str, system: str, codes: str) -> pa.ChunkedArray:
    """Tell which rows have a code of ``codes`` in a system like ``system``."""
    of = rows.column(column.replace("_source_value", "_source_system"))
    values = [one for one in of.unique().to_pylist() if one is not None]
    alike = fnmatch.filter(values, system)
    if not alike:
        return _never(rows)
    named = pc.is_in(of, value_set=pa.array(alike, pa.string()))
    pattern = f"^(?:{codes})$"
    return pc.and_(
        named,
        _each_value(rows.column(column), lambda them: pc.match_substring_regex(them, pattern)),
    )


def _stem(rows: pa.Table) -> str:
    """Return what a table's source columns begin with (``measurement``, ``observation``)."""
    names: list[str] = rows.column_names
    end = "_source_concept_id"
    return next(name.removesuffix(end) for name in names if name.endswith(end))


def _never(rows: pa.Table) -> pa.ChunkedArray:
    return pa.chunked_array([pa.repeat(flag(False), rows.num_rows)])


def _years(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.year(values) if pa.types.is_date(values.type) else values


def _numbers(texts: pa.Array) -> pa.Array:
    """Return the numbers that are plainly spelled; null for the others."""
    plain = pc.match_substring_regex(texts, r"^-?[0-9]{1,18}(\.[0-9]{1,60})?$")
    return pc.if_else(plain, texts, null(texts)).cast(pa.float64())


def _each_value(values: pa.ChunkedArray, judge: Callable[[pa.Array], pa.Array]) -> pa.ChunkedArray:
    """Judge every different value once: most columns repeat few."""
    encoded = values.combine_chunks().dictionary_encode()
    return pa.chunked_array([judge(encoded.dictionary).take(encoded.indices)])


def _groups(columns: Iterable[pa.ChunkedArray]) -> pa.Array | None:
    """Return a number for each row, equal where all columns are; None where no two rows are."""
    groups: pa.Array | None = None
    for column in columns:
        if column.null_count == len(column):
            continue
        value = column.combine_chunks().dictionary_encode("encode")
        number = value.indices.cast(pa.int64())
        if groups is not None:
            number = pc.add(pc.multiply(groups, int64(len(value.dictionary))), number)
        found = number.dictionary_encode()
        if len(found.dictionary) == len(column):
            return None
        groups = found.indices.cast(pa.int64())
    return groups
