"""Randomness is passed in as a function from a length to that many bytes."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, MutableSequence
from typing import TypeVar

T = TypeVar("T")

RandomBytes = Callable[[int], bytes]

system_random: RandomBytes = secrets.token_bytes


def seeded(*parts: str | int | bytes) -> RandomBytes:
    """Return a deterministic stream (SHAKE-256 in counter mode) for rehearsals and generators.

    Never for secrets of an ordinary configuration: who knows the seed knows every byte.
    """
    key = hashlib.sha256()
    for part in parts:
        raw = part if isinstance(part, bytes) else str(part).encode()
        key.update(len(raw).to_bytes(8, "big") + raw)
    root = key.digest()
    counter = 0

    def take(length: int) -> bytes:
        nonlocal counter
        counter += 1
        return hashlib.shake_256(root + counter.to_bytes(8, "big")).digest(length)

    return take


def below(random: RandomBytes, limit: int) -> int:
    """Return a uniform integer in ``[0, limit)`` (rejection sampling, so without bias)."""
    size = (limit.bit_length() + 7) // 8
    ceiling = (256**size // limit) * limit
    while True:
        value = int.from_bytes(random(size), "big")
        if value < ceiling:
            return value % limit


def shuffle(random: RandomBytes, items: MutableSequence[T]) -> None:
    """Shuffle ``items`` in place (Fisher-Yates)."""
    for last in range(len(items) - 1, 0, -1):
        other = below(random, last + 1)
        items[last], items[other] = items[other], items[last]
