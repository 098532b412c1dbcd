"""How often a body has each provider pull, by a rule file: schedules are data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from sekisho.common.toml import read_toml

Hours = Annotated[int, Meta(ge=1, le=24 * 366)]


class Scheduled(Struct, frozen=True, forbid_unknown_fields=True):
    """One provider's own schedule."""

    code: Annotated[str, Meta(pattern=r"^[0-9]{10}$")]
    every_hours: Hours


class PullRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``rules/pull.toml``. ``source`` names a source for the number of all others."""

    id: str
    version: str
    every_hours: Hours
    source: dict[str, str]
    provider: tuple[Scheduled, ...] = ()

    def __post_init__(self) -> None:
        if not self.source.get("every_hours"):
            raise ValueError("every_hours has no source")
        if len({one.code for one in self.provider}) != len(self.provider):
            raise ValueError("a provider is named twice")

    def hours(self, provider: str) -> int:
        """Return the hours between two exports of a provider."""
        own = {one.code: one.every_hours for one in self.provider}
        return own.get(provider, self.every_hours)


def read_pull_rule(rules: Path) -> PullRule:
    """Read the rule file in a folder of rules."""
    return read_toml(rules / "pull.toml", PullRule)


def pull_schema() -> dict[str, Any]:
    """Return the JSON Schema of the rule file."""
    return msgspec.json.schema(PullRule)
