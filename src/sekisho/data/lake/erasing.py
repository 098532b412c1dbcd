"""Physical erasure from a Delta table: no version, old or new, holds the rows afterwards.

Our tables are only ever appended to, so every version is a list of files. A file that holds rows to
be erased is written anew without them, the log's line that adds it is made to name the new file,
and the old file is deleted. Versions keep their numbers: an older snapshot still reads, without
what was erased. Every step can be done again after a crash: nothing is deleted before no line of
the log names it.

What the Delta protocol calls history is thereby rewritten, on purpose; the body's ledger says when.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sekisho.common.atomicfile import sync_folder, write_atomically
from sekisho.common.canonical import digest
from sekisho.common.errors import Defect

Action = dict[str, Any]
"""One line of a Delta log."""
Chosen = Callable[[pa.Table], pa.ChunkedArray]
"""Rows → a mask of those to be erased."""


def erase_rows(folder: Path, chosen: Chosen) -> int:
    """Erase ``chosen`` rows from every version of the Delta table in ``folder``.

    Returns:
        How many files were written anew.
    """
    new_of: dict[str, Path] = {}
    for old in data_files(folder):
        rows = pq.read_table(old)
        mask = chosen(rows)
        if pc.any(mask, min_count=0).as_py():
            new_of[old.name] = _write(folder, old, rows.filter(pc.invert(mask)))
    sync_folder(folder)
    _rewrite_log(folder, new_of)
    named = {path.name for path in data_files(folder)}
    for file in folder.glob("*.parquet"):
        if file.name not in named:  # also what an erasure that broke off left behind
            file.unlink()
    sync_folder(folder)
    return len(new_of)


def data_files(folder: Path) -> Iterator[Path]:
    """Yield the files that any version of the table is made of, in order of their names."""
    named = {
        unquote(action["add"]["path"])
        for lines in _log(folder).values()
        for action in lines
        if "add" in action
    }
    yield from (folder / name for name in sorted(named))


def _write(folder: Path, old: Path, rows: pa.Table) -> Path:
    """Write what is left of a file; the name follows from both, so that doing it again is safe."""
    buffer = io.BytesIO()
    # No statistics: a footer's least and greatest value could be one of an erased row's twin.
    pq.write_table(rows, buffer, compression="snappy", write_statistics=False)
    data = buffer.getvalue()
    new = folder / f"part-{digest(old.name.encode() + data)[:32]}.snappy.parquet"
    with new.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return new


def _log(folder: Path) -> dict[Path, list[Action]]:
    """Return the log's files, from version 0 on, each with its actions."""
    files = sorted((folder / "_delta_log").glob("*.json"))
    if [int(file.stem) for file in files] != list(range(len(files))):
        raise Defect(
            "lake.log-incomplete",
            "A table's log lacks versions; nothing was erased from it.",
            next_step="restore the log from a backup, then apply the opt-out list again",
        )
    return {
        file: [orjson.loads(line) for line in file.read_bytes().splitlines() if line]
        for file in files
    }


def _rewrite_log(folder: Path, new_of: dict[str, Path]) -> None:
    if not new_of:
        return
    # A checkpoint repeats the log's lines; all of them are in the JSON files, which are kept.
    log = folder / "_delta_log"
    (log / "_last_checkpoint").unlink(missing_ok=True)
    for checkpoint in log.glob("*.checkpoint*.parquet"):
        checkpoint.unlink()
    for file, actions in _log(folder).items():
        changed = [action for action in actions if _renewed(action, new_of)]
        if not changed:
            continue
        total = sum(_records(action) for action in actions if "add" in action)
        for action in actions:
            metrics = action.get("commitInfo", {}).get("operationMetrics", {})
            if "num_added_rows" in metrics:
                metrics["num_added_rows"] = total
        write_atomically(file, b"\n".join(orjson.dumps(action) for action in actions) + b"\n")


def _renewed(action: Action, new_of: dict[str, Path]) -> bool:
    """Make an ``add`` line name the new file; tell whether it did."""
    add = action.get("add")
    if not isinstance(add, dict) or unquote(add["path"]) not in new_of:
        return False
    new = new_of[unquote(add["path"])]
    rows = pq.read_metadata(new).num_rows
    add |= {
        "path": quote(new.name),
        "size": new.stat().st_size,
        "stats": orjson.dumps(
            {"numRecords": rows, "minValues": {}, "maxValues": {}, "nullCount": {}}
        ).decode(),
    }
    return True


def _records(action: Action) -> int:
    return int(orjson.loads(action["add"]["stats"])["numRecords"])
