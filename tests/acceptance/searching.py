"""Finds texts in everything that bodies have on disk, however it is packed.

Every file is searched as it is; besides, SQLite tables are dumped cell by cell (with their WAL),
Parquet and Arrow pages are decompressed, and what was sealed to a body is opened with its key.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from sekisho.exchange import seal, tables
from sekisho.exchange.keys import SealKey

SHORTEST = 5


def search(folder: Path, wanted: Iterable[str]) -> dict[str, set[str]]:
    """Return place → texts found there, below a run's folder.

    Not searched: the history body, which alone may know persons, and what stays at providers.
    """
    needles = _needles(set(wanted))
    # Bytes as signs: polars searches for many texts at once, in UTF-8 only.
    everything = [(place, data.decode("latin-1")) for place, data in contents(folder)]
    column = pl.Series([data for _, data in everything])
    hits = column.str.extract_many(list(needles), overlapping=True)
    found: dict[str, set[str]] = {}
    for (place, data), spellings in zip(everything, hits, strict=True):
        for spelled in set(spellings):
            if _is_alone(spelled, data):
                found.setdefault(place, set()).add(needles[spelled])
    return found


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield place and bytes of everything that is searched."""
    for file in sorted(folder.rglob("*")):
        parts = file.relative_to(folder).parts
        if parts[:2] == ("bodies", "history") or parts[0] in ("providers", "actors"):
            continue
        if file.is_file():
            yield "/".join(parts), file.read_bytes()
            for data in _unpacked(file, folder):
                yield "/".join(parts) + " (unpacked)", data


def _unpacked(file: Path, folder: Path) -> Iterator[bytes]:
    if file.suffix == ".sqlite3":
        yield from _cells_of_database(file)
    elif file.suffix == ".parquet":
        yield from _cells(pq.read_table(file, partitioning=None))
    elif file.suffix == ".part" or "quarantine" in file.parts:
        yield from _packed(file.read_bytes())
    elif file.name == "payload" and "transfers" in file.parts:
        body = folder / "bodies" / file.relative_to(folder).parts[1]
        key = SealKey.read(body / "keys" / "seal")
        yield from _packed(seal.open_sealed(file.read_bytes(), key))


def _cells_of_database(file: Path) -> Iterator[bytes]:
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
        database.text_factory = bytes
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in names:
            for row in database.execute(f'SELECT * FROM "{name.decode()}"'):
                yield b"\n".join(cell for cell in row if isinstance(cell, bytes))


def _packed(data: bytes) -> Iterator[bytes]:
    for table in tables.unpack(data).values():
        yield from _cells(table)


def _cells(table: pa.Table) -> Iterator[bytes]:
    for column in table.columns:
        yield "\n".join(str(value) for value in column.to_pylist()).encode()
        if pa.types.is_binary(column.type):
            yield b"\n".join(value for value in column.to_pylist() if value is not None)


def _needles(wanted: Iterable[str]) -> dict[str, str]:
    """Return every encoded spelling, a sign for a byte → the text that it spells."""
    assert all(len(text.encode()) >= SHORTEST for text in wanted)
    return {spelled.decode("latin-1"): text for text in wanted for spelled in _encoded(text)}


def _encoded(text: str) -> set[bytes]:
    plain = text.encode()
    escaped = json.dumps(text)[1:-1].encode()  # as JSON without letters beyond ASCII
    spelled = {plain, text.encode("utf-16-le"), escaped, plain.hex().encode()}
    with contextlib.suppress(UnicodeEncodeError):
        spelled.add(text.encode("cp932"))
    return spelled


def _is_alone(spelled: str, data: str) -> bool:
    """Tell whether a short number stands in ``data`` outside the digits of a digest."""
    if not spelled.isdigit() or len(spelled) > 12:
        return True
    return re.search(f"(?<![0-9a-fA-F]){spelled}(?![0-9a-fA-F])", data) is not None


def widths(text: str) -> set[str]:
    """Return a text in half width and in full width."""
    half = "".join(chr(ord(c) - 0xFEE0) if "！" <= c <= "～" else c for c in text)
    return {text, half, "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in half)}


def number_spellings(*parts: Any) -> set[str]:
    """Return how a number of several parts may be written as one: joined, in both widths."""
    given = [str(part) for part in parts]
    shorts = [given, [part.lstrip("0") for part in given], [part for part in given if part]]
    joined = {mark.join(one) for one in shorts for mark in ("", ":", "-", " ", ",", "・")}
    return {spelled for one in joined for spelled in widths(one) if len(spelled) >= 8}
