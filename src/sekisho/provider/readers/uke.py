"""電子レセプト（医科・DPC・歯科・調剤）: the lines of a file, gathered receipt by receipt.

Rules kept: unknown record types are counted and set aside, never an error; CO and SJ (free text)
never leave; the control totals of GO are checked. The family of a receipt follows from 点数表 in
its header and from its lines, not from the file's name. What a receipt means is in `uke_receipt`.

Returned files (返戻) put データ識別, 行番号 and 枝番 before every line [unverified]; a payer's
files put MN before every receipt, repeat the header for each, and have no GO.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from sekisho.provider.readers.uke_layouts import RECEIPT_TYPES
from sekisho.provider.readers.uke_lines import UkeLine
from sekisho.provider.readers.uke_receipt import Header, Receipt, receipt_records
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
from sekisho.provider.sources import Block, Limits, Line, SourceProblem, blocks, lines_of

T = TypeVar("T")
_TYPE = re.compile(r"[A-Z]{2}")
_RETURNED = re.compile(rb"\d{1,2},\d*,\d*,(?=[A-Z]{2}(?:,|$))")
_HEADERS = ("IR", "YK")
_INSTITUTION = 10  # 都道府県(2), 点数表(1), 医療機関コード(7)


@dataclass
class State:
    """What has been read of a file: its header, and the receipt that is being gathered."""

    name: str
    limits: Limits
    header: Header | None = None
    receipt: list[UkeLine] = field(default_factory=list)
    receipts: int = 0
    points: int = 0
    closed: bool = False
    managed: bool = False
    last: int = 0

    def line(self, line: Line) -> Iterator[Record | Note]:
        """Take the next line."""
        self.last = line.number
        yield from _line(self, _split(line))

    def finish(self) -> Iterator[Record]:
        """Yield the records of the receipt that has been gathered, if there is one."""
        if not self.receipt:
            return
        receipt = Receipt(self.header, self.receipt)
        self.receipts += 1
        self.points += receipt.points or 0
        self.receipt = []
        yield from receipt_records(receipt)


def read(path: Path, limits: Limits) -> Iterator[Record | Note]:
    """Yield one record a line: refused, set aside, or with the rows that it gives."""
    yield from read_blocks(path, limits, _lines)


Taking = Callable[[State, Iterator[Block]], Iterator[T]]
"""How the blocks of a file are read."""


def read_blocks(path: Path, limits: Limits, take: Taking[T]) -> Iterator[T | Record | Note]:
    """Yield what ``take`` makes of a file, and what its end says."""
    state = State(path.name, limits)
    try:
        yield from take(state, blocks(path, limits))
    except SourceProblem as problem:
        yield from state.finish()
        yield Note(problem.line, problem.code)
        return
    yield from state.finish()
    if not (state.closed or state.managed):
        yield Note(state.last, "uke.go-missing")


def _lines(state: State, found: Iterator[Block]) -> Iterator[Record | Note]:
    for block in found:
        for line in lines_of(block, state.limits):
            yield from state.line(line)


def _split(line: Line) -> UkeLine:
    if line.data is None:
        return UkeLine(line.number, UNREADABLE, [], "line.too-long")
    if b"\0" in line.data:
        return UkeLine(line.number, UNREADABLE, [], "line.nul")
    if line.data == b"\x1a":  # end-of-file mark of old systems
        return UkeLine(line.number, "", [])
    data = _RETURNED.sub(b"", line.data, count=1) if line.data[:1].isdigit() else line.data
    kind = data[:2].decode("ascii", "replace")
    known = kind if _TYPE.fullmatch(kind) and data[2:3] in (b",", b"") else UNREADABLE
    try:
        fields = data.decode("cp932").split(",")
    except UnicodeDecodeError:
        return UkeLine(line.number, known, [], "line.encoding")
    if known == UNREADABLE:
        # a type of another shape is no two letters: its name may be anyone's text
        return UkeLine(line.number, OTHER if len(fields) > 1 else UNREADABLE, fields)
    return UkeLine(line.number, known, fields)


def _line(state: State, line: UkeLine) -> Iterator[Record | Note]:
    name = state.name
    if not line.kind:
        return
    if line.kind == "RE":
        yield from state.finish()
        state.receipt = [line]
    elif line.kind in _HEADERS:
        yield from state.finish()
        yield _institution(state, line, name)
    elif line.kind == "MN":
        yield from state.finish()
        state.managed = True
        yield _aside(line, name, "no-table")
    elif line.kind == "GO":
        yield from state.finish()
        yield from _control(state, line, name)
    elif state.receipt:
        state.receipt.append(line)
        if len(state.receipt) > state.limits.receipt_lines:
            state.receipt[0] = UkeLine(state.receipt[0].number, "RE", [], "uke.too-long")
            yield from state.finish()
    elif line.problem or line.kind in (UNREADABLE, *RECEIPT_TYPES):
        code = line.problem or "uke.no-receipt"
        yield refused(line.kind, line.number, f"{name}/{line.number}", code)
    else:
        yield _aside(line, name, "unknown-type")


def _aside(line: UkeLine, name: str, code: str) -> Record:
    """Count a line that belongs to no receipt and has no place in the tables."""
    if line.problem:
        return refused(line.kind, line.number, f"{name}/{line.number}", line.problem)
    unit = f"{line.kind}/{name}/{line.number}"
    return Record(line.kind, line.number, unit, outcome=Outcome.SET_ASIDE, code=code)


def _institution(state: State, line: UkeLine, name: str) -> Record:
    unit = f"{name}/{line.number}"
    state.header = None
    if line.problem or len(line.fields) < 7:
        return refused(line.kind, line.number, unit, line.problem or "uke.short-line")
    office, prefecture, table, code = line.fields[1:5]
    institution = f"{prefecture}{table}{code}"
    if not (_digits(institution) and len(institution) == _INSTITUTION):
        return refused(line.kind, line.number, unit, "uke.no-institution")
    # after the code come a spare field and the name, each in some families only
    claimed = next((x for x in line.fields[5:8] if _digits(x) and len(x) in (5, 6)), "")
    state.header = Header(office, table, institution, claimed)
    unit = f"{line.kind}/{institution}/{claimed}/{name}/{line.number}"
    return Record(line.kind, line.number, unit, outcome=Outcome.SET_ASIDE, code="no-table")


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _control(state: State, line: UkeLine, name: str) -> Iterator[Record | Note]:
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
