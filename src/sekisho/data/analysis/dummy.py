"""Dummy data: tables made from the catalogue's columns and published codes, and nothing else.

Nothing here ever saw an extract, so a study that leaks its dummy data leaks nothing. They hold
what breaks studies: persons without rows, missing values, rare codes, odd dates, zero and
negative amounts, full-width and old forms of characters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta

import pyarrow as pa

from sekisho.cdm import Column, Role, Table, table
from sekisho.common.errors import UserError
from sekisho.common.randomness import RandomBytes, below, seeded
from sekisho.data.linkage import WEIGHT_TABLE

Value = int | str | date | None

CODES: dict[str, tuple[str, ...]] = {
    "condition_source_value": ("E11", "E119", "I10", "N18", "J45", "C349", "E84", "U07", "8842106"),
    "drug_source_value": ("620007151", "610443047", "622415401", "999999999"),
    "procedure_source_value": ("160008010", "150011310", "K5463", "D215"),
    "device_source_value": ("710010001", "739200000"),
    "measurement_source_value": ("2160-0", "4548-4", "8480-6", "3D010000001926101"),
    "observation_source_value": ("72166-2", "63513-6", "9A721000000000001"),
    "visit_source_value": ("AMB", "IMP", "EMER", "外来"),
    "gender_source_value": ("1", "2", "male", "female", "不明"),
    "unit_source_value": ("mg/dL", "%", "mm[Hg]", "㎎／ｄＬ"),
    "value_source_value": ("陰性", "1+", "測定不能", "＜０．５", "髙値", "正常"),
    "measurement_mapped_by": ("code", "analyte-and-material", "analyte"),
    "observation_mapped_by": ("code", "analyte"),
    "cost_source_value": ("MM", "SI", "IY"),
    "cost_domain_id": ("Visit", "Drug", "Procedure"),
    "drg_source_value": ("010060x2990401", "040081xx99x00x"),
    "payer_source_value": ("01", "06", "39", "67"),
    "cause_source_value": ("I219", "C349", "R99"),
}
"""Published codes and made-up texts per column; the last of a list is the rare one."""
TEXTS = ("－", "未コード化", "𠮷野", "ｶﾅ", "a,b\"c'")
CONCEPTS = {"gender_concept_id": (8507, 8532, 0)}
FIRST_DAY = date(2015, 1, 1)
DAYS = 4_000


def dummy_data(
    tables: Sequence[str],
    columns: Mapping[str, Sequence[str]] | None,
    seed: int,
    persons: int = 50,
    *,
    codes: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, pa.Table]:
    """Return one table per name, in the types that an extract has.

    Args:
        tables: names of tables of the CDM, or that of the weights of an enclave's links.
        columns: the permitted columns per table; None, or a table that is not named: all.
        seed: the same seed gives the same tables.
        persons: how many persons ``person`` has; their ids are 1 to ``persons``.
        codes: more published codes per column, e.g. those that a cohort is defined by.

    Raises:
        UserError: a table or column does not exist.
    """
    made: dict[str, pa.Table] = {}
    visits = _visits(persons, seeded("dummy", seed, "visits"))
    for name in sorted(set(tables)):
        if name == WEIGHT_TABLE:
            made[name] = _weights(persons, seeded("dummy", seed, name))
            continue
        definition = table(name)
        wanted = tuple((columns or {}).get(name, definition.names))
        unknown = set(wanted) - set(definition.names)
        if unknown:
            raise UserError(
                "dummy.no-column", f"Table {name!r} has no column {', '.join(sorted(unknown))!r}."
            )
        random = seeded("dummy", seed, name)
        made[name] = _make(definition, persons, visits, codes or {}, random).select(
            [c for c in definition.names if c in wanted]
        )
    return made


def _weights(persons: int, random: RandomBytes) -> pa.Table:
    """Return how sure it is of some persons that they are one: most of them are nobody's link."""
    united = list(range(3, persons + 1, 4))
    weights = [1.0 + below(random, 250) / 10 for _ in united]
    return pa.table(
        {
            "person_id": pa.array(united, pa.int64()),
            "identities": pa.array([2 + below(random, 2) for _ in united], pa.int64()),
            "match_weight": pa.array(weights, pa.float64()),
            "match_probability": pa.array([1 - 1 / (1 + 2**w) for w in weights], pa.float64()),
            "decided_by": pa.array([("matcher", "clerk")[n % 3 == 0] for n in united], pa.string()),
        }
    )


def _visits(persons: int, random: RandomBytes) -> list[tuple[int, int]]:
    """Return pairs (visit, person); every fifth person has none, the first has many."""
    found: list[tuple[int, int]] = []
    for person in range(1, persons + 1):
        count = 40 if person == 1 else 0 if person % 5 == 0 else 1 + below(random, 4)
        found += [(len(found) + 1 + n, person) for n in range(count)]
    return found


def _make(
    definition: Table,
    persons: int,
    visits: list[tuple[int, int]],
    codes: Mapping[str, Sequence[str]],
    random: RandomBytes,
) -> pa.Table:
    rows: list[tuple[int | None, int]] = list(visits)
    if definition.name == "person":
        rows = [(None, person) for person in range(1, persons + 1)]
    elif definition.name == "death":
        rows = [(None, person) for person in range(1, persons + 1, 9)]
    elif definition.name != "visit_occurrence":
        # Some visits have no row, some two, and some rows no visit.
        rows = [v for v in visits for _ in range(below(random, 3))]
        rows += [(None, 1 + below(random, persons)) for _ in range(max(1, persons // 10))]
    data: dict[str, list[Value]] = {}
    for column in definition.columns:
        value = _maker(column, codes, random)
        data[column.name] = [
            _link(column, definition, number, visit, person, value)
            for number, (visit, person) in enumerate(rows, start=1)
        ]
    schema = pa.schema([pa.field(c.name, _type(c)) for c in definition.columns])
    return pa.table(data, schema=schema)


def _link(
    column: Column,
    definition: Table,
    number: int,
    visit: int | None,
    person: int,
    value: Callable[[int], Value],
) -> Value:
    if column.role is Role.PERSON:
        return person
    if column.role is Role.KEY:
        return visit if definition.name == "visit_occurrence" else number
    if column.role is Role.VISIT:
        return visit
    return value(number)


def _maker(
    column: Column, codes: Mapping[str, Sequence[str]], random: RandomBytes
) -> Callable[[int], Value]:
    """Return a function from the number of a row to a value of ``column``."""
    words = (*codes.get(column.name, ()), *CODES.get(column.name, TEXTS))

    def value(number: int) -> Value:
        if column.name in CONCEPTS:
            return CONCEPTS[column.name][below(random, len(CONCEPTS[column.name]))]
        if column.name.endswith("_concept_id"):
            return 0
        if column.name == "year_of_birth":
            return 1905 if number == 1 else 2025 if number == 2 else 1930 + below(random, 90)
        if column.name == "month_of_birth":
            return None if number % 17 == 0 else 1 + below(random, 12)
        if below(random, 16) == 0:
            return None
        if column.type == "date":
            return _day(number, random)
        if column.type == "int64":
            return (0, -1, 9999)[below(random, 3)] if number % 23 == 0 else 1 + below(random, 90)
        if column.type == "decimal":
            return _decimal(number, random)
        if column.name.endswith("_source_system"):
            return "urn:oid:1.2.392.200119.4.504"
        return words[-1] if number % 29 == 0 else words[below(random, len(words))]

    return value


def _day(number: int, random: RandomBytes) -> date:
    if number % 31 == 0:
        return (date(1900, 1, 1), date(2016, 2, 29), date(2099, 12, 31))[below(random, 3)]
    return FIRST_DAY + timedelta(days=below(random, DAYS))


def _decimal(number: int, random: RandomBytes) -> str:
    if number % 19 == 0:
        return ("0", "-1.5", "999999", "0.001")[below(random, 4)]
    whole, part = below(random, 300), below(random, 10)
    return f"{whole}.{part}" if part else str(whole)


def _type(column: Column) -> pa.DataType:
    return {"int64": pa.int64(), "date": pa.date32()}.get(column.type, pa.string())
