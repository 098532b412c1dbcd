"""How much disk a job uses: what lies in its output folder, and what it deleted but holds open."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import psutil

BLOCK = 512
"""Unit of ``st_blocks``, whatever the file system's block is."""


def out_usage(folder: Path, tree: list[psutil.Process], max_entries: int) -> tuple[int, int]:
    """Return the bytes on disk and the entries below ``folder``; stops counting past the cap.

    A file that was deleted while open still uses space and can only be seen at its process.
    """
    used, entries = 0, 0
    queue = [folder]
    while queue and entries <= max_entries:
        current = queue.pop()
        try:
            with os.scandir(current) as listed:
                for entry in islice(listed, max_entries + 1):
                    entries += 1
                    status = entry.stat(follow_symlinks=False)
                    used += status.st_blocks * BLOCK
                    if entry.is_dir(follow_symlinks=False):
                        queue.append(Path(entry.path))
        except FileNotFoundError:
            continue
        except OSError:
            # A folder that cannot be read, or lies too deep, has no honest use.
            entries = max_entries + 1
    return used + _deleted(folder, tree), entries


def _deleted(folder: Path, tree: list[psutil.Process]) -> int:
    device = folder.stat().st_dev
    seen: dict[int, int] = {}
    for process in tree:
        try:
            with os.scandir(f"/proc/{process.pid}/fd") as descriptors:
                for descriptor in descriptors:
                    status = descriptor.stat()
                    if status.st_dev == device and status.st_nlink == 0:
                        seen[status.st_ino] = status.st_blocks * BLOCK
        except OSError:
            continue
    return sum(seen.values())
