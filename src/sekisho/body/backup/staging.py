"""The files of one moment, put aside as hard links so that the body is held up only briefly.

Every file of a body is written beside and renamed into place, never changed: a link keeps what
was there. Workspaces of projects are the exception (a study writes as it runs) and are copied.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sekisho.body.config import Folders
from sekisho.body.generations import BEFORE, generation, ledger_before

LEFT_OUT = ("keys", "log", "ledger", "backup-staging")
"""Keys go sealed, the ledger under the name of a generation that is over, the log not at all."""


@contextmanager
def alone(folders: Folders) -> Iterator[None]:
    """Keep writers of the ledger and of the tables out, by the locks that they take themselves.

    Taken before the database is held still: the ledger's writer holds them in this order, too.
    """
    with ExitStack() as held:
        for place in (folders.ledger, folders.lake / "lock"):
            if place.exists():
                descriptor = os.open(place, os.O_RDONLY)
                held.callback(os.close, descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


def stage(folders: Folders, target: Path) -> None:
    """Put everything that a backup holds, but for database and keys, below ``target``."""
    for source, name in _files(folders):
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if name.startswith("data/projects/"):
            _copy(source, place)
        else:
            _link(source, place)


def _files(folders: Folders) -> Iterator[tuple[Path, str]]:
    for top in sorted(folders.base.iterdir()):
        if top.name in LEFT_OUT or top.name.startswith(("control.sqlite3", ".")):
            continue
        for file in [top] if top.is_file() else sorted(top.rglob("*")):
            if _counts(file):
                yield file, file.relative_to(folders.base).as_posix()
    before = ledger_before(folders, generation(folders))
    for file in sorted(folders.ledger.rglob("*")):
        if _counts(file):
            name = file.relative_to(folders.ledger).as_posix()
            yield file, f"{BEFORE}/{before.name}/{name}"


def _counts(file: Path) -> bool:
    """Links lead elsewhere; a name ending in .new is a file that somebody is writing."""
    return file.is_file() and not file.is_symlink() and not file.name.endswith(".new")


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        pass  # removed by the body meanwhile: nobody needs it any more (clean_up)
    except OSError:
        _copy(source, target)  # another file system, or one without hard links


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copy2(source, target)
    except FileNotFoundError:
        target.unlink(missing_ok=True)
