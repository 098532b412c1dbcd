"""The table of entry kinds (`entries.toml`) and the check of an entry's fields against it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from sekisho.common.errors import Defect
from sekisho.common.toml import parse_toml

_WORD = re.compile(r"[^\s\x00-\x1f\x7f]{1,200}")
_TEXT = re.compile(r"[^\x00-\x1f\x7f]{1,300}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DAY = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")
_DEPTH = 3
TEN = 10
"""The least number of persons that a count in a ledger tells from none."""
_LARGEST = 2**53 - 1  # the largest integer that every JSON reader keeps exact


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of entry: what it means, and the type of each field it may carry."""

    means: str
    fields: dict[str, str]
    day: bool = False
    """Whether an entry says the day only."""

    def __post_init__(self) -> None:
        for name, kind in self.fields.items():
            if kind.removesuffix("?") not in TYPES:
                raise ValueError(f"field {name} has the unknown type {kind}")


def is_word(value: object) -> bool:
    """Say whether ``value`` is a name, id or code."""
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


def is_digest(value: object) -> bool:
    """Say whether ``value`` is a SHA-256 in hex."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def is_count(value: object) -> bool:
    """Say whether ``value`` is a whole number from 0 (a truth value is none)."""
    return type(value) is int and 0 <= value <= _LARGEST


def are_counts(value: object, depth: int = _DEPTH) -> bool:
    """Say whether ``value`` is a count or maps words to such values."""
    if not isinstance(value, dict):
        return is_count(value)
    return depth > 0 and all(
        is_word(name) and are_counts(item, depth - 1) for name, item in value.items()
    )


def rounded(value: Any) -> Any:
    """Return a count, or counts, rounded up to tens: what is about one looks as about ten."""
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    return -(-value // TEN) * TEN if is_count(value) else value


def are_tens(value: object) -> bool:
    """Say whether ``value`` is a count or counts in tens."""
    return are_counts(value) and rounded(value) == value


TYPES: Mapping[str, Callable[[object], bool]] = {
    "count": is_count,
    "numbers": lambda value: isinstance(value, list) and all(map(is_count, value)),
    "flag": lambda value: isinstance(value, bool),
    "word": is_word,
    "words": lambda value: isinstance(value, list) and all(map(is_word, value)),
    "text": lambda value: isinstance(value, str) and _TEXT.fullmatch(value) is not None,
    "day": lambda value: isinstance(value, str) and _DAY.fullmatch(value) is not None,
    "digest": is_digest,
    "digests": lambda value: (
        isinstance(value, dict) and all(is_word(k) and is_digest(v) for k, v in value.items())
    ),
    "counts": are_counts,
    "tens": are_tens,
}


@cache
def kinds() -> Mapping[str, Kind]:
    """Return the table. It is part of the program, so it is read once."""
    text = files(__package__).joinpath("entries.toml").read_text("utf-8")
    return parse_toml(text, dict[str, Kind], "entries.toml")


def coarse(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an entry may say of many without saying much of one: counts in tens."""
    known = kinds().get(kind)
    fields = {} if known is None else known.fields
    tens = {name for name, wanted in fields.items() if wanted.removesuffix("?") == "tens"}
    return {name: rounded(value) if name in tens else value for name, value in body.items()}


def check_can_stand(kind: str, body: Mapping[str, Any]) -> None:
    """Refuse an entry that the table does not allow.

    Raises:
        Defect: unknown kind or field, a field missing or of another type. The message names the
            field, never its value.
    """
    known = kinds().get(kind)
    if known is None:
        raise _not_allowed(f"no entry of the kind {kind} is known")
    for name in body:
        if name not in known.fields:
            raise _not_allowed(f"an entry {kind} carries no field {name}")
    for name, wanted in known.fields.items():
        if name not in body:
            if not wanted.endswith("?"):
                raise _not_allowed(f"an entry {kind} must carry {name}")
        elif not TYPES[wanted.removesuffix("?")](body[name]):
            raise _not_allowed(f"the field {name} of an entry {kind} is no {wanted}")


def _not_allowed(reason: str) -> Defect:
    return Defect(
        "ledger.entry-not-allowed",
        f"The ledger does not take this entry: {reason}.",
        rule="a ledger holds only what entries.toml declares",
        next_step="declare the kind or field there, or do not record it",
    )
