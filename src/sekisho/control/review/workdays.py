"""Counting days as deadlines do."""

from __future__ import annotations

import calendar
from datetime import date, timedelta

_SATURDAY = 5


def add_months(day: date, months: int) -> date:
    """Return the same day of a later month, or its last where it has no such day (民法143条)."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def add_working_days(day: date, count: int) -> date:
    """Return the day ``count`` working days later: Monday to Friday, as holidays are not known."""
    while count > 0:
        day += timedelta(days=1)
        count -= day.weekday() < _SATURDAY
    return day
