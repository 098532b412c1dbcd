"""A person's erasure from a whole lake: every table, the notes of replaced records, the keys.

The order makes each step repeatable: the notes first (they name records), then the rows, then the
persons' keys, by which the rows are found. What was counted is noted before the first row goes, so
that doing it again after a crash tells the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sekisho.common.atomicfile import write_atomically
from sekisho.common.canonical import canonical_json
from sekisho.common.errors import Defect
from sekisho.data.lake import erasing

_LINKS = ["person_key", "data_class", "provider", "source_id"]


@dataclass(frozen=True)
class Erasure:
    """What one erasure took away: counts of many, never whose.

    Args:
        id: of the erasure; asking for the same again changes nothing and tells the same.
        snapshot: the newest snapshot at the time; it and all before it read without the rows.
        rows: table → rows of all versions.
        searched: files that were read again afterwards, and held nothing of the persons.
    """

    id: str
    snapshot: int
    persons: int
    rows: Mapping[str, int]
    searched: int = 0

    def to_dict(self) -> dict[str, Any]:
        return {"snapshot": self.snapshot, "persons": self.persons, "rows": dict(self.rows)}


class Notes:
    """The erasures of a lake, one file, kept because older snapshots no longer read as they did."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "erasures.json"

    def all(self) -> tuple[Erasure, ...]:
        if not self._file.exists():
            return ()
        kept = orjson.loads(self._file.read_bytes())
        return tuple(Erasure(id=name, **said) for name, said in kept.items())

    def find(self, id: str) -> Erasure | None:
        return next((one for one in self.all() if one.id == id), None)

    def add(self, erasure: Erasure) -> None:
        kept = {one.id: one.to_dict() for one in (*self.all(), erasure)}
        write_atomically(self._file, canonical_json(kept))


@dataclass(frozen=True)
class Targets:
    """Whose rows of which classes go."""

    keys: Mapping[str, Collection[str]]
    """person key → data classes"""

    def mask(self, rows: pa.Table) -> pa.ChunkedArray:
        """Return which rows go, of a table with ``person_key`` and ``data_class``."""
        pairs = pa.array([f"{k}|{c}" for k, cs in self.keys.items() for c in cs], pa.string())
        named = pc.binary_join_element_wise(rows["person_key"], rows["data_class"], "|")
        return pc.fill_null(pc.is_in(named, value_set=pairs), False)


def count(tables: Mapping[str, Path], targets: Targets) -> dict[str, int]:
    """Return table → rows that would go, where there are any."""
    found: dict[str, int] = {}
    for name, folder in tables.items():
        for rows in _read(folder):
            gone = int(pc.sum(targets.mask(rows)).as_py() or 0)
            found[name] = found.get(name, 0) + gone
    return {name: number for name, number in found.items() if number}


def lone_units(tables: Mapping[str, Path], targets: Targets) -> pa.Array:
    """Return ``provider|unit`` of every record of which no row stays in any table."""
    gone, stays = [pa.array([], pa.string())], [pa.array([], pa.string())]
    for folder in tables.values():
        for rows in _read(folder):
            mask = targets.mask(rows)
            gone.append(units(rows.filter(mask)))
            stays.append(units(rows.filter(pc.invert(mask))))
    found = pa.concat_arrays(gone).unique()
    return found.filter(pc.invert(pc.is_in(found, value_set=pa.concat_arrays(stays).unique())))


def units(rows: pa.Table) -> pa.Array:
    """Return ``provider|unit`` of each row: what stands before the point of its source id."""
    unit = pc.replace_substring_regex(rows["source_id"], r"\..*$", "")
    named = pc.binary_join_element_wise(rows["provider"], unit, "|").combine_chunks()
    return pa.concat_arrays(named.chunks) if isinstance(named, pa.ChunkedArray) else named


def still_used(tables: Mapping[str, Path], keys: Collection[str]) -> set[str]:
    """Return those of ``keys`` under which rows are left."""
    asked = pa.array(sorted(keys), pa.string())
    found: set[str] = set()
    for folder in tables.values():
        for rows in _read(folder):
            here = rows["person_key"]
            found |= set(here.filter(pc.is_in(here, value_set=asked)).unique().to_pylist())
    return found


def prove(
    folder: Path,
    tables: Mapping[str, Path],
    targets: Targets,
    records: pa.Array,
    words: Collection[str],
) -> int:
    """Read every file of the lake again; return how many, none with anything of the persons.

    Args:
        records: units (`lone_units`) that must stand nowhere.
        words: keys and wrapped pseudonyms that must stand nowhere, not in a log either.

    Raises:
        Defect: something is left.
    """
    files = 0
    homes = {home: name for name, home in tables.items()}
    sought = pa.array(sorted(words), pa.string())
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        files += 1
        raw = file.read_bytes()
        left = any(word.encode() in raw for word in words)
        if file.suffix == ".parquet":
            rows = pq.read_table(file)
            left |= any(
                pc.any(pc.is_in(rows[column], value_set=sought), min_count=0).as_py()
                for column in rows.column_names
                if pa.types.is_string(rows.schema.field(column).type)
            )
            if file.parent in homes:
                left |= bool(pc.any(targets.mask(rows), min_count=0).as_py())
                left |= bool(pc.any(pc.is_in(units(rows), value_set=records)).as_py())
        if left:
            raise Defect(
                "lake.not-erased",
                "A file of the lake still holds something of a person who was to be erased.",
                next_step="stop the body's work and tell its operator; the list is applied again",
            )
    return files


def _read(folder: Path) -> Iterator[pa.Table]:
    for file in erasing.data_files(folder):
        yield pq.read_table(file, columns=_LINKS)
