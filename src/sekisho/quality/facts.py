"""What checks know of a row's person: birth, sex and death, as the submission itself says them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm import CodeSystems
from sekisho.cdm.scalars import flag, int64


@dataclass(frozen=True)
class Facts:
    """What checks know beside the row.

    Args:
        day: day of submission, in Japan.
        tags: tags whose identity arrived; None where that is settled elsewhere.
        births: tag → month of birth, as year × 12 + month (earliest where several are given).
        sexes: tag → concept of sex, where all sources agree and it is known.
        deaths: tag → latest day of death that is given.
        systems: which codes are standard ones; None where other codes are taken as well.
        filled: table.column → share of its rows with a value, where they are not all here.
        table: the table that is being checked.
    """

    day: date
    tags: pa.Array | None
    births: pa.Table
    sexes: pa.Table
    deaths: pa.Table
    systems: CodeSystems | None = None
    filled: Mapping[str, float] = field(default_factory=dict)
    table: str = ""


_KNOWN = {
    "person": ["tag", "year_of_birth", "month_of_birth", "gender_concept_id"],
    "death": ["tag", "death_date"],
}


def known_with(
    tables: Mapping[str, pa.Table], context: Mapping[str, pa.Table]
) -> dict[str, pa.Table]:
    """Return ``tables`` with what ``context`` says of births, sexes and deaths added."""
    made = dict(tables)
    for name, columns in _KNOWN.items():
        parts = [of[name].select(columns) for of in (tables, context) if name in of]
        if parts:
            made[name] = pa.concat_tables(parts)
    return made


def facts_of(
    tables: Mapping[str, pa.Table],
    day: date,
    tags: Collection[str] | None = None,
    systems: CodeSystems | None = None,
    filled: Mapping[str, float] | None = None,
) -> Facts:
    """Return what the checks know of the persons of ``tables``."""
    person, death = tables.get("person"), tables.get("death")
    arrived = None if tags is None else pa.array(tags, pa.string())
    return Facts(
        day,
        arrived,
        births_of(person),
        sexes_of(person),
        deaths_of(death),
        systems,
        filled or {},
    )


def births_of(person: pa.Table | None) -> pa.Table:
    """Return tag, born (year × 12 + month) from the table of persons; one row a tag."""
    if person is None:
        return pa.table({"tag": pa.array([], pa.string()), "born": pa.array([], pa.int64())})
    month = pc.fill_null(person.column("month_of_birth"), int64(1))
    born = pc.add(pc.multiply(person.column("year_of_birth"), int64(12)), month)
    made = pa.table({"tag": person.column("tag"), "born": born}).group_by("tag")
    return made.aggregate([("born", "min")]).rename_columns(["tag", "born"])


def sexes_of(person: pa.Table | None) -> pa.Table:
    """Return tag, sex: persons whose sources agree on one that is known."""
    if person is None:
        return pa.table({"tag": pa.array([], pa.string()), "sex": pa.array([], pa.int64())})
    told = pc.fill_null(pc.not_equal(person.column("gender_concept_id"), int64(0)), flag(False))
    said = person.select(["tag", "gender_concept_id"]).filter(told)
    made = said.group_by("tag").aggregate([("gender_concept_id", "min_max")])
    both = made.column("gender_concept_id_min_max").combine_chunks()
    least, most = both.field("min"), both.field("max")
    agreed = pa.table({"tag": made.column("tag"), "sex": least})
    return agreed.filter(pc.equal(least, most))


def deaths_of(death: pa.Table | None) -> pa.Table:
    """Return tag, died: the latest day where sources differ."""
    if death is None:
        return pa.table({"tag": pa.array([], pa.string()), "died": pa.array([], pa.date32())})
    made = death.group_by("tag").aggregate([("death_date", "max")])
    return made.rename_columns(["tag", "died"])
