"""A reader who keeps the last checkpoint seen, and holds every later one against it.

Two readers who show each other what they keep find out whether they were shown two histories.
"""

from __future__ import annotations

from dataclasses import dataclass

from sekisho.common.errors import TamperError
from sekisho.control.ledger.checkpoint import TreeHead, read_checkpoint
from sekisho.control.ledger.compare import Finding, compare
from sekisho.control.ledger.proof import checkpoint_of
from sekisho.control.ledger.reading import TileReader
from sekisho.exchange.keys import VerifyKey


@dataclass(frozen=True)
class Watched:
    """What came of one look: how the ledger relates to the checkpoint that was kept."""

    finding: Finding
    seen: TreeHead | None
    shown: TreeHead
    note: bytes


def watch(log: TileReader, kept: bytes | None, origin: str, key: VerifyKey) -> Watched:
    """Hold a ledger against the checkpoint ``kept`` from an earlier look, or from another reader.

    One that is longer than what the ledger shows now proves a rollback; whether the older one of
    two is a beginning of the other follows from the ledger's own tiles.

    Raises:
        TamperError: a checkpoint is not signed by the ledger.
    """
    note = checkpoint_of(log)
    shown = read_checkpoint(note, origin, key).head
    seen = None if kept is None else read_checkpoint(_unwitnessed(kept), origin, key).head
    proof: list[bytes] = []
    if seen is not None and seen.size < shown.size:
        try:
            proof = log.consistency(seen.size, shown.size)
        except TamperError:
            proof = []  # tiles that are not there prove nothing: a fork, as far as a reader can see
    return Watched(compare(seen, shown, proof), seen, shown, note)


def _unwitnessed(note: bytes) -> bytes:
    """Return a checkpoint without the lines of witnesses: only the ledger's own counts here."""
    text, _, lines = note.decode(errors="replace").partition("\n\n")
    origin = text.partition("\n")[0]
    own = [line for line in lines.splitlines(keepends=True) if line.startswith(f"— {origin} ")]
    return f"{text}\n\n{''.join(own)}".encode()
