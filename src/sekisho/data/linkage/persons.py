"""Who is the same person in a project: parts united under the project's pseudonyms.

A session holds ``tags`` (part, tag, pseudonym) and, for each table, its rows with part and tag.
Nothing here knows a holder's name or order: results follow from pseudonyms and content alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from sekisho.common.errors import PeerError
from sekisho.data.lake import Session
from sekisho.data.lake.sql import Sql, fill, name, names

PSEUDONYM_BYTES = 32
"""A ristretto255 element (RFC 9496)."""


@dataclass(frozen=True)
class Overlap:
    """Linkage figures: distinct persons, and those of whom more than one holder has records."""

    persons: int
    at_several_holders: int


def add_tags(session: Session, parts: Sequence[Mapping[str, bytes]]) -> None:
    """Define ``tags`` from each part's mapping of tag → project pseudonym.

    Raises:
        PeerError: a pseudonym has another length than a group element's.
    """
    if any(len(value) != PSEUDONYM_BYTES for part in parts for value in part.values()):
        raise PeerError("linkage.not-a-pseudonym", "A pseudonym is not 32 bytes long.")
    numbers = [number for number, part in enumerate(parts) for _ in part]
    session.add(
        "tags",
        pa.table(
            {
                "part": pa.array(numbers, pa.int32()),
                "tag": pa.array([tag for part in parts for tag in part], pa.string()),
                # Hex keeps the order of the bytes.
                "pseudonym": pa.array([v.hex() for p in parts for v in p.values()], pa.string()),
            }
        ),
    )


def define_one_row(session: Session, target: str, source: str, columns: Sequence[str]) -> None:
    """Define ``target`` (pseudonym, columns): one row of ``source`` (part, tag, columns) a person.

    The content rule: the row that says most (columns that are filled; concept 0 says nothing),
    among these the smallest in the order of the columns, empty last. Neither holder, class, time
    of arrival nor source id decides, so every route gives the same row. Reads ``kept_tags``.
    """
    query = fill(
        _ONE_ROW,
        source=name(source),
        own=Sql("".join(f", {name(column)}" for column in columns)),
        filled=filled(columns),
        order=names(columns, suffix=" NULLS LAST") if columns else Sql("pseudonym"),
    )
    session.define(target, query, keep=True)


def filled(columns: Sequence[str]) -> Sql:
    """Return the number of columns that say something; concept 0 says nothing."""
    nothing = {
        name(column): f"{column} IS NULL OR {column} = 0"
        if column.endswith("_concept_id")
        else f"{column} IS NULL"
        for column in columns
    }
    terms = [f"CASE WHEN {it} THEN 0 ELSE 1 END" for it in nothing.values()]
    return Sql(" + ".join(terms) or "0")


def define_person_ids(session: Session, target: str, chosen: str) -> None:
    """Define ``target`` (pseudonym, person_id): dense rank of the distinct ones in ``chosen``."""
    session.define(target, fill(_PERSON_IDS, chosen=name(chosen)), keep=True)


def overlap(session: Session, chosen: str) -> Overlap:
    """Return how many persons of ``chosen`` are known at one and at several holders.

    Reads ``kept_tags`` and ``parts`` (part, holder).
    """
    row = session.fetch(fill(_OVERLAP, chosen=name(chosen))).to_pylist()[0]
    return Overlap(int(row["persons"]), int(row["several"]))


_ONE_ROW = """
SELECT pseudonym{own} FROM (
  SELECT u.*, row_number() OVER (PARTITION BY pseudonym ORDER BY {filled} DESC, {order}) AS place
  FROM (SELECT k.pseudonym{own} FROM {source} r
        JOIN kept_tags k ON k.part = r.part AND k.tag = r.tag) u) ranked
WHERE place = 1
"""
_PERSON_IDS = """
SELECT pseudonym, CAST(row_number() OVER (ORDER BY pseudonym) AS BIGINT) AS person_id
FROM {chosen}
"""
_OVERLAP = """
SELECT count(*) AS persons, count(CASE WHEN holders > 1 THEN 1 END) AS several FROM (
  SELECT c.pseudonym, count(DISTINCT p.holder) AS holders FROM {chosen} c
  JOIN kept_tags k ON k.pseudonym = c.pseudonym JOIN parts p ON p.part = k.part
  GROUP BY c.pseudonym) h
"""
