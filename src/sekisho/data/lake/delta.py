"""Delta tables: create, append once, list files. The only module that knows Delta Lake."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.common.atomicfile import sync_folder
from sekisho.common.errors import Defect

# The log would otherwise keep the smallest and largest value of every column of every file,
# also after an erasure; readers here need the list of files only.
# The log's files are all kept: an older snapshot is read from them, and an erasure rewrites them.
_CONFIGURATION = {
    "delta.dataSkippingNumIndexedCols": "0",
    "delta.enableExpiredLogCleanup": "false",
}


def exists(folder: Path) -> bool:
    from deltalake import DeltaTable

    return (folder / "_delta_log").is_dir() and bool(DeltaTable.is_deltatable(str(folder)))


def version(folder: Path) -> int:
    """Return the table's newest version."""
    from deltalake import DeltaTable

    return int(DeltaTable(str(folder)).version())


def files(folder: Path, at: int | None = None) -> list[str]:
    """Return the paths of the table's data files at a version (the newest where None)."""
    from deltalake import DeltaTable

    # Delta Lake spells a local path as in a URI: a space or kanji is percent-encoded.
    uris = DeltaTable(str(folder), version=at).file_uris()
    return sorted(unquote(uri.removeprefix("file://")) for uri in uris)


def where(folder: Path, column: str, value: int) -> pa.Table | None:
    """Return the newest rows of a small table whose ``column`` has ``value``; None: it is empty."""
    import pyarrow.parquet as pq

    found = files(folder)
    return pq.read_table(found, filters=pc.field(column) == value) if found else None


def landed_as(folder: Path, app: str) -> int | None:
    """Return the number under which ``app`` has written to the table, None if it has not."""
    from deltalake import DeltaTable

    if not exists(folder):
        return None
    number = DeltaTable(str(folder)).transaction_version(app)
    return None if number is None else int(number)


def append(
    folder: Path,
    rows: pa.Table | pa.RecordBatchReader,
    *,
    app: str | None = None,
    number: int = 0,
) -> None:
    """Append ``rows`` in one commit and make it durable.

    Args:
        app: where given, the commit carries (app, number), so that `landed_as` finds it.
    """
    from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

    if not exists(folder):
        folder.mkdir(parents=True, exist_ok=True)
        DeltaTable.create(str(folder), schema=rows.schema, configuration=_CONFIGURATION)
    before = _contents(folder)
    mark = None if app is None else [Transaction(app, number)]
    write_deltalake(
        str(folder),
        rows,
        mode="append",
        commit_properties=CommitProperties(app_transactions=mark),
    )
    _make_durable(folder, sorted(_contents(folder) - before))


def require_held(name: str, rows: pa.Table, wanted: pa.Schema, batch: int) -> None:
    """Refuse rows that are not exactly in the layout of their table, or of another batch."""
    same = rows.schema.equals(wanted, check_metadata=False)
    if not same or pc.unique(rows.column("batch")).to_pylist() not in ([batch], []):
        raise Defect(
            "lake.wrong-layout",
            f"Rows for {name} are not in the held layout of batch {batch}.",
            next_step="build them with sekisho.data.lake.hold",
        )


def _contents(folder: Path) -> set[Path]:
    return set(folder.glob("*.parquet")) | set((folder / "_delta_log").glob("*.json"))


def _make_durable(folder: Path, new: Sequence[Path]) -> None:
    for path in new:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    sync_folder(folder)
    sync_folder(folder / "_delta_log")
