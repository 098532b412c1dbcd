"""One canonical form for what is hashed or signed: JSON with sorted keys, as in RFC 8785."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import orjson

BLOCK = 1024
"""Bytes to a multiple of which a sealed text about one person is filled up."""


def canonical_json(value: Any) -> bytes:
    """Return ``value`` as canonical JSON. Floats are refused: they have no one spelling."""
    _refuse_floats(value)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def filled_up(value: Any) -> bytes:
    """Return ``value`` as JSON, filled up with spaces, so that its size says (almost) nothing."""
    text = canonical_json(value)
    return text + b" " * (-len(text) % BLOCK)


def digest(data: bytes) -> str:
    """Return the SHA-256 of ``data`` as hex."""
    return hashlib.sha256(data).hexdigest()


def digest_of(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of ``value`` as hex."""
    return digest(canonical_json(value))


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file as hex, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise TypeError("canonical JSON holds no floats; use integers or decimal strings")
    if isinstance(value, dict):
        for item in value.values():
            _refuse_floats(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_floats(item)
