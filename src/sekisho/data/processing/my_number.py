"""Individual numbers (個人番号) that stand in text."""

from __future__ import annotations

import re

from sekisho.pseudonym.numbers import is_my_number

# Not inside a longer number, a UUID or another id.
_TWELVE = re.compile(
    r"(?<![0-9A-Za-z-])([0-9]{4})[ -]?([0-9]{4})[ -]?([0-9]{4})(?![0-9A-Za-z-])", re.ASCII
)


def holds_my_number(text: str) -> bool:
    """Tell whether twelve digits that stand for themselves in ``text`` are such a number."""
    return any(is_my_number("".join(found)) for found in _TWELVE.findall(text))
