"""A ledger as a folder for outsiders: tiles and checkpoint as they are, entries as JSON lines."""

from __future__ import annotations

from pathlib import Path

import orjson

from sekisho.common.atomicfile import write_atomically
from sekisho.common.errors import TamperError
from sekisho.control.ledger.layout import CHECKPOINT, files_of
from sekisho.control.ledger.reading import TileReader
from sekisho.control.ledger.tree import leaf_hash

ENTRIES_FILE = "entries.jsonl"
LEDGER = "ledger"


def export_ledger(log: TileReader, size: int, out: Path) -> None:
    """Write a verified log of ``size`` entries below ``out``; its checkpoint last."""
    out.mkdir(parents=True, exist_ok=True)
    for name in files_of(size):
        _copy(log, name, out / LEDGER)
    with (out / ENTRIES_FILE).open("wb") as lines:
        for index, entry in enumerate(log.entries()):
            said = {
                "index": index,
                "leaf_hash": leaf_hash(entry).hex(),
                "entry": orjson.loads(entry),
            }
            lines.write(orjson.dumps(said) + b"\n")
    _copy(log, CHECKPOINT, out / LEDGER)


def _copy(log: TileReader, name: str, out: Path) -> None:
    data = log.files.read(name)
    if data is None:
        raise TamperError("ledger.file-missing", f"The ledger lacks {name}.")
    write_atomically(out / name, data)
