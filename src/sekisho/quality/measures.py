"""What a table holds, in counts: periods, months, code systems, shares that have a value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from sekisho.cdm import table

MOST_MONTHS = 36
"""A chart shows the latest months; what is older is one number."""


class Measure(Struct, frozen=True):
    """One table of a submission.

    Attributes:
        first, last: earliest and latest day, ISO 8601; None without dates.
        months: year and month → rows, in the latest `MOST_MONTHS` that are not in the future.
        earlier, later: rows before and after those months.
        systems: code system → rows; "" is a row without one.
        with_visit: rows that belong to a visit; None where the table has none.
        with_unit: rows with a unit; None where the table has none.
        mapped: rows whose code has a standard concept; None where the table has no codes.
    """

    name: str
    rows: int
    first: str | None
    last: str | None
    months: dict[str, int]
    earlier: int
    later: int
    systems: dict[str, int]
    with_visit: int | None
    with_unit: int | None
    mapped: int | None


def measures_of(tables: Mapping[str, pa.Table], day: date) -> tuple[Measure, ...]:
    """Return a measure of every table in transit layout that has rows, in order of name.

    Args:
        day: of the examination; what lies after it is no month of a chart.
    """
    full = sorted(name for name in tables if tables[name].num_rows)
    return tuple(_measure(name, tables[name], f"{day:%Y-%m}") for name in full)


def _measure(name: str, rows: pa.Table, this_month: str) -> Measure:
    spec = table(name)
    dates = [c.name for c in spec.content if c.type == "date"]
    days = rows.column(dates[0]).drop_null() if dates else pa.chunked_array([[]], pa.date32())
    months: Counter[str] = Counter()
    for one in pc.value_counts(pc.strftime(days, format="%Y-%m")).to_pylist():
        months[one["values"]] += one["counts"]
    latest = max((month for month in months if month <= this_month), default="")
    since = _months_before(latest, MOST_MONTHS - 1) if latest else ""
    ends = pc.min_max(days).as_py() if len(days) else {"min": None, "max": None}
    return Measure(
        name,
        rows.num_rows,
        ends["min"] and ends["min"].isoformat(),
        ends["max"] and ends["max"].isoformat(),
        {month: months[month] for month in sorted(months) if since <= month <= latest},
        sum(number for month, number in months.items() if month < since),
        sum(number for month, number in months.items() if month > latest),
        _systems(rows),
        _filled(rows, "visit_ref") if spec.has_visit else None,
        _filled(rows, "unit_source_value"),
        _mapped(rows, f"{name.partition('_')[0]}_concept_id"),
    )


def _months_before(month: str, number: int) -> str:
    count = 12 * int(month[:4]) + int(month[5:]) - 1 - number
    return f"{count // 12:04d}-{count % 12 + 1:02d}"


def _systems(rows: pa.Table) -> dict[str, int]:
    named = [name for name in rows.column_names if name.endswith("_source_system")]
    if not named:
        return {}
    counted = pc.value_counts(pc.fill_null(rows.column(named[0]), ""))
    found = {one["values"]: one["counts"] for one in counted.to_pylist()}
    return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def _filled(rows: pa.Table, column: str) -> int | None:
    if column not in rows.column_names:
        return None
    number: int = rows.num_rows - rows.column(column).null_count
    return number


def _mapped(rows: pa.Table, concept: str) -> int | None:
    if concept not in rows.column_names:
        return None
    mapped: int = pc.sum(pc.not_equal(rows.column(concept), 0)).as_py() or 0
    return mapped
