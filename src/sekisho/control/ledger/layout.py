"""Where a ledger's files lie, and how a bundle of entries is spelled (C2SP tlog-tiles).

One departure on disk: partial tiles of earlier checkpoints are removed once a wider one stands,
because every file must be accounted for. Readers get them all the same, cut from the wider one
(`sekisho.control.ledger.serving`). ``cosigned/NAME`` is the checkpoint
that witness NAME signed last.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sekisho.common.errors import Defect, TamperError
from sekisho.control.ledger.edge import WIDTH, widths

CHECKPOINT = "checkpoint"
COSIGNED = "cosigned"
ENTRIES = "entries"
HASH = 32

_TILE = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([0-9]{1,3}))?")
_PARTY = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_COSIGNED = re.compile(rf"{COSIGNED}/({_PARTY})")
_UNFINISHED = re.compile(
    rf"(?:(?:tile/.*/)?\.(?:checkpoint|[0-9]+)|{COSIGNED}/\.{_PARTY})\.[0-9]+\.new"
)


def tile_path(level: int | str, index: int, width: int = WIDTH) -> str:
    """Return the path of a tile, or of a bundle where ``level`` is ``entries``."""
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03d}")
    suffix = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(reversed(groups))}{suffix}"


def read_tile_path(path: str) -> tuple[int | str, int, int] | None:
    """Return a tile's level (or ``entries``), index and width; None for any other spelling."""
    found = _TILE.fullmatch(path)
    if found is None:
        return None
    level = ENTRIES if found[1] == ENTRIES else int(found[1])
    index = int(found[2].replace("x", "").replace("/", ""))
    width = WIDTH if found[3] is None else int(found[3])
    spelled = width > 0 and tile_path(level, index, width) == path
    return (level, index, width) if spelled else None


def reach_of(path: str) -> int | None:
    """Return how many entries a tree has at least that has this tile; None for other files."""
    found = read_tile_path(path)
    if found is None:
        return None
    level, index, width = found
    reach: int = (index * WIDTH + width) * WIDTH ** (0 if level == ENTRIES else int(level))
    return reach


def cosigned_path(witness: str) -> str:
    """Return where the checkpoint lies that the body ``witness`` co-signed last."""
    return f"{COSIGNED}/{witness}"


def witness_of(path: str) -> str | None:
    """Return the body whose co-signed checkpoint this file is; None for other files."""
    found = _COSIGNED.fullmatch(path)
    return None if found is None else found[1]


def is_unfinished(path: str) -> bool:
    """Say whether this is a file of ours whose writing a crash cut off."""
    return _UNFINISHED.fullmatch(path) is not None


def files_of(size: int) -> Iterator[str]:
    """Yield the path of every file but the checkpoint that a tree of ``size`` has."""
    for index in range(size // WIDTH):
        yield tile_path(ENTRIES, index)
    if size % WIDTH:
        yield tile_path(ENTRIES, size // WIDTH, size % WIDTH)
    for level, width in enumerate(widths(size)):
        full = size // WIDTH ** (level + 1)
        for index in range(full):
            yield tile_path(level, index)
        if width:
            yield tile_path(level, full, width)


def pack_bundle(entries: Sequence[bytes]) -> bytes:
    """Return entries one after the other, each after its length as 16 bits."""
    parts = []
    for entry in entries:
        if len(entry) > 0xFFFF:
            raise Defect("ledger.entry-too-large", "An entry is over 64 KiB.")
        parts += [len(entry).to_bytes(2, "big"), entry]
    return b"".join(parts)


def unpack_bundle(data: bytes) -> list[bytes]:
    """Return the entries in a bundle.

    Raises:
        TamperError: the lengths do not add up.
    """
    entries, place = [], 0
    while place < len(data):
        start = place + 2
        place = start + int.from_bytes(data[place:start], "big")
        if start > len(data) or place > len(data):
            raise TamperError("ledger.bundle-broken", "A bundle of the ledger is cut short.")
        entries.append(data[start:place])
    return entries


def hashes_in(data: bytes) -> list[bytes]:
    """Return the hashes in a tile."""
    return [data[start : start + HASH] for start in range(0, len(data), HASH)]
