"""FHIR R4 NDJSON (Bulk Data): one resource a line, one or mixed types, plain or gzip.

A line may also be a bundle of deletions, as the files called ``deleted`` of an export have them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from sekisho.provider.readers.fhir import check_text, is_text, opened, read_resource
from sekisho.provider.readers.fhir_bundle import deletions
from sekisho.provider.records import UNREADABLE, Note, Record, Unreadable, refused
from sekisho.provider.sources import Limits, Line, SourceProblem, line_runs


def read(path: Path, limits: Limits) -> Iterator[Record | Note]:
    """Yield one record a line; a line that cannot be read is a refused record."""
    try:
        for data, found in line_runs(path, limits):
            sound = is_text(data)
            for line in found:
                yield from _read(line, sound)
    except SourceProblem as problem:
        yield Note(problem.line, problem.code)


def _read(line: Line, sound: bool) -> Iterable[Record]:
    """Read one line, of which it may be known that it is text."""
    data, number = line.data, line.number
    try:
        if data is None:
            raise Unreadable("line.too-long")
        if not sound:
            check_text(data)
        it = opened(data)
        if it.resource_type == "Bundle":
            return list(deletions(data, number))
    except Unreadable as problem:
        cut = problem.code == "json.malformed" and not line.ended
        code = "json.truncated" if cut else problem.code
        return (refused(UNREADABLE, number, f"line/{number}", code),)
    return (read_resource(data, number, head=it),)
