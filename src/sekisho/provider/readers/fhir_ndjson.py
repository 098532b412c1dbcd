"""FHIR R4 NDJSON (Bulk Data): one resource a line, one or mixed types, plain or gzip.

A line may also be a bundle of deletions, as the files called ``deleted`` of an export have them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sekisho.provider.readers.fhir import (
    BUNDLE,
    all_opened,
    check_text,
    is_text,
    opened,
    read_resource,
    type_name,
)
from sekisho.provider.readers.fhir_bundle import deletions
from sekisho.provider.records import UNREADABLE, Note, Record, Unreadable, refused
from sekisho.provider.sources import Limits, Line, Run, SourceProblem, lines_in, runs

_ENDS = (b"}\n", b"}\r\n")


def read(path: Path, limits: Limits) -> Iterator[Record | Note]:
    """Yield one record a line; a line that cannot be read is a refused record."""
    try:
        for run in runs(path, limits):
            sound = is_text(run.data)
            opened = _opened(run) if sound and len(run.data) <= limits.line_bytes else None
            if opened is None:
                for line in lines_in(run, limits):
                    yield from _read(line, sound)
                continue
            for number, (data, it) in enumerate(opened, run.before + 1):
                if type(it) is BUNDLE:
                    yield from _read(Line(number, data.rstrip(b"\r\n")), sound)
                else:
                    yield read_resource(data, number, head=it)
    except SourceProblem as problem:
        yield Note(problem.line, problem.code)


def _opened(run: Run) -> Iterable[tuple[bytes, Any]] | None:
    """Return each line with what is in it; None where they must be read one by one."""
    lines = run.lines or []
    for line in lines:
        if not (line.startswith(b"{") and line.endswith(_ENDS)):
            return None
    found = all_opened(run.data, len(lines))
    if found is None or not all(it.id for it in found):  # without an id, its bytes are its name
        return None
    return zip(lines, found, strict=True)


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
