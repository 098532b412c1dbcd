"""Random numbers by counting: the same on every machine, for every person apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from sekisho.common.randomness import seeded

T = TypeVar("T")

_BLOCK = 512  # bytes drawn at once: 64 numbers


class Draws:
    """The numbers of one stream of one index: a function of (seed, stream, index) alone.

    Streams are apart, so that a number more in one shifts none in another; indices are apart, so
    that the first people of a large population are a small population.
    """

    def __init__(self, seed: int, stream: str, index: int) -> None:
        self._take = seeded(seed, stream, index)
        self._block = b""
        self._place = 0

    def below(self, limit: int) -> int:
        """Return an integer in [0, limit). Its bias is below limit / 2^64."""
        if self._place >= len(self._block):
            self._block, self._place = self._take(_BLOCK), 0
        number = int.from_bytes(self._block[self._place : self._place + 8], "big")
        self._place += 8
        return number * limit >> 64

    def between(self, least: int, greatest: int) -> int:
        """Return an integer from ``least`` to ``greatest``, both possible."""
        return least + self.below(greatest - least + 1)

    def chance(self, share: int, of: int = 100) -> bool:
        """Return True in ``share`` of ``of`` cases."""
        return self.below(of) < share

    def pick(self, choices: Sequence[T]) -> T:
        """Return one of ``choices``, each as likely."""
        return choices[self.below(len(choices))]

    def weighted(self, weights: Sequence[int]) -> int:
        """Return a place in ``weights``, as often as its weight says."""
        left = self.below(sum(weights))
        for place, weight in enumerate(weights):
            left -= weight
            if left < 0:
                return place
        raise AssertionError("weights are not negative")
