"""The collector: takes what the study declared from what the job left, after the job has died.

Rules it keeps:
- only the declared source tables are read, one file each; everything else is counted, not read;
- plain files with one name only, opened without following a link, within size caps;
- a file is parsed strictly, within caps on rows, columns and the size after decompression;
- nothing that the job computed in aggregate leaves: what is read here goes to the table builder.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from sekisho.common.canonical import digest
from sekisho.common.errors import Refusal
from sekisho.data.analysis.outbox import count_entries, read_item
from sekisho.data.analysis.study import StudyPackage


@dataclass(frozen=True)
class Caps:
    """How much one source table may be, before and after decompression."""

    file_bytes: int = 100 * 1024 * 1024
    table_bytes: int = 500 * 1024 * 1024
    rows: int = 20_000_000
    columns: int = 64


@dataclass(frozen=True, eq=False)
class Collected:
    """The declared tables by source name, their digests, and how many entries were ignored."""

    tables: dict[str, pa.Table]
    digests: dict[str, str]
    ignored: int


def collect(folder: Path, study: StudyPackage, caps: Caps | None = None) -> Collected:
    """Read the source tables of ``study`` from ``folder``, which nothing writes to any more.

    Raises:
        Refusal: a declared table is missing, doubled, too large or not what it says it is.
    """
    caps = caps or Caps()
    tables: dict[str, pa.Table] = {}
    digests: dict[str, str] = {}
    for source in study.sources:
        needed = {c for o in study.outputs if o.source == source for c in o.dimensions}
        found = [
            (suffix, item)
            for suffix in ("parquet", "csv")
            if (item := read_item(folder, f"{source}.{suffix}", caps.file_bytes)) is not None
        ]
        if len(found) != 1:
            what = "missing" if not found else "there twice, as parquet and as csv"
            raise _refuse("collector.table", source, f"is {what}")
        suffix, item = found[0]
        if item.content is None:
            raise _refuse("collector.file", source, f"was not taken: {item.reason}")
        columns = ["person_id", *sorted(needed)]
        try:
            read = _parquet if suffix == "parquet" else _csv
            tables[source] = read(item.content, columns, source, caps)
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            # The parser's message may quote a value: it is dropped here.
            raise _refuse("collector.unreadable", source, "is not a plain table") from error
        digests[source] = digest(item.content)
    return Collected(tables, digests, count_entries(folder) - len(tables))


def _parquet(content: bytes, columns: Iterable[str], source: str, caps: Caps) -> pa.Table:
    file = pq.ParquetFile(io.BytesIO(content))
    meta = file.metadata
    size = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
    if meta.num_columns > caps.columns or meta.num_rows > caps.rows or size > caps.table_bytes:
        raise _refuse("collector.too-large", source, "is larger than allowed")
    _require(file.schema_arrow.names, columns, source)
    for name in columns:
        if pa.types.is_nested(file.schema_arrow.field(name).type):
            raise _refuse("collector.nested", source, "has a nested column")
    # Sizes in the footer are the file's own claim, so what is read is measured as it comes.
    batches, seen, rows = [], 0, 0
    for batch in file.iter_batches(batch_size=65_536, columns=list(columns), use_threads=False):
        seen += batch.nbytes
        rows += batch.num_rows
        if seen > caps.table_bytes or rows > caps.rows:
            raise _refuse("collector.too-large", source, "is larger than allowed")
        batches.append(batch)
    schema = pa.schema([file.schema_arrow.field(name) for name in columns])
    return pa.Table.from_batches(batches, schema if not batches else batches[0].schema)


def _csv(content: bytes, columns: Iterable[str], source: str, caps: Caps) -> pa.Table:
    if b"\0" in content:
        raise _refuse("collector.unreadable", source, "is not a plain table")
    if content.count(b"\n") > caps.rows + 1:
        raise _refuse("collector.too-large", source, "is larger than allowed")
    first = content.split(b"\n", 1)[0].decode("utf-8").removeprefix("\ufeff").rstrip("\r")
    names = next(csv.reader([first]), [])
    if len(names) > caps.columns:
        raise _refuse("collector.too-large", source, "is larger than allowed")
    _require(names, columns, source)
    # Every dimension is text as written: guessing would turn the code 010 into the number 10.
    types = {name: pa.int64() if name == "person_id" else pa.string() for name in columns}
    return pc.read_csv(
        io.BytesIO(content),
        read_options=pc.ReadOptions(use_threads=False),
        convert_options=pc.ConvertOptions(
            column_types=types,
            include_columns=list(columns),
            strings_can_be_null=True,
            null_values=[""],
        ),
    )


def _require(names: list[str], columns: Iterable[str], source: str) -> None:
    for column in columns:
        if names.count(column) != 1:
            raise _refuse("collector.column", source, f"does not have one column {column!r}")


def _refuse(code: str, source: str, what: str) -> Refusal:
    return Refusal(
        code,
        f"The study's table {source!r} {what}.",
        rule="only declared, plain, readable tables are collected (reference: collector)",
        next_step=f"write /out/{source}.parquet or /out/{source}.csv with one row per person",
    )
