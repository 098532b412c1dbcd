"""What a permit asks for, in the data wing's own words; a flow fills it from the permit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from sekisho.common.errors import UserError


def _in_order(start: date | None, end: date | None) -> None:
    if start is not None and end is not None and start > end:
        raise UserError("order.days", "A period ends before it starts.")


def _day(value: date | None) -> str | None:
    return None if value is None else value.isoformat()


@dataclass(frozen=True)
class Period:
    """Days, both ends included; an open end is None. Rows without a date are outside."""

    start: date | None = None
    end: date | None = None

    def __post_init__(self) -> None:
        _in_order(self.start, self.end)

    @property
    def bounded(self) -> bool:
        return self.start is not None or self.end is not None


@dataclass(frozen=True)
class Cohort:
    """Who is meant: persons with a condition of one of ``codes`` or ``concepts`` that starts on a
    day from ``start`` to ``end``, at an age on that day (full years, by year and month of birth)
    of ``min_age`` to ``max_age``.

    ``concepts`` are standard ones of the OMOP vocabularies; each holder reads its conditions by
    them. Without codes and concepts: everyone of that age on ``start``; without ages too: everyone.
    """

    codes: tuple[str, ...] = ()
    concepts: tuple[int, ...] = ()
    start: date | None = None
    end: date | None = None
    min_age: int | None = None
    max_age: int | None = None
    mode: Literal["at_gate", "returned"] = "at_gate"

    def __post_init__(self) -> None:
        _in_order(self.start, self.end)
        if any(not code.strip() for code in self.codes):
            raise UserError("order.empty-code", "A code of the cohort is empty.")
        if any(concept <= 0 for concept in self.concepts):
            raise UserError("order.concept", "A concept of the cohort is not a number above 0.")
        low, high = self.min_age or 0, 200 if self.max_age is None else self.max_age
        if not 0 <= low <= high <= 200:
            raise UserError("order.ages", "The cohort's ages must lie in 0–200, low end first.")
        if self.by_age and not self.by_condition and self.start is None:
            raise UserError(
                "order.age-when",
                "The cohort names an age, but neither a condition nor a day on which it is meant.",
                next_step="give the cohort codes or concepts, or a day in `from`",
            )

    @property
    def by_condition(self) -> bool:
        return bool(self.codes or self.concepts)

    @property
    def by_age(self) -> bool:
        return self.min_age is not None or self.max_age is not None


@dataclass(frozen=True)
class ExtractOrder:
    """One permit, as far as one holder's extract and the gate need it.

    Args:
        application: id of the project; it salts the ids that travel, so that those of two projects
            never match.
        purpose: what the permit allows, for scopes of opting out.
        operator: the body that makes this extract.
        form: form of processing.
        classes: data classes asked of this holder.
        tables: CDM table → content columns; no column means all of them.
    """

    application: str
    purpose: str
    operator: str
    form: str
    classes: tuple[str, ...]
    tables: Mapping[str, tuple[str, ...]]
    cohort: Cohort = Cohort()
    period: Period = Period()

    def __post_init__(self) -> None:
        for name in ("application", "purpose", "operator", "form"):
            if not getattr(self, name):
                raise UserError("order.incomplete", f"The order names no {name}.")
        if not self.classes or len(set(self.classes)) != len(self.classes):
            raise UserError("order.classes", "The order must name each data class once.")

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form that is hashed; codes, concepts, classes, columns have no order."""
        cohort, period = self.cohort, self.period
        return {
            "application": self.application,
            "purpose": self.purpose,
            "operator": self.operator,
            "form": self.form,
            "classes": sorted(self.classes),
            "tables": {name: sorted(columns) for name, columns in self.tables.items()},
            "cohort": {
                "codes": sorted(set(cohort.codes)),
                "concepts": sorted(set(cohort.concepts)),
                "start": _day(cohort.start),
                "end": _day(cohort.end),
                "min_age": cohort.min_age,
                "max_age": cohort.max_age,
                "mode": cohort.mode,
            },
            "period": {"start": _day(period.start), "end": _day(period.end)},
        }
