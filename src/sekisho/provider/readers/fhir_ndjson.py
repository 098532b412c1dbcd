"""FHIR R4 NDJSON (Bulk Data): one resource a line, one or mixed types, plain or gzip.

A line may also be a bundle of deletions, as the files called ``deleted`` of an export have them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sekisho.provider.readers.fhir import check_text, opened, read_resource
from sekisho.provider.readers.fhir_bundle import deletions
from sekisho.provider.records import UNREADABLE, Note, Record, Unreadable, refused
from sekisho.provider.sources import Limits, SourceProblem, lines


def read(path: Path, limits: Limits) -> Iterator[Record | Note]:
    """Yield one record a line; a line that cannot be read is a refused record."""
    try:
        for line in lines(path, limits):
            data, number = line.data, line.number
            try:
                if data is None:
                    raise Unreadable("line.too-long")
                check_text(data)
                it = opened(data)
                if it.resource_type == "Bundle":
                    yield from deletions(data, number)
                    continue
            except Unreadable as problem:
                cut = problem.code == "json.malformed" and not line.ended
                code = "json.truncated" if cut else problem.code
                yield refused(UNREADABLE, number, f"line/{number}", code)
                continue
            yield read_resource(data, number, head=it)
    except SourceProblem as problem:
        yield Note(problem.line, problem.code)
