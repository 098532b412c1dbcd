"""Texts that begin alike as a range, which a database finds by its index."""

from __future__ import annotations

import sys

_SURROGATES = range(0xD800, 0xE000)


def after(prefix: str) -> str | None:
    """Return the first text, by code point, after all that begin so; None where there is none."""
    rest = prefix.rstrip(chr(sys.maxunicode))
    if not rest:
        return None
    following = ord(rest[-1]) + 1
    if following in _SURROGATES:  # which no text of a database holds
        following = _SURROGATES.stop
    return rest[:-1] + chr(following)
