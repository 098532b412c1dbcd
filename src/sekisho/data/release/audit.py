"""Does what is hidden stay hidden, given everything that was released of this project?

Two tables are compared by persons, not by names: cells of one and of the other that share a
person are tied together, and each such group of cells gives an equation

    sum of the group's cells in A + persons only in B = sum in B + persons only in A

whose unknowns are the hidden numbers and the groups of persons that only one table has. A coarser
table that totals a masked cell, a second cut that crosses it, and the same table with one person
fewer are all of this form. The equations of all pairs are solved together, first exactly, then
by intervals; a hidden number with too few possible values left, or a small group whose exact
size follows, means that the new table cannot leave.

What it cannot see: releases of other projects, knowledge from elsewhere, and bounds that follow
only from the joint distribution of three or more dimensions of different tables (a linear
programme over the joint cells would find those).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import ceil, floor

from sekisho.data.release.kept import Kept

MAX_UNKNOWNS = 400
"""More than this is not solved here, and therefore not released."""

Unknown = tuple[str, int, int]
"""("cell", table, cell) or ("only-a" / "only-b", pair, group)."""
Row = dict[Unknown, Fraction]


@dataclass(frozen=True)
class Finding:
    """Why a table cannot leave: a stable code, without any number of persons."""

    code: str
    table: str


@dataclass(frozen=True)
class _Equation:
    row: Row
    total: Fraction


@dataclass
class _Interval:
    low: int
    high: int | None

    @property
    def width(self) -> int | None:
        return None if self.high is None else self.high - self.low + 1


def audit(
    new: Kept, earlier: Sequence[Kept], *, threshold: int, minimum_interval: int
) -> tuple[Finding, ...]:
    """Return what speaks against releasing ``new`` after ``earlier``; empty: nothing.

    Args:
        threshold: a group of 1 to ``threshold - 1`` persons is small.
        minimum_interval: how many values a hidden number must still be able to have.
    """
    tables = [*earlier, new]
    intervals: dict[Unknown, _Interval] = {}
    guarded: dict[Unknown, str] = {}
    for t, table in enumerate(tables):
        for hidden in table.hidden:
            unknown = ("cell", t, hidden.cell)
            intervals[unknown] = _Interval(hidden.low, hidden.high)
            if table.counts[hidden.cell]:
                guarded[unknown] = table.name
    equations: list[_Equation] = []
    for pair, (a, b) in enumerate(combinations(range(len(tables)), 2)):
        for group, sides in enumerate(_groups(tables[a], tables[b])):
            equation = _equation(tables, (a, b), (pair, group), sides)
            for unknown, coefficient in equation.row.items():
                if unknown[0] != "cell":
                    size = sides.only_a if coefficient < 0 else sides.only_b
                    intervals[unknown] = _Interval(1, None)
                    if size < threshold:
                        guarded[unknown] = tables[b].name
            equations.append(equation)
    equations = [e for e in equations if e.row]
    if len({u for e in equations for u in e.row}) > MAX_UNKNOWNS:
        return (Finding("audit.too-large", new.name),)
    before = {u: intervals[u].width for u in guarded}
    reduced = _eliminate(equations)
    _tighten([*equations, *reduced], intervals)
    findings = {
        Finding("audit.small-group", new.name)
        for e in [*equations, *reduced]
        if _small_group(e, guarded, threshold)
    }
    for unknown, name in guarded.items():
        width = intervals[unknown].width
        allowed = min(minimum_interval, before[unknown] or minimum_interval)
        if width is not None and width < allowed:
            code = "audit.recoverable" if unknown[0] == "cell" else "audit.differencing"
            findings.add(Finding(code, name))
    return tuple(sorted(findings, key=lambda f: (f.code, f.table)))


@dataclass
class _Sides:
    """One group of cells tied by common persons, and how many persons only one side has."""

    a: set[int]
    b: set[int]
    only_a: int = 0
    only_b: int = 0


def _groups(a: Kept, b: Kept) -> list[_Sides]:
    joined = a.members.rename_columns(["person_id", "a"]).join(
        b.members.rename_columns(["person_id", "b"]), "person_id", join_type="full outer"
    )
    pairs = joined.group_by(["a", "b"]).aggregate([([], "count_all")]).to_pylist()
    parent: dict[tuple[str, int], tuple[str, int]] = {}

    def root(node: tuple[str, int]) -> tuple[str, int]:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for pair in pairs:
        nodes = [(side, pair[side]) for side in ("a", "b") if pair[side] is not None]
        for node in nodes[1:]:
            parent[root(nodes[0])] = root(node)
        root(nodes[0])
    groups: dict[tuple[str, int], _Sides] = {}
    for pair in sorted(pairs, key=lambda p: (str(p["a"]), str(p["b"]))):
        side = "a" if pair["a"] is not None else "b"
        found = groups.setdefault(root((side, pair[side])), _Sides(set(), set()))
        if pair["a"] is not None:
            found.a.add(pair["a"])
        if pair["b"] is not None:
            found.b.add(pair["b"])
        if pair["b"] is None:
            found.only_a += pair["count_all"]
        if pair["a"] is None:
            found.only_b += pair["count_all"]
    # Cells that share nobody with the other table tell nothing about it.
    return [g for g in groups.values() if g.a and g.b]


def _equation(
    tables: Sequence[Kept], pair: tuple[int, int], group: tuple[int, int], sides: _Sides
) -> _Equation:
    row: Row = {}
    total = Fraction(0)
    for table, cells, sign in ((pair[0], sides.a, 1), (pair[1], sides.b, -1)):
        hidden = {h.cell for h in tables[table].hidden}
        for cell in cells:
            if cell in hidden:
                row["cell", table, cell] = Fraction(sign)
            else:
                total -= sign * tables[table].counts[cell]
    if sides.only_a:
        row["only-a", *group] = Fraction(-1)
    if sides.only_b:
        row["only-b", *group] = Fraction(1)
    return _Equation(row, total)


def _eliminate(equations: Iterable[_Equation]) -> list[_Equation]:
    """Return the equations in reduced row echelon form, exactly."""
    done: dict[Unknown, _Equation] = {}
    for equation in equations:
        current = equation
        for pivot in [u for u in current.row if u in done]:
            if pivot in current.row:
                current = _minus(current, done[pivot], current.row[pivot])
        if not current.row:
            continue
        pivot = min(current.row)
        factor = current.row[pivot]
        current = _Equation({u: c / factor for u, c in current.row.items()}, current.total / factor)
        for other, row in done.items():
            if pivot in row.row:
                done[other] = _minus(row, current, row.row[pivot])
        done[pivot] = current
    return list(done.values())


def _minus(a: _Equation, b: _Equation, factor: Fraction) -> _Equation:
    row = dict(a.row)
    for unknown, coefficient in b.row.items():
        value = row.get(unknown, Fraction(0)) - factor * coefficient
        if value:
            row[unknown] = value
        else:
            row.pop(unknown, None)
    return _Equation(row, a.total - factor * b.total)


def _tighten(equations: Sequence[_Equation], intervals: dict[Unknown, _Interval]) -> None:
    """Narrow the intervals until nothing moves; every step is implied by the equations."""
    for _ in range(len(intervals) + 1):
        moved = False
        for equation in equations:
            for unknown in equation.row:
                moved |= _narrow(equation, unknown, intervals)
        if not moved:
            return


def _narrow(equation: _Equation, unknown: Unknown, intervals: Mapping[Unknown, _Interval]) -> bool:
    low: Fraction | None = equation.total
    high: Fraction | None = equation.total
    for other, c in equation.row.items():
        if other == unknown:
            continue
        interval = intervals[other]
        small, large = (interval.low, interval.high) if c > 0 else (interval.high, interval.low)
        high = None if high is None or small is None else high - c * small
        low = None if low is None or large is None else low - c * large
    own = equation.row[unknown]
    if own < 0:
        low, high = high, low
    target = intervals[unknown]
    moved = False
    if low is not None and ceil(low / own) > target.low:
        target.low, moved = ceil(low / own), True
    if high is not None and (target.high is None or floor(high / own) < target.high):
        target.high, moved = floor(high / own), True
    return moved


def _small_group(equation: _Equation, guarded: Mapping[Unknown, str], threshold: int) -> bool:
    """Is this the exact size of a small group: a plain sum of hidden numbers below the limit?"""
    signs = set(equation.row.values())
    if len(signs) != 1 or not set(equation.row) <= set(guarded):
        return False
    return 0 < equation.total / signs.pop() < threshold
