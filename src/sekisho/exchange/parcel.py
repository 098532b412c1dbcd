"""Several opaque blobs under one small JSON header: the body of messages that carry bulk data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from sekisho.common.canonical import canonical_json
from sekisho.common.errors import UserError

MEDIA_TYPE = "application/vnd.sekisho.parcel"
_MAGIC = b"SKP1"


def pack(header: dict[str, Any], blobs: Sequence[bytes]) -> bytes:
    """Return magic, header length, header and blobs; the header lists the blobs' lengths."""
    head = canonical_json({"header": header, "lengths": [len(blob) for blob in blobs]})
    return b"".join((_MAGIC, len(head).to_bytes(4, "big"), head, *blobs))


def unpack(data: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """Return header and blobs.

    Raises:
        UserError: the bytes are not a parcel, or shorter or longer than the header says.
    """
    try:
        if data[:4] != _MAGIC:
            raise ValueError
        start = 8 + int.from_bytes(data[4:8], "big")
        head = orjson.loads(data[8:start])
        lengths: list[int] = head["lengths"]
        if min(lengths, default=0) < 0 or start + sum(lengths) != len(data):
            raise ValueError
    except (ValueError, KeyError, TypeError) as error:
        raise UserError("parcel.malformed", "The message's body is not a whole parcel.") from error
    blobs = []
    for length in lengths:
        blobs.append(data[start : start + length])
        start += length
    return head["header"], blobs
