"""The rule files: who can do what with what, and by when the law asks for what."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec

from sekisho.common.toml import read_toml

PARTS = (
    "records",
    "pseudonyms",
    "wrapping-key",
    "domain-key",
    "seal-key",
    "signing-key",
    "one-converter",
    "both-converters",
    "project-tables",
    "identities",
    "choices",
    "sealed-keys",
    "recovery-key",
    "provider-key",
)
"""What a leak can be made of; the rules speak of nothing else."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """With all of ``needs`` and none of ``without`` an attacker gets this far."""

    id: str
    needs: tuple[str, ...]
    without: tuple[str, ...] = ()
    links: str
    identifies: str
    actions: tuple[str, ...]
    ja: str
    en: str

    def __post_init__(self) -> None:
        unknown = {*self.needs, *self.without} - set(PARTS)
        if unknown or not self.needs:
            raise ValueError(f"rule {self.id} speaks of {sorted(unknown) or 'nothing'}")

    def holds(self, parts: Iterable[str]) -> bool:
        there = set(parts)
        return there.issuperset(self.needs) and there.isdisjoint(self.without)


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A sentence in both languages, with its source where it is a rule's."""

    ja: str
    en: str
    source: str = ""


class Collusion(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``rules/collusion.toml``."""

    id: str
    version: str
    source: str
    rule: tuple[Rule, ...]
    action: dict[str, Said]

    def __post_init__(self) -> None:
        missing = {name for rule in self.rule for name in rule.actions} - self.action.keys()
        if missing:
            raise ValueError(f"action {sorted(missing)[0]} is not described")

    def holding(self, parts: Iterable[str]) -> tuple[Rule, ...]:
        """Return the rules that hold for a leak of ``parts``."""
        there = frozenset(parts)
        return tuple(rule for rule in self.rule if rule.holds(there))


class Clock(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One deadline; without ``days`` it is "promptly"."""

    id: str
    ja: str
    en: str
    source: str
    days: int | None = None
    days_from: int | None = None
    only: Literal["wrongful"] | None = None
    unless: Literal["wrongful"] | None = None


class Clocks(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``rules/incident.toml``."""

    id: str
    version: str
    clock: tuple[Clock, ...]
    duty: Said

    def deadlines(self, known_on: date, *, wrongful: bool) -> list[dict[str, Any]]:
        """Return what is due by when, counted from the day on which the leak became known."""
        found = []
        for clock in self.clock:
            if (clock.only and not wrongful) or (clock.unless and wrongful):
                continue
            found.append(
                {
                    "id": clock.id,
                    "from": _after(known_on, clock.days_from),
                    "due": _after(known_on, clock.days),
                    "ja": clock.ja,
                    "en": clock.en,
                    "source": clock.source,
                }
            )
        return found


def _after(day: date, days: int | None) -> str | None:
    return None if days is None else (day + timedelta(days=days)).isoformat()


def read_collusion(rules: Path) -> Collusion:
    return read_toml(rules / "collusion.toml", Collusion)


def read_clocks(rules: Path) -> Clocks:
    return read_toml(rules / "incident.toml", Clocks)
