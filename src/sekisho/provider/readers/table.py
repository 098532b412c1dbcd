"""Any delimited file, read by a declared layout (`table_layout`): no format's own code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from sekisho.cdm import TABLES, Column
from sekisho.common.errors import UserError
from sekisho.provider.readers.fhir_patient import doubts, key_of
from sekisho.provider.readers.table_layout import (
    Cell,
    Choice,
    Described,
    Layout,
    Made,
    Place,
    needed_days,
    places_of,
)
from sekisho.provider.readers.tabular import Cells, cells
from sekisho.provider.readers.typed import value
from sekisho.provider.readers.uke_values import Month, calendar_date
from sekisho.provider.records import (
    OTHER,
    UNREADABLE,
    Identity,
    Note,
    Outcome,
    Record,
    Row,
    Unreadable,
    refused,
    row,
)
from sekisho.provider.sources import Limits, SourceProblem
from sekisho.pseudonym.dates import read_date
from sekisho.pseudonym.identifiers import JP_INSURED, JP_LOCAL, US_SSN

_TABLES = {table.name: table for table in TABLES}
_EPOCH = calendar_date(0).toordinal()
Get = Callable[[Place], str]


@dataclass(frozen=True)
class _Reading:
    """A record of the layout, with the places that its columns have in this file."""

    layout: str
    described: Described
    places: Mapping[Place, int]
    width: int

    @property
    def complete(self) -> bool:
        return all(place in self.places for place in places_of(self.described))


def reader_of(layout: Layout) -> Callable[[Path, Limits], Iterator[Record | Note]]:
    """Return a reader by ``layout``."""

    def read(path: Path, limits: Limits) -> Iterator[Record | Note]:
        try:
            yield from _file(layout, path, limits)
        except SourceProblem as problem:
            yield Note(problem.line, problem.code)

    return read


def _file(layout: Layout, path: Path, limits: Limits) -> Iterator[Record | Note]:
    if layout.experimental:
        yield Note(0, "table.experimental")
    wanted = [one for one in layout.record if fnmatchcase(path.name.lower(), one.file.lower())]
    readings: list[_Reading] | None = None
    for line in cells(path, limits, layout.encoding, layout.delimiter, quoted=layout.quoted):
        if readings is None and layout.headings:
            named = {text.strip(): n for n, text in reversed(list(enumerate(line.fields)))}
            readings = [_resolved(layout.id, one, named, len(line.fields)) for one in wanted]
            for reading in readings:
                if not reading.complete:
                    yield Note(line.number, "table.headings", reading.described.name)
            continue
        if readings is None:
            readings = [_resolved(layout.id, one, {}, 0) for one in wanted]
        yield _record(line, readings, f"{path.name}/{line.number}")


def _resolved(layout: str, one: Described, named: Mapping[str, int], width: int) -> _Reading:
    places: dict[Place, int] = {}
    for place in places_of(one):
        if isinstance(place, int):
            places[place] = place - 1
        elif place in named:
            places[place] = named[place]
    return _Reading(layout, one, places, width)


def _record(line: Cells, readings: list[_Reading], unit: str) -> Record:
    if line.problem:
        return refused(UNREADABLE, line.number, unit, line.problem)
    for reading in readings:
        name = reading.described.name
        if not reading.complete:
            return refused(name, line.number, unit, "table.headings")
        if reading.width and len(line.fields) != reading.width:
            return refused(name, line.number, unit, "table.columns")
        get = _getter(line.fields, reading.places)
        if not _holds(reading.described.when, get):
            continue
        try:
            return _described(line, reading, get)
        except Unreadable as problem:
            return refused(name, line.number, unit, problem.code)
    return Record(OTHER, line.number, unit, outcome=Outcome.SET_ASIDE, code="unknown-type")


def _getter(fields: list[str], places: Mapping[Place, int]) -> Get:
    def get(place: Place) -> str:
        at = places[place]
        return fields[at].strip() if at < len(fields) else ""

    return get


def _holds(choices: tuple[Choice, ...], get: Get) -> bool:
    for choice in choices:
        text = get(choice.column)
        if text not in choice.values if choice.values else not text:
            return False
    return True


def _described(line: Cells, reading: _Reading, get: Get) -> Record:
    it = reading.described
    parts = [get(place) for place in it.person]
    if not all(parts):
        raise Unreadable("person.no-subject")
    person = f"{JP_LOCAL}|{':'.join(parts)}"
    key = [get(place) for place in it.key] if it.key else line.fields
    if not any(key):
        raise Unreadable("table.key")
    visits = [get(place) for place in it.visit]
    visit = f"{reading.layout}/visit/{':'.join(visits)}" if any(visits) else None
    identity = _identity(it, get, person)
    rows = tuple(_row(made, get, visit) for made in it.row if _holds(made.when, get))
    unit = f"{reading.layout}/{it.name}/{chr(31).join(key)}"
    if not rows and identity is None:
        return Record(
            it.name, line.number, unit, patient=person, outcome=Outcome.SET_ASIDE, code="no-table"
        )
    if identity is not None and identity.hopeless:
        return refused(it.name, line.number, unit, identity.hopeless, patient=person)
    return Record(it.name, line.number, unit, rows, person, identity=identity)


def _row(made: Made, get: Get, visit: str | None) -> Row:
    table = _TABLES[made.table]
    columns = {column.name: column for column in table.content}
    values = {name: _value(cell, columns[name], get) for name, cell in made.columns.items()}
    if any(values[name] is None for name in needed_days(table)):
        raise Unreadable("date.missing")
    return row(made.table, visit, **values)


def _value(cell: Cell, column: Column, get: Get) -> int | str | None:
    if cell.value is not None:
        return cell.value
    text = "".join(get(place) for place in cell.columns)
    if cell.map is not None:
        found = cell.map.get(text, cell.otherwise)
        if found is None:
            raise Unreadable("table.code")
        return found
    if not text or (cell.read == "value" and column.type != "date"):
        return value(text, column)
    if cell.read in ("month-start", "month-end"):
        try:
            month = Month(text)
        except Unreadable:
            raise Unreadable("date.impossible") from None
        return month.first if cell.read == "month-start" else month.last
    day = _day(text)
    if cell.read == "year":
        return calendar_date(day).year
    return calendar_date(day).month if cell.read == "month-of-year" else day


def _day(text: str) -> int:
    """Return a day in any spelling that is known, Western or of an era; a time of day is cut."""
    if text[10:11] in ("T", " "):
        text = text[:10]
    try:
        return read_date(text).toordinal() - _EPOCH
    except UserError:
        raise Unreadable("date.impossible") from None


def _identity(it: Described, get: Get, person: str) -> Identity | None:
    numbers = it.identity
    if numbers is None:
        return None
    others = ((JP_LOCAL, person.partition("|")[2]),)
    if numbers.system == "us-ssn":
        key, problem = key_of(US_SSN, get(numbers.number))
        return Identity((person,), key, problem, others)

    def part(place: Place | None) -> str:
        return get(place) if place is not None else ""

    birth = calendar_date(_day(part(numbers.birth))) if part(numbers.birth) else None
    value = ":".join(
        (
            part(numbers.insurer),
            part(numbers.symbol),
            part(numbers.number),
            part(numbers.branch),
        )
    )
    key, problem = key_of(JP_INSURED, value, birth, part(numbers.sex) or None)
    return Identity((person,), key, problem, others, None, doubts(key))
