"""Patients known from earlier exports: a later one holds what changed, and speaks of them.

Without its Patient a changed record has no person. The lines stay at the provider.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from sekisho.provider.sources import Limits, SourceProblem, lines

_REFERENCE: Final = re.compile(rb'"reference"\s*:\s*"(?:[^"]*/)?Patient/([A-Za-z0-9.-]{1,64})["/]')


@dataclass(frozen=True)
class Patients:
    """The last line of each Patient, by its id, in a file that only its owner can read."""

    path: Path

    def learn(self, files: Iterable[Path]) -> None:
        """Keep the Patients of an export; the last line of an id counts."""
        with self._open() as book, book:
            for line in _lines(files):
                if b'"Patient"' not in line:
                    continue
                name = _id(line)
                if name is not None:
                    book.execute("INSERT OR REPLACE INTO patient VALUES (?, ?)", (name, line))

    def missing(self, files: list[Path], target: Path) -> int:
        """Write into ``target`` the known Patients of whom ``files`` speak, but do not hold.

        Returns:
            How many there are; without any no file is written.
        """
        spoken: set[str] = set()
        held: set[str] = set()
        for line in _lines(files):
            spoken |= {name.decode() for name in _REFERENCE.findall(line)}
            if b'"Patient"' in line and (name := _id(line)) is not None:
                held.add(name)
        found: list[bytes] = []
        with self._open() as book:
            for name in sorted(spoken - held):
                row = book.execute("SELECT line FROM patient WHERE id = ?", (name,)).fetchone()
                found += [row[0]] if row else []
        if found:
            target.write_bytes(b"\n".join(found) + b"\n")
        return len(found)

    def forget(self, deleted: Iterable[str]) -> None:
        """Forget Patients that the server deleted (``Patient/id``)."""
        names = [(one.removeprefix("Patient/"),) for one in deleted if one.startswith("Patient/")]
        with self._open() as book, book:
            book.executemany("DELETE FROM patient WHERE id = ?", names)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        if not self.path.exists():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.touch(0o600)
        with closing(sqlite3.connect(self.path, timeout=30)) as book:
            book.execute("CREATE TABLE IF NOT EXISTS patient (id TEXT PRIMARY KEY, line BLOB)")
            yield book


def _lines(files: Iterable[Path]) -> Iterator[bytes]:
    for file in files:
        try:
            for line in lines(file, Limits()):
                if line.data is not None:
                    yield line.data
        except SourceProblem:
            continue  # the check of the file says so


def _id(line: bytes) -> str | None:
    try:
        resource = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(resource, dict) or resource.get("resourceType") != "Patient":
        return None
    name = resource.get("id")
    return name if isinstance(name, str) else None
