"""The check digit of the individual number (個人番号), 平成26年総務省令第85号 第5条."""

from __future__ import annotations

import re

# Not inside a longer number, a UUID or another id.
_TWELVE = re.compile(
    r"(?<![0-9A-Za-z-])([0-9]{4})[ -]?([0-9]{4})[ -]?([0-9]{4})(?![0-9A-Za-z-])", re.ASCII
)


def is_my_number(digits: str) -> bool:
    """Tell whether twelve digits carry the right check digit, which is the last.

    With P1 the digit before it, P2 the one before that, …: 11 − (Σ Pn·Qn mod 11), 0 where the
    remainder is 0 or 1; Qn is n + 1 for n up to 6, n − 5 above.
    """
    if len(digits) != 12 or not digits.isdecimal():
        return False
    places = enumerate(reversed(digits[:-1]), start=1)
    remainder = sum(int(d) * (n + 1 if n <= 6 else n - 5) for n, d in places) % 11
    return int(digits[-1]) == (0 if remainder <= 1 else 11 - remainder)


def holds_my_number(text: str) -> bool:
    """Tell whether twelve digits that stand for themselves in ``text`` are such a number."""
    return any(is_my_number("".join(found)) for found in _TWELVE.findall(text))
