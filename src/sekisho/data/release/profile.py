"""How those who opted out differ from those who did not, by age and sex, fit to be told.

A small number is not shown, nor one from which it could be computed: further numbers of the same
column are hidden until `audit` finds that what is hidden stays hidden, given the column's total and
the other table of the same persons. Differences are computed from shown numbers only.

What it cannot see: the same figures of another extract or day. Whoever has two of them may learn
what lies between.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import pyarrow as pa

from sekisho.data.release.audit import audit
from sekisho.data.release.kept import Hidden, Kept, everyone
from sekisho.data.release.rules import RuleSet
from sekisho.data.release.table import MEASURE, MISSING

BANDS = (*(f"{low}-{low + 9}" for low in range(0, 90, 10)), "90+")
SEXES = ("female", "male", "other")
_SEX = {8532: "female", 8507: "male"}
"""OMOP concept of gender → level."""


@dataclass(frozen=True)
class Member:
    """One person of a holder: key, year of birth and gender as held, and whether dropped."""

    key: str
    year: int | None
    gender: int | None
    out: bool

    def band(self, year: int) -> str:
        """Return the age band in ``year``, the age counted by year of birth."""
        if self.year is None or self.year > year:
            return MISSING
        return BANDS[min((year - self.year) // 10, len(BANDS) - 1)]

    @property
    def sex(self) -> str:
        return MISSING if self.gender is None else _SEX.get(self.gender, "other")


def profile(members: Iterable[Member], year: int, rule_sets: Sequence[RuleSet]) -> dict[str, Any]:
    """Return the counts by age and sex of who was kept and who opted out, and their differences.

    A number that may not be told is None; a difference is None where one of its numbers is.

    Args:
        members: the persons of whom the holder has records of the class.
        year: of the extract.
        rule_sets: publication rules; the strictest of all decides.
    """
    thresholds = [t for one in rule_sets if (t := one.threshold(MEASURE)) is not None]
    below = max(t.below for t in thresholds)
    interval = max(one.audit.minimum_interval for one in rule_sets)
    people = list(members)
    sides = {"kept": [m for m in people if not m.out], "opted_out": [m for m in people if m.out]}
    dimensions = {"age": (BANDS, lambda m: m.band(year)), "sex": (SEXES, lambda m: m.sex)}
    shown: dict[str, dict[str, Mapping[str, int | None]]] = {name: {} for name in dimensions}
    for side, mine in sides.items():
        earlier = [everyone(pa.array([m.key for m in mine], pa.string()))]
        for dimension, (levels, level_of) in dimensions.items():
            table = _counted(f"{dimension}-{side}", mine, (*levels, MISSING), level_of)
            told = _told(table, earlier, below, interval)
            earlier.append(told)
            hidden = {one.cell for one in told.hidden}
            shown[dimension][side] = {
                level: None if cell in hidden else told.counts[cell]
                for cell, level in enumerate((*levels, MISSING))
            }
    totals = {side: len(mine) for side, mine in sides.items()}
    return {
        "below": below,
        "persons": totals,
        **{
            dimension: [
                {
                    "level": level,
                    "kept": columns["kept"][level],
                    "opted_out": columns["opted_out"][level],
                    "difference": _difference(columns, level, totals),
                }
                for level in columns["kept"]
            ]
            for dimension, columns in shown.items()
        },
    }


def _counted(name: str, people: Sequence[Member], levels: Sequence[str], level_of: Any) -> Kept:
    place = {level: cell for cell, level in enumerate(levels)}
    cells = [place[level_of(one)] for one in people]
    members = {
        "person_id": pa.array([one.key for one in people], pa.string()),
        "cell": pa.array(cells, pa.int64()),
    }
    counts = tuple(cells.count(cell) for cell in range(len(levels)))
    return Kept(name, counts, (), pa.table(members))


def _told(table: Kept, earlier: Sequence[Kept], below: int, interval: int) -> Kept:
    """Return ``table`` with as few numbers hidden as keep the small ones hidden."""
    small = {cell for cell, count in enumerate(table.counts) if 0 < count < below}
    hidden = set(small)
    while True:
        now = Kept(
            table.name,
            table.counts,
            tuple(
                Hidden(cell, 1, below - 1) if cell in small else Hidden(cell, 0, None)
                for cell in sorted(hidden)
            ),
            table.members,
        )
        shown = [cell for cell in range(len(table.counts)) if cell not in hidden]
        if not small or not shown:
            return now
        if not audit(now, earlier, threshold=below, minimum_interval=interval):
            return now
        # The smallest number first: it costs a reader least.
        hidden.add(min(shown, key=lambda cell: (not table.counts[cell], table.counts[cell], cell)))


def _difference(
    columns: Mapping[str, Mapping[str, int | None]], level: str, totals: Mapping[str, int]
) -> float | None:
    """Return the standardised difference of two shares, from numbers that are told anyway."""
    kept, out = columns["kept"][level], columns["opted_out"][level]
    if kept is None or out is None or not all(totals.values()):
        return None
    p, q = out / totals["opted_out"], kept / totals["kept"]
    spread = sqrt((p * (1 - p) + q * (1 - q)) / 2)
    return round((p - q) / spread, 3) if spread else 0.0
