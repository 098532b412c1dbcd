"""Where entries wait: the body's database, in the transaction of what they record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class PendingStore(Protocol):
    """Entries between their decision and the ledger's files.

    Every entry gets the next index, from 0, without a gap, in the order in which transactions
    commit: the index is the entry's place in the tree. An index is never given twice, also not
    after its entry was settled.
    """

    def staged(self) -> Sequence[tuple[int, bytes]]:
        """Return the entries that are not settled, with their index, in order."""
        ...

    def settle(self, size: int) -> None:
        """Forget entries with an index below ``size``: they are in the files."""
        ...


class MemoryPending:
    """A pending store without a database, for what lives no longer than its process."""

    def __init__(self) -> None:
        self._next = 0
        self._waiting: list[tuple[int, bytes]] = []

    def stage(self, entry: bytes) -> int:
        """Keep an entry; return its index."""
        index, self._next = self._next, self._next + 1
        self._waiting.append((index, entry))
        return index

    def staged(self) -> Sequence[tuple[int, bytes]]:
        return list(self._waiting)

    def settle(self, size: int) -> None:
        self._waiting = [(index, entry) for index, entry in self._waiting if index >= size]
