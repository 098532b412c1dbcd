"""A cell of text as a value of a column of the CDM: whole number, day, decimal or text."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from sekisho.cdm import Column
from sekisho.provider.readers.fhir_values import day, decimal_text
from sekisho.provider.records import Unreadable

_DAY = re.compile(r"\d{4}-\d\d-\d\d(?=$|[T ])", re.ASCII)
_WHOLE = re.compile(r"-?\d{1,18}(?:\.0+)?", re.ASCII)
_LONGEST = 64
"""Longest text of a number."""


def iso_day(text: str) -> int:
    """Return YYYY-MM-DD, with or without a time after it, as days since 1970-01-01.

    Raises:
        Unreadable: not such a day, or outside 1900–2100.
    """
    match = _DAY.match(text)
    if match is None:
        raise Unreadable("date.impossible")
    return day(match[0])


def whole(text: str) -> int:
    """Return a whole number; ``30.0`` is one, as programs write columns that hold blanks.

    Raises:
        Unreadable: anything else.
    """
    if _WHOLE.fullmatch(text) is None:
        raise Unreadable("table.number")
    return int(text.partition(".")[0])


def decimal(text: str) -> str:
    """Return a number in its canonical spelling.

    Raises:
        Unreadable: no number, or one out of range.
    """
    try:
        return decimal_text(Decimal(text if len(text) <= _LONGEST else ""))
    except InvalidOperation:
        raise Unreadable("table.number") from None


def value(text: str, column: Column) -> int | str | None:
    """Return a cell as the column has it; None where it is blank, 0 for a blank concept.

    Raises:
        Unreadable: it is of another type.
    """
    text = text.strip()
    if not text:
        return 0 if column.name.endswith("_concept_id") else None
    if column.type == "int64":
        return whole(text)
    if column.type == "date":
        return iso_day(text)
    return decimal(text) if column.type == "decimal" else text
