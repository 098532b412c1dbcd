"""Parts for tests of the gate: records with routes, sent by holders under fresh tags."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from sekisho.common.randomness import RandomBytes, shuffle
from sekisho.data.processing import (
    Cohort,
    ExtractOrder,
    Part,
    Period,
    Plan,
    Rules,
    make_plan,
    read_rules,
    sent_schema,
)

RULES = Path(__file__).resolve().parent.parent / "rules" / "processing" / "pseudonymised.toml"
TABLES = ("person", "visit_occurrence", "condition_occurrence", "measurement", "death")


def rules() -> Rules:
    return read_rules(RULES)


def plan_for(
    cohort: Cohort | None = None,
    tables: dict[str, tuple[str, ...]] | None = None,
    period: Period | None = None,
    classes: tuple[str, ...] = ("basic", "additional"),
    **more: Any,
) -> Plan:
    order = ExtractOrder(
        application=more.get("application", "kidney"),
        purpose="research",
        operator="one",
        form="pseudonymised",
        classes=classes,
        tables=dict.fromkeys(TABLES, ()) if tables is None else tables,
        cohort=cohort or Cohort(),
        period=period or Period(),
    )
    return make_plan(order, rules())


@dataclass(frozen=True)
class Record:
    """One record of one person: rows of one table that travel together."""

    person: int
    table: str
    id: str
    rows: tuple[tuple[tuple[str, Any], ...], ...]
    visit: str | None = None


@dataclass(frozen=True)
class Route:
    """By which (holder, class) a record reaches the gate; several where several hold it."""

    record: Record
    stops: tuple[tuple[str, str], ...] = field(default=(("one", "basic"),))


def pseudonym(person: int) -> bytes:
    """Return 32 bytes that stand for a person in the project's domain."""
    return hashlib.sha256(b"project" + person.to_bytes(4, "big")).digest()


def parts_of(routes: Iterable[Route], plan: Plan, random: RandomBytes) -> list[Part]:
    """Return one part per (holder, class), rows in random order under fresh tags."""
    routes = list(routes)
    stops = sorted({stop for route in routes for stop in route.stops})
    shuffle(random, stops)
    return [_part(holder, data_class, routes, plan, random) for holder, data_class in stops]


def _part(
    holder: str, data_class: str, routes: Sequence[Route], plan: Plan, random: RandomBytes
) -> Part:
    here = [route.record for route in routes if (holder, data_class) in route.stops]
    tags = {record.person: random(16).hex() for record in here}
    tables = {}
    for planned in plan.tables:
        schema = sent_schema(planned, "tag")
        rows = [
            {
                **dict(row),
                "tag": tags[record.person],
                "source_id": record.id,
                "visit_ref": record.visit,
            }
            for record in here
            if record.table == planned.name
            for row in record.rows
        ]
        shuffle(random, rows)
        listed = [{name: row.get(name) for name in schema.names} for row in rows]
        tables[planned.name] = pa.Table.from_pylist(listed, schema)
    return Part(holder, data_class, tables, {tag: pseudonym(p) for p, tag in tags.items()})


def patient(person: int, id: str, year: int | None = 1950, month: int | None = 4) -> Record:
    row = (
        ("gender_concept_id", 8532),
        ("year_of_birth", year),
        ("month_of_birth", month),
        ("gender_source_value", "female"),
    )
    return Record(person, "person", id, (row,))


def visit(person: int, id: str, day: date = date(2020, 5, 1)) -> Record:
    row = (("visit_concept_id", 0), ("visit_start_date", day), ("visit_end_date", day))
    return Record(person, "visit_occurrence", id, (row,), id)


def condition(
    person: int,
    id: str,
    code: str = "E11",
    day: date | None = date(2020, 5, 1),
    visit: str | None = None,
    system: str | None = "http://hl7.org/fhir/sid/icd-10",
) -> Record:
    row = (
        ("condition_concept_id", 0),
        ("condition_start_date", day),
        ("condition_source_value", code),
        ("condition_source_system", system),
    )
    return Record(person, "condition_occurrence", id, (row,), visit)


def measurement(person: int, id: str, *values: str, visit: str | None = None) -> Record:
    rows = tuple(
        (
            ("measurement_concept_id", 0),
            ("measurement_date", date(2020, 6, 1)),
            ("value_as_number", value),
            ("measurement_source_value", "718-7"),
            ("measurement_source_system", "http://loinc.org"),
        )
        for value in values
    )
    return Record(person, "measurement", id, rows, visit)


def death(person: int, id: str, cause: str | None = None) -> Record:
    row = (("death_date", date(2022, 1, 1)), ("cause_source_value", cause))
    return Record(person, "death", id, (row,))
