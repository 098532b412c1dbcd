"""Opening what hostile code left behind: plain files only, by name, never through a link.

Used when the job's folder is handed over and again by the collector. The folder must be quiet:
every process that could write to it is dead.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

FILE_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}\.(parquet|csv)")
"""ASCII, lower case: no newline, no markup, no look-alikes, no hidden files."""


@dataclass(frozen=True)
class Item:
    """One entry of the folder: its bytes, or why it is left behind (never its strange name)."""

    name: str | None
    content: bytes | None
    reason: str | None


def read_item(folder: Path, name: str, max_bytes: int) -> Item | None:
    """Return the entry ``name`` of ``folder``, or None where there is none."""
    descriptor = _open_folder(folder)
    try:
        try:
            os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None
        return _read(descriptor, name, max_bytes)
    finally:
        os.close(descriptor)


def read_items(folder: Path, max_files: int, max_bytes: int) -> Iterator[Item]:
    """Yield the top-level entries of ``folder``; at most ``max_bytes`` in all are read."""
    descriptor = _open_folder(folder)
    try:
        with os.scandir(descriptor) as entries:
            names = sorted(entry.name for entry in islice(entries, max_files + 1))
        left = max_bytes
        for name in names[:max_files]:
            item = _read(descriptor, name, left)
            left -= len(item.content or b"")
            yield item
        if len(names) > max_files:
            yield Item(None, None, "more files than allowed")
    finally:
        os.close(descriptor)


def count_entries(folder: Path, limit: int = 100_000) -> int:
    """Return how many entries ``folder`` has at its top, counted up to ``limit``."""
    with os.scandir(folder) as entries:
        return sum(1 for _ in islice(entries, limit))


def _open_folder(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _read(folder: int, name: str, left: int) -> Item:
    if not FILE_NAME.fullmatch(name):
        return Item(None, None, "file name not allowed")
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(name, flags, dir_fd=folder)
    except OSError:
        return Item(name, None, "cannot be opened as a plain file")
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return Item(name, None, "not a plain file")
        if status.st_nlink != 1:
            return Item(name, None, "has a second name (hard link)")
        if status.st_size > left:
            return Item(name, None, "larger than allowed")
        with os.fdopen(os.dup(descriptor), "rb") as file:
            return Item(name, file.read(left + 1)[:left], None)
    finally:
        os.close(descriptor)
