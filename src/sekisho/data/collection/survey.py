"""What the checks found of a submission: counts and digests that add up over its persons.

A submission is checked some persons at a time (`sekisho.data.collection.arrival`); what is said of
it in the receipt is the same however many at a time that were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from sekisho.data.collection.covered import months_by_kind
from sekisho.quality import Breach, Landed, added_up, persons_content, records_of

Records = Counter[tuple[str, str]]
"""(record type, data class) → how many records."""
NOTHING: Mapping[str, pa.Table] = {}


@dataclass(frozen=True)
class Survey:
    """Args:
    kept, held: records that land, and that are quarantined.
    chosen: records that a choice of their persons set aside here; ``chosen_persons`` how many.
    rows_landed, rows_quarantined: rows per table.
    months: kind of data → months on which rows that land begin.
    content, quarantined: for each person a digest of all that is kept, or held, of them.
    """

    rules_version: str
    kept: Records
    held: Records
    chosen: Records
    chosen_persons: int
    rows_landed: Counter[str]
    rows_quarantined: Counter[str]
    breaches: tuple[Breach, ...]
    months: Mapping[str, frozenset[str]]
    content: tuple[bytes, ...]
    quarantined: tuple[bytes, ...]


def survey_of(landed: Landed, chosen: Mapping[str, pa.Table] = NOTHING) -> Survey:
    """Return what was found of some persons, of each of whom all that came is in ``landed``."""
    tags = {tag for rows in chosen.values() for tag in rows["tag"].unique().to_pylist()}
    return Survey(
        landed.rules_version,
        records_of(landed.tables),
        records_of(landed.quarantined),
        records_of(chosen),
        len(tags),
        _rows(landed.tables),
        _rows(landed.quarantined),
        landed.breaches,
        {kind: frozenset(of) for kind, of in months_by_kind(landed.tables).items()},
        persons_content(landed.tables),
        persons_content(landed.quarantined),
    )


def together(surveys: Sequence[Survey]) -> Survey:
    """Add up what was found of different persons."""
    kinds = sorted({kind for one in surveys for kind in one.months})
    return Survey(
        surveys[0].rules_version,
        sum((one.kept for one in surveys), Counter()),
        sum((one.held for one in surveys), Counter()),
        sum((one.chosen for one in surveys), Counter()),
        sum(one.chosen_persons for one in surveys),
        sum((one.rows_landed for one in surveys), Counter()),
        sum((one.rows_quarantined for one in surveys), Counter()),
        added_up(breach for one in surveys for breach in one.breaches),
        {kind: frozenset().union(*(s.months.get(kind, ()) for s in surveys)) for kind in kinds},
        tuple(digest for one in surveys for digest in one.content),
        tuple(digest for one in surveys for digest in one.quarantined),
    )


def _rows(tables: Mapping[str, pa.Table]) -> Counter[str]:
    return Counter({name: rows.num_rows for name, rows in tables.items() if rows.num_rows})
