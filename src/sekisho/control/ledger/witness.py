"""A witness of other bodies' ledgers: co-signs only what continues what it has seen.

Pure: the witness's memory (the last head it co-signed for each origin) is handed in and given back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sekisho.common.errors import TamperError
from sekisho.control.ledger.checkpoint import TreeHead, cosign, read_checkpoint
from sekisho.control.ledger.tree import EMPTY, continues
from sekisho.exchange.keys import SigningKey, VerifyKey


@dataclass(frozen=True)
class Witness:
    """Who co-signs. ``name`` stands in the signature line; the key is used for nothing else."""

    name: str
    key: SigningKey

    def witness(
        self,
        note: bytes,
        origin: str,
        ledger_key: VerifyKey,
        seen: TreeHead | None,
        proof: Sequence[bytes],
        at: datetime,
    ) -> tuple[bytes, TreeHead]:
        """Return the co-signature line for ``note`` and the head to remember.

        ``seen`` is the head of this origin that was co-signed last; ``proof`` shows that the new
        tree continues it (RFC 9162, 2.1.4).

        Raises:
            TamperError: bad signature, a shorter tree, or another history than the one seen.
        """
        head = read_checkpoint(note, origin, ledger_key).head
        old_size, old_root = (seen.size, seen.root) if seen else (0, EMPTY)
        if not continues(old_size, head.size, old_root, head.root, proof):
            raise TamperError(
                "ledger.other-history",
                f"The ledger {origin} does not continue what the witness has seen.",
                next_step="keep both checkpoints: together they prove two histories",
            )
        return cosign(note, self.name, self.key, at), head
