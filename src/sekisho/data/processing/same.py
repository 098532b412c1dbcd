"""When two rows are the same fact, as a file: ``rules/same-fact.toml``, and its SQL.

The holder names each row's fact and by which route it came; the gate, where a person's records of
all holders meet, keeps the rows of the route that counts. The others stay in the lake.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from sekisho.cdm import CODED, code_columns, table
from sekisho.common.canonical import digest_of
from sekisho.common.toml import read_toml
from sekisho.data.lake import Engine
from sekisho.data.lake.sql import Sql, fill, literal, literals, name

Word = Annotated[str, Meta(min_length=1, max_length=400)]


class Route(Struct, frozen=True, forbid_unknown_fields=True):
    """What a row came by: its kind of data, or its type of record."""

    id: Word
    source: Word
    kinds: tuple[Word, ...] = ()
    records: tuple[Word, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.kinds) == bool(self.records):
            raise ValueError(f"route {self.id!r} is told by kinds or by records")


class Fact(Struct, frozen=True, forbid_unknown_fields=True):
    """What makes two rows of a table the same fact, and whose row counts.

    ``kind``: of rows without a code, the column of the concept that says what they are.
    """

    table: Word
    date: Word
    to: Literal["day", "month"]
    order: Annotated[tuple[Word, ...], Meta(min_length=1)]
    source: Word
    values: tuple[Word, ...] = ()
    kind: Word | None = None

    def __post_init__(self) -> None:
        if self.table not in CODED and self.kind is None:
            raise ValueError(f"the rows of {self.table!r} have no code")
        if self.table in CODED and self.kind is not None:
            raise ValueError(f"the rows of {self.table!r} are told by their code")
        known = table(self.table).names
        of = (self.date, *self.values, *([self.kind] if self.kind else []))
        missing = [it for it in of if it not in known]
        if missing:
            raise ValueError(f"{self.table} has no column {missing[0]!r}")


class Chain(Struct, frozen=True, forbid_unknown_fields=True):
    """Kinds of data that speak of one month each, and which visits of theirs go on."""

    kinds: Annotated[tuple[Word, ...], Meta(min_length=1)]
    visits: tuple[int, ...]
    source: Word


class SameFact(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    id: Word
    version: Word
    never_source: Word
    never: tuple[Word, ...]
    chain: Chain
    route: tuple[Route, ...]
    fact: tuple[Fact, ...]

    def __post_init__(self) -> None:
        routes = [one.id for one in self.route]
        tables = [one.table for one in self.fact]
        for what, found in (("route", routes), ("fact", tables)):
            twice = sorted({it for it in found if found.count(it) > 1})
            if twice:
                raise ValueError(f"the {what} {twice[0]!r} is there twice")
        unknown = sorted({it for one in self.fact for it in one.order} - set(routes))
        if unknown:
            raise ValueError(f"there is no route {unknown[0]!r}")

    @property
    def digest(self) -> str:
        return digest_of(msgspec.to_builtins(self))

    def of(self, table: str) -> Fact | None:
        """Return what makes rows of ``table`` the same; None: nothing does."""
        return next((one for one in self.fact if one.table == table), None)


def read_same_fact(path: Path) -> SameFact:
    """Read and prove the file.

    Raises:
        UserError: with file and line.
    """
    return read_toml(path, SameFact)


def fact_of(rules: SameFact, fact: Fact, engine: Engine, salt: Sql) -> Sql:
    """Return the name of a row's fact, without its person; NULL where it has no code or date.

    Reads a row ``r`` of the lake, of a coded table with its ``canonical`` code. Rows without a
    code (visits) are the same only where one institution sent them: its name stands in theirs.
    """
    what, nothing = _coded(rules, fact) if fact.kind is None else _of_kind(fact.kind)
    length = 10 if fact.to == "day" else 7
    said = [
        literal(fact.table),
        what,
        Sql(f"substr(CAST(r.{name(fact.date)} AS STRING), 1, {length})"),
        *(fill("coalesce(CAST(r.{it} AS STRING), '')", it=name(it)) for it in fact.values),
    ]
    text = fill("{salt} || {it}", salt=salt, it=Sql(" || '|' || ".join(said)))
    return fill(
        "CASE WHEN {nothing} THEN NULL ELSE substr({digest}, 1, 32) END",
        nothing=nothing,
        digest=engine.digest(text),
    )


def _coded(rules: SameFact, fact: Fact) -> tuple[Sql, Sql]:
    """Return what a row's code means, and when that is nothing."""
    value, system = (fill("r.{it}", it=name(it)) for it in code_columns(fact.table))
    said = fill(
        "coalesce(r.canonical, coalesce({system}, '') || '|' || {value})",
        system=system,
        value=value,
    )
    return said, fill("{value} IN ({never})", value=value, never=literals(rules.never))


def _of_kind(kind: str) -> tuple[Sql, Sql]:
    concept = fill("r.{it}", it=name(kind))
    said = fill("CAST({it} AS STRING) || '|' || r.provider", it=concept)
    return said, fill("coalesce({it}, 0) = 0", it=concept)


def route_of(rules: SameFact, fact: Fact) -> Sql:
    """Return the place of a row's route in the fact's order, the one that counts first."""
    place = {route: number for number, route in enumerate(fact.order)}
    last = len(place)
    cases = [
        fill(
            "WHEN r.{column} IN ({words}) THEN {place}",
            column=Sql("kind" if one.kinds else "record_type"),
            words=literals(one.kinds or one.records),
            place=literal(place.get(one.id, last)),
        )
        for one in rules.route
    ]
    return fill("CASE {cases} ELSE {last} END", cases=Sql(" ".join(cases)), last=literal(last))


SEVERAL = """
SELECT 1 FROM {rows} WHERE fact IS NOT NULL
GROUP BY person_id, fact HAVING min(route) <> max(route) LIMIT 1
"""
"""Whether any fact came by several routes; ``rows`` has person_id, fact, route."""
COUNTED = """
SELECT r.* FROM {rows} r LEFT JOIN (
  SELECT person_id, fact, min(route) AS route FROM {rows} WHERE fact IS NOT NULL
  GROUP BY person_id, fact) best ON best.person_id = r.person_id AND best.fact = r.fact
WHERE r.fact IS NULL OR r.route = best.route
"""
