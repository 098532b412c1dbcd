"""A lake's rows on their way to another body: under tags, and what of them is new there.

A record keeps its provider and source id, so that it is known again: what the receiver holds
already is not landed twice, and what a provider sends again replaces it as before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.data.lake import held_schema, replace_ids

Tables = Mapping[str, pa.Table]


def under_tags(tables: Tables, tags: Mapping[str, str]) -> dict[str, pa.Table]:
    """Return held tables without batches, each person key replaced by its tag.

    Args:
        tags: person key → tag. Rows are ordered by tag, which is random.
    """
    return {
        table: replace_ids(rows, "person_key", "tag", tags).drop_columns("batch").sort_by("tag")
        for table, rows in tables.items()
    }


def part_known(tables: Tables, known: Iterable[pa.Table]) -> tuple[dict[str, pa.Table], Tables]:
    """Part tables into what is new and what the receiver holds already.

    Args:
        known: columns ``provider`` and ``source_id`` of what is held.
    """
    names = [_records(one) for one in known if one.num_rows]
    held = pa.concat_arrays([pa.array([], pa.string()), *names])
    new, there = {}, {}
    for table, rows in tables.items():
        mask = pc.is_in(_records(rows), value_set=held)
        new[table], there[table] = rows.filter(pc.invert(mask)), rows.filter(mask)
    return new, there


def held_as(table: str, rows: pa.Table, keys: Mapping[str, str], batch: int) -> pa.Table:
    """Return rows under tags in the held layout of their new lake.

    Args:
        keys: tag → person key there.
    """
    held = replace_ids(rows, "tag", "person_key", keys)
    held = held.append_column("batch", pa.repeat(pa.scalar(batch, pa.int64()), held.num_rows))
    schema = held_schema(table)
    return held.select(schema.names).cast(schema)


def rows_of(tables: Tables) -> dict[str, int]:
    """Return table → rows, for tables with rows."""
    return {table: rows.num_rows for table, rows in sorted(tables.items()) if rows.num_rows}


def _records(rows: pa.Table) -> pa.Array:
    """Return each row's record as its receiver knows it: provider and unit."""
    # What stands before the point is the unit, the rest its part (`sekisho.data.lake.replacing`).
    units = pc.replace_substring_regex(rows.column("source_id"), r"\..*$", "")
    named = pc.binary_join_element_wise(rows.column("provider"), units, " ")
    return named.combine_chunks() if isinstance(named, pa.ChunkedArray) else named
