"""Messages of which not all pieces have come: bytes on the disk, from the first on, no gap."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import BinaryIO, Final

from sekisho.body.config import Folders
from sekisho.common.canonical import file_digest
from sekisho.common.errors import TamperError
from sekisho.exchange.pieces import Piece

_COPIED: Final = 1 << 20


@dataclass(frozen=True)
class Unfinished:
    """The folder of unfinished messages of one body."""

    folder: Path

    def append(self, message_id: str, piece: Piece, data: Path) -> int:
        """Add a piece if it begins where the message stopped; return how far the message is.

        A piece that came before, or too early, changes nothing: its sender is told how far we are.
        """
        with self._open(message_id, piece) as file:
            have = file.seek(0, os.SEEK_END)
            if piece.start == have and have + data.stat().st_size <= piece.total:
                with data.open("rb") as source:
                    while part := source.read(_COPIED):
                        file.write(part)
                file.flush()
                os.fsync(file.fileno())
                have = file.tell()
        return have

    def whole(self, message_id: str, piece: Piece) -> Path:
        """Return the file of a message of which everything came.

        Raises:
            TamperError: it is not what its pieces said; its sender begins anew.
        """
        file = self._file(message_id, piece)
        if file_digest(file) != piece.digest:
            file.unlink()
            raise TamperError(
                "message.pieces-differ",
                "The pieces do not make the message that they belong to.",
                rule="a message in pieces has the digest that every piece names",
                next_step="send it again from its beginning",
            )
        return file

    def drop(self, message_id: str, piece: Piece) -> None:
        """Forget a message: it is kept elsewhere now."""
        self._file(message_id, piece).unlink(missing_ok=True)

    def sweep(self, now: datetime, days: int) -> None:
        """Remove messages of which no piece has come for ``days``."""
        before = (now - timedelta(days=days)).timestamp()
        for file in self.folder.glob("*"):
            if file.stat().st_mtime < before:
                file.unlink(missing_ok=True)

    @contextmanager
    def _open(self, message_id: str, piece: Piece) -> Iterator[BinaryIO]:
        """Open the message's file for one request at a time."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._file(message_id, piece).open("ab") as file:
            flock(file, LOCK_EX)
            yield file

    def _file(self, message_id: str, piece: Piece) -> Path:
        # Other bytes under the same id begin a file of their own.
        return self.folder / f"{message_id}-{piece.digest[:32]}"


def unfinished_in(folders: Folders) -> Unfinished:
    """Return the unfinished messages of the body with these folders."""
    return Unfinished(folders.spool / "pieces")
