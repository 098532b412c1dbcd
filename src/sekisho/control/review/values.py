"""What all values of a review have in common: frozen, strict, one JSON form."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from sekisho.common.canonical import canonical_json, digest_of
from sekisho.common.errors import UserError

T = TypeVar("T")

_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_ACTOR = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._:+-]{0,127}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value that cannot be changed, nor read from JSON with a key too many."""

    def payload(self) -> dict[str, Any]:
        """Return it as a JSON value, as it would come back from its text."""
        made: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return made

    def canonical(self) -> bytes:
        """Return its one spelling in bytes."""
        return canonical_json(self.payload())

    def fingerprint(self) -> str:
        """Return the SHA-256 of its one spelling."""
        return digest_of(self.payload())


def read_value(kind: type[T], payload: object, code: str, what: str) -> T:
    """Read a JSON value as ``kind``.

    Raises:
        UserError: with ``code``, and where the value is not a ``what``.
    """
    try:
        return msgspec.convert(payload, kind)
    except msgspec.ValidationError as error:
        raise UserError(
            code, f"This is not {what}: {error}", next_step="correct it and send it again"
        ) from error


def check_id(text: str) -> None:
    """Check an id that becomes part of paths, domains and addresses."""
    if not _ID.fullmatch(text):
        raise UserError(
            "review.id",
            f"{text[:80]!r} is not an id.",
            next_step="use up to 40 small letters, digits and hyphens, such as kidney-2026",
        )


def check_actor(text: str) -> None:
    """Check the id of a person's account."""
    if not _ACTOR.fullmatch(text):
        raise UserError(
            "review.actor",
            "The id of an account is empty or has characters that ids do not have.",
            next_step="use letters, digits and . _ - @ : +",
        )


def check_digest(text: str) -> None:
    """Check a SHA-256 in hex."""
    if not _DIGEST.fullmatch(text):
        raise UserError(
            "review.digest",
            f"{text[:80]!r} is not a SHA-256 in hex.",
            next_step="give 64 small hex digits",
        )


def sourced(numbers: object, source: dict[str, str], *without: str) -> None:
    """Check that a rule names a source for each of its fields, and for nothing else.

    Raises:
        ValueError: with the field, so that the reader of the file can name its line.
    """
    names = set(getattr(numbers, "__struct_fields__", ())) - {"id", "version", "source", *without}
    if missing := sorted(name for name in names if not source.get(name)):
        raise ValueError(f"no source is named for {', '.join(missing)}")
    if extra := sorted(set(source) - names):
        raise ValueError(f"a source is named for {', '.join(extra)}, which is not a number here")
