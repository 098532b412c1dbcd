"""What lies in a leaked folder: recognised by what files are, not by where they should be."""

from __future__ import annotations

import re
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sekisho.body.backup.archive import unpack_members
from sekisho.body.backup.manifest import DATABASE, KEYS, MANIFEST
from sekisho.common.canonical import file_digest
from sekisho.common.errors import SekishoError
from sekisho.exchange import tables as container

KEY_FILES = {
    "wrapping": "wrapping-key",
    "signing": "signing-key",
    "seal": "seal-key",
    "records": "provider-key",
}
RECORD_KINDS = {
    "registry": "choices",
    "held-list": "choices",
    "early-list": "choices",
    "list-head": "choices",
    "change": "identities",
}
"""Kinds of records in a body's database that say something of persons."""
_PROJECT = re.compile(r"(?:^|/)projects/([^/]+)/")
_EPOCH = date(1970, 1, 1)
Group = tuple[str, str, str]
"""Provider, data class, kind of data."""


@dataclass
class Found:
    """What was found, counted; ``sources`` are the provider's own names of its records (HMACs)."""

    parts: set[str] = field(default_factory=set)
    files: int = 0
    bytes: int = 0
    rows: Counter[Group] = field(default_factory=Counter)
    persons: dict[Group, set[str]] = field(default_factory=dict)
    everyone: set[str] = field(default_factory=set)
    sources: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    """Provider → data class → names of units."""
    first: date | None = None
    last: date | None = None
    pseudonyms: set[str] = field(default_factory=set)
    projects: dict[str, set[int]] = field(default_factory=dict)
    sealed: int = 0
    objects: int = 0
    """Sealed images and variants; the folder of each is named by its person's key."""
    unreadable: list[str] = field(default_factory=list)

    def seen(self, days: pa.ChunkedArray) -> None:
        """Widen the period by a column of dates."""
        both = pc.min_max(days.cast(pa.int32())).as_py()
        if both["min"] is None:
            return
        low, high = (_EPOCH + timedelta(days=both[name]) for name in ("min", "max"))
        self.first = low if self.first is None else min(self.first, low)
        self.last = high if self.last is None else max(self.last, high)


def look(leak: Path) -> Found:
    """Return what is in ``leak``: a folder, or one file of it (a backup, a table, a key)."""
    found = Found()
    converters: set[str] = set()
    for file in [leak] if leak.is_file() else sorted(leak.rglob("*")):
        if file.is_file() and not file.is_symlink():
            found.files += 1
            found.bytes += file.stat().st_size
            _look_at(found, file, leak, converters)
    if converters:
        found.parts.add("one-converter" if len(converters) == 1 else "both-converters")
    return found


def _look_at(found: Found, file: Path, leak: Path, converters: set[str]) -> None:
    name = file.name
    try:
        with file.open("rb") as opened:
            start = opened.read(512)
        if start[:4] == b"PAR1":
            _table(found, pq.ParquetFile(file), file)
        elif start.startswith(b"SQLite format 3\0"):
            _database(found, file)
        elif start.startswith(b"age-encryption.org/v1"):
            found.sealed += file.stat().st_size
            if name == KEYS:
                found.parts.add("sealed-keys")
            elif file.parts[-4:-3] == ("objects",):
                found.objects += 1
                found.everyone.add(file.parent.name)
        elif start.startswith(MANIFEST.encode()):
            _backup(found, file, converters)
        elif start.startswith(b"sekisho-converter-1\n"):
            converters.add(file_digest(file))
        elif name.startswith("domain-") and name.endswith(".key"):
            found.parts.add("domain-key")
        elif file.parent.name == "keys" or file.parent == leak:
            _key(found, name, start)
        elif file.suffix == ".part" or file.parent.name == "quarantine":
            _container(found, file)
        elif "/spool/" in file.as_posix():
            found.sealed += file.stat().st_size
        elif name == DATABASE and start.startswith(b"PGDMP"):
            found.parts |= {"pseudonyms", "choices"}
            found.unreadable.append("a dump of PostgreSQL: bounded from the ledgers")
    except (OSError, ValueError, pa.ArrowException, sqlite3.Error, SekishoError) as error:
        found.unreadable.append(f"{file.suffix or 'file'}: {type(error).__name__}")


def _key(found: Found, name: str, start: bytes) -> None:
    part = KEY_FILES.get(name)
    if part is not None:
        found.parts.add(part)
    elif start.startswith(b"AGE-SECRET-KEY-1"):
        found.parts.add("recovery-key")


def _backup(found: Found, file: Path, converters: set[str]) -> None:
    """A backup leaked whole is what is in it."""
    with tempfile.TemporaryDirectory() as folder:
        unpack_members(file, Path(folder))
        for inner in sorted(Path(folder).rglob("*")):
            if inner.is_file():
                _look_at(found, inner, Path(folder), converters)


def _container(found: Found, file: Path) -> None:
    for name, table in container.unpack(file.read_bytes()).items():
        if name == "persons" and "pseudonym" in table.column_names:
            found.parts |= {"pseudonyms", "wrapping-key"}  # at the gate they lie open
        _rows(found, table, file)


def _table(found: Found, opened: pq.ParquetFile, file: Path) -> None:
    for group in range(opened.num_row_groups):
        _rows(found, opened.read_row_group(group), file)


def _rows(found: Found, table: pa.Table, file: Path) -> None:
    names = set(table.column_names)
    if {"person_key", "wrapped"} <= names:
        found.parts.add("pseudonyms")
        found.pseudonyms |= set(table["wrapped"].to_pylist())
    elif {"person_key", "source_id", "provider", "data_class", "kind"} <= names:
        found.parts.add("records")
        _records(found, table)
    elif "person_id" in names:
        project = _PROJECT.search(file.as_posix())
        found.parts.add("project-tables")
        known = found.projects.setdefault(project[1] if project else "unknown", set())
        known |= set(pc.unique(table["person_id"]).to_pylist())
    else:
        return
    for column in table.schema:
        if pa.types.is_date(column.type) and column.name != "birth_date":
            found.seen(table[column.name])


def _records(found: Found, table: pa.Table) -> None:
    columns = ("provider", "data_class", "kind", "person_key", "source_id")
    for provider, data_class, kind, person, source in zip(
        *(table[name].to_pylist() for name in columns), strict=True
    ):
        group = (provider, data_class, kind)
        found.rows[group] += 1
        if person is not None:
            found.persons.setdefault(group, set()).add(person)
            found.everyone.add(person)
        by_class = found.sources.setdefault(provider, {})
        by_class.setdefault(data_class, set()).add(source.partition(".")[0])


def _database(found: Found, file: Path) -> None:
    """Read which kinds of records a body's database has; a copy may lack its journal."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as database:
        named = database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE '%record'"
        )
        for (table,) in named.fetchall():
            kinds = database.execute(f'SELECT DISTINCT kind FROM "{table}"')  # noqa: S608 - ours
            for (kind,) in kinds.fetchall():
                if kind in RECORD_KINDS:
                    found.parts.add(RECORD_KINDS[kind])
