"""Lines of a delimited file, decoded and split; what cannot be split is told and costs one line.

A quoted field may run over several lines (RFC 4180), within a bound: a quote that is never closed
must not swallow the rest of the file.
"""

from __future__ import annotations

import codecs
import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sekisho.provider.sources import Limits, Line, lines

Encoding = Literal["utf-8", "cp932", "iso-2022-jp"]
_MOST_LINES = 500
"""Most lines that one quoted field may run over."""


@dataclass(frozen=True)
class Cells:
    """One line of a table, at 1-based ``number``. ``problem`` is a finding's code."""

    number: int
    fields: list[str]
    problem: str = ""


def cells(
    path: Path, limits: Limits, encoding: Encoding, delimiter: str, *, quoted: bool
) -> Iterator[Cells]:
    """Yield the lines of a file.

    Raises:
        SourceProblem: as `lines`.
    """
    decode = codecs.getdecoder(encoding)
    source = lines(path, limits)
    waiting: deque[Cells | tuple[int, str]] = deque()
    while True:
        one = waiting.popleft() if waiting else _next(source, decode)
        if one is None:
            return
        if isinstance(one, Cells):
            yield one
            continue
        number, text = one
        if not quoted or '"' not in text:
            yield Cells(number, text.split(delimiter))
            continue
        whole, size, taken = text, len(text), list[Cells | tuple[int, str]]()
        while whole.count('"') % 2 and len(taken) < _MOST_LINES and size <= limits.line_bytes:
            more = waiting.popleft() if waiting else _next(source, decode)
            if more is None:
                break
            taken.append(more)
            if isinstance(more, Cells):
                break
            whole = f"{whole}\n{more[1]}"
            size += len(more[1])
        if whole.count('"') % 2:  # never closed: only its own line is lost
            yield Cells(number, [], "table.quote")
            waiting.extendleft(reversed(taken))
            continue
        yield _parsed(number, whole, delimiter)


def _next(source: Iterator[Line], decode: codecs._Decoder) -> Cells | tuple[int, str] | None:
    line = next(source, None)
    if line is None:
        return None
    if line.data is None:
        return Cells(line.number, [], "line.too-long")
    if b"\0" in line.data:
        return Cells(line.number, [], "line.nul")
    try:
        return line.number, decode(line.data, "strict")[0]
    except UnicodeDecodeError:
        return Cells(line.number, [], "line.encoding")


def _parsed(number: int, text: str, delimiter: str) -> Cells:
    try:
        rows = list(csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True))
    except csv.Error:
        return Cells(number, [], "table.quote")
    if len(rows) != 1:
        return Cells(number, [], "table.quote")
    return Cells(number, rows[0])
