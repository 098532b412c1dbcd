"""How long an environment may take to say whom a project included, by a rule file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec

from sekisho.common.toml import read_toml


class UsesRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``rules/uses.toml``. ``source`` names a source for each number."""

    id: str
    version: str
    index_days: Annotated[int, msgspec.Meta(ge=0, le=366)]
    source: dict[str, str]

    def __post_init__(self) -> None:
        if not self.source.get("index_days"):
            raise ValueError("index_days has no source")


def read_rule(path: Path) -> UsesRule:
    """Read the rule file."""
    return read_toml(path, UsesRule)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the rule file."""
    return msgspec.json.schema(UsesRule)
