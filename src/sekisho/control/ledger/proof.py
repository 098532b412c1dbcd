"""Proofs for outsiders: that an entry is in a ledger (C2SP tlog-proof), or that it only grew."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from sekisho.common.errors import TamperError
from sekisho.control.ledger.checkpoint import TreeHead, read_checkpoint
from sekisho.control.ledger.layout import CHECKPOINT
from sekisho.control.ledger.reading import TileReader
from sekisho.control.ledger.request import Shown
from sekisho.control.ledger.tree import continues, includes, leaf_hash
from sekisho.exchange.keys import VerifyKey

HEADER = "c2sp.org/tlog-proof@v1"

_PROOF = re.compile(
    rf"{re.escape(HEADER)}\nextra ([A-Za-z0-9+/]+=*)\nindex (0|[1-9][0-9]{{0,18}})\n"
    r"((?:[A-Za-z0-9+/]{43}=\n){0,63})\n(.+)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Proof:
    """An entry (in ``extra``), its place, the path to the root, and the signed root."""

    entry: bytes
    index: int
    path: tuple[bytes, ...]
    note: bytes

    def text(self) -> str:
        """Return the proof as a file."""
        lines = [HEADER, f"extra {_base64(self.entry)}", f"index {self.index}"]
        return "\n".join([*lines, *map(_base64, self.path)]) + "\n\n" + self.note.decode()

    @classmethod
    def from_text(cls, text: str) -> Proof:
        """Read a proof.

        Raises:
            TamperError: it is none, or does not carry its entry.
        """
        found = _PROOF.fullmatch(text)
        try:
            if found is None:
                raise ValueError("no proof")
            entry, *path = (
                base64.b64decode(one, validate=True) for one in (found[1], *found[3].split())
            )
        except (ValueError, binascii.Error) as error:
            raise TamperError("ledger.no-proof", "That is no proof of an entry.") from error
        return cls(entry, int(found[2]), tuple(path), found[4].encode())

    def verify(self, origin: str, key: VerifyKey) -> TreeHead:
        """Return the head that the proof leads to.

        Raises:
            TamperError: the checkpoint or the path does not hold.
        """
        head = read_checkpoint(self.note, origin, key).head
        leaf = leaf_hash(self.entry)
        if not includes(leaf, self.index, head.size, self.path, head.root):
            raise TamperError("ledger.not-included", "The entry is not in the ledger at its place.")
        return head


def prove_inclusion(log: TileReader, index: int, origin: str, key: VerifyKey) -> Proof:
    """Return the proof that entry ``index`` is in a ledger; it was verified."""
    note = checkpoint_of(log)
    size = read_checkpoint(note, origin, key).head.size
    proof = Proof(log.entry(index), index, tuple(log.inclusion(index, size)), note)
    proof.verify(origin, key)
    return proof


def prove_consistency(log: TileReader, old: int, origin: str, key: VerifyKey) -> Shown:
    """Return the checkpoint with the proof that it continues the first ``old`` entries."""
    note = checkpoint_of(log)
    head = read_checkpoint(note, origin, key).head
    shown = Shown(old, tuple(log.consistency(old, head.size)), note)
    if not continues(old, head.size, log.root(old), head.root, shown.proof):
        raise TamperError("ledger.no-proof", "The ledger's tiles do not lead to its signed root.")
    return shown


def checkpoint_of(log: TileReader) -> bytes:
    """Return a log's checkpoint.

    Raises:
        TamperError: it has none.
    """
    note = log.files.read(CHECKPOINT)
    if note is None:
        raise TamperError("ledger.checkpoint-missing", "There is no checkpoint.")
    return note


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
