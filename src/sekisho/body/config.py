"""What one body is told at its start: a TOML file in its folder."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec

from sekisho.body.faults import FORMS, is_fault
from sekisho.common.toml import read_toml


class RehearsalOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Start options of a rehearsal; an ordinary configuration has none and so refuses them."""

    seed: int
    start: date
    faults: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = [fault for fault in self.faults if not is_fault(fault)]
        if unknown:
            raise ValueError(f"unknown fault {unknown[0]}; known: {', '.join(FORMS)}")


class BodyConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One body. Paths are relative to the file.

    Args:
        database: ``sqlite``, or ``postgresql://user:password@host/name``.
        declared_synthetic: all data of this body are synthetic; lets a watchdog bound the memory
            of a study where there is no cgroup.
        vocabulary: folder of a store (`sekisho vocab import`) whose newest version says what codes
            mean; without one, codes stay codes.
        cgroup: a cgroup v2 folder delegated to this service, with the memory controller.
    """

    body: str
    framework: str
    directory: str
    listen: str
    rules: str
    database: str = "sqlite"
    declared_synthetic: bool = False
    vocabulary: str | None = None
    cgroup: str | None = None
    rehearsal: RehearsalOptions | None = None


class Folders(msgspec.Struct, frozen=True):
    """Where one body keeps what it has."""

    base: Path

    @property
    def data(self) -> Path:
        return self.base / "data"

    @property
    def lake(self) -> Path:
        return self.data / "lake"

    @property
    def objects(self) -> Path:
        return self.data / "objects"

    @property
    def held_objects(self) -> Path:
        """Objects of records that wait in quarantine."""
        return self.data / "held" / "objects"

    @property
    def spool(self) -> Path:
        return self.data / "spool"

    @property
    def projects(self) -> Path:
        return self.data / "projects"

    @property
    def keys(self) -> Path:
        return self.base / "keys"

    @property
    def ledger(self) -> Path:
        return self.base / "ledger"

    @property
    def documents(self) -> Path:
        """Signed documents: receipts, permits, decisions. Anyone with the keys can verify them."""
        return self.base / "documents"

    @property
    def log(self) -> Path:
        return self.base / "log"


def read_config(path: Path) -> tuple[BodyConfig, Folders]:
    """Read a body's configuration; its folder is where the file is."""
    return read_toml(path, BodyConfig), Folders(path.resolve().parent)
