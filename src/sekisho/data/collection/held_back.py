"""Records in quarantine: which of them a later submission mends, and which pass the checks now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm.systems import CodeSystems
from sekisho.quality import RULES_COLUMN, CollectionRules, check

Tables = dict[str, pa.Table]
KEY, TAG = "person_key", "tag"
HARD = "hard"
"""Images and genomes: every record of theirs has an object beside its rows."""


def units_of(tables: Mapping[str, pa.Table]) -> set[str]:
    """Return the units (a resource, a receipt) of which there are rows."""
    found: set[str] = set()
    for rows in tables.values():
        found.update(_units(rows).unique().to_pylist())
    return found


def without_units(tables: Mapping[str, pa.Table], units: Collection[str]) -> Tables:
    """Return the rows of other units; tables without rows are left out."""
    wanted = pa.array(sorted(units), pa.string())
    left = {
        name: rows.filter(pc.invert(pc.is_in(_units(rows), value_set=wanted)))
        for name, rows in tables.items()
    }
    return {name: rows for name, rows in left.items() if rows.num_rows}


def waiting(tables: Mapping[str, pa.Table]) -> dict[str, int]:
    """Return record type → records."""
    columns = ["record_type", "source_id"]
    counted: Counter[str] = Counter()
    seen: set[tuple[str, str]] = set()
    for rows in tables.values():
        for one in rows.select(columns).group_by(columns).aggregate([]).to_pylist():
            seen.add((one["record_type"], one["source_id"]))
    counted.update(record_type for record_type, _ in seen)
    return dict(sorted(counted.items()))


def recheck(
    tables: Mapping[str, pa.Table],
    rules: CollectionRules,
    day: date,
    persons: Mapping[str, pa.Table],
    systems: CodeSystems | None = None,
    without: Collection[str] = (),
) -> tuple[Tables, Tables]:
    """Check quarantined rows by other rules; return (those that pass now, those that do not).

    Args:
        without: source ids of records whose object is not here: they wait to come again.
        systems: as for `sekisho.quality.check`.
        persons: the rows of person and death that the body holds of the same persons, under their
            keys: a birth that landed long ago still speaks against an earlier date.
    """
    missing = pa.array(sorted(without), pa.string())
    alone = {name: pc.is_in(rows["source_id"], missing) for name, rows in tables.items()}
    again = {name: rows.filter(alone[name]) for name, rows in tables.items()}
    asked = {
        name: _under_tags(rows.filter(pc.invert(alone[name]))).drop_columns([RULES_COLUMN])
        for name, rows in tables.items()
    }
    context = {name: _under_tags(rows) for name, rows in persons.items()}
    keys = {key for rows in tables.values() for key in rows.column(KEY).unique().to_pylist() if key}
    judged = check(asked, rules, day=day, tags=keys, systems=systems, context=context)
    left = _under_keys(judged.quarantined)
    for name, rows in again.items():
        if rows.num_rows:
            left[name] = pa.concat_tables([left[name], rows]) if name in left else rows
    return _under_keys(judged.tables), left


def _units(rows: pa.Table) -> pa.ChunkedArray:
    return pc.list_element(pc.split_pattern(rows.column("source_id"), ".", max_splits=1), 0)


def _under_tags(rows: pa.Table) -> pa.Table:
    return rows.rename_columns([TAG if name == KEY else name for name in rows.column_names])


def _under_keys(tables: Mapping[str, pa.Table]) -> Tables:
    return {
        name: rows.rename_columns(
            [KEY if column == TAG else column for column in rows.column_names]
        )
        for name, rows in tables.items()
    }
