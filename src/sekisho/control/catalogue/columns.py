"""Which columns an application asks for: checked against the tables that exist."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from sekisho.cdm import TABLES, table
from sekisho.common.errors import UserError


class TableColumns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Columns of one table. Row key, person and visit are never listed: they come with every
    table, issued anew for each extract."""

    table: str
    columns: tuple[str, ...]


def check_columns(
    tables: Sequence[str], columns: Sequence[TableColumns] = ()
) -> tuple[TableColumns, ...]:
    """Return the content columns asked for, in the order of the CDM, whatever the order asked in.

    A table without an entry in ``columns`` is asked for whole.

    Raises:
        UserError: a table or column does not exist, is named twice, or nothing is asked for.
    """
    if not tables:
        raise UserError(
            "catalogue.nothing-asked",
            "No table is asked for.",
            next_step="name at least one table: " + ", ".join(t.name for t in TABLES),
        )
    _refuse_twice("table", tables)
    _refuse_twice("column list of table", [chosen.table for chosen in columns])
    for name in tables:
        table(name)
    chosen_columns = {chosen.table: chosen.columns for chosen in columns}
    for name in chosen_columns:
        if name not in tables:
            raise UserError(
                "catalogue.table-not-asked",
                f"Columns of {name!r} are chosen, but the table is not asked for.",
                next_step=f"add {name!r} to the tables or take its columns out",
            )
    return tuple(
        TableColumns(known.name, _resolve(known.name, chosen_columns.get(known.name)))
        for known in TABLES
        if known.name in tables
    )


def _resolve(name: str, chosen: tuple[str, ...] | None) -> tuple[str, ...]:
    known = table(name)
    content = tuple(column.name for column in known.content)
    if chosen is None:
        return content
    _refuse_twice(f"column of {name}", chosen)
    unknown = sorted(set(chosen) - set(known.names))
    if unknown:
        raise UserError(
            "catalogue.no-column",
            f"Table {name!r} has no column {', '.join(map(repr, unknown))}.",
            next_step="columns: " + ", ".join(content),
        )
    return tuple(column for column in content if column in chosen)


def _refuse_twice(what: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise UserError(
            "catalogue.named-twice",
            f"The {what} {', '.join(map(repr, twice))} is named twice.",
            next_step="name each once",
        )
