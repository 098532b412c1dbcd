"""One entry of a ledger: what happened, when, and what is said of it, as canonical bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from sekisho.common.canonical import canonical_json
from sekisho.common.errors import Defect, TamperError
from sekisho.control.ledger.kinds import check_can_stand, coarse, kinds

LIMIT = 65_535
"""Bytes of one entry: bundles give lengths as 16 bits (C2SP tlog-tiles)."""

_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")


@dataclass(frozen=True)
class Entry:
    """An entry that the table of kinds allows.

    ``at`` is kept in UTC, to the second or, where the table says so, to the day; counts of persons
    are kept in tens. Bytes that say more are not read as an entry.
    """

    kind: str
    at: datetime
    body: Mapping[str, Any]
    _bytes: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise Defect("ledger.naive-time", "A ledger entry's time names its zone.")
        at = self.at.astimezone(UTC).replace(microsecond=0)
        if self.kind in kinds() and kinds()[self.kind].day:
            at = at.replace(hour=0, minute=0, second=0)
        object.__setattr__(self, "at", at)
        object.__setattr__(self, "body", coarse(self.kind, self.body))
        check_can_stand(self.kind, self.body)
        spelled = at.isoformat().replace("+00:00", "Z")
        leaf = canonical_json({"at": spelled, "body": dict(self.body), "kind": self.kind})
        object.__setattr__(self, "_bytes", leaf)
        if len(leaf) > LIMIT:
            raise Defect("ledger.entry-too-large", f"An entry {self.kind} is over 64 KiB.")

    def to_bytes(self) -> bytes:
        """Return the canonical bytes, which are the leaf of the tree."""
        return self._bytes

    @classmethod
    def from_bytes(cls, data: bytes) -> Entry:
        """Read an entry back.

        Raises:
            TamperError: not the canonical bytes of an entry that the table allows.
        """
        try:
            raw = orjson.loads(data)
            if raw.keys() != {"at", "body", "kind"} or not _INSTANT.fullmatch(raw["at"]):
                raise ValueError("not an entry")
            entry = cls(raw["kind"], datetime.fromisoformat(raw["at"]), raw["body"])
        except (ValueError, TypeError, AttributeError, Defect) as error:
            raise _unreadable() from error
        if entry.to_bytes() != data:
            raise _unreadable()
        return entry


def _unreadable() -> TamperError:
    return TamperError("ledger.entry-unreadable", "A leaf of the ledger is no entry of ours.")
