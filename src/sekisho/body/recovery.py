"""``rules/restore.toml``: how long what was sent is kept for a receiver that must be restored."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from sekisho.common.toml import read_toml


class RestoreRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``keep_sent_days``: of delivered messages; ``slack_minutes``: clocks may lie apart so far."""

    id: str
    version: str
    keep_sent_days: Annotated[int, msgspec.Meta(ge=1, le=366)]
    slack_minutes: Annotated[int, msgspec.Meta(ge=1, le=1440)]
    source: dict[str, str]

    def __post_init__(self) -> None:
        missing = {"keep_sent_days", "slack_minutes"} - self.source.keys()
        if missing:
            raise ValueError(f"{sorted(missing)[0]} has no source")


def read_restore_rule(path: Path) -> RestoreRule:
    """Read the rule file."""
    return read_toml(path, RestoreRule)
