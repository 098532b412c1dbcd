"""Several opaque blobs under one small JSON header: the body of messages that carry bulk data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import orjson

from sekisho.common.atomicfile import write_pieces
from sekisho.common.canonical import canonical_json
from sekisho.common.errors import UserError

MEDIA_TYPE = "application/vnd.sekisho.parcel"
_MAGIC = b"SKP1"
_PIECE = 2**18


def pack(header: dict[str, Any], blobs: Sequence[bytes]) -> bytes:
    """Return magic, header length, header and blobs; the header lists the blobs' lengths."""
    return b"".join((head(header, [len(blob) for blob in blobs]), *blobs))


def write(file: Path, header: dict[str, Any], blobs: Sequence[Stored]) -> None:
    """Write a parcel of blobs that lie in files, a bounded number of bytes at a time."""
    begin = head(header, [blob.size for blob in blobs])
    write_pieces(file, chain([begin], *(blob.pieces() for blob in blobs)))


@dataclass(frozen=True)
class Stored:
    """One blob where it lies in a file: a parcel's, or its own."""

    file: Path
    start: int
    size: int

    @classmethod
    def whole(cls, file: Path) -> Stored:
        """Return a file as one blob."""
        return cls(file, 0, file.stat().st_size)

    def pieces(self) -> Iterator[bytes]:
        """Yield its bytes, a bounded number at a time."""
        with self.file.open("rb") as source:
            source.seek(self.start)
            left = self.size
            while left and (piece := source.read(min(_PIECE, left))):
                left -= len(piece)
                yield piece

    def digest(self) -> str:
        """Return its SHA-256 in hex."""
        found = hashlib.sha256()
        for piece in self.pieces():
            found.update(piece)
        return found.hexdigest()


def head(header: dict[str, Any], lengths: Sequence[int]) -> bytes:
    """Return what stands before the blobs."""
    said = canonical_json({"header": header, "lengths": list(lengths)})
    return b"".join((_MAGIC, len(said).to_bytes(4, "big"), said))


def open_file(
    file: Path, *, needs: Sequence[str] = (), each: str | None = None, empty: bool = False
) -> tuple[dict[str, Any], list[Stored]]:
    """Like `unpack`, of a parcel in a file; the blobs stay there."""
    size = file.stat().st_size
    with file.open("rb") as source:
        start = 8 + min(int.from_bytes(source.read(8)[4:8], "big"), size)
        source.seek(0)
        header, lengths = _head(source.read(start), size, needs, each, empty)
    blobs = []
    for length in lengths:
        blobs.append(Stored(file, start, length))
        start += length
    return header, blobs


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
    header, lengths = _head(data, len(data), needs, each, empty)
    start = 8 + int.from_bytes(data[4:8], "big")
    blobs = []
    for length in lengths:
        blobs.append(data[start : start + length])
        start += length
    return header, blobs


def _head(
    data: bytes, size: int, needs: Sequence[str], each: str | None, empty: bool
) -> tuple[dict[str, Any], list[int]]:
    """Return header and lengths of a parcel of ``size`` bytes that begins with ``data``."""
    try:
        if data[:4] != _MAGIC:
            raise ValueError
        start = 8 + int.from_bytes(data[4:8], "big")
        said = orjson.loads(data[8:start])
        header, lengths = said["header"], said["lengths"]
        if min(lengths, default=0) < 0 or start + sum(lengths) != size:
            raise ValueError
    except (ValueError, KeyError, TypeError) as error:
        raise UserError("parcel.malformed", "The message's body is not a whole parcel.") from error
    wanted = {*needs, *([each] if each else [])}
    if not isinstance(header, dict) or wanted - header.keys() or not (lengths or empty):
        raise _unfit()
    listed = header[each] if each else lengths
    if not isinstance(listed, list) or len(listed) != len(lengths):
        raise _unfit()
    return header, lengths


def _unfit() -> UserError:
    return UserError("parcel.malformed", "The parcel's header is not that of such a message.")
