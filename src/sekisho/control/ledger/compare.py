"""Two views of one ledger: does the one shown now go on from the one seen before?

Pure. Whoever keeps checkpoints can ask this: a witness, a monitor, two readers who compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from sekisho.control.ledger.checkpoint import TreeHead
from sekisho.control.ledger.tree import continues


class Finding(StrEnum):
    """How a view relates to the one before."""

    FIRST = "first"
    SAME = "same"
    GROWN = "grown"
    ROLLBACK = "rollback"
    """Fewer entries than before, of the same history or of another."""
    FORK = "fork"
    """The same number of entries and another root, or more and no proof that they follow."""

    @property
    def holds(self) -> bool:
        """Whether the ledger only appended."""
        return self not in (Finding.ROLLBACK, Finding.FORK)


def compare(seen: TreeHead | None, shown: TreeHead, proof: Sequence[bytes]) -> Finding:
    """Return how ``shown`` relates to ``seen``, the head of the same origin known before.

    ``proof`` is the consistency proof (RFC 9162, 2.1.4) from the size of ``seen``.
    """
    if seen is None:
        return Finding.FIRST
    if shown.size < seen.size:
        return Finding.ROLLBACK
    if not continues(seen.size, shown.size, seen.root, shown.root, proof):
        return Finding.FORK
    return Finding.SAME if shown.size == seen.size else Finding.GROWN
