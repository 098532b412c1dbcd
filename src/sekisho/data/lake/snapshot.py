"""What readers name: the versions of all tables at one instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sekisho.common.errors import Defect


@dataclass(frozen=True)
class Versions:
    """Each table's Delta version, and the batches that were half landed at that instant.

    ``hidden`` keeps a submission that broke off invisible although its first tables are committed.
    """

    tables: Mapping[str, int]
    hidden: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if any(version < 0 for version in self.tables.values()):
            raise Defect("lake.snapshot-invalid", "A snapshot names versions from 0 on.")

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form for a ledger entry."""
        return {"tables": dict(sorted(self.tables.items())), "hidden": list(self.hidden)}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Versions:
        return cls({str(k): int(v) for k, v in raw["tables"].items()}, tuple(raw["hidden"]))


@dataclass(frozen=True)
class Snapshot:
    """A numbered instant of a lake; the body's ledger holds it."""

    number: int
    versions: Versions

    def to_dict(self) -> dict[str, Any]:
        return {"number": self.number, **self.versions.to_dict()}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Snapshot:
        return cls(int(raw["number"]), Versions.from_dict(raw))


@dataclass(frozen=True)
class Count:
    """Current rows and distinct persons of one table, class and provider."""

    table: str
    data_class: str
    provider: str
    rows: int
    persons: int
