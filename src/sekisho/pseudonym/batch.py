"""A batch: ciphertexts under tags and the key they are encrypted to, and its compact bytes.

Layout: ``SKBATCH1`` · count (4 bytes, big-endian) · public key (32) · count times
(tag (16) · ciphertext (64)). Nothing else, nothing after it.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Final

from sekisho.common.errors import Refusal
from sekisho.common.ids import Tag
from sekisho.pseudonym.elgamal import CIPHERTEXT_SIZE
from sekisho.pseudonym.group import Element, decode_element

_MAGIC: Final = b"SKBATCH1"
_HEADER: Final = struct.Struct(">8sI32s")
_ITEM: Final = struct.Struct(f">16s{CIPHERTEXT_SIZE}s")
_TAG: Final = re.compile(r"[0-9a-f]{32}")
_LIMIT: Final = 2**32
HEADER_SIZE: Final = _HEADER.size
ITEM_SIZE: Final = _ITEM.size
TAG_SIZE: Final = 16


@dataclass(frozen=True)
class Batch:
    """Pairs of tag (32 hex digits, unique in the batch) and ciphertext (64 bytes) under ``public``.

    Whether the ciphertexts hold group elements shows when they are converted or decrypted.
    """

    items: tuple[tuple[Tag, bytes], ...]
    public: Element

    def __post_init__(self) -> None:
        decode_element(self.public)
        is_tag = _TAG.fullmatch
        for tag, ciphertext in self.items:
            if not is_tag(tag):
                raise Refusal("batch.tag", "A tag is 32 lower-case hex digits.")
            if len(ciphertext) != CIPHERTEXT_SIZE:
                raise Refusal("ciphertext.length", f"A ciphertext has {CIPHERTEXT_SIZE} bytes.")
        if len({tag for tag, _ in self.items}) != len(self.items):
            raise Refusal("batch.duplicate-tag", "A tag stands twice in one batch.")

    def __len__(self) -> int:
        return len(self.items)


def pack(batch: Batch) -> bytes:
    """Return ``batch`` as bytes: 44 and 80 for each item."""
    if len(batch) >= _LIMIT:
        raise Refusal("batch.too-large", f"A batch has fewer than {_LIMIT} items.")
    join = _ITEM.pack
    return header(len(batch), batch.public) + b"".join(
        join(bytes.fromhex(tag), ciphertext) for tag, ciphertext in batch.items
    )


def header(count: int, public: Element) -> bytes:
    """Return the bytes before the first item."""
    return _HEADER.pack(_MAGIC, count, public)


def read_header(raw: bytes, size: int) -> tuple[int, Element]:
    """Return number of items and key, of a batch of ``size`` bytes that begins with ``raw``.

    Raises:
        Refusal: ``batch.malformed`` or ``batch.count``, as `unpack`.
    """
    if len(raw) < HEADER_SIZE or not raw.startswith(_MAGIC):
        raise Refusal("batch.malformed", "These bytes are no batch of ciphertexts.")
    _, count, public = _HEADER.unpack_from(raw)
    if size != HEADER_SIZE + count * ITEM_SIZE:
        raise Refusal(
            "batch.count",
            f"The batch states {count} items; its length is that of another number.",
            next_step="send it again: it was cut or added to on its way",
        )
    return count, decode_element(public)


def unpack(data: bytes) -> Batch:
    """Read what `pack` wrote.

    Raises:
        Refusal: ``batch.malformed`` (not a batch), ``batch.count`` (its length is not that of
            the number of items it states), and those of `Batch`.
    """
    _, public = read_header(data, len(data))
    body = memoryview(data)[_HEADER.size :]
    items = tuple((Tag(tag.hex()), bytes(both)) for tag, both in _ITEM.iter_unpack(body))
    return Batch(items, public)
