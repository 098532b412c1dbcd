"""A body's ledger: takes the entries that wait in its database into the files, and signs."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sekisho.common.atomicfile import write_atomically
from sekisho.common.errors import TamperError
from sekisho.control.ledger.checkpoint import (
    TreeHead,
    origin_of,
    read_checkpoint,
    sign_head,
    size_of,
)
from sekisho.control.ledger.entry import Entry
from sekisho.control.ledger.layout import CHECKPOINT, cosigned_path
from sekisho.control.ledger.pending import PendingStore
from sekisho.control.ledger.request import Shown
from sekisho.control.ledger.tiles import TileLog, Write
from sekisho.exchange.keys import SigningKey, VerifyKey

BATCH = 8192
"""Entries for one checkpoint."""


class Ledger:
    """One body's record. ``origin`` is ``sekisho/<body>``.

    An entry is staged in the same transaction as the change that it records; `integrate` may then
    run at any time, in any process of the body, and again after any crash.
    """

    def __init__(
        self,
        folder: Path,
        origin: str,
        key: SigningKey,
        store: PendingStore,
        *,
        write: Write = write_atomically,
    ) -> None:
        self.folder = folder
        self.origin = origin
        self.log = TileLog(folder, write)
        self._key = key
        self._store = store
        self._swept = False

    def integrate(self) -> TreeHead:
        """Take all staged entries into the files and return the head that was signed last.

        Raises:
            TamperError: the files are not those that this body signed, or are older than its
                database. Nothing is written or signed over them.
        """
        with self._alone():
            head = self._start()
            staged = self._store.staged()
            waiting = self._unwritten(staged, head.size)
            if not self._swept:
                self.log.sweep(head.size + len(waiting))
            # Until the last checkpoint stands, an error leaves files of another size about.
            self._swept = False
            for start in range(0, len(waiting), BATCH):
                self.log.append(waiting[start : start + BATCH], self._seal)
            self._swept = True
            head = self.head() if waiting else head
            if staged:
                self._store.settle(head.size)
            return head

    def head(self) -> TreeHead:
        """Return the head of the latest checkpoint, its signature verified."""
        return self._verified(self.checkpoint())

    def checkpoint(self) -> bytes:
        """Return the latest signed checkpoint."""
        return (self.folder / CHECKPOINT).read_bytes()

    def show(self, since: int) -> Shown:
        """Return the latest checkpoint with the proof that it continues that of ``since`` entries.

        There is no such proof where ``since`` lies beyond it; whoever asked will see that.
        """
        with self._alone():
            note = self.checkpoint()
            size = self._verified(note).size
            proof = self.log.consistency(since, size) if since <= size else []
            return Shown(since, tuple(proof), note)

    def keep_cosigned(self, note: bytes, witness: str, key: VerifyKey) -> bool:
        """Keep a checkpoint of ours that the body ``witness`` co-signed; an older one is left.

        Raises:
            TamperError: it is no checkpoint of ours, not of this history, or not co-signed.
        """
        head = self._cosigned(note, witness, key)
        with self._alone():
            if head.size > self.log.size or self.log.root(head.size) != head.root:
                raise TamperError(
                    "ledger.other-history", "What was co-signed is not what this ledger holds."
                )
            newer = self.cosigned_size(witness) < head.size or head.size == 0
            if newer:
                self.log.write(cosigned_path(witness), note)
            return newer

    def cosigned_size(self, witness: str) -> int:
        """Return how far what ``witness`` co-signed last goes; 0 before the first time."""
        kept = self.log.files.read(cosigned_path(witness))
        return 0 if kept is None else size_of(kept)

    def _cosigned(self, note: bytes, witness: str, key: VerifyKey) -> TreeHead:
        name = origin_of(witness)
        checkpoint = read_checkpoint(note, self.origin, self._key.public, {name: key})
        if name not in checkpoint.witnessed:
            raise TamperError("ledger.not-cosigned", f"{witness} did not co-sign this checkpoint.")
        return checkpoint.head

    def entry(self, index: int) -> Entry:
        """Return one entry from the files."""
        return Entry.from_bytes(self.log.entry(index))

    def entries(self, start: int = 0) -> Iterator[Entry]:
        """Yield the entries in the files, from ``start`` on."""
        return map(Entry.from_bytes, self.log.entries(start))

    def _start(self) -> TreeHead:
        """Return the head to go on from; a ledger begins with a signed empty tree."""
        if not (self.folder / CHECKPOINT).exists():
            if (self.folder / "tile").exists():
                raise TamperError(
                    "ledger.checkpoint-missing",
                    "The ledger has files but no checkpoint.",
                    next_step="restore the checkpoint; nothing was signed",
                )
            self.log.append([], self._seal)
        return self._check_edge(self.head())

    def _check_edge(self, head: TreeHead) -> TreeHead:
        """Refuse to go on from an edge that is not the one signed: it would sign a forgery."""
        if self.log.edge(head.size).root() != head.root:
            raise TamperError(
                "ledger.edge-changed",
                "The ledger's files are not those of its checkpoint.",
                next_step="run sekisho verify and restore the ledger; nothing was appended",
            )
        return head

    def _unwritten(self, staged: Sequence[tuple[int, bytes]], size: int) -> list[bytes]:
        """Return the staged entries that are not in the files, and hold the others against them."""
        unwritten: list[bytes] = []
        for place, (index, entry) in enumerate(staged):
            if index > size + len(unwritten) or index != staged[0][0] + place:
                raise TamperError(
                    "ledger.files-older",
                    "The ledger's files lack entries that the database has settled.",
                    rule="an entry that was signed is never signed away",
                    next_step="restore the ledger's folder to the state of the database",
                )
            if index >= size:
                unwritten.append(entry)
            # Left by a crash between checkpoint and settling: already in the files.
            elif self.log.entry(index) != entry:
                raise TamperError(
                    "ledger.entry-differs",
                    f"Entry {index} in the files is not the one in the database.",
                )
        return unwritten

    def _seal(self, size: int, root: bytes) -> bytes:
        return sign_head(TreeHead(self.origin, size, root), self._key)

    def _verified(self, note: bytes) -> TreeHead:
        return read_checkpoint(note, self.origin, self._key.public).head

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes of this body out: the lock is on the folder, so no file is added."""
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
