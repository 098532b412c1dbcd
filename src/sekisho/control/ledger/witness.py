"""A witness of other bodies' ledgers: co-signs only what continues what it has seen.

Pure: the witness's memory (the last head it co-signed for each origin) is handed in and given back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sekisho.common.errors import TamperError
from sekisho.control.ledger.checkpoint import TreeHead, cosign, read_checkpoint
from sekisho.control.ledger.compare import Finding, compare
from sekisho.control.ledger.request import Shown
from sekisho.exchange.keys import SigningKey, VerifyKey


@dataclass(frozen=True)
class Judgement:
    """What a witness makes of a checkpoint; ``cosigned`` is the note with its line, if it holds."""

    finding: Finding
    head: TreeHead
    shown: bytes
    cosigned: bytes | None


@dataclass(frozen=True)
class Witness:
    """Who co-signs. ``name`` stands in the signature line."""

    name: str
    key: SigningKey

    def judge(
        self,
        shown: Shown,
        origin: str,
        ledger_key: VerifyKey,
        seen: TreeHead | None,
        at: datetime,
    ) -> Judgement:
        """Hold a checkpoint against ``seen``, the head of this origin that was co-signed last.

        Raises:
            TamperError: it is not this ledger's checkpoint, or answers another question than the
                one that was asked.
        """
        head = read_checkpoint(shown.note, origin, ledger_key).head
        if shown.old != (seen.size if seen else 0):
            raise TamperError("ledger.not-shown", "The proof begins at another size than asked.")
        finding = compare(seen, head, shown.proof)
        if not finding.holds:
            return Judgement(finding, head, shown.note, None)
        line = cosign(shown.note, self.name, self.key, at)
        return Judgement(finding, head, shown.note, shown.note + line)
