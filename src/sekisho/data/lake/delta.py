"""Delta tables: create, append once, list files. The only module that knows Delta Lake."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from sekisho.common.atomicfile import sync_file, sync_folder
from sekisho.common.errors import Defect

if TYPE_CHECKING:
    import pyarrow.parquet as pq
    from deltalake.transaction import AddAction

# The log would otherwise keep the smallest and largest value of every column of every file,
# also after an erasure; readers here need the list of files only.
# The log's files are all kept: an older snapshot is read from them, and an erasure rewrites them.
_CONFIGURATION = {
    "delta.dataSkippingNumIndexedCols": "0",
    "delta.enableExpiredLogCleanup": "false",
}

_FILE_ROWS = 1 << 20
"""Rows of one file at most, about: an erasure reads a file whole."""


def exists(folder: Path) -> bool:
    from deltalake import DeltaTable

    return _log(folder).is_dir() and bool(DeltaTable.is_deltatable(str(folder)))


def version(folder: Path) -> int:
    """Return the table's newest version: that of the log's newest file, since all are kept."""
    return max(int(file.stem) for file in _log(folder).glob("*.json") if file.stem.isdigit())


def files(folder: Path, at: int | None = None) -> list[str]:
    """Return the paths of the table's data files at a version (the newest where None)."""
    from deltalake import DeltaTable

    # Delta Lake spells a local path as in a URI: a space or kanji is percent-encoded.
    uris = DeltaTable(str(folder), version=at).file_uris()
    return sorted(unquote(uri.removeprefix("file://")) for uri in uris)


def count(folder: Path, column: str | None = None, value: int = 0) -> int:
    """Return how many of the newest rows have ``value`` in ``column``, or how many there are."""
    import pyarrow.dataset as ds

    found = files(folder)
    wanted = None if column is None else pc.field(column) == value
    return int(ds.dataset(found).count_rows(filter=wanted)) if found else 0


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
    """Append ``rows`` in one commit, in memory for one of its batches, and make it durable.

    Args:
        app: where given, the commit carries (app, number), so that `landed_as` finds it.
    """
    from deltalake import CommitProperties, DeltaTable, Schema, Transaction
    from deltalake.transaction import create_table_with_add_actions

    table = DeltaTable(str(folder)) if exists(folder) else None
    now = 0 if table is None else table.version() + 1
    folder.mkdir(parents=True, exist_ok=True)
    added = [_added(file) for file in _write(folder, rows, now)]
    mark = None if app is None else [Transaction(app, number)]
    properties = CommitProperties(app_transactions=mark)
    if table is None:
        create_table_with_add_actions(
            str(folder),
            Schema.from_arrow(rows.schema),
            added,
            configuration=_CONFIGURATION,
            commit_properties=properties,
        )
    else:
        table.create_write_transaction(
            [*added], "append", table.schema(), [], commit_properties=properties
        )
    sync_file(_log(folder) / f"{now:020}.json")
    sync_folder(_log(folder))
    if table is None:
        sync_folder(folder)
        sync_folder(folder.parent)


def require_held(name: str, rows: pa.Table, wanted: pa.Schema, batch: int) -> None:
    """Refuse rows that are not exactly in the layout of their table, or of another batch."""
    same = rows.schema.equals(wanted, check_metadata=False)
    if not same or pc.unique(rows.column("batch")).to_pylist() not in ([batch], []):
        raise Defect(
            "lake.wrong-layout",
            f"Rows for {name} are not in the held layout of batch {batch}.",
            next_step="build them with sekisho.data.lake.hold",
        )


def _log(folder: Path) -> Path:
    return folder / "_delta_log"


def _write(folder: Path, rows: pa.Table | pa.RecordBatchReader, version: int) -> list[Path]:
    """Write the files of a version durably; until it is committed, none counts.

    One with the same name is of an attempt that broke off.
    """
    import pyarrow.parquet as pq

    batches = rows.to_reader() if isinstance(rows, pa.Table) else rows
    made: list[Path] = []
    writer: pq.ParquetWriter | None = None
    size = 0
    for batch in batches:
        if writer is None or size + batch.num_rows > _FILE_ROWS:
            if writer is not None:
                writer.close()
            made.append(folder / f"part-{version:05}-{len(made):05}.zstd.parquet")
            writer = pq.ParquetWriter(made[-1], rows.schema, **_written_as(rows.schema))
            size = 0
        writer.write_batch(batch)
        size += batch.num_rows
    if writer is not None:
        writer.close()
    for file in made:
        sync_file(file)
    sync_folder(folder)
    return made


def _written_as(schema: pa.Schema) -> dict[str, Any]:
    """Return how a file is written.

    A footer's statistics of another column would keep values; names of records hardly repeat.
    """
    return {
        "compression": "zstd",
        "write_statistics": [name for name in schema.names if name == "batch"],
        "use_dictionary": [name for name in schema.names if name != "source_id"],
    }


def _added(file: Path) -> AddAction:
    """Return the log's line of a new file: only how many rows it has."""
    import pyarrow.parquet as pq
    from deltalake.transaction import AddAction

    there = file.stat()
    records = pq.read_metadata(file).num_rows
    return AddAction(
        file.name,
        there.st_size,
        {},
        there.st_mtime_ns // 1_000_000,
        True,
        orjson.dumps({"numRecords": records}).decode(),
    )
