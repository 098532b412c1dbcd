"""Secrets on disk: a key folder of mode 0700, files of mode 0600, written whole or not at all,
and overwritten before they are removed."""

from __future__ import annotations

import os
from pathlib import Path

from sekisho.common.atomicfile import sync_folder
from sekisho.common.errors import Refusal


def write_secret(path: Path, data: bytes) -> None:
    """Write ``data`` so that only its owner can read it; an interrupted write leaves no file."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_secret(path: Path) -> bytes:
    """Read a secret; refuse one that others could have read or changed."""
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise Refusal(
            "keys.readable-by-others",
            f"The key file {path.name} has mode {mode:04o}.",
            rule="keys are readable by their owner only (mode 0600)",
            next_step="treat the key as leaked: rotate it, then set the mode",
        )
    return path.read_bytes()


def destroy_secret(path: Path) -> None:
    """Overwrite a secret where it lies, then remove it; done again after a crash, it ends so too.

    A disk that writes elsewhere (copy on write, wear levelling) may keep what was there.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    with os.fdopen(descriptor, "wb") as file:
        file.write(bytes(os.fstat(descriptor).st_size))
        file.flush()
        os.fsync(descriptor)
    path.unlink()
    sync_folder(path.parent)
