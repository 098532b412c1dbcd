"""Processing into pseudonymised data: row by row, so that it may run before or after a hand-over.

Values are looked at once per distinct value of a column, not once per row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm import Column, Table, table
from sekisho.common.errors import Refusal
from sekisho.data.processing.my_number import holds_my_number
from sekisho.data.processing.rules import Pattern, Rules

LINKS: Final = ("tag", "person_key", "source_id", "visit_ref", "fact", "route", "wanted")
"""Columns beside the content: they tie rows together on the way and do not survive the gate."""


@dataclass(frozen=True)
class Processed:
    """``blanked``: rule → values taken out; ``rules``: digest of the rules that were applied."""

    tables: Mapping[str, pa.Table]
    blanked: Mapping[str, int]
    rules: str


def process(tables: Mapping[str, pa.Table], rules: Rules) -> Processed:
    """Apply ``rules`` to tables of an extract (CDM name → rows with link and content columns).

    Raises:
        Refusal: a column is not one of the table's, or no rule speaks of it.
    """
    blanked: Counter[str] = Counter()
    done = {
        name: _process_table(table(name), rows, rules, blanked) for name, rows in tables.items()
    }
    return Processed(done, dict(sorted(blanked.items())), rules.digest)


def _process_table(of: Table, rows: pa.Table, rules: Rules, blanked: Counter[str]) -> pa.Table:
    columns = {column.name: column for column in of.content}
    for place, name in enumerate(rows.column_names):
        if name in LINKS:
            continue
        if name not in columns:
            raise Refusal(
                "processing.unclassified-column",
                f"{of.name} has a column that is not classified: {name!r}.",
                rule="every column has a role; one without is refused",
                next_step="send the columns of the plan only",
            )
        column = columns[name]
        if rules.action(of, column) != "keep":
            blanked[f"{of.name}.{name}"] += rows.num_rows - rows.column(place).null_count
            empty = pa.nulls(rows.num_rows, rows.column(place).type)
            rows = rows.set_column(place, name, empty)
        elif column.type == "string":
            rows = rows.set_column(place, name, _blank(rows, column, rules, blanked))
    return rows


def _blank(rows: pa.Table, column: Column, rules: Rules, blanked: Counter[str]) -> pa.ChunkedArray:
    """Return the column without the values that tell who a person is."""
    values = rows.column(column.name)
    distinct = pc.unique(values).drop_null()
    plain = pc.utf8_normalize(distinct, form="NFKC")
    coded = _coded(rows, column)
    found: list[tuple[str, pa.Array, bool]] = [
        (pattern.id, pc.filter(distinct, _matches(plain, pattern)), pattern.where == "uncoded")
        for pattern in rules.pattern
        # The name of a code system is no value: it may be an address or an OID.
        if pattern.where == "anywhere" or not column.name.endswith("_source_system")
    ]
    too_long = pc.greater(pc.utf8_length(distinct), rules.free_text.longest)
    found.append(("free-text", pc.filter(distinct, too_long), False))
    for rule, telling, uncoded_only in found:
        if not len(telling):
            continue
        hit = pc.is_in(values, value_set=telling)
        if uncoded_only and coded is not None:
            hit = pc.and_not(hit, coded)
        blanked[rule] += pc.sum(hit).as_py() or 0
        values = pc.if_else(hit, pa.scalar(None, pa.string()), values)
    return values


def _coded(rows: pa.Table, column: Column) -> pa.ChunkedArray | None:
    """Return for each row whether it names a code system for the value; None: it never can."""
    stem, found, _ = column.name.rpartition("_source_value")
    system = f"{stem}_source_system"
    return pc.is_valid(rows.column(system)) if found and system in rows.column_names else None


def _matches(values: pa.Array, pattern: Pattern) -> pa.Array:
    mask = pc.match_substring_regex(values, pattern.expression)
    if pattern.check is None:
        return mask
    checked = [
        hit and holds_my_number(v)
        for hit, v in zip(mask.to_pylist(), values.to_pylist(), strict=True)
    ]
    return pa.array(checked, pa.bool_())
