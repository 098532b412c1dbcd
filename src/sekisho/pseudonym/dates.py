"""Dates as people and systems write them, Western and of an era (和暦): one normal form.

Birth dates complete a shared number and make the key of name, birth date and sex; written in two
ways they would give two persons (only 14.9 % of checkups met their claims: formats A8).
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from sekisho.common.errors import UserError
from sekisho.pseudonym.numbers import fold

ERA_BASES: Final = {"1": 1867, "2": 1911, "3": 1925, "4": 1988, "5": 2018}
"""Era as a digit (明治 1 … 令和 5: 記録条件仕様) → the year before its first."""
_ERAS: Final = {
    "明治": "1", "M": "1", "大正": "2", "T": "2", "昭和": "3", "S": "3",
    "平成": "4", "H": "4", "令和": "5", "R": "5",
}  # fmt: skip
_WRITTEN: Final = re.compile(
    r"(?P<era>明治|大正|昭和|平成|令和|[MTSHR])?(?P<year>元|\d{1,4})[年./-]"
    r"(?P<month>\d{1,2})[月./-](?P<day>\d{1,2})日?"
)
_DIGITS: Final = re.compile(
    r"(?P<era>[MTSHR1-5])?(?P<year>\d{2}|\d{4})(?P<month>\d\d)(?P<day>\d\d)"
)


def read_date(text: str) -> date:
    """Return the day that ``text`` means.

    Reads 2026-04-01, 2026/4/1, 2026年4月1日, 20260401; 令和8年4月1日, 令和元年5月1日, R8.4.1,
    H31/4/30, and GYYMMDD with the era as a letter or digit. The year of an era may go on after
    the era's end (平成33年), as printed forms do.

    Raises:
        UserError: it is no date, or one outside 1868 to 2100.
    """
    found = _match(fold(text, upper=True))
    if found is not None:
        era, year = found["era"], 1 if found["year"] == "元" else int(found["year"])
        base = ERA_BASES[_ERAS.get(era, era)] if era else 0
        if (base == 0) == (len(found["year"]) == 4):
            try:
                made = date(base + year, int(found["month"]), int(found["day"]))
            except ValueError:
                made = None
            if made is not None and year and 1868 <= made.year <= 2100:
                return made
    raise UserError(
        "identifier.date",
        "A date cannot be read.",
        next_step="write YYYY-MM-DD, or the era with year, month and day; it is not shown here",
    )


def _match(text: str) -> re.Match[str] | None:
    if text.isascii() and text.isdigit():
        # Eight digits are Western, seven begin with the era's digit.
        return _DIGITS.fullmatch(text) if len(text) in (7, 8) else None
    return _WRITTEN.fullmatch(text) or _DIGITS.fullmatch(text)
