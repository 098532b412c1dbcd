"""Columns of a table as it is held: under row-level person keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pyarrow as pa

from sekisho.cdm import ORIGIN, content_fields
from sekisho.common.errors import Defect

HELD: Final = ("person_key", *ORIGIN, "provider", "batch")
"""Columns before the content at rest. ``person_key`` is random, 32 hex digits, and says nothing."""


def held_schema(name: str) -> pa.Schema:
    """Return the schema of table ``name`` in a lake."""
    own = [(column, pa.int64() if column == "batch" else pa.string()) for column in HELD]
    return pa.schema(own + content_fields(name))


def hold(
    name: str, transit: pa.Table, keys: Mapping[str, str], *, provider: str, batch: int
) -> pa.Table:
    """Return ``transit`` in the held layout: each tag replaced by its person's key.

    Args:
        keys: tag → person key.

    Raises:
        Defect: a tag has no person; none of it may land.
    """
    held = replace_ids(transit, "tag", "person_key", keys)
    size = held.num_rows
    extra = {
        "provider": pa.repeat(pa.scalar(provider, pa.string()), size),
        "batch": pa.repeat(pa.scalar(batch, pa.int64()), size),
    }
    columns = {**dict(zip(held.column_names, held.columns, strict=True)), **extra}
    schema = held_schema(name)
    return pa.table([columns[column] for column in schema.names], schema=schema)


def replace_ids(rows: pa.Table, old: str, new: str, mapping: Mapping[str, str]) -> pa.Table:
    """Return ``rows`` with column ``old`` replaced by ``new``, its values mapped.

    Raises:
        Defect: a value has no counterpart. The message says how many rows, not which.
    """
    here = rows.column(old).combine_chunks().dictionary_encode()
    named = pa.array([mapping.get(value) for value in here.dictionary.to_pylist()], pa.string())
    replaced = named.take(here.indices)
    if replaced.null_count:
        raise Defect(
            "lake.person-without-counterpart",
            f"{replaced.null_count} of {rows.num_rows} rows have a {old} without a {new}.",
            next_step="convert the whole batch of persons again; nothing was changed",
        )
    position = rows.column_names.index(old)
    return rows.set_column(position, new, replaced)
