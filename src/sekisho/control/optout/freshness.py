"""Whether a list may still be used for an extract, by a rule file."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any

import msgspec

from sekisho.common.errors import Refusal
from sekisho.common.toml import read_toml
from sekisho.control.optout.registry import ListHeader


class OptOutRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``rules/opt-out.toml``: how old a list may be, and how long an answer to one may take.

    ``source`` names a source for each number.
    """

    id: str
    version: str
    max_list_age_days: Annotated[int, msgspec.Meta(ge=0, le=366)]
    answer_hours: Annotated[int, msgspec.Meta(ge=0, le=23)]
    source: dict[str, str]

    def __post_init__(self) -> None:
        for name in ("max_list_age_days", "answer_hours"):
            if not self.source.get(name):
                raise ValueError(f"{name} has no source")


def read_rule(path: Path) -> OptOutRule:
    """Read the rule file."""
    return read_toml(path, OptOutRule)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the rule file."""
    return msgspec.json.schema(OptOutRule)


def check_fresh_enough(header: ListHeader, minimum: int, today: date, rule: OptOutRule) -> None:
    """Check that an extract made today may rest on the list.

    Args:
        header: the newest list that was taken.
        minimum: the least list number that the permit allows for this registry.
        today: the day on which the extract is made.
        rule: how old a list may be.

    Raises:
        Refusal: the list is too old, lies in the future, or has too low a number.
    """
    age = (today - header.on).days
    named = f"{rule.id} {rule.version}: {rule.source['max_list_age_days']}"
    if age > rule.max_list_age_days:
        raise Refusal(
            "opt-out.stale",
            f"Opt-out list {header.number} of {header.registry!r} is {age} days old; "
            f"{rule.max_list_age_days} are allowed.",
            rule=named,
            next_step="take the registry's newest list, then make the extract",
        )
    if age < 0:
        raise Refusal(
            "opt-out.future",
            f"Opt-out list {header.number} of {header.registry!r} is of a day that has not come.",
            rule=named,
            next_step="compare the clocks of this body and of the registry",
        )
    if header.number < minimum:
        raise Refusal(
            "opt-out.below-minimum",
            f"The permit asks for list {minimum} of {header.registry!r} or a later one; "
            f"list {header.number} is the newest here.",
            rule="a permit binds a least number of the opt-out list",
            next_step="take the lists that are missing, then make the extract",
        )


def is_old(on: str, today: date, rule: OptOutRule) -> bool:
    """Return whether a list of the day ``on`` (ISO) is too old for an extract made today."""
    return (today - date.fromisoformat(on)).days > rule.max_list_age_days


def fresh_enough(header: ListHeader, minimum: int, today: date, rule: OptOutRule) -> bool:
    """Return whether `check_fresh_enough` would let the extract be made."""
    try:
        check_fresh_enough(header, minimum, today, rule)
    except Refusal:
        return False
    return True
