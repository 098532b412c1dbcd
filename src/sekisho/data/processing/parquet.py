"""The one canonical writer of files that leave or enter: same rows, same bytes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sekisho.common.atomicfile import sync_folder
from sekisho.common.canonical import file_digest

ROW_GROUP = 131_072


def write_tables(tables: Mapping[str, pa.Table], folder: Path) -> dict[str, str]:
    """Write each table as ``folder/NAME.parquet``; return name → SHA-256 of the file.

    The order of rows is the caller's. No times, no schema metadata, no chunk borders of the input
    reach the file; a file is the old one or the whole new one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return {name: _write(rows, folder / f"{name}.parquet") for name, rows in sorted(tables.items())}


def _write(rows: pa.Table, path: Path) -> str:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    plain = rows.replace_schema_metadata(None).combine_chunks()
    with temporary.open("wb") as file:
        pq.write_table(
            plain,
            file,
            row_group_size=ROW_GROUP,
            version="2.6",
            data_page_version="1.0",
            compression="zstd",
            compression_level=3,
            use_dictionary=True,
            write_statistics=True,
            store_schema=False,
        )
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)
    return file_digest(path)
