"""Fields of 電子レセプト: dates by their length, months, points, and the days of a line.

Source: 記録条件仕様（医科用）; formats A1. A date of 8 or 6 digits is Western, of 7 or 5 of an era.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import date
from decimal import Decimal, DecimalException
from functools import lru_cache

from sekisho.provider.readers.fhir_values import day, decimal_text
from sekisho.provider.records import Unreadable
from sekisho.pseudonym.dates import ERA_BASES

DISEASE = "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/masterB-disease"
MODIFIER = "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/masterZ-disease-modifier"
SERVICE = "urn:sekisho:receipt-master:s"
"""診療行為コード(9); no public URI is known to us."""
MEDICINE = "urn:sekisho:receipt-master:y"
"""医薬品コード(9)."""
DEVICE = "urn:sekisho:receipt-master:t"
"""特定器材コード(9)."""
DENTAL_SERVICE = "urn:sekisho:receipt-master:h"
"""歯科診療行為コード(9)."""
DISPENSING_SERVICE = "urn:sekisho:receipt-master:m"
"""調剤行為コード(9)."""
ICD10 = "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/ICD10-2013-full"
DPC_GROUP = "urn:sekisho:dpc-group"
"""診断群分類番号(14)."""


def uke_day(text: str) -> int:
    """Return YYYYMMDD or GYYMMDD as days since 1970-01-01.

    Raises:
        Unreadable: missing, not a date, or outside 1900–2100.
    """
    if not text:
        raise Unreadable("date.missing")
    western = _western(text)
    if len(western) != 8:
        raise Unreadable("date.impossible")
    return day(f"{western[:4]}-{western[4:6]}-{western[6:]}")


def calendar_date(days: int) -> date:
    """Return days since 1970-01-01 as a date."""
    return date.fromordinal(days + date(1970, 1, 1).toordinal())


class Month:
    """A month of care (診療年月), YYYYMM or GYYMM."""

    def __init__(self, text: str) -> None:
        western = _western(text) if text else ""
        if len(western) != 6:
            raise Unreadable("uke.month")
        try:
            self.first = day(f"{western[:4]}-{western[4:]}-01")
        except Unreadable:
            raise Unreadable("uke.month") from None
        self.name = western
        self.length = monthrange(int(western[:4]), int(western[4:]))[1]

    @property
    def last(self) -> int:
        return self.first + self.length - 1

    def at(self, column: int) -> int:
        """Return the day of a 1-based day column."""
        return self.first + column - 1


def whole_number(text: str) -> int:
    """Return a field of digits.

    Raises:
        Unreadable: anything else.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise Unreadable("uke.field")
    return int(text)


def amount(text: str, times: int) -> str | None:
    """Return a used amount (使用量) times a count in canonical spelling; None if empty."""
    if not text:
        return None
    try:
        return decimal_text(Decimal(text) * times)
    except DecimalException:
        raise Unreadable("uke.field") from None


def used_on(fields: list[str], first: int, month: Month) -> list[tuple[int, int]]:
    """Return (day, count) of the 31 day columns that start at index ``first``.

    Raises:
        Unreadable: not a number, or a day that the month does not have.
    """
    before = month.first - 1
    used = _used(tuple(fields[first : first + 31]), month.length)
    return [(before + column, count) for column, count in used]


@lru_cache(maxsize=1 << 14)
def _used(columns: tuple[str, ...], length: int) -> tuple[tuple[int, int], ...]:
    """Return (column, count) of day columns; most lines of a file look like one before."""
    used = []
    for column, text in enumerate(columns, 1):
        if text and (count := whole_number(text)):
            if column > length:
                raise Unreadable("date.impossible")
            used.append((column, count))
    return tuple(used)


def _western(text: str) -> str:
    if not (text.isascii() and text.isdigit()):
        return ""
    if len(text) in (6, 8):
        return text
    base = ERA_BASES.get(text[:1])
    if len(text) not in (5, 7) or base is None:
        return ""
    return f"{base + int(text[1:3]):04d}{text[3:]}"
