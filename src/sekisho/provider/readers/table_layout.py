"""A layout: what the columns of a file mean, said in TOML and proved before a file is opened.

A record selects lines (by the file's name, by cells), names its person and itself, and gives rows
of the CDM. Nothing is guessed: a column that no row asks for stays with the provider.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from sekisho.cdm import TABLES, Column, Table
from sekisho.common.errors import UserError
from sekisho.common.toml import locate, read_toml
from sekisho.provider.readers.tabular import Encoding

Place = Annotated[str, Meta(min_length=1)] | Annotated[int, Meta(ge=1, le=5000)]
"""A column by its heading, or by its place from 1."""
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")]
As = Literal["value", "year", "month-of-year", "month-start", "month-end"]
SHIPPED = "layouts"


class Choice(Struct, frozen=True, forbid_unknown_fields=True):
    """A column holds one of ``values``; without any, it is not blank."""

    column: Place
    values: tuple[str, ...] = ()


class Cell(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a column of the CDM comes from: ``columns``, joined, or a fixed ``value``.

    ``map`` turns the text into another, ``otherwise`` is for what it lacks; without ``otherwise``
    such a line is refused. ``read`` takes a part of a date.
    """

    columns: tuple[Place, ...] = ()
    value: str | int | None = None
    read: As = "value"
    map: dict[str, str | int] | None = None
    otherwise: str | int | None = None


class Made(Struct, frozen=True, forbid_unknown_fields=True):
    """A row of ``table``, where every choice in ``when`` holds."""

    table: str
    columns: dict[str, Cell]
    when: tuple[Choice, ...] = ()


class Numbers(Struct, frozen=True, forbid_unknown_fields=True):
    """Columns of an identifier that means the person everywhere."""

    system: Literal["insured", "us-ssn"]
    number: Place
    insurer: Place | None = None
    symbol: Place | None = None
    branch: Place | None = None
    birth: Place | None = None
    sex: Place | None = None


class Described(Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of line.

    Args:
        person: columns whose values, joined, are the provider's own number of the person.
        identity: columns of an identifier that ties this number to a person.
        key: columns whose values name the record, so that it is replaced when it is sent again;
            without any, all of them do.
        visit: columns that name the visit.
        file: the file's name, with * and ?.
    """

    name: Name
    person: Annotated[tuple[Place, ...], Meta(min_length=1)]
    row: tuple[Made, ...] = ()
    identity: Numbers | None = None
    key: tuple[Place, ...] = ()
    visit: tuple[Place, ...] = ()
    when: tuple[Choice, ...] = ()
    file: str = "*"


class Layout(Struct, frozen=True, forbid_unknown_fields=True):
    """A whole layout file. ``source`` says where the meaning of the columns is known from."""

    id: Name
    source: Annotated[str, Meta(min_length=1)]
    record: Annotated[tuple[Described, ...], Meta(min_length=1)]
    encoding: Encoding = "utf-8"
    delimiter: Literal[",", "\t", ";", "|"] = ","
    quoted: bool = True
    headings: bool = True
    experimental: bool = False


_TABLES = {table.name: table for table in TABLES}


def load_layout(path: Path) -> Layout:
    """Read and prove a layout.

    Raises:
        UserError: with file and line, and what is wrong there.
    """
    layout = read_toml(path, Layout)
    problem = _first_problem(layout)
    if problem is not None:
        keys, what = problem
        line = locate(path.read_text("utf-8"), keys)
        raise UserError(
            "layout.invalid",
            f"{path.name}:{line}: {what}",
            next_step="docs/how-to/describe-a-table.md shows a layout line by line",
        )
    return layout


def layout_schema() -> dict[str, Any]:
    """Return the JSON Schema of a layout."""
    return msgspec.json.schema(Layout)


def shipped_layouts() -> list[str]:
    """Return the names of the layouts that come with the program."""
    folder = files("sekisho.provider") / SHIPPED
    return sorted(one.name[:-5] for one in folder.iterdir() if one.name.endswith(".toml"))


def shipped_layout(name: str) -> Layout:
    """Return a layout that comes with the program, one of `shipped_layouts`."""
    with as_file(files("sekisho.provider") / SHIPPED / f"{name}.toml") as path:
        return load_layout(path)


_Problem = tuple[list[str | int], str]


def _first_problem(layout: Layout) -> _Problem | None:
    names: set[str] = set()
    for number, record in enumerate(layout.record):
        at: list[str | int] = ["record", number]
        if record.name in names:
            return [*at, "name"], f"the record {record.name!r} is there twice"
        names.add(record.name)
        if not layout.headings and any(isinstance(place, str) for place in places_of(record)):
            return at, "without headings, columns are named by their place, from 1"
        if record.identity is not None and (record.identity.system == "insured") != bool(
            record.identity.insurer
        ):
            return [*at, "identity"], "an insured number needs its insurer, another has none"
        for made in record.row:
            what = _wrong_row(made)
            if what:
                return [*at, "row"], what
    return None


def _wrong_row(made: Made) -> str | None:
    table = _TABLES.get(made.table)
    if table is None:
        return f"there is no table {made.table!r}"
    known = {column.name: column for column in table.content}
    for name, cell in made.columns.items():
        if name not in known:
            return f"{made.table} has no column {name!r} that a layout may fill"
        what = _wrong_cell(cell, known[name])
        if what:
            return f"{made.table}.{name}: {what}"
    lacking = [name for name in needed_days(table) if name not in made.columns]
    return f"{made.table} needs {', '.join(lacking)}" if lacking else None


def _wrong_cell(cell: Cell, column: Column) -> str | None:
    if bool(cell.columns) == (cell.value is not None):
        return "either columns or a value, and only one of them"
    fixed = (cell.value, cell.otherwise, *(cell.map or {}).values())
    expected = int if column.type == "int64" else str
    if any(one is not None and not isinstance(one, expected) for one in fixed):
        return f"a fixed value here is {'a whole number' if expected is int else 'text'}"
    if column.type == "date" and any(one is not None for one in fixed):
        return "a day comes from a column"
    if cell.read in ("month-start", "month-end") and column.type != "date":
        return f"{cell.read} gives a day"
    if cell.read in ("year", "month-of-year") and column.type != "int64":
        return f"{cell.read} gives a whole number"
    if cell.otherwise is not None and cell.map is None:
        return "otherwise belongs to a map"
    return None


def needed_days(table: Table) -> list[str]:
    """Return the days that every row has: the first date of a table, both of a period."""
    dates = [c.name for c in table.content if c.type == "date"]
    if table.name == "cost":
        return []
    return dates if table.name.endswith("_period") else dates[:1]


def places_of(record: Described) -> list[Place]:
    """Return every column that a record asks for."""
    made: list[Place] = [*record.person, *record.key, *record.visit]
    made.extend(choice.column for choice in record.when)
    if record.identity is not None:
        numbers = msgspec.structs.astuple(record.identity)[1:]
        made.extend(place for place in numbers if place is not None)
    for row in record.row:
        made.extend(choice.column for choice in row.when)
        made.extend(place for cell in row.columns.values() for place in cell.columns)
    return made
