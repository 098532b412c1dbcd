"""A counted table: distinct persons per cell over the full product of its levels."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import product

import pyarrow as pa

from sekisho.data.release.canonical_csv import write_csv

MASK = "-"
"""What stands in a cell whose number is not shown."""
MISSING = "(missing)"
"""The label of persons without a value in a dimension."""
SMALL = "(small)"
"""The one label that stands for all levels which were not declared and have too few persons."""
MEASURE = "persons"


@dataclass(frozen=True)
class Cell:
    """One cell: its level in every dimension, and how many persons it has."""

    labels: tuple[str, ...]
    persons: int


@dataclass(frozen=True, eq=False)
class TableOutput:
    """What the trusted builder counted. Holds true counts: it stays inside.

    Args:
        levels: per dimension its levels in printing order.
        declared: per dimension whether the study declared its levels beforehand.
        counts: persons per cell, in the order of the product of ``levels``.
        members: who is in which cell: columns ``person_id`` and ``cell`` (an index of ``counts``).
        on_small_cell: the study's own wish, which may be stricter than the rules.
    """

    name: str
    dimensions: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    declared: tuple[bool, ...]
    counts: tuple[int, ...]
    members: pa.Table
    on_small_cell: str | None = None

    def __post_init__(self) -> None:
        if not len(self.dimensions) == len(self.levels) == len(self.declared):
            raise ValueError("dimensions, levels and declared differ in length")
        if len(self.counts) != math.prod(map(len, self.levels)):
            raise ValueError("there is not one count per cell")
        if self.members.column_names != ["person_id", "cell"]:
            raise ValueError("members have the columns person_id and cell")
        if self.members.num_rows != sum(self.counts):
            raise ValueError("counts and members differ")

    @property
    def persons(self) -> int:
        """All persons of the table; each is in one cell."""
        return sum(self.counts)

    @property
    def cells(self) -> tuple[Cell, ...]:
        return tuple(
            Cell(labels, count)
            for labels, count in zip(product(*self.levels), self.counts, strict=True)
        )

    @property
    def bytes(self) -> bytes:
        """The table with true counts: only for the inside and for tables without small cells."""
        return render(self, frozenset(), frozenset())


def render(
    table: TableOutput, masked: Collection[int], small_levels: Collection[tuple[int, str]]
) -> bytes:
    """Return the canonical CSV with ``masked`` cells as `MASK` and without any totals.

    ``small_levels`` are pairs (dimension, label) whose label is not shown: all cells of such
    levels become one row per combination of the other labels, labelled `SMALL`, masked.
    """
    header = (*table.dimensions, MEASURE)
    return write_csv(header, _rows(table, set(masked), set(small_levels)))


def _rows(
    table: TableOutput, masked: set[int], small_levels: set[tuple[int, str]]
) -> Iterator[tuple[str, ...]]:
    pooled: set[tuple[str, ...]] = set()
    late: list[tuple[str, ...]] = []
    for index, cell in enumerate(table.cells):
        hidden = [(d, label) in small_levels for d, label in enumerate(cell.labels)]
        if any(hidden):
            labels = tuple(
                SMALL if hide else label for hide, label in zip(hidden, cell.labels, strict=True)
            )
            if labels not in pooled:
                pooled.add(labels)
                late.append((*labels, MASK))
        else:
            yield (*cell.labels, MASK if index in masked else str(cell.persons))
    # At the end, so that the place of the row does not tell where the hidden label sorts.
    yield from sorted(late)
