"""What a table holds, in counts: periods, months, code systems, shares that have a value."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from sekisho.cdm import table, transit_schema

MOST_MONTHS = 36
"""A chart shows the latest months; what is older is one number."""
_BOTH = ("person", "death")
"""Tables whose rows go with every class of data."""


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


@dataclass
class _Counted:
    """What was counted of one table so far."""

    rows: int = 0
    days: set[date] = field(default_factory=set)
    """The earliest and the latest of each batch."""
    months: Counter[str] = field(default_factory=Counter)
    systems: Counter[str] = field(default_factory=Counter)
    with_visit: int = 0
    with_unit: int = 0
    mapped: int = 0

    def add(self, name: str, rows: pa.Table) -> None:
        self.rows += rows.num_rows
        dates = [c.name for c in table(name).content if c.type == "date"]
        days = rows.column(dates[0]).drop_null() if dates else pa.chunked_array([[]], pa.date32())
        if len(days):
            ends = pc.min_max(days).as_py()
            self.days = {min({ends["min"], *self.days}), max({ends["max"], *self.days})}
        for one in pc.value_counts(pc.strftime(days, format="%Y-%m")).to_pylist():
            self.months[one["values"]] += one["counts"]
        self.systems.update(_systems(rows))
        self.with_visit += _filled(rows, "visit_ref")
        self.with_unit += _filled(rows, "unit_source_value")
        self.mapped += _mapped(rows, _concept(name))

    def __add__(self, other: _Counted) -> _Counted:
        return _Counted(
            self.rows + other.rows,
            self.days | other.days,
            self.months + other.months,
            self.systems + other.systems,
            self.with_visit + other.with_visit,
            self.with_unit + other.with_unit,
            self.mapped + other.mapped,
        )

    def measure(self, name: str, this_month: str) -> Measure:
        spec, columns = table(name), set(transit_schema(name).names)
        latest = max((month for month in self.months if month <= this_month), default="")
        since = _months_before(latest, MOST_MONTHS - 1) if latest else ""
        by_number = sorted(self.systems.items(), key=lambda pair: (-pair[1], pair[0]))
        return Measure(
            name,
            self.rows,
            min(self.days).isoformat() if self.days else None,
            max(self.days).isoformat() if self.days else None,
            {
                month: self.months[month]
                for month in sorted(self.months)
                if since <= month <= latest
            },
            sum(number for month, number in self.months.items() if month < since),
            sum(number for month, number in self.months.items() if month > latest),
            dict(by_number),
            self.with_visit if spec.has_visit else None,
            self.with_unit if "unit_source_value" in columns else None,
            self.mapped if _concept(name) in columns else None,
        )


class Measures:
    """Counts tables in transit layout that come some rows at a time."""

    def __init__(self) -> None:
        self._of: defaultdict[str, _Counted] = defaultdict(_Counted)

    def add(self, tables: Mapping[str, pa.Table]) -> None:
        """Count rows."""
        for name, rows in tables.items():
            if rows.num_rows:
                self._of[name].add(name, rows)

    def __add__(self, other: Measures) -> Measures:
        """Return the counts of what goes to two bodies; persons, who go to both, count once."""
        made = Measures()
        for name in {*self._of, *other._of}:
            one, two = self._of.get(name, _Counted()), other._of.get(name, _Counted())
            if name in _BOTH:
                made._of[name] = max(one, two, key=lambda counted: counted.rows)
            else:
                made._of[name] = one + two
        return made

    def told(self, day: date) -> tuple[Measure, ...]:
        """Return a measure of every table that has rows, in order of name.

        Args:
            day: of the examination; what lies after it is no month of a chart.
        """
        return tuple(self._of[name].measure(name, f"{day:%Y-%m}") for name in sorted(self._of))


def _months_before(month: str, number: int) -> str:
    count = 12 * int(month[:4]) + int(month[5:]) - 1 - number
    return f"{count // 12:04d}-{count % 12 + 1:02d}"


def _concept(name: str) -> str:
    return f"{name.partition('_')[0]}_concept_id"


def _systems(rows: pa.Table) -> dict[str, int]:
    end = "_source_concept_id"
    coded = [name.removesuffix(end) for name in rows.column_names if name.endswith(end)]
    if not coded:
        return {}
    counted = pc.value_counts(pc.fill_null(rows.column(f"{coded[0]}_source_system"), ""))
    return {one["values"]: one["counts"] for one in counted.to_pylist()}


def _filled(rows: pa.Table, column: str) -> int:
    return rows.num_rows - rows.column(column).null_count if column in rows.column_names else 0


def _mapped(rows: pa.Table, concept: str) -> int:
    if concept not in rows.column_names:
        return 0
    mapped: int = pc.sum(pc.not_equal(rows.column(concept), 0)).as_py() or 0
    return mapped
