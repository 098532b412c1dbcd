"""Generations of a body's ledger: after a restore it goes on in a new one.

A restored ledger may be shorter than the one that others have seen. To append to it would be a
second history under one name. So the old files stay as they are, under ``ledger-before/``, and
entries go on under a new origin whose first entry names the old head.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sekisho.body.config import Folders

BEFORE = "ledger-before"


def generation(folders: Folders) -> int:
    """Return the number of the generation that is written now, from 1."""
    return 1 + sum(1 for _ in earlier(folders))


def earlier(folders: Folders) -> Iterator[tuple[int, Path]]:
    """Yield number and folder of each generation that is over, in order."""
    found = (folders.base / BEFORE).glob("[0-9]*")
    yield from sorted((int(one.name), one) for one in found if one.name.isdigit())


def ledger_before(folders: Folders, number: int) -> Path:
    """Return where a generation lies that is over."""
    return folders.base / BEFORE / str(number)


def after_restore(folders: Folders) -> str:
    """Return what tells ids that are made after a restore from those made before it."""
    number = generation(folders)
    return "" if number == 1 else f":{number}"
