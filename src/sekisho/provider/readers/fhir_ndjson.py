"""FHIR R4 NDJSON (Bulk Data): one resource a line, one or mixed types, plain or gzip.

A line may also be a bundle of deletions, as the files called ``deleted`` of an export have them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from sekisho.provider.readers.fhir import (
    all_opened,
    check_text,
    is_text,
    opened,
    read_resource,
    type_name,
)
from sekisho.provider.readers.fhir_bundle import deletions
from sekisho.provider.records import UNREADABLE, Note, Record, Unreadable, refused
from sekisho.provider.sources import Limits, Line, SourceProblem, line_runs


def read(path: Path, limits: Limits) -> Iterator[Record | Note]:
    """Yield one record a line; a line that cannot be read is a refused record."""
    try:
        for data, found in line_runs(path, limits):
            sound = is_text(data)
            opened = _opened(data, found) if sound else None
            if opened is None:
                for line in found:
                    yield from _read(line, sound)
                continue
            for line, it in zip(found, opened, strict=True):
                if type_name(it) == "Bundle":
                    yield from _read(line, sound)
                else:
                    yield read_resource(line.data or b"", line.number, head=it)
    except SourceProblem as problem:
        yield Note(problem.line, problem.code)


def _opened(data: bytes, found: list[Line]) -> Sequence[Struct] | None:
    for line in found:
        if not (line.data and line.data.startswith(b"{") and line.data.endswith(b"}")):
            return None
    return all_opened(data, len(found))


def _read(line: Line, sound: bool) -> Iterable[Record]:
    """Read one line, of which it may be known that it is text."""
    data, number = line.data, line.number
    try:
        if data is None:
            raise Unreadable("line.too-long")
        if not sound:
            check_text(data)
        it = opened(data)
        if type_name(it) == "Bundle":
            return deletions(data, number)
    except Unreadable as problem:
        cut = problem.code == "json.malformed" and not line.ended
        code = "json.truncated" if cut else problem.code
        return (refused(UNREADABLE, number, f"line/{number}", code),)
    return (read_resource(data, number, head=it),)
