"""Who decides: the seats of a body's committee, and the handlers of its cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from sekisho.common.toml import read_toml
from sekisho.control.review.values import Value, check_actor

SeatKind = Literal["expert", "method", "legal", "lay"]
Office = Literal["chair", "deputy", "member"]


class Seat(Value, frozen=True, kw_only=True):
    """One seat and who has it. ``outside``: not employed by the body."""

    member: str
    organisation: str
    kind: SeatKind = "expert"
    outside: bool = False
    office: Office = "member"

    def __post_init__(self) -> None:
        check_actor(self.member)


class Committee(Value, frozen=True, kw_only=True):
    """A body's committee, the pool from which it takes substitutes, and its case handlers."""

    seats: tuple[Seat, ...]
    handlers: tuple[str, ...]
    pool: tuple[Seat, ...] = ()

    def __post_init__(self) -> None:
        members = [seat.member for seat in (*self.seats, *self.pool)]
        if len(set(members)) < len(members):
            raise ValueError("nobody has two seats, or a seat and a place in the pool")
        if sum(seat.office == "chair" for seat in self.seats) != 1:
            raise ValueError("a committee has one chair")
        if not self.handlers:
            raise ValueError("somebody has to handle cases")
        for handler in self.handlers:
            check_actor(handler)


def read_committee(path: Path) -> Committee:
    """Read a body's committee from a TOML file."""
    return read_toml(path, Committee)


def committee_schema() -> dict[str, Any]:
    """Return the JSON Schema of a committee's file."""
    return msgspec.json.schema(Committee)
