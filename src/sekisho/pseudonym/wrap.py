"""Pseudonyms at rest: AES-SIV (RFC 5297) under a key that stays in the body's key folder.

Deterministic, so that a body can look a person up by the wrapped form; a stolen database
without the key folder then holds nothing that a converter would convert.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from sekisho.common.errors import TamperError
from sekisho.common.randomness import RandomBytes
from sekisho.pseudonym.group import SIZE, Element, decode_element

KEY_SIZE: Final = 64
WRAPPED_SIZE: Final = SIZE + 16
_CONTEXT: Final = b"sekisho-pseudonym-at-rest-v1"


def new_wrapping_key(random: RandomBytes) -> bytes:
    """Return a fresh key of 64 bytes (AES-256-SIV)."""
    return random(KEY_SIZE)


def wrap(key: bytes, element: Element) -> bytes:
    """Return ``element`` wrapped: 48 bytes, always the same for the same key and element."""
    return AESSIV(key).encrypt(decode_element(element), [_CONTEXT])


def unwrap(key: bytes, wrapped: bytes) -> Element:
    """Return what `wrap` wrapped.

    Raises:
        TamperError: the bytes were changed, or wrapped under another key.
    """
    try:
        return decode_element(AESSIV(key).decrypt(wrapped, [_CONTEXT]))
    except (InvalidTag, ValueError) as error:
        raise TamperError(
            "pseudonym.wrapped",
            "A stored pseudonym does not open under this body's wrapping key.",
            next_step="restore the key folder and the database from the same moment",
        ) from error
