"""What codes mean, joined to rows as they are read: concepts, and the table where a row belongs.

Rows are kept as they came. Beside them stands, per batch, which version of the vocabulary counts,
so that a snapshot reads the same for ever and a better version can be applied to old batches.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from sekisho.cdm import CODED, Column, Table, table
from sekisho.data.lake.engine import Session
from sekisho.data.lake.layout import held_schema
from sekisho.data.lake.meaning import MEANT, define_coded, stem_of
from sekisho.data.lake.sql import Sql, fill, literal, name

IN_FORCE: Final = "vocabulary"
"""The table (Delta) of which version counts for which batch."""
IN_FORCE_SCHEMA: Final = pa.schema(
    [("batch", pa.int64()), ("version", pa.string()), ("since", pa.int64())]
)
"""``since``: 0 from landing on, else the snapshot from which it counts; the greatest counts."""
MAP_SCHEMA: Final = pa.schema(
    [
        ("version", pa.string()),
        ("vocabulary", pa.string()),
        ("code", pa.string()),
        ("canonical", pa.string()),
        ("source_concept_id", pa.int64()),
        ("concept_id", pa.int64()),
        ("domain_id", pa.string()),
        ("value_concept_id", pa.int64()),
    ]
)
"""``canonical``: by which name a code is compared with codes of other systems;
``value_concept_id``: the value that the code itself states (OMOP: Maps to value)."""
NAMES_SCHEMA: Final = pa.schema(
    [
        ("version", pa.string()),
        ("name", pa.string()),
        ("vocabulary", pa.string()),
        ("icd", pa.bool_()),
    ]
)
"""``name``: what stands in a row, empty where no system does; ``icd``: dot and hyphen of its codes
do not count."""
STEMS_SCHEMA: Final = pa.schema(
    [
        ("version", pa.string()),
        ("vocabulary", pa.string()),
        ("first", pa.int64()),
        ("stem", pa.string()),
    ]
)
"""By how many of its first characters a code is read that no map knows as a whole."""


ANCESTORS_SCHEMA: Final = pa.schema([("ancestor", pa.int64()), ("descendant", pa.int64())])
"""Concepts below a concept, at any depth (OMOP CONCEPT_ANCESTOR)."""


@dataclass(frozen=True)
class VocabularyFiles:
    """The files of one version of a vocabulary."""

    folder: Path

    @property
    def map(self) -> Path:
        return self.folder / "map.parquet"

    @property
    def names(self) -> Path:
        return self.folder / "names.parquet"

    @property
    def ancestors(self) -> Path:
        return self.folder / "ancestors.parquet"

    @property
    def stems(self) -> Path:
        return self.folder / "stems.parquet"


def in_force(batches: Collection[int], version: str, since: int) -> pa.Table:
    """Return rows that let ``version`` count for ``batches``."""
    rows = [{"batch": batch, "version": version, "since": since} for batch in batches]
    return pa.Table.from_pylist(rows, IN_FORCE_SCHEMA)


def define_meant(session: Session, tables: Collection[str], files: list[VocabularyFiles]) -> None:
    """Define each of ``tables`` as the rows that belong there, with their canonical code.

    Reads ``current_TABLE`` (of every coded table where there are ``files``), ``all_vocabulary``.
    A table without codes is left as it is.
    """
    coded = [name for name in CODED if name in tables]
    if not files:
        for target in coded:
            session.define(target, _uncoded(target))
        return
    session.define("vocabulary_in_force", Sql(_LATEST), keep=True)
    session.add_files("vocabulary_names", [str(one.names) for one in files], NAMES_SCHEMA)
    session.add_files("vocabulary_map", [str(one.map) for one in files], MAP_SCHEMA)
    ancestors = [str(one.ancestors) for one in files]
    session.add_files("vocabulary_ancestors", ancestors, ANCESTORS_SCHEMA)
    session.add_files("vocabulary_stems", [str(one.stems) for one in files], STEMS_SCHEMA)
    for source in CODED:
        define_coded(session, table(source))
    for target in coded:
        session.define(target, _meant(target, CODED))


def define_descendants(session: Session, target: str, concepts: Collection[int]) -> None:
    """Define ``target`` (concept_id): ``concepts`` and all below them that a vocabulary names.

    To be asked where codes are read by a vocabulary.
    """
    asked = pa.table({"concept_id": pa.array(sorted(set(concepts)), pa.int64())})
    session.add(f"{target}_asked", asked)
    query = fill(_DESCENDANTS, asked=name(f"{target}_asked"))
    session.define(target, query, keep=True)


def _meant(target: str, of: Iterable[str]) -> Sql:
    """Return the query for the rows that belong to table ``target``, with their ``canonical``.

    Reads ``coded_TABLE`` of each table in ``of``.
    """
    into = table(target)
    parts = [_moved(table(source), into) for source in of]
    return Sql("\nUNION ALL\n".join(parts))


def _uncoded(source: str) -> Sql:
    """Return the query for current rows of a coded table where no vocabulary counts."""
    return fill(
        "SELECT l.*, CAST(NULL AS STRING) AS canonical FROM {it} l", it=name(f"current_{source}")
    )


def _moved(source: Table, target: Table) -> Sql:
    """Return the rows of ``source`` that belong to ``target``, in its columns."""
    given = {_plain(source, column): column for column in source.content}
    columns = [
        f"l.{field}" for field in held_schema(target.name).names if field not in target.names
    ]
    columns += [_value(source, target, column, given) for column in target.content]
    return fill(
        "SELECT {columns}, l.said AS canonical FROM {it} l WHERE l.home = {target}",
        columns=Sql(", ".join(columns)),
        it=name(f"coded_{source.name}"),
        target=literal(target.name),
    )


def _value(source: Table, target: Table, column: Column, given: dict[str, Column]) -> str:
    plain = _plain(target, column)
    same = given.get(plain)
    if plain in MEANT:
        it = f"l.{MEANT[plain]}"
    elif same is not None and same.type == column.type:
        it = f"l.{same.name}"
    elif column.name.endswith("_concept_id"):
        it = "CAST(0 AS BIGINT)"
    else:
        kind = {"int64": "BIGINT", "date": "DATE"}.get(column.type, "STRING")
        it = f"CAST(NULL AS {kind})"
    return f"{it} AS {column.name}"


def _plain(of: Table, column: Column) -> str:
    """Return a column's name as it is compared between tables: ``*date``, ``*end_date`` …"""
    rest = column.name
    for start in (of.name, stem_of(of)):
        if rest.startswith(f"{start}_"):
            rest = "*" + rest.removeprefix(f"{start}_")
            break
    return rest.replace("*start_date", "*date")


_DESCENDANTS = """
SELECT concept_id FROM {asked}
UNION SELECT v.descendant FROM vocabulary_ancestors v JOIN {asked} a ON a.concept_id = v.ancestor
"""
_LATEST = """
SELECT a.batch, a.version FROM all_vocabulary a
JOIN (SELECT batch, max(since) AS since FROM all_vocabulary GROUP BY batch) b
  ON b.batch = a.batch AND b.since = a.since
"""
VERSIONS: Final = fill("SELECT DISTINCT version FROM ({it}) l ORDER BY version", it=Sql(_LATEST))
OTHERS: Final = """
SELECT batch FROM ({held}) h WHERE NOT EXISTS (SELECT 1 FROM ({latest}) l
  WHERE l.batch = h.batch AND l.version = {version})
""".replace("{latest}", _LATEST)
"""Batches for which another version, or none, counts."""
