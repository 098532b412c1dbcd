"""Which tables of OMOP CDM 5.4 have a place here, and how a row of each becomes one of ours."""

from __future__ import annotations

from dataclasses import dataclass

from sekisho.cdm import TABLES, Column, Table
from sekisho.provider.readers.table_layout import needed_days
from sekisho.provider.readers.tabular import Cells
from sekisho.provider.readers.typed import value
from sekisho.provider.records import OTHER, Outcome, Record, Unreadable, row
from sekisho.pseudonym.identifiers import JP_LOCAL

_OURS = {table.name: table for table in TABLES}
_THEIRS = (
    "care_site cdm_source cohort cohort_definition concept concept_ancestor concept_class "
    "concept_relationship concept_synonym condition_era domain dose_era drug_era drug_strength "
    "episode episode_event fact_relationship location metadata note note_nlp provider "
    "relationship source_to_concept_map specimen visit_detail vocabulary"
)
"""Tables of the CDM without a place here."""
_KNOWN = frozenset(_OURS) | frozenset(_THEIRS.split(" "))
_TEXTS = ("value_as_string", "stop_reason", "sig", "value_source_value")
"""Columns of free text that have no place here; ``value_source_value`` where it has none."""


@dataclass(frozen=True)
class Reading:
    """Where the columns of one of our tables stand in a file's lines.

    Args:
        columns: (column, its place) of those of our columns that the file has.
        key, person, visit, texts: places; -1 where the file has none.
        missing: a column that every row must have is not there.
    """

    table: Table
    columns: tuple[tuple[Column, int], ...]
    key: int
    person: int
    visit: int
    texts: tuple[int, ...]
    missing: bool

    def patient(self, line: Cells) -> str | None:
        """Return the local name of the row's person."""
        number = line.fields[self.person].strip()
        return f"{JP_LOCAL}|{number}" if number else None

    def record(self, line: Cells) -> Record:
        """Return a row as a record of its own.

        Raises:
            Unreadable: a cell is of another type, or the person, key or day is missing.
        """
        patient = self.patient(line)
        if patient is None:
            raise Unreadable("person.no-subject")
        key = line.fields[self.key].strip()
        if not key:
            raise Unreadable("omop.key")
        read = {column.name: value(line.fields[at], column) for column, at in self.columns}
        for column in needed_days(self.table):
            if read[column] is None:
                raise Unreadable("date.missing")
        unit = f"{self.table.name}/{key}"
        visit = line.fields[self.visit].strip() if self.visit >= 0 else ""
        if self.table.name == "visit_occurrence":
            visit = key
        name = f"visit_occurrence/{visit}" if visit else None
        dropped = sum(1 for at in self.texts if line.fields[at].strip())
        rows = (row(self.table.name, name, **read),)
        return Record(
            self.table.name, line.number, unit, rows, patient, Outcome.SENT, dropped=dropped
        )


def name_of(stem: str) -> str:
    """Return the table that a file's name says; a name that is none of the CDM's stays here."""
    return stem.lower() if stem.lower() in _KNOWN else OTHER


def aside_reason(name: str) -> str:
    """Say why a table is set aside."""
    if name in _OURS:
        return "no-person"  # cost names an event, and the event its person: not joined here
    return "unknown-type" if name == OTHER else "no-table"


def reading_of(name: str, headings: list[str]) -> Reading | None:
    """Return how to read the table called ``name``; None where it has no place or no person."""
    table = _OURS.get(name)
    if table is None or (name == "cost" and "person_id" not in headings):
        return None
    at = {heading: place for place, heading in reversed(list(enumerate(headings)))}
    columns = tuple((c, at[c.name]) for c in table.content if c.name in at)
    key = at.get(table.key or "person_id", -1)
    needed = {"person_id", *needed_days(table), *_concepts(table)}
    texts = [t for t in _TEXTS if t in at and t not in {c.name for c in table.content}]
    return Reading(
        table,
        columns,
        key,
        at.get("person_id", -1),
        at.get("visit_occurrence_id", -1),
        tuple(at[t] for t in texts),
        key < 0 or not needed <= at.keys(),
    )


def _concepts(table: Table) -> list[str]:
    """Return the concept that says what the row is."""
    first = next((c.name for c in table.content if c.name.endswith("_concept_id")), None)
    return [first] if first and table.name not in ("cost", "death") else []
