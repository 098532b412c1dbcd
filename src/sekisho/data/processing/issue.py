"""New keys and a new order for every row, from pseudonyms and content alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from sekisho.cdm import arrow_type
from sekisho.data.lake import Engine, Session
from sekisho.data.lake.sql import Sql, fill, name, names
from sekisho.data.linkage import define_one_row, filled
from sekisho.data.processing.periods import spans
from sekisho.data.processing.plan import PlannedTable
from sekisho.data.processing.same import COUNTED, SEVERAL


@dataclass(frozen=True)
class Issued:
    """``repeated``: rows left out because another holder sent the same record as well.
    ``collapsed``: rows fewer because the same fact came by a route that counts before, or because
    periods touch."""

    tables: Mapping[str, pa.Table]
    repeated: Mapping[str, int]
    collapsed: Mapping[str, int]


def issue_tables(
    session: Session, engine: Engine, tables: Sequence[PlannedTable], *, several: bool
) -> Issued:
    """Return the tables of the environment.

    Reads ``ids`` (pseudonym, person_id), ``kept_tags``, ``parts`` and each ``in_TABLE``. Visits
    come first, since other rows name them. ``several``: a record may have come from two holders.
    """
    session.define("keyed", Sql(_KEYED), keep=True)
    asked = sorted((p for p in tables if p.asked), key=lambda p: p.name != "visit_occurrence")
    done: dict[str, pa.Table] = {}
    repeated: dict[str, int] = {}
    collapsed: dict[str, int] = {}
    for planned in asked:
        if planned.table.key is None:
            done[planned.name] = _one_row(session, planned)
            continue
        repeated[planned.name] = _define_rows(session, engine, planned, several)
        collapsed[planned.name] = _collapse(session, planned)
        done[planned.name] = _numbered(session, planned)
    counts = (dict(sorted(one.items())) for one in (repeated, collapsed))
    return Issued(dict(sorted(done.items())), *counts)


def released_schema(planned: PlannedTable) -> pa.Schema:
    """Return a table's columns in the environment, in the CDM's order."""
    links = {planned.table.key, "person_id", "visit_occurrence_id" if planned.visit else None}
    wanted = {*planned.released, *links}
    return pa.schema(
        [
            (column.name, arrow_type(column))
            for column in planned.table.columns
            if column.name in wanted
        ]
    )


def _one_row(session: Session, planned: PlannedTable) -> pa.Table:
    """Return a table with one row a person (person, death): its content rule chose the row."""
    source = f"{planned.name}_row"
    if planned.name != "person":  # the cohort has needed that one already
        columns = [column.name for column in planned.sent]
        define_one_row(session, source, f"in_{planned.name}", columns)
    schema = released_schema(planned)
    return session.fetch(fill(_PERSONS, columns=names(schema.names), source=name(source))).cast(
        schema
    )


def _define_rows(session: Session, engine: Engine, planned: PlannedTable, several: bool) -> int:
    """Define ``once_TABLE``: each record once; return how many rows were left out.

    A record (person, class, source id) that several holders sent is taken whole from one of them:
    from the one that says most, then from the one whose content comes first. Equal rows of two
    records stay two rows, whoever sent them.
    """
    table = planned.name
    columns = [column.name for column in planned.sent]
    every, chosen = name(f"every_{table}"), name(f"once_{table}")
    query = fill(_EVERY, columns=_listed(columns, "r."), source=name(f"in_{table}"))
    session.define(every, query, keep=several)
    left_out = 0
    if several:
        twice = name(f"twice_{table}")
        session.define(twice, fill(_TWICE, every=every), keep=True)
        if session.fetch(fill("SELECT 1 FROM {it} LIMIT 1", it=twice)).num_rows:
            content = engine.digest(_spelled([*columns, "visit_ref"]))
            best = fill(
                _BEST,
                every=every,
                twice=twice,
                filled=filled(columns),
                content=content,
                joined=engine.joined(Sql("content")),
            )
            session.define(f"best_{table}", best, keep=True)
            once = fill(_ONCE, every=every, twice=twice, best=name(f"best_{table}"))
            session.define(chosen, once, keep=True)
            left_out = _size(session, every) - _size(session, chosen)
            return left_out
    session.define(chosen, fill("SELECT * FROM {every}", every=every))
    return left_out


def _collapse(session: Session, planned: PlannedTable) -> int:
    """Define ``rows_TABLE``: a fact by one route, a period as a whole; return how many rows less.

    Periods that touch are one row.
    """
    once, rows = name(f"once_{planned.name}"), name(f"rows_{planned.name}")
    united = spans(planned, once)
    if united is None and session.fetch(fill(SEVERAL, rows=once)).num_rows:
        united = fill(COUNTED, rows=once)
    session.define(rows, united or fill("SELECT * FROM {once}", once=once), keep=bool(united))
    return _size(session, once) - _size(session, rows) if united else 0


def _numbered(session: Session, planned: PlannedTable) -> pa.Table:
    """Return the rows by person and content, numbered in this order.

    Visits of equal content are told apart by their hashed reference, which no holder, class or
    route changes; other rows of equal content are the same row.
    """
    table = planned.name
    content = list(planned.released)
    if table == "visit_occurrence":
        source, last = name(f"rows_{table}"), ["visit_ref"]
    else:
        source, last = name(f"linked_{table}"), ["visit_occurrence_id"] if planned.visit else []
        with_visit = Sql(_LINKED if planned.visit else "SELECT r.* FROM {rows} r")
        session.define(source, fill(with_visit, rows=name(f"rows_{table}")))
    order = names(["person_id", *content, *last], suffix=" NULLS FIRST")
    key = name(str(planned.table.key))
    numbered = name(f"numbered_{table}")
    session.define(numbered, fill(_NUMBERED, key=key, order=order, source=source), keep=True)
    if table == "visit_occurrence":
        once = name(f"once_{table}")
        session.define("visit_ids", fill(_VISIT_IDS, visits=numbered, once=once), keep=True)
    schema = released_schema(planned)
    result = fill(_RESULT, columns=names(schema.names), source=numbered, key=key)
    return session.fetch(result).cast(schema)


def _listed(columns: Sequence[str], prefix: str) -> Sql:
    return Sql("".join(f", {prefix}{name(column)}" for column in columns))


def _spelled(columns: Sequence[str]) -> Sql:
    """Return one text for a row's content; lengths keep two rows from spelling the same."""
    texts = [f"CAST({name(column)} AS STRING)" for column in columns]
    return Sql(
        " || ".join(f"coalesce(CAST(length({it}) AS STRING) || ':' || {it}, '-')" for it in texts)
    )


def _size(session: Session, table: Sql) -> int:
    return int(session.fetch(fill("SELECT count(*) AS n FROM {it}", it=table)).to_pylist()[0]["n"])


_KEYED = """
SELECT k.part, k.tag, p.data_class, i.person_id FROM kept_tags k
JOIN ids i ON i.pseudonym = k.pseudonym JOIN parts p ON p.part = k.part
"""
_PERSONS = (
    "SELECT {columns} FROM {source} s JOIN ids i ON i.pseudonym = s.pseudonym ORDER BY person_id"
)
_EVERY = """
SELECT k.person_id, k.data_class, r.part, r.source_id, r.visit_ref, r.fact, r.route{columns}
FROM {source} r JOIN keyed k ON k.part = r.part AND k.tag = r.tag
"""
_TWICE = """
SELECT person_id, data_class, source_id FROM {every} WHERE source_id IS NOT NULL
GROUP BY person_id, data_class, source_id HAVING min(part) <> max(part)
"""
_BEST = """
SELECT person_id, data_class, source_id, part FROM (
  SELECT v.*, row_number() OVER (
    PARTITION BY person_id, data_class, source_id ORDER BY says DESC, version, part) AS place
  FROM (
    SELECT person_id, data_class, source_id, part, sum(says) AS says, {joined} AS version
    FROM (SELECT e.person_id, e.data_class, e.source_id, e.part, {filled} AS says,
            {content} AS content
          FROM {every} e WHERE EXISTS (
            SELECT 1 FROM {twice} t WHERE t.person_id = e.person_id
              AND t.data_class = e.data_class AND t.source_id = e.source_id)) spelled
    GROUP BY person_id, data_class, source_id, part) v) ranked
WHERE place = 1
"""
_ONCE = """
SELECT e.* FROM {every} e WHERE NOT EXISTS (
  SELECT 1 FROM {twice} t WHERE t.person_id = e.person_id AND t.data_class = e.data_class
    AND t.source_id = e.source_id)
UNION ALL
SELECT e.* FROM {every} e JOIN {best} b ON b.person_id = e.person_id
  AND b.data_class = e.data_class AND b.source_id = e.source_id AND b.part = e.part
"""
_LINKED = """
SELECT r.*, v.visit_occurrence_id FROM {rows} r LEFT JOIN visit_ids v
  ON v.person_id = r.person_id AND v.data_class = r.data_class AND v.visit_ref = r.visit_ref
"""
_NUMBERED = """
SELECT s.*, CAST(row_number() OVER (ORDER BY {order}) AS BIGINT) AS {key} FROM {source} s
"""
# A visit that came by a better route as well is left out; its rows go to the one that counts, the
# first where that route knows several.
_VISIT_IDS = """
SELECT person_id, data_class, visit_ref, min(visit_occurrence_id) AS visit_occurrence_id
FROM (
  SELECT person_id, data_class, visit_ref, visit_occurrence_id FROM {visits}
  UNION ALL
  SELECT o.person_id, o.data_class, o.visit_ref, w.visit_occurrence_id FROM {once} o
  JOIN {visits} w ON w.person_id = o.person_id AND w.fact = o.fact AND w.route < o.route) v
WHERE visit_ref IS NOT NULL GROUP BY person_id, data_class, visit_ref
"""
_RESULT = "SELECT {columns} FROM {source} ORDER BY {key}"
