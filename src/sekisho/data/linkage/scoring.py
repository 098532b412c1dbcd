"""How good a linkage was, where the truth is known: pairs found against pairs that are."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """Counts of pairs: found and true, found and false, true and missed."""

    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float:
        """Share of what was found that is true; 1 where nothing was found."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        """Share of what is true that was found; 1 where there was nothing to find."""
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def scored(found: Set[frozenset[str]], true: Set[frozenset[str]]) -> Score:
    """Compare pairs of ids."""
    right = len(found & true)
    return Score(right, len(found) - right, len(true) - right)
