"""The numbers behind the report's charts: where bars begin and how long they are. No markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sekisho.quality.report import PARTS, Fate

BAR_WIDTH = 520.0
MONTH_HEIGHT = 64.0
MONTH_WIDTH = 560.0


@dataclass(frozen=True)
class Piece:
    """One part of a bar: what it stands for, its number, and where it is drawn."""

    part: str
    number: int
    x: float
    width: float


@dataclass(frozen=True)
class Column:
    """One month of a chart."""

    month: str
    number: int
    x: float
    y: float
    width: float
    height: float


def stacked(fate: Fate, most: int) -> tuple[Piece, ...]:
    """Return the pieces of one type's bar; ``most`` records fill the width.

    A part that has any records is at least a visible line.
    """
    x, made = 0.0, []
    for part in PARTS:
        number = getattr(fate, part)
        if number:
            width = max(BAR_WIDTH * number / most, 1.5)
            made.append(Piece(part, number, round(x, 1), round(width, 1)))
            x += width
    return tuple(made)


def columns(months: Mapping[str, int]) -> tuple[Column, ...]:
    """Return a column for every month from the first to the last, empty months included."""
    every = _every_month(sorted(months))
    most = max(months.values(), default=0)
    step = MONTH_WIDTH / max(len(every), 12)
    made = []
    for place, month in enumerate(every):
        number = months.get(month, 0)
        height = max(MONTH_HEIGHT * number / most, 1.0) if number else 0.0
        top = MONTH_HEIGHT - height
        made.append(
            Column(
                month,
                number,
                round(place * step, 1),
                round(top, 1),
                round(step * 0.8, 1),
                round(height, 1),
            )
        )
    return tuple(made)


def _every_month(known: Sequence[str]) -> list[str]:
    if not known:
        return []
    (year, month), last = (int(part) for part in known[0].split("-")), known[-1]
    made = [known[0]]
    while made[-1] < last:
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
        made.append(f"{year:04d}-{month:02d}")
    return made
