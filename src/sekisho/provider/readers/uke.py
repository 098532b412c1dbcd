"""電子レセプト（医科）: the lines of a file, gathered receipt by receipt.

Rules kept: unknown record types are counted and set aside, never an error; CO and SJ (free text)
never leave; the control totals of GO are checked. What a receipt means is in `uke_receipt`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sekisho.provider.readers.uke_receipt import Header, Receipt, UkeLine, receipt_records
from sekisho.provider.readers.uke_values import whole_number
from sekisho.provider.records import (
    OTHER,
    UNREADABLE,
    Note,
    Outcome,
    Record,
    Unreadable,
    refused,
)
from sekisho.provider.sources import Limits, Line, SourceProblem, lines

_TYPE = re.compile(r"[A-Z]{2}")


@dataclass
class _State:
    header: Header | None = None
    receipt: list[UkeLine] = field(default_factory=list)
    receipts: int = 0
    points: int = 0
    closed: bool = False
    last: int = 0


def read(path: Path, limits: Limits) -> Iterator[Record | Note]:
    """Yield one record a line: refused, set aside, or with the rows that it gives."""
    state = _State()
    try:
        for line in lines(path, limits):
            state.last = line.number
            yield from _line(state, _split(line), path.name, limits)
    except SourceProblem as problem:
        yield from _finish(state)
        yield Note(problem.line, problem.code)
        return
    yield from _finish(state)
    if not state.closed:
        yield Note(state.last, "uke.go-missing")


def _split(line: Line) -> UkeLine:
    if line.data is None:
        return UkeLine(line.number, UNREADABLE, [], "line.too-long")
    if b"\0" in line.data:
        return UkeLine(line.number, UNREADABLE, [], "line.nul")
    if line.data == b"\x1a":  # end-of-file mark of old systems
        return UkeLine(line.number, "", [])
    kind = line.data[:2].decode("ascii", "replace")
    known = kind if _TYPE.fullmatch(kind) and line.data[2:3] in (b",", b"") else UNREADABLE
    try:
        fields = line.data.decode("cp932").split(",")
    except UnicodeDecodeError:
        return UkeLine(line.number, known, [], "line.encoding")
    if known == UNREADABLE:
        # a type of another shape is no two letters: its name may be anyone's text
        return UkeLine(line.number, OTHER if len(fields) > 1 else UNREADABLE, fields)
    return UkeLine(line.number, known, fields)


def _line(state: _State, line: UkeLine, name: str, limits: Limits) -> Iterator[Record | Note]:
    if not line.kind:
        return
    if line.kind == "RE":
        yield from _finish(state)
        state.receipt = [line]
    elif line.kind == "IR":
        yield from _finish(state)
        yield _institution(state, line, name)
    elif line.kind == "GO":
        yield from _finish(state)
        yield from _control(state, line, name)
    elif state.receipt:
        state.receipt.append(line)
        if len(state.receipt) > limits.receipt_lines:
            state.receipt[0] = UkeLine(state.receipt[0].number, "RE", [], "uke.too-long")
            yield from _finish(state)
    else:
        code = line.problem or "uke.no-receipt"
        yield refused(line.kind, line.number, f"{name}/{line.number}", code)


def _institution(state: _State, line: UkeLine, name: str) -> Record:
    unit = f"{name}/{line.number}"
    state.header = None
    if line.problem or len(line.fields) < 8:
        return refused("IR", line.number, unit, line.problem or "uke.short-line")
    prefecture, table, code = line.fields[2], line.fields[3], line.fields[4]
    institution = f"{prefecture}{table}{code}"
    if not (institution.isascii() and institution.isdigit() and len(institution) == 10):
        return refused("IR", line.number, unit, "uke.no-institution")
    state.header = Header(line.fields[1], institution, line.fields[7])
    unit = f"IR/{institution}/{line.fields[7]}/{name}"
    return Record("IR", line.number, unit, outcome=Outcome.SET_ASIDE, code="no-table")


def _control(state: _State, line: UkeLine, name: str) -> Iterator[Record | Note]:
    state.closed = True
    unit = f"GO/{name}/{line.number}"
    try:
        if line.problem:
            raise Unreadable(line.problem)
        if len(line.fields) < 3:
            raise Unreadable("uke.short-line")
        count, points = whole_number(line.fields[1]), whole_number(line.fields[2])
    except Unreadable as problem:
        yield refused("GO", line.number, unit, problem.code)
        return
    yield Record("GO", line.number, unit, outcome=Outcome.SET_ASIDE, code="no-table")
    if count != state.receipts:
        yield Note(line.number, "uke.go-count", "GO")
    if points != state.points:
        yield Note(line.number, "uke.go-points", "GO")


def _finish(state: _State) -> Iterator[Record]:
    """Yield the records of the receipt that has been gathered, if there is one."""
    if not state.receipt:
        return
    receipt = Receipt(state.header, state.receipt)
    state.receipts += 1
    state.points += receipt.points or 0
    state.receipt = []
    yield from receipt_records(receipt)
