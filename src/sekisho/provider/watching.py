"""A watched folder: what is put there whole is submitted once, and moved to done/ or failed/.

One entry is one submission: a file, or a folder with all files of it. It is taken when it has not
changed between two looks. A program that is ended begins again with what it had taken: the same
files are the same submission, so that nothing is lost or sent twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal

import orjson

from sekisho.common.atomicfile import sync_folder, write_atomically
from sekisho.common.errors import PeerError, SekishoError, StorageFull

TAKEN, DONE, FAILED = ".taken", "done", "failed"
_OURS: Final = frozenset({TAKEN, DONE, FAILED})
_UNFINISHED: Final = (".part", ".tmp", ".filepart", ".crdownload")
"""Names that copying programs give to what they have not finished."""

Submit = Callable[[Sequence[Path]], dict[str, Any]]
"""Submits files and returns the report that is put beside them."""
Stamp = tuple[tuple[str, int, int], ...]
"""Names, sizes and times of an entry's files."""


@dataclass(frozen=True)
class Taken:
    """What became of one entry."""

    name: str
    state: Literal["done", "failed", "waits"]
    code: str = ""


@dataclass
class Watch:
    """One watched folder; `look` is called again and again."""

    folder: Path
    submit: Submit
    seen: dict[str, Stamp] = field(default_factory=dict)

    def look(self, today: date) -> list[Taken]:
        """Submit what is there and whole; return what became of it."""
        for name in (TAKEN, DONE, FAILED):
            (self.folder / name).mkdir(mode=0o700, exist_ok=True)
        self._take()
        return [
            self._submit(one, today)
            for one in sorted((self.folder / TAKEN).iterdir())
            if not one.name.startswith(".")
        ]

    def _take(self) -> None:
        """Move every entry that has not changed since the last look out of others' reach."""
        found: dict[str, Stamp] = {}
        for entry in self._entries():
            stamp = _stamp(entry)
            if stamp and self.seen.get(entry.name) == stamp:
                entry.rename(self.folder / TAKEN / entry.name)
            else:
                found[entry.name] = stamp
        sync_folder(self.folder / TAKEN)
        self.seen = found

    def _entries(self) -> Iterator[Path]:
        taken = {one.name for one in (self.folder / TAKEN).iterdir()}
        for entry in sorted(self.folder.iterdir()):
            name = entry.name
            if name in _OURS or name.startswith(".") or name.endswith(_UNFINISHED):
                continue
            # One of that name is under way: this one waits for its turn.
            if name not in taken and not entry.is_symlink():
                yield entry

    def _submit(self, entry: Path, today: date) -> Taken:
        try:
            report = self.submit(_files(entry))
        except (PeerError, StorageFull) as away:
            return Taken(entry.name, "waits", away.code)
        except SekishoError as refused:
            self._move(entry, FAILED, refused.as_problem(), today)
            return Taken(entry.name, "failed", refused.code)
        self._move(entry, DONE, report, today)
        return Taken(entry.name, "done")

    def _move(self, entry: Path, to: str, report: dict[str, Any], today: date) -> None:
        """Put an entry away under the day and its content: a name may come again."""
        told = hashlib.sha256(repr(_stamp(entry)).encode()).hexdigest()[:8]
        place = self.folder / to / f"{today.isoformat()}-{told}"
        place.mkdir(mode=0o700, exist_ok=True)
        write_atomically(place / "report.json", orjson.dumps(report, option=orjson.OPT_INDENT_2))
        entry.rename(place / entry.name)
        sync_folder(place)


def _files(entry: Path) -> list[Path]:
    if entry.is_file():
        return [entry]
    found = (file for file in entry.rglob("*") if file.is_file() and not file.is_symlink())
    return sorted(file for file in found if not file.name.startswith("."))


def _stamp(entry: Path) -> Stamp:
    made = []
    for file in _files(entry):
        about = file.stat()
        made.append((str(file.relative_to(entry.parent)), about.st_size, about.st_mtime_ns))
    return tuple(made)
