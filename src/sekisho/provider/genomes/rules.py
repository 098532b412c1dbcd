"""The rule set for variants (`vcf.toml`)."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

import msgspec

from sekisho.common.toml import parse_toml


class _Listed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kept: frozenset[str]


class _Assembly(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pattern: str

    def __post_init__(self) -> None:
        re.compile(self.pattern)


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """See the file for what each part means."""

    source: str
    meta: dict[str, tuple[str, ...]]
    info: _Listed
    format: _Listed
    assembly: _Assembly


@cache
def vcf_rules() -> Rules:
    """Return the rule set that comes with the program."""
    text = (files(__package__) / "vcf.toml").read_text(encoding="utf-8")
    return parse_toml(text, Rules, "vcf.toml")
