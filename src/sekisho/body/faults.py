"""Faults that a rehearsal may plant, each to prove the guard that finds it.

Switches turn one guard off, so that the other is seen to hold, or leave a duty undone. Mishaps
happen to a message between its sender, who believes that it was delivered, and its receiver::

    drop:<path>:<n>          the n-th message on this path that a body sends never arrives
    drop-share:<share>       so does this share of all messages, chosen from the seed
    delay:<path>:<n>:<days>  the n-th arrives so many days later
    duplicate:<path>:<n>     the n-th arrives three times, the last time under another id
    reorder:<path>:<n>       the n-th arrives after the next one on its path

``@<body>`` at the end plants a mishap at one sending body alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

SWITCHES: Final = ("holder-filter-off", "gate-filter-off", "uses-log-lost")
_MISHAP = re.compile(
    r"(?P<kind>drop|duplicate|reorder|delay):(?P<path>[a-z_]+/[a-z-]+):(?P<number>[1-9][0-9]*)"
    r"(?::(?P<days>[1-9][0-9]*))?(?:@(?P<body>[a-z0-9-]+))?"
)
_SHARE = re.compile(r"drop-share:(?P<share>0\.[0-9]+|1)(?:@(?P<body>[a-z0-9-]+))?")
FORMS: Final = (
    *SWITCHES,
    "drop:<path>:<n>",
    "drop-share:<share>",
    "delay:<path>:<n>:<days>",
    "duplicate:<path>:<n>",
    "reorder:<path>:<n>",
)


@dataclass(frozen=True)
class Mishap:
    """What happens to a message. ``path`` is empty for a share of all messages."""

    kind: str
    path: str = ""
    number: int = 0
    days: int = 0
    share: float = 0.0
    body: str | None = None


def read_mishap(text: str) -> Mishap | None:
    """Return the mishap that ``text`` spells, or None if it spells none."""
    if found := _SHARE.fullmatch(text):
        return Mishap("drop-share", share=float(found["share"]), body=found["body"])
    found = _MISHAP.fullmatch(text)
    if found is None or (found["kind"] == "delay") != (found["days"] is not None):
        return None
    return Mishap(
        found["kind"],
        found["path"],
        int(found["number"]),
        int(found["days"] or 0),
        body=found["body"],
    )


def is_fault(text: str) -> bool:
    """Return whether a rehearsal knows this fault."""
    return text in SWITCHES or read_mishap(text) is not None
