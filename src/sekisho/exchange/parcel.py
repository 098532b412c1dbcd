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


def unpack(
    data: bytes, *, needs: Sequence[str] = (), each: str | None = None, empty: bool = False
) -> tuple[dict[str, Any], list[bytes]]:
    """Return header and blobs.

    Args:
        needs: keys that the header must have.
        each: the key of a list with one item for each blob.
        empty: whether a parcel without blobs is one.

    Raises:
        UserError: the bytes are not a parcel, shorter or longer than the header says, or not one
            with this header.
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
    header = head["header"]
    wanted = {*needs, *([each] if each else [])}
    if not isinstance(header, dict) or wanted - header.keys() or not (blobs or empty):
        raise _unfit()
    listed = header[each] if each else blobs
    if not isinstance(listed, list) or len(listed) != len(blobs):
        raise _unfit()
    return header, blobs


def _unfit() -> UserError:
    return UserError("parcel.malformed", "The parcel's header is not that of such a message.")
