"""The daily account between who sends choices and the registry that keeps them.

A sender (a desk, or a registry that tells another) states each day, by batch, which choices it
sent on earlier days and does not yet know to be registered. Statements are numbered and chained,
so that a lost, doubled or changed one is seen; the registry holds them against what it registered.
A batch is named by its reason and by the digest of its choices' references, which are random: a
statement says how many persons chose something, and nothing of anyone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Literal

import msgspec

from sekisho.common.canonical import digest_of
from sekisho.common.errors import TamperError, UserError
from sekisho.control.optout.registry import GENESIS

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Sent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One batch: how many choices, and the digest of their references."""

    count: int
    digest: str

    @classmethod
    def of(cls, refs: Iterable[str]) -> Sent:
        """Return what stands for the choices with these references."""
        ordered = sorted(set(refs))
        return cls(len(ordered), digest_of(ordered))


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a sender says of its choices on a day.

    ``batches``: reason → choices, of those that should be registered by now. ``recorded``,
    ``registered`` and ``unreadable`` count all choices that the sender ever had.
    """

    sender: str
    registry: str
    number: int
    previous: str
    on: date
    recorded: int
    registered: int
    unreadable: int
    batches: dict[str, Sent]
    digest: str

    def __post_init__(self) -> None:
        if self.number < 1 or min(self.recorded, self.registered, self.unreadable) < 0:
            raise ValueError("a statement has a number from 1 and counts that are not negative")
        if not _DIGEST.fullmatch(self.previous) or (self.number == 1) != (self.previous == GENESIS):
            raise ValueError("the first statement, and only the first, follows nothing")
        if self.digest != digest_of(_covered(self)):
            raise TamperError(
                "opt-out.statement-digest",
                f"Statement {self.number} of {self.sender!r} does not have its digest.",
                rule="the digest covers the whole statement",
                next_step="ask the desk for its statement again",
            )

    def payload(self) -> dict[str, Any]:
        """Return the statement as a JSON value."""
        return {**_covered(self), "digest": self.digest}

    @classmethod
    def from_payload(cls, payload: object) -> Statement:
        """Read a statement from a JSON value."""
        try:
            return msgspec.convert(payload, cls)
        except msgspec.ValidationError as error:
            raise UserError(
                "opt-out.statement", f"This is not a statement of a desk: {error}"
            ) from error


def make_statement(**said: Any) -> Statement:
    """Return a statement with its digest; arguments as the fields, without the digest."""
    raw = {**said, "on": said["on"].isoformat(), "batches": _plain(said["batches"])}
    return Statement.from_payload({**raw, "digest": digest_of(raw)})


Place = Literal["next", "repeat", "gap", "changed"]


def place_of_statement(number: int, digest: str, new: Statement) -> Place:
    """Return how ``new`` stands to the last statement taken (number 0 and `GENESIS`: none).

    ``gap``: statements between them are lost; ``changed``: it contradicts one that was taken.
    """
    if new.number == number:
        return "repeat" if new.digest == digest else "changed"
    if new.number < number:
        return "repeat"
    if new.number > number + 1:
        return "gap"
    return "next" if new.previous == digest else "changed"


def unaccounted(statement: Statement, registered: Mapping[str, Sent]) -> tuple[str, ...]:
    """Return the batches that were sent and are not registered as they were sent."""
    return tuple(
        reason
        for reason, sent in sorted(statement.batches.items())
        if registered.get(reason) != sent
    )


def _covered(statement: Statement) -> dict[str, Any]:
    fields = {name: getattr(statement, name) for name in statement.__struct_fields__}
    del fields["digest"]
    return {**fields, "on": statement.on.isoformat(), "batches": _plain(statement.batches)}


def _plain(batches: Mapping[str, Sent]) -> dict[str, Any]:
    return {reason: msgspec.to_builtins(sent) for reason, sent in sorted(batches.items())}
