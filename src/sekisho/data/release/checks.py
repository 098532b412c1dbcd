"""The checks of one table against its rule sets: released, masked, or refused, and why.

Rules it keeps:
- every rule set of the data applies, so the strictest decides for each cell;
- a small cell is masked or refuses the table, whichever of rule and study is stricter;
- no totals are ever printed; an undeclared label with few persons is not printed either;
- a table that would make a hidden number of this or an earlier table computable is refused.

No finding holds a number of persons.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from sekisho.common.canonical import digest
from sekisho.data.release.audit import audit
from sekisho.data.release.findings import Finding, finding
from sekisho.data.release.kept import Hidden, Kept
from sekisho.data.release.rules import RuleSet, Threshold
from sekisho.data.release.table import MEASURE, MISSING, TableOutput, render


class Outcome(Enum):
    """What the checks say of one table."""

    RELEASED = "released"
    MASKED = "masked"
    REFUSED = "refused"


@dataclass(frozen=True, eq=False)
class Verdict:
    """The outcome for one table.

    ``content`` are the bytes that may be reviewed (None when refused); ``kept`` is what to
    remember, inside, once they were released.
    """

    name: str
    outcome: Outcome
    findings: tuple[Finding, ...]
    rule_sets: tuple[str, ...]
    content: bytes | None
    kept: Kept | None
    cells: int
    masked_cells: int

    @property
    def sha256(self) -> str | None:
        """The hash of the bytes that may be reviewed."""
        return None if self.content is None else digest(self.content)


def check(
    table: TableOutput,
    rule_sets: Sequence[RuleSet],
    earlier: Sequence[Kept] = (),
    populations: Mapping[str, int] | None = None,
) -> Verdict:
    """Check ``table`` against all of ``rule_sets``.

    Args:
        earlier: the releases of the same project, as they were kept.
        populations: inhabitants of municipalities by label, for tables that have such a dimension.
    """
    if not rule_sets:
        raise ValueError("a table is checked against at least one rule set")
    ids = tuple(f"{r.id} ({r.version})" for r in rule_sets)
    thresholds = [r.threshold(MEASURE) for r in rule_sets]
    refusals = list(_deny(table, rule_sets, populations or {}))
    if refusals:
        return _refused(table, ids, refusals, 0)
    rules = [t for t in thresholds if t is not None]
    limits = _limits(table, rule_sets, rules, populations or {})
    levels = _small_levels(table, max(t.below for t in rules))
    hidden = _hidden(table, limits, levels, zero=all(t.zero == "shown" for t in rules))
    if hidden and (
        table.on_small_cell == "refuse" or any(t.on_small_cell == "refuse" for t in rules)
    ):
        refusals = [finding("release.small-cell", r, t) for r, t in _pairs(rule_sets, rules)]
        return _refused(table, ids, refusals, len(hidden))
    kept = Kept(table.name, table.counts, hidden, table.members)
    found = audit(
        kept,
        earlier,
        threshold=max(t.below for t in rules),
        minimum_interval=max(r.audit.minimum_interval for r in rule_sets),
    )
    if found:
        refusals = [
            finding(code, r, r.audit) for code in sorted({f.code for f in found}) for r in rule_sets
        ]
        return _refused(table, ids, refusals, len(hidden))
    notes = []
    if hidden:
        notes += [finding("release.masked", r, t) for r, t in _pairs(rule_sets, rules)]
    if levels:
        notes += [finding("release.small-level", r, t) for r, t in _pairs(rule_sets, rules)]
    for r in rule_sets:
        notes += [Finding("release.by-hand", f"{r.id}/{h.id}", h.source, h.text) for h in r.by_hand]
    return Verdict(
        name=table.name,
        outcome=Outcome.MASKED if hidden else Outcome.RELEASED,
        findings=tuple(notes),
        rule_sets=ids,
        content=render(table, {h.cell for h in hidden}, levels),
        kept=kept,
        cells=len(table.counts),
        masked_cells=len(hidden),
    )


def _refused(
    table: TableOutput, ids: tuple[str, ...], why: Sequence[Finding], masked: int
) -> Verdict:
    cells = len(table.counts)
    return Verdict(table.name, Outcome.REFUSED, tuple(why), ids, None, None, cells, masked)


def _pairs(
    rule_sets: Sequence[RuleSet], thresholds: Sequence[Threshold]
) -> Iterator[tuple[RuleSet, Threshold]]:
    return zip(rule_sets, thresholds, strict=True)


def _deny(
    table: TableOutput, rule_sets: Sequence[RuleSet], populations: Mapping[str, int]
) -> Iterator[Finding]:
    """What refuses a table whatever its numbers are."""
    for rules in rule_sets:
        if rules.threshold(MEASURE) is None:
            yield finding("release.no-threshold", rules, rules.thresholds[0])
        for forbidden in rules.forbidden:
            if all(set(group) & set(table.dimensions) for group in forbidden.groups):
                yield finding("release.forbidden-cross", rules, forbidden)
        for area in rules.areas:
            for dimension, labels in zip(table.dimensions, table.levels, strict=True):
                if dimension in area.dimensions and not set(labels) <= set(populations):
                    yield finding("release.population-unknown", rules, area)


def _limits(
    table: TableOutput,
    rule_sets: Sequence[RuleSet],
    thresholds: Sequence[Threshold],
    populations: Mapping[str, int],
) -> list[int | None]:
    """Return for each cell the number below which it is small; None: never shown."""
    base = max(t.below for t in thresholds)
    areas = [area for r in rule_sets for area in r.areas]
    limits: list[int | None] = []
    for cell in table.cells:
        limit: int | None = base
        for dimension, label in zip(table.dimensions, cell.labels, strict=True):
            for area in areas:
                if dimension in area.dimensions and populations[label] < area.population_below:
                    if area.below == "all":
                        limit = None
                    elif limit is not None:
                        limit = max(limit, area.below)
        limits.append(limit)
    return limits


def _small_levels(table: TableOutput, below: int) -> set[tuple[int, str]]:
    """Return the undeclared labels with 1 to ``below - 1`` persons in all.

    Such a label is a text that few persons gave: a value of theirs, or whatever hostile code wrote
    there. A declared label was fixed before the data were seen.
    """
    small = set()
    for d, (labels, declared) in enumerate(zip(table.levels, table.declared, strict=True)):
        if declared:
            continue
        persons = dict.fromkeys(labels, 0)
        for cell in table.cells:
            persons[cell.labels[d]] += cell.persons
        small |= {(d, label) for label, n in persons.items() if n < below and label != MISSING}
    return small


def _hidden(
    table: TableOutput,
    limits: Sequence[int | None],
    levels: set[tuple[int, str]],
    *,
    zero: bool,
) -> tuple[Hidden, ...]:
    """Return the cells whose number is not shown, with what a reader of the rules knows of them."""
    hidden = []
    for index, (cell, limit) in enumerate(zip(table.cells, limits, strict=True)):
        if limit is None:
            hidden.append(Hidden(index, 0, None))
        elif any((d, label) in levels for d, label in enumerate(cell.labels)):
            # One row stands for all such labels: it does not even say that the cell is not empty.
            hidden.append(Hidden(index, 0, limit - 1))
        elif cell.persons < limit and (cell.persons or not zero):
            hidden.append(Hidden(index, 1 if zero else 0, limit - 1))
    return tuple(hidden)
