"""A person's choices, and which of them are in force on a day (bitemporal)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import msgspec

from sekisho.common.errors import UserError
from sekisho.control.optout.proxy import Proxy

ScopeKind = Literal["all", "data", "operator", "purpose"]

_SCOPE = re.compile(r"(data|operator|purpose):([a-z0-9][a-z0-9_-]{0,62})")


@dataclass(frozen=True, order=True)
class Scope:
    """How far a choice goes: everything, one class of data, one body, or one purpose of use."""

    kind: ScopeKind
    value: str = ""

    def __post_init__(self) -> None:
        text = str(self)
        if text != "all" and not _SCOPE.fullmatch(text):
            raise UserError(
                "opt-out.scope",
                "This is not a scope.",
                next_step="write all, data:<class>, operator:<body> or purpose:<purpose>",
            )

    @classmethod
    def parse(cls, text: str) -> Scope:
        """Read a scope as it is written in a form or a file."""
        kind, _, value = text.partition(":")
        return cls(kind, value)  # type: ignore[arg-type]  # __post_init__ refuses other kinds

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}" if self.kind != "all" or self.value else self.kind


ALL = Scope("all")


@dataclass(frozen=True)
class Choice:
    """One statement of a person, or of a proxy for that person, at a desk.

    Attributes:
        ref: id of the statement, given by the desk; stands on the receipt.
        effective_from: first day on which it counts; may lie before or after the statement.
        recorded_on: day on which the desk recorded it.
        revoke: undoes an earlier choice of exactly this scope.
        proxy: who stated it for the person (代理人), if it was not the person.
        serial: the desk's running number within the day; orders what was stated on one day.
    """

    ref: str
    scope: Scope
    effective_from: date
    recorded_on: date
    revoke: bool = False
    proxy: Proxy | None = None
    serial: int = 0

    def payload(self) -> dict[str, Any]:
        """Return the choice as a JSON value."""
        return {
            "ref": self.ref,
            "scope": str(self.scope),
            "effective_from": self.effective_from.isoformat(),
            "recorded_on": self.recorded_on.isoformat(),
            "revoke": self.revoke,
            "proxy": None if self.proxy is None else self.proxy.payload(),
            "serial": self.serial,
        }

    @classmethod
    def from_payload(cls, payload: object) -> Choice:
        """Read a choice from a JSON value.

        Raises:
            UserError: the value is not one; the message says where, never what stood there.
        """
        try:
            raw = msgspec.convert(payload, _RawChoice)
        except msgspec.ValidationError as error:
            raise UserError(
                "opt-out.choice", f"This is not a choice: {error}", next_step="send the form again"
            ) from error
        return cls(
            raw.ref,
            Scope.parse(raw.scope),
            raw.effective_from,
            raw.recorded_on,
            raw.revoke,
            raw.proxy,
            raw.serial,
        )


class _RawChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    ref: str
    scope: str
    effective_from: date
    recorded_on: date
    revoke: bool = False
    proxy: Proxy | None = None
    serial: int = 0


def effective(choices: Iterable[Choice], on: date, known: date | None = None) -> frozenset[Scope]:
    """Return the scopes that are opted out of on the day ``on``, as known on the day ``known``.

    Per scope the statement recorded last decides, among those that count by then. A reversal
    undoes its own scope only, so that opting out and reversing leads back to where one was. Of two
    statements that nothing orders, the opt-out wins: a doubt never provides data. The order in
    which choices arrive does not matter (they travel shuffled).
    """
    latest: dict[Scope, Choice] = {}
    for choice in choices:
        if choice.effective_from > on or (known is not None and choice.recorded_on > known):
            continue
        other = latest.get(choice.scope)
        if other is None or _rank(choice) > _rank(other):
            latest[choice.scope] = choice
    return frozenset(scope for scope, choice in latest.items() if not choice.revoke)


def _rank(choice: Choice) -> tuple[date, int, bool, str]:
    return choice.recorded_on, choice.serial, not choice.revoke, choice.ref
