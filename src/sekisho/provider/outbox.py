"""Sealed parcels on their way: made once, kept on disk until both receivers have them.

A program that is ended in the middle sends the same bytes again, so that an upload goes on where
it stopped and nothing arrives twice. What lies here is sealed to its receivers.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import orjson

from sekisho.common.atomicfile import write_atomically
from sekisho.common.canonical import canonical_json, file_digest

DOOR, BATCH, MADE = "door", "batch", "made.json"
FOLDER_MODE: Final = 0o700


@dataclass(frozen=True)
class Parcels:
    """The two halves of one submission at one door, as files."""

    folder: Path

    @property
    def door(self) -> Path:
        return self.folder / DOOR

    @property
    def batch(self) -> Path:
        return self.folder / BATCH

    @property
    def size(self) -> int:
        return self.door.stat().st_size + self.batch.stat().st_size

    def sent(self) -> None:
        """Forget them: both receivers have taken theirs."""
        shutil.rmtree(self.folder)


def message_id(file: Path) -> str:
    """Return the id of the message that carries ``file``: the same bytes, the same message."""
    return file_digest(file)[:32]


@dataclass(frozen=True)
class Outbox:
    """The folder of what is on its way."""

    folder: Path

    def parcels(
        self,
        submission: str,
        *,
        epoch: int,
        today: date,
        expires: date,
        make: Callable[[Parcels], None],
    ) -> Parcels:
        """Return the parcels of a submission, made now unless good ones wait already.

        ``make`` writes them; what else it puts into their folder it takes away again.

        Those of another epoch, or past their last day, would be refused: they are made anew.
        """
        folder = self.folder / submission
        kept = _read(folder / MADE)
        if kept is not None and kept["epoch"] == epoch and today.isoformat() <= kept["expires"]:
            return Parcels(folder)
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(FOLDER_MODE, parents=True)
        make(Parcels(folder))
        # Its name is there last: without it the two are not whole.
        made = {"epoch": epoch, "expires": expires.isoformat()}
        write_atomically(folder / MADE, canonical_json(made))
        return Parcels(folder)

    def forget(self, submission: str) -> None:
        """Drop what a submission left that was received whole."""
        shutil.rmtree(self.folder / submission, ignore_errors=True)


def _read(file: Path) -> dict[str, Any] | None:
    return orjson.loads(file.read_bytes()) if file.is_file() else None
