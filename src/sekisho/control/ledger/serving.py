"""What a body serves of its ledger to anyone: C2SP tlog-tiles, read only.

Entries are public: none names a person, and none lets a reader link one (docs/explanation/ledger).
"""

from __future__ import annotations

from sekisho.control.ledger.layout import (
    CHECKPOINT,
    ENTRIES,
    HASH,
    pack_bundle,
    reach_of,
    read_tile_path,
    unpack_bundle,
    witness_of,
)
from sekisho.control.ledger.reading import TileReader


def served(log: TileReader, name: str) -> bytes | None:
    """Return the file ``name`` of a log; None for what it has not, or has not signed yet.

    A partial tile of an earlier checkpoint is cut from the wider one that took its place.
    """
    if name == CHECKPOINT or witness_of(name) is not None:
        return log.files.read(name)
    tile = read_tile_path(name)
    reach = reach_of(name)
    if tile is None or reach is None or reach > log.size:
        return None
    level, index, width = tile
    data = log.tile(level, index, width)
    if level == ENTRIES:
        return pack_bundle(unpack_bundle(data)[:width])
    return data[: width * HASH]
