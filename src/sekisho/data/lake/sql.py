"""SQL texts made of names that we chose; never of a value that came with data.

Values of persons reach an engine as Arrow tables only, so they cannot stand in a query text, a
plan or an error message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date

_NAME = re.compile(r"[a-z_][a-z0-9_]*\Z")


class Sql(str):
    """A text that this module made."""

    __slots__ = ()


def name(value: str) -> Sql:
    """Return a table's or column's name; anything but a plain lower-case name is a defect."""
    if not _NAME.match(value):
        raise ValueError("not a plain SQL name")
    return Sql(value)


def names(values: Iterable[str], prefix: str = "", suffix: str = "") -> Sql:
    """Return a list of columns, e.g. ``r.a, r.b`` or ``a NULLS FIRST, b NULLS FIRST``."""
    return Sql(", ".join(f"{prefix}{name(value)}{suffix}" for value in values))


def literal(value: str | int | date) -> Sql:
    """Return a constant. For ids, dates and numbers of a permit, not for values of records."""
    if isinstance(value, date):
        return Sql(f"DATE '{value.isoformat()}'")
    if isinstance(value, int):
        return Sql(str(value))
    return Sql("'" + value.replace("'", "''") + "'")


def literals(values: Iterable[str | int]) -> Sql:
    """Return constants for an ``IN`` list; an empty list becomes ``NULL``, which holds nothing."""
    return Sql(", ".join(literal(value) for value in values) or "NULL")


def fill(template: str, /, **parts: Sql) -> Sql:
    """Return ``template`` with its ``{fields}`` replaced by texts that this module made."""
    for field, part in parts.items():
        if not isinstance(part, Sql):
            raise TypeError(f"{field} is not made by this module")
    return Sql(template.format(**parts))
