"""What a backup says of itself: whose, of when, which state, and every file by digest."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from sekisho.common.errors import TamperError

BACKUP = "sekisho-backup"
"""Kind of the signed manifest."""
MANIFEST = "manifest.jws"
KEYS = "keys.age"
DATABASE = "database"
MARKER = "restored.json"
"""In a body's folder: it came from a backup and nothing in it has run since."""


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a backup; ``size`` in bytes."""

    name: str
    size: int
    sha256: str

    def __post_init__(self) -> None:
        parts = self.name.split("/")
        if self.name.startswith("/") or not self.name or {"", ".", ".."} & set(parts):
            raise ValueError("a file of a backup lies below its folder")


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The state that was saved. ``made_at`` is the machine's time; ``day`` the body's own.

    ``snapshot`` is the lake's (number, and each table's version); ``lists`` the number of the
    newest opt-out list held of each registry; ``ledger`` the size and root of the signed tree.
    """

    id: str
    body: str
    made_at: datetime
    day: str
    database: Literal["sqlite", "postgresql"]
    framework: str
    generation: int
    ledger_size: int
    ledger_root: str
    snapshot: dict[str, Any]
    lists: dict[str, int]
    epoch: int
    recipient: str
    files: tuple[Member, ...]

    def payload(self) -> dict[str, Any]:
        """Return the manifest as a JSON value."""
        value: dict[str, Any] = msgspec.to_builtins(self)
        return value

    @classmethod
    def from_payload(cls, payload: object) -> Manifest:
        """Read a verified payload."""
        try:
            return msgspec.convert(payload, cls)
        except msgspec.ValidationError as error:
            raise TamperError("backup.manifest", f"The manifest cannot be read: {error}") from error


class Marker(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a body that came from a backup must know before its first step."""

    backup: str
    """The backup's id."""
    made_at: datetime
    generation: int
    """Of the ledger that the backup holds; the body goes on in the next one."""
    ledger_size: int
    ledger_root: str
    epoch: int

    def to_bytes(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> Marker:
        """Read the marker; one that cannot be read keeps the body down."""
        try:
            return msgspec.json.decode(data, type=cls)
        except msgspec.DecodeError as error:
            raise TamperError(
                "restore.marker",
                f"{MARKER} cannot be read: {error}",
                next_step="restore the body from its backup again",
            ) from error
