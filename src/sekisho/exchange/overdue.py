"""How long a message may wait for its receiver before it is an alarm, by a rule file."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import msgspec

from sekisho.common.toml import read_toml

REMEMBERED = 100
"""Messages to one receiver by which it is told whether any of them still waits."""


class ExchangeRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``rules/exchange.toml``. ``source`` names a source for each number."""

    id: str
    version: str
    undelivered_days: Annotated[int, msgspec.Meta(ge=1, le=366)]
    unfinished_days: Annotated[int, msgspec.Meta(ge=1, le=366)]
    source: dict[str, str]

    def __post_init__(self) -> None:
        for number in ("undelivered_days", "unfinished_days"):
            if not self.source.get(number):
                raise ValueError(f"{number} has no source")


def read_rule(path: Path) -> ExchangeRule:
    """Read the rule file."""
    return read_toml(path, ExchangeRule)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the rule file."""
    return msgspec.json.schema(ExchangeRule)


@dataclass(frozen=True)
class Waiting:
    """Messages that wait for one receiver, and the day since which one of them has."""

    messages: tuple[str, ...]
    since: date

    def days(self, today: date) -> int:
        return (today - self.since).days


def looked_at(before: Waiting | None, messages: Collection[str], today: date) -> Waiting | None:
    """Return who waits after a look at a day's cut-off; None where nobody does.

    What was sent a moment ago waits as well: only a message that waited at an earlier look makes a
    receiver one that is away.
    """
    if not messages:
        return None
    still = tuple(one for one in before.messages if one in messages) if before else ()
    if before is not None and still:
        return Waiting(still, before.since)
    return Waiting(tuple(sorted(messages))[:REMEMBERED], today)
