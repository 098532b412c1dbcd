"""Whether there is room on a disk, and whether an error says that there is none."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from sekisho.common.errors import StorageFull

RESERVE: Final = 4 * 2**20
"""Bytes that stay free for the work that was accepted; no message is taken below it."""
SQLITE_FULL: Final = 13
_NUMBERS: Final = (errno.ENOSPC, errno.EDQUOT)
_WORDS: Final = ("no space left on device", "database or disk is full")
"""How libraries say it that keep no number; what they say is looked at and never passed on."""


def room(folder: Path) -> int:
    """Return the bytes that may still be written below ``folder``."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def has_room(folder: Path, size: int = 0) -> bool:
    """Return whether ``size`` bytes fit and the reserve stays free."""
    return room(folder) >= RESERVE + size


def require_room(folder: Path, size: int = 0) -> None:
    """Refuse to begin what needs ``size`` bytes when they would not fit beside the reserve."""
    if not has_room(folder, size):
        raise storage_full()


def storage_full() -> StorageFull:
    return StorageFull(
        "storage.full",
        "This body has no room on its disk.",
        rule="what cannot be kept is not acknowledged",
        next_step="send it again later; the body's operator makes room, and it goes on by itself",
    )


def is_full(error: BaseException) -> bool:
    """Return whether ``error``, or what caused it, is a lack of room."""
    return any(_says_full(one) for one in _chain(error))


def wait_for_room(folder: Path, pause: Callable[[float], None] = time.sleep) -> None:
    """Return as soon as the reserve is free."""
    while not has_room(folder):
        pause(0.5)


def _says_full(error: BaseException) -> bool:
    if isinstance(error, StorageFull):
        return True
    if isinstance(error, OSError) and error.errno in _NUMBERS:
        return True
    if getattr(error, "sqlite_errorcode", None) == SQLITE_FULL:
        return True
    text = str(error).lower()
    return any(words in text for words in _WORDS)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
