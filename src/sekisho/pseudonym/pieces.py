"""A batch on its way into a file: its bytes come piece by piece, their number is known before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from sekisho.common.ids import Tag
from sekisho.common.randomness import RandomBytes
from sekisho.pseudonym.batch import HEADER_SIZE, ITEM_SIZE, header
from sekisho.pseudonym.elgamal import encrypt_many
from sekisho.pseudonym.group import Element

SOME: Final = 1024
"""Persons whose ciphertexts are in memory at a time."""


class BatchPieces(Protocol):
    """A batch (`sekisho.pseudonym.batch`) in pieces."""

    @property
    def size(self) -> int:
        """The number of bytes."""
        ...

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes of the batch."""
        ...


@dataclass(frozen=True)
class Encrypting:
    """Distinct persons as a batch whose bytes are made while it is written, once.

    Whether a tag stands twice is seen by the first converter.
    """

    persons: Sequence[tuple[Tag, Element]]
    public: Element
    random: RandomBytes

    @property
    def size(self) -> int:
        """The number of bytes."""
        return HEADER_SIZE + len(self.persons) * ITEM_SIZE

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes of the batch, some persons at a time."""
        yield header(len(self.persons), self.public)
        for start in range(0, len(self.persons), SOME):
            some = self.persons[start : start + SOME]
            ciphers = encrypt_many([element for _, element in some], self.public, self.random)
            pairs = zip(some, ciphers, strict=True)
            yield b"".join(bytes.fromhex(tag) + cipher for (tag, _), cipher in pairs)


@dataclass(frozen=True)
class Packed:
    """A small batch that is made already (`pack`)."""

    data: bytes

    @property
    def size(self) -> int:
        """The number of bytes."""
        return len(self.data)

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes."""
        yield self.data
