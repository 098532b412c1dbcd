"""Files that are either the old one or the new one, also after a power cut."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

_UNFINISHED = re.compile(r"\..+\.[0-9]+\.new")


def write_atomically(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data``; file and folder are synced before this returns."""
    write_pieces(path, (data,))


def write_pieces(path: Path, pieces: Iterable[bytes]) -> None:
    """Like `write_atomically`, of data that come piece by piece."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with temporary.open("wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
    except OSError:  # a disk that is full must not be filled with beginnings
        temporary.unlink(missing_ok=True)
        raise
    temporary.replace(path)
    sync_folder(path.parent)


def settle(unfinished: Path, path: Path) -> None:
    """Put a file that was written beside it in the place of ``path``, durably."""
    sync_file(unfinished)
    unfinished.replace(path)
    sync_folder(path.parent)


def remove_unfinished(folder: Path) -> None:
    """Remove what `write_atomically` had begun below ``folder`` when a process was ended.

    Only while nothing writes there: what another process has begun looks the same.
    """
    for file in folder.rglob(".*.new"):
        if _UNFINISHED.fullmatch(file.name):
            file.unlink(missing_ok=True)


def sync_file(file: Path) -> None:
    """Make what was written to ``file`` durable."""
    _sync(file)


def sync_folder(folder: Path) -> None:
    """Make renames in ``folder`` durable."""
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
