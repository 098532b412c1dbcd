"""OMOP CDM 5.4 as CSV with headings: a folder, an archive or single files, one table a file.

The concepts of the file stay, as no other reader's do: whoever made it has mapped them. A person is
a number of that database's own (``person_id``), never an insured number, whatever
``person_source_value`` says: the provider's mapping tells whose it is. Tables that have no place
here are counted. Source: OHDSI OMOP Common Data Model v5.4.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from sekisho.provider.archives import is_archive, unpacked
from sekisho.provider.readers.omop_tables import Reading, aside_reason, name_of, reading_of
from sekisho.provider.readers.tabular import Cells, cells
from sekisho.provider.records import (
    Note,
    Outcome,
    Record,
    Unreadable,
    refused,
)
from sekisho.provider.sources import Limits, SourceProblem


def files_of(paths: Sequence[Path]) -> list[Path]:
    """Return the CSV files of folders among ``paths`` and the others as they are, by name."""
    found: list[Path] = []
    for path in paths:
        if path.is_symlink() or not path.is_dir():
            found.append(path)
            continue
        for folder, _, names in os.walk(path, followlinks=False):
            wanted = (n for n in names if n.lower().endswith(".csv") and not n.startswith("."))
            found.extend(Path(folder) / name for name in wanted)
    return sorted(found, key=lambda one: (one.name.lower(), str(one)))


def read(path: Path, limits: Limits) -> Iterator[Record | Note]:
    """Yield one record a row of each table."""
    try:
        if not is_archive(path):
            yield from _table(path, path.name, limits)
            return
        ignored: list[str] = []
        with unpacked(path, limits, ignored) as members:
            if ignored:
                yield Note(0, "archive.ignored")
            for member in sorted(members, key=lambda one: one.name.lower()):
                yield from _table(member.path, member.name, limits)
    except SourceProblem as problem:
        yield Note(problem.line, problem.code)


def _table(path: Path, inside: str, limits: Limits) -> Iterator[Record | Note]:
    name = name_of(PurePosixPath(inside).stem)
    reading: Reading | None = None
    headings: list[str] | None = None
    try:
        for line in cells(path, limits, "utf-8", ",", quoted=True):
            if headings is None:
                headings = [text.strip().lower() for text in line.fields]
                reading = reading_of(name, headings)
                if reading is not None and reading.missing:
                    yield Note(line.number, "omop.columns", name)
                continue
            yield _record(line, name, reading, f"{inside}/{line.number}", len(headings))
    except SourceProblem as problem:
        yield Note(problem.line, problem.code, name)


def _record(line: Cells, name: str, reading: Reading | None, place: str, width: int) -> Record:
    if line.problem:
        return refused(name, line.number, place, line.problem)
    if len(line.fields) != width:
        return refused(name, line.number, place, "table.columns")
    if reading is None:
        unit = f"{name}/{place}"
        why = aside_reason(name)
        return Record(name, line.number, unit, outcome=Outcome.SET_ASIDE, code=why)
    if reading.missing:
        return refused(name, line.number, place, "omop.columns")
    try:
        return reading.record(line)
    except Unreadable as problem:
        return refused(name, line.number, place, problem.code, patient=reading.patient(line))
