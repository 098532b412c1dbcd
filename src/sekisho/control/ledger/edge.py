"""The right edge of a tree in tiles of 256 hashes: all that must be known to append to it."""

from __future__ import annotations

from collections.abc import Sequence

from sekisho.control.ledger.tree import EMPTY, fold, perfect_ranges, perfect_root

WIDTH = 256
"""Hashes in a full tile, and entries in a full bundle (C2SP tlog-tiles)."""

Tile = tuple[int, int, bytes]
"""Level, index in the level, hashes side by side."""


class Edge:
    """The rightmost tile of every level, each with fewer than 256 hashes.

    Appending to it is the one way in which tiles come about, in writing and in verification.
    """

    def __init__(self, size: int = 0, rows: Sequence[Sequence[bytes]] = ()) -> None:
        self.size = size
        self._rows = [list(row) for row in rows]
        if [len(row) for row in self._rows] != widths(size):
            raise ValueError("the edge has not the widths of a tree of this size")

    def copy(self) -> Edge:
        """Return an edge that goes on by itself."""
        return Edge(self.size, self._rows)

    def push(self, leaf: bytes) -> list[Tile]:
        """Append a leaf hash; return the tiles that it completes, lowest level first."""
        completed: list[Tile] = []
        hash_, level = leaf, 0
        self.size += 1
        while True:
            if level == len(self._rows):
                self._rows.append([])
            row = self._rows[level]
            row.append(hash_)
            if len(row) < WIDTH:
                return completed
            index = self.size // WIDTH ** (level + 1) - 1
            completed.append((level, index, b"".join(row)))
            hash_ = perfect_root(row)
            self._rows[level] = []
            level += 1

    def partial(self) -> list[Tile]:
        """Return the tiles that are neither full nor empty, lowest level first."""
        return [
            (level, self.size // WIDTH ** (level + 1), b"".join(row))
            for level, row in enumerate(self._rows)
            if row
        ]

    def root(self) -> bytes:
        """Return the root of the tree (RFC 9162, 2.1.1)."""
        parts = [
            perfect_root(row[start:end])
            for row in reversed(self._rows)
            for start, end in perfect_ranges(len(row))
        ]
        return fold(parts) if parts else EMPTY


def widths(size: int) -> list[int]:
    """Return the width of the rightmost tile of each level: the digits of ``size`` to base 256."""
    digits = []
    while size:
        size, digit = divmod(size, WIDTH)
        digits.append(digit)
    return digits
