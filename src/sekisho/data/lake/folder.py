"""Where one body's tables lie: the lock of their writers, their versions, what is half landed."""

from __future__ import annotations

import fcntl
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from sekisho.cdm import TABLES
from sekisho.common.atomicfile import write_atomically
from sekisho.common.canonical import canonical_json, digest
from sekisho.common.errors import Defect, UserError
from sekisho.data.lake import coding, delta
from sekisho.data.lake.snapshot import Versions

REPLACED = "replaced"
# Patterns to the engine, or no part of a URI to Delta Lake, which would stop the process.
_UNUSABLE = re.compile(r"[*?\[\]|^\\\x00-\x1f]")


@dataclass(frozen=True)
class LakeFolder:
    """``tables/`` (Delta), ``persons/`` (Delta, apart), ``pending/``, ``spill/`` while landing."""

    path: Path

    def __post_init__(self) -> None:
        if _UNUSABLE.search(str(self.path)):
            raise UserError(
                "lake.folder-name",
                f"Tables cannot be kept in {self.path}: its name holds one of * ? [ ] | ^ \\.",
                next_step="choose a folder without these characters",
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other writers out; readers need no lock, since a snapshot names versions."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def spill(self) -> Iterator[Path]:
        """Give the writer that has the lock a folder for what does not fit in memory."""
        folder = self.path / "spill"
        shutil.rmtree(folder, ignore_errors=True)  # of a landing that was cut off
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def tables(self) -> Path:
        return self.path / "tables"

    def table(self, table: str) -> Path:
        return self.tables / table

    def held_tables(self) -> dict[str, Path]:
        """Return the tables of which there is any version."""
        folders = {table.name: self.table(table.name) for table in TABLES}
        return {name: folder for name, folder in folders.items() if delta.exists(folder)}

    def files(self, table: str, versions: Versions) -> list[str]:
        """Return the data files of a table as ``versions`` names it."""
        at = versions.tables.get(table)
        return [] if at is None else delta.files(self.table(table), at)

    def head(self) -> Versions:
        """Return the newest versions of all tables. Callers hold the lock."""
        known = [REPLACED, coding.IN_FORCE, *(table.name for table in TABLES)]
        folders = {table: self.table(table) for table in known}
        return Versions(
            {t: delta.version(folder) for t, folder in folders.items() if delta.exists(folder)},
            tuple(sorted(set(self.pending().values()))),
        )

    def pending(self) -> dict[Path, int]:
        """Return what is half landed: its marker → batch."""
        found = sorted((self.path / "pending").glob("*.json"))
        return {path: int(orjson.loads(path.read_bytes())["batch"]) for path in found}

    def announce(self, submission_id: str, batch: int) -> Path:
        """Note durably that ``batch`` is being landed, before its first row is."""
        marker = self.path / "pending" / f"{digest(submission_id.encode())[:32]}.json"
        pending = self.pending()
        if batch in [number for path, number in pending.items() if path != marker]:
            raise Defect("lake.batch-taken", f"Another submission is half landed as batch {batch}.")
        if pending.get(marker, batch) != batch:
            raise Defect(
                "lake.other-batch",
                f"The submission is half landed as batch {pending[marker]}, not {batch}.",
            )
        write_atomically(marker, canonical_json({"batch": batch}))
        return marker
