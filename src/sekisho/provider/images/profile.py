"""The rule set for headers of images (`basic-profile.toml`): what becomes of an attribute."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Final, Literal, cast

import msgspec

from sekisho.common.toml import parse_toml

Action = Literal["X", "Z", "D", "U"]
_TAG: Final = re.compile(r"[0-9A-FX]{8}")


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """See the file for what each part means."""

    source: str
    private: Literal["X"]
    kept_vr: frozenset[str]
    kept: frozenset[str]
    dummy: dict[str, str]
    compound: dict[str, Action]
    actions: dict[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        tags = [tag for listed in self.actions.values() for tag in listed]
        if not all(_TAG.fullmatch(tag) for tag in (*tags, *self.kept)):
            raise ValueError("a tag is no eight hexadecimal digits")
        if len(set(tags)) != len(tags):
            raise ValueError("a tag has two actions")
        unknown = set(self.actions) - set("XZDU") - set(self.compound)
        if unknown:
            raise ValueError(f"the actions {sorted(unknown)} mean nothing")

    def by_tag(self) -> dict[str, Action]:
        """Return tag → action; tags with an X in them are `patterns`."""
        return {
            tag: self.compound[action] if action in self.compound else cast(Action, action)
            for action, tags in self.actions.items()
            for tag in tags
        }

    def patterns(self) -> tuple[tuple[re.Pattern[str], Action], ...]:
        """Return the repeating groups."""
        return tuple(
            (re.compile(tag.replace("X", "[0-9A-F]")), action)
            for tag, action in self.by_tag().items()
            if "X" in tag
        )


@cache
def basic_profile() -> Profile:
    """Return the rule set that comes with the program: no provider sends an image without one."""
    text = (files(__package__) / "basic-profile.toml").read_text(encoding="utf-8")
    return parse_toml(text, Profile, "basic-profile.toml")
