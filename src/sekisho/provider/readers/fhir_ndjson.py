"""FHIR R4 NDJSON (Bulk Data): one resource a line, one or mixed types, plain or gzip.

A line may also be a bundle of deletions, as the files called ``deleted`` of an export have them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from sekisho.provider.readers.fhir import check_text, opened, read_resource
from sekisho.provider.readers.fhir_bundle import deletions
from sekisho.provider.records import UNREADABLE, Note, Record, Unreadable, refused
from sekisho.provider.sources import Limits, Line, SourceProblem, lines


def read(path: Path, limits: Limits) -> Iterator[Record | Note]:
    """Yield one record a line; a line that cannot be read is a refused record."""
    try:
        for line in lines(path, limits):
            yield from _records(line)
    except SourceProblem as problem:
        yield Note(problem.line, problem.code)


def _records(line: Line) -> Iterable[Record]:
    data, number = line.data, line.number
    if data is None:
        return (refused(UNREADABLE, number, f"line/{number}", "line.too-long"),)
    try:
        check_text(data)
        it = opened(data)
        if it.resource_type == "Bundle":
            return deletions(data, number)
    except Unreadable as problem:
        cut = problem.code == "json.malformed" and not line.ended
        code = "json.truncated" if cut else problem.code
        return (refused(UNREADABLE, number, f"line/{number}", code),)
    return (read_resource(data, number, head=it),)
