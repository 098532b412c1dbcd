"""DPC survey files: EF (31 columns), D (30 columns), 様式1 (17 columns, experimental).

TSV in CP932, with or without a line of headings; which file it is follows from the columns. A
person is a number (データ識別番号) of the hospital's own: the hospital's mapping says whose it is,
else it meets nobody else's. The lines of one person, stay and month are one unit, so that a month
sent again replaces what it said before. Source: formats A2.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sekisho.provider.readers.dpc_acts import act_records
from sekisho.provider.readers.dpc_form1 import form1_records
from sekisho.provider.readers.dpc_lines import COLUMNS, Group, SurveyLine
from sekisho.provider.readers.tabular import Cells, cells
from sekisho.provider.records import UNREADABLE, Note, Record, Unreadable, refused
from sekisho.provider.sources import Limits, SourceProblem


def read(path: Path, limits: Limits) -> Iterator[Record | Note]:
    """Yield one record a line, units one after another."""
    state = _State(path.name, limits.receipt_lines)
    try:
        for line in cells(path, limits, "cp932", "\t", quoted=False):
            yield from state.take(line)
    except SourceProblem as problem:
        yield from state.finish()
        yield Note(problem.line, problem.code)
        return
    yield from state.finish()


class _State:
    def __init__(self, name: str, most: int) -> None:
        self._name, self._most = name, most
        self._group: Group | None = None
        self._times: dict[str, int] = {}
        self._first, self._told = True, False

    def take(self, line: Cells) -> Iterator[Record | Note]:
        heading, self._first = self._first, False
        unit = f"{self._name}/{line.number}"
        if line.problem:
            yield refused(UNREADABLE, line.number, unit, line.problem)
            return
        kind = COLUMNS.get(len(line.fields))
        if heading and not line.fields[0].strip().isdigit():
            return
        if kind is None:
            yield refused(UNREADABLE, line.number, unit, "dpc.columns")
            return
        if kind == "FF1" and not self._told:
            self._told = True
            yield Note(line.number, "dpc.experimental", "FF1")
        try:
            one = SurveyLine.of(kind, line.number, line.fields)
        except Unreadable as problem:
            yield refused(kind, line.number, unit, problem.code)
            return
        if self._group is not None and one.group != self._group.name:
            yield from self.finish()
        if self._group is None:
            # lines that are not in order: a second stretch does not take the first one's place
            time = self._times[one.group] = self._times.get(one.group, 0) + 1
            self._group = Group(one.group, one.group if time == 1 else f"{one.group}#{time}", [])
        self._group.lines.append(one)
        if len(self._group.lines) >= self._most:
            yield from self.finish()

    def finish(self) -> Iterator[Record]:
        group, self._group = self._group, None
        if group is None:
            return
        if group.lines[0].kind == "FF1":
            yield from form1_records(group)
        else:
            yield from act_records(group)
