"""The bodies' checks, made here before anything leaves: what they will keep, hold back and note.

Some persons at a time: memory does not grow with the submission, and what is found is what one
look at all of it finds. What is known afterwards is what a body's receipt must say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm import ByPerson, CodeSystems
from sekisho.provider.columns import RECORD
from sekisho.provider.places import Records
from sekisho.provider.submission import Part, Prepared
from sekisho.quality import (
    Breach,
    CollectionRules,
    Measure,
    Measures,
    added_up,
    check,
    content_digest,
    persons_content,
    records_of,
)


@dataclass(frozen=True)
class Seen:
    """What the checks find in one body's part.

    Args:
        held: (record type, data class) → records that go to quarantine.
        rows: table → rows that arrive.
        objects: images and the like beside the rows.
        content, quarantined: digests of what lands and of what is held, as in the receipt.
    """

    breaches: tuple[Breach, ...]
    held: Mapping[tuple[str, str], int]
    rows: Mapping[str, int]
    objects: int
    content: str
    quarantined: str


@dataclass(frozen=True)
class Inspection:
    """What the checks find in a whole submission.

    Args:
        broken: rule → the records that break it, of all bodies.
    """

    bodies: Mapping[str, Seen]
    broken: Mapping[str, Records]
    measures: tuple[Measure, ...]


def inspect(
    prepared: Prepared, rules: CollectionRules, day: date, systems: CodeSystems | None = None
) -> Inspection:
    """Make the checks that the receiving bodies will make.

    Args:
        systems: given where the framework refuses codes that are not standard ones.
    """
    broken: dict[str, Records] = {}
    bodies, counted = {}, Measures()
    for body, part in prepared.parts.items():
        inspected = _Body(part, broken, len(prepared.places))
        scratch = prepared.scratch.another()
        try:
            persons = ByPerson(scratch.file)
            for name, rows in sorted(part.tables.rows.items()):
                for batch in rows.numbered():
                    persons.add(name, batch)
            for tables in persons:
                inspected.look(tables, persons.filled, rules, day, systems)
        finally:
            scratch.close()
        bodies[str(body)] = inspected.seen()
        counted += inspected.measures
    return Inspection(bodies, broken, counted.told(day))


class _Body:
    """One body's part while it is looked through."""

    def __init__(self, part: Part, broken: dict[str, Records], records: int) -> None:
        self.measures = Measures()
        self._tags = frozenset(tag for tag, _ in part.identities)
        self._broken, self._records = broken, records
        self._breaches: list[Breach] = []
        self._held: Counter[tuple[str, str]] = Counter()
        self._rows: Counter[str] = Counter()
        self._named = pa.array({one.source_id for one in part.objects}, pa.string())
        self._objects = 0
        self._content: list[bytes] = []
        self._quarantined: list[bytes] = []

    def look(
        self,
        numbered: Mapping[str, pa.Table],
        filled: Mapping[str, float],
        rules: CollectionRules,
        day: date,
        systems: CodeSystems | None,
    ) -> None:
        tables = {name: rows.drop_columns([RECORD]) for name, rows in numbered.items()}

        def tell(rule: str, table: str, mask: pa.ChunkedArray) -> None:
            records = self._broken.setdefault(rule, Records(self._records))
            records.add(numbered[table].column(RECORD).filter(mask))

        landed = check(
            tables, rules, day=day, tags=self._tags, systems=systems, filled=filled, tell=tell
        )
        self.measures.add(tables)
        self._breaches = list(added_up((*self._breaches, *landed.breaches)))
        self._held += records_of(landed.quarantined)
        self._rows.update({name: rows.num_rows for name, rows in tables.items()})
        self._objects += len(self._with_objects(tables.values()))
        self._content += persons_content(landed.tables)
        self._quarantined += persons_content(landed.quarantined)

    def seen(self) -> Seen:
        return Seen(
            tuple(self._breaches),
            self._held,
            dict(sorted(self._rows.items())),
            self._objects,
            content_digest(self._content),
            content_digest(self._quarantined),
        )

    def _with_objects(self, tables: Iterable[pa.Table]) -> set[str]:
        """Return the source ids of records that leave and have an object beside them."""
        if not len(self._named):
            return set()
        found = [
            rows["source_id"].filter(pc.is_in(rows["source_id"], self._named)) for rows in tables
        ]
        return {name for names in found for name in names.unique().to_pylist()}
