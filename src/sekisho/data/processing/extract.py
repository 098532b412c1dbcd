"""The holder's side: drop who opted out, keep what is permitted, under person keys, then tags."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pyarrow as pa

from sekisho.cdm import arrow_type
from sekisho.common.errors import Defect
from sekisho.data.lake import Lake, Session, replace_ids
from sekisho.data.lake.coding import define_descendants
from sekisho.data.lake.engine import Engine
from sekisho.data.lake.sql import Sql, fill, literal, literals, name, names
from sekisho.data.processing.chains import CONDITIONS, JOIN_STAY, VISITS, define_chains
from sekisho.data.processing.order import Period
from sekisho.data.processing.plan import Plan, PlannedTable
from sekisho.data.processing.same import fact_of, route_of

Tables = Mapping[str, pa.Table]


@dataclass(frozen=True)
class ClassCounts:
    """One class of an extract. ``dropped``: persons with records of it whom a choice keeps out."""

    rows: Mapping[str, int]
    persons: int
    dropped: int


@dataclass(frozen=True)
class Extract:
    """Tables per data class under person keys, and what the receipt counts."""

    plan_hash: str
    parts: Mapping[str, Tables]
    counts: Mapping[str, ClassCounts]

    def persons(self, data_class: str | None = None) -> list[str]:
        """Return the distinct person keys of one class or all, sorted: those to be converted."""
        classes = self.parts if data_class is None else [data_class]
        return _distinct([t for c in classes for t in self.parts[c].values()])


def extract(
    lake: Lake,
    plan: Plan,
    dropped: Mapping[str, Collection[str]],
    *,
    only: Collection[str] | None = None,
) -> Extract:
    """Carry out ``plan`` on the snapshot that it names.

    Opted-out persons go first, before any row is joined or any person keyed. Row ids are hashed
    with the project's id, so that those of two projects cannot be compared.

    Args:
        dropped: data class → keys of the persons whose choices keep them out of this extract.
        only: with a returned cohort, the keys of its members at this holder.

    Raises:
        Defect: the plan names no snapshot.
    """
    if plan.snapshot is None:
        raise Defect("extract.no-snapshot", "The plan names no snapshot.")
    tables = [planned.name for planned in plan.tables]
    if plan.same is not None:
        tables += [VISITS, CONDITIONS]
    concepts = plan.order.cohort.concepts
    with lake.reading(plan.snapshot, tables, meant=True) as session:
        if plan.same is not None:
            define_chains(session, plan.same)
        if concepts:
            define_descendants(session, "cohort_concepts", concepts)
        out = _choose_persons(session, plan, dropped, only)
        parts = {
            data_class: {
                planned.name: _rows(session, lake.engine, plan, planned, data_class)
                for planned in plan.tables
            }
            for data_class in plan.order.classes
        }
    counts = {
        data_class: ClassCounts(
            rows={table: rows.num_rows for table, rows in tables.items()},
            persons=len(_distinct(list(tables.values()))),
            dropped=out.get(data_class, 0),
        )
        for data_class, tables in parts.items()
    }
    return Extract(plan.plan_hash, parts, counts)


def retag(tables: Tables, tags: Mapping[str, str]) -> dict[str, pa.Table]:
    """Return ``tables`` with each person's key replaced by the person's tag of one transfer.

    Rows are ordered by tag, which is random, so that the order of the lake does not travel.

    Raises:
        Defect: a person has no tag.
    """
    return {
        table: replace_ids(rows, "person_key", "tag", tags).sort_by("tag")
        for table, rows in tables.items()
    }


def sent_schema(planned: PlannedTable, person: str) -> pa.Schema:
    """Return the columns of a table on its way; ``person`` is person_key or tag."""
    links = [(column, pa.string()) for column in (person, "source_id", "visit_ref", "fact")]
    links += [("route", pa.int64()), ("wanted", pa.bool_())]
    return pa.schema(links + [(column.name, arrow_type(column)) for column in planned.sent])


def _choose_persons(
    session: Session,
    plan: Plan,
    dropped: Mapping[str, Collection[str]],
    only: Collection[str] | None,
) -> dict[str, int]:
    """Define ``kept`` (data_class, person_key); return class → persons dropped."""
    pairs = [(data_class, key) for data_class, keys in dropped.items() for key in sorted(set(keys))]
    columns = ("data_class", "person_key")
    out = [pa.array([pair[n] for pair in pairs], pa.string()) for n in (0, 1)]
    session.add("opted_out", pa.table(dict(zip(columns, out, strict=True))))
    session.add("members", pa.table({"person_key": pa.array(only or (), pa.string())}))
    classes = literals(sorted(plan.order.classes))
    scans = [fill(_PERSONS, table=name(p.name), classes=classes) for p in plan.tables]
    union = Sql("\nUNION ALL\n".join([_NOBODY, *scans]))
    session.define("scope", fill("SELECT DISTINCT * FROM ({it}) s", it=union), keep=True)
    member = Sql("true") if only is None else Sql(_MEMBER)
    session.define("kept", fill(_KEPT, member=member), keep=True)
    counted = session.fetch(Sql(_DROPPED)).to_pylist()
    return {row["data_class"]: int(row["persons"]) for row in counted}


def _rows(
    session: Session, engine: Engine, plan: Plan, planned: PlannedTable, data_class: str
) -> pa.Table:
    salt = literal(f"{plan.order.application}|")
    linked = planned.visit or planned.name == "visit_occurrence"
    chained = plan.same is not None
    stay = Sql("coalesce(s.stay, r.visit_ref)" if chained else "r.visit_ref")
    whole = "whole_" if chained and planned.name in (VISITS, CONDITIONS) else ""
    visit = fill("{salt} || {stay}", salt=salt, stay=stay)
    record = fill("{salt} || r.record_type || '|' || r.source_id", salt=salt)
    columns = [column.name for column in planned.sent]
    same = None if plan.same is None else plan.same.of(planned.name)
    query = fill(
        _ROWS,
        table=name(f"{whole}{planned.name}"),
        stays=Sql(JOIN_STAY if chained else ""),
        record=engine.digest(record),
        visit=engine.digest(visit) if linked else Sql("CAST(NULL AS STRING)"),
        fact=Sql("NULL") if not plan.same or not same else fact_of(plan.same, same, engine, salt),
        route=Sql("NULL") if not plan.same or not same else route_of(plan.same, same),
        wanted=_wanted(plan, planned),
        columns=Sql("".join(f", r.{name(column)}" for column in columns)),
        data_class=literal(data_class),
        period=_within(planned, plan.order.period),
    )
    return session.fetch(query).cast(sent_schema(planned, "person_key"))


def _wanted(plan: Plan, planned: PlannedTable) -> Sql:
    """Return whether a row states one of the cohort's concepts; NULL where none was asked for."""
    if planned.name != CONDITIONS or not plan.order.cohort.concepts:
        return Sql("NULL")
    return Sql("r.condition_concept_id IN (SELECT concept_id FROM cohort_concepts)")


def _within(planned: PlannedTable, period: Period) -> Sql:
    if planned.day is None or not period.bounded:
        return Sql("true")
    day = names([planned.day], prefix="r.")
    low = literal(period.start) if period.start else day
    high = literal(period.end) if period.end else day
    return fill("{day} BETWEEN {low} AND {high}", day=day, low=low, high=high)


def _distinct(tables: list[pa.Table]) -> list[str]:
    if not tables:
        return []
    keys = pa.chunked_array(
        [chunk for t in tables for chunk in t.column("person_key").chunks], pa.string()
    )
    return sorted(keys.unique().to_pylist())


_NOBODY = "SELECT data_class, person_key FROM opted_out WHERE false"
_PERSONS = "SELECT data_class, person_key FROM {table} WHERE data_class IN ({classes})"
_MEMBER = "EXISTS (SELECT 1 FROM members m WHERE m.person_key = s.person_key)"
_KEPT = """
SELECT s.data_class, s.person_key FROM scope s
WHERE {member} AND NOT EXISTS (
  SELECT 1 FROM opted_out o WHERE o.data_class = s.data_class AND o.person_key = s.person_key)
"""
_DROPPED = """
SELECT s.data_class, count(*) AS persons FROM scope s
JOIN opted_out o ON o.data_class = s.data_class AND o.person_key = s.person_key
GROUP BY s.data_class
"""
_ROWS = """
SELECT r.person_key, substr({record}, 1, 32) AS source_id, substr({visit}, 1, 32) AS visit_ref,
  CAST({fact} AS STRING) AS fact, CAST({route} AS BIGINT) AS route,
  CAST({wanted} AS BOOLEAN) AS wanted{columns}
FROM {table} r
JOIN kept k ON k.person_key = r.person_key AND k.data_class = r.data_class {stays}
WHERE r.data_class = {data_class} AND {period}
"""
