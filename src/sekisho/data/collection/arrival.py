"""A submission that arrived: checked, and then read by table, some persons at a time.

All that a check must see together is of one person: births and records, a record's rows in several
tables, the same fact told twice. So a large submission is laid on disk in slices by tag first.
Only how full a column is must be known of all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm import SLICES, CodeSystems, Sliced, transit_schema
from sekisho.data.collection.survey import Survey, survey_of, together
from sekisho.exchange.tables import Batched, in_batches
from sekisho.quality import RULES_COLUMN, CollectionRules, check, laid_out, record_names

TOGETHER_BYTES = 32 << 20
"""Arrow's bytes of all tables that are checked in one part, about."""
SetAside = Callable[[Mapping[str, pa.Table]], tuple[dict[str, pa.Table], dict[str, pa.Table]]]
"""Parts tables into what may be kept and what a choice of their persons keeps out."""


@dataclass(frozen=True)
class _Broken:
    """Names of the records of one slice that break a rule, and the rules' ids."""

    names: pa.Array
    rules: pa.Array


class Arrival:
    """A submission's tables, and what is found of them.

    Args:
        tables: in transit layout.
        folder: of this submission alone; large tables lie in it, and the caller removes it.

    Raises:
        UserError: a table that is not in the layout; nothing of the submission is kept.
    """

    def __init__(self, tables: Mapping[str, pa.Table | Batched], folder: Path) -> None:
        self._folder, self._files = folder, 0
        self._sliced: dict[str, Sliced] = {}
        self._rows: Counter[str] = Counter()
        self._there: Counter[str] = Counter()
        for name, table in sorted(tables.items()):
            for rows in in_batches(table):
                self._take(name, laid_out(name, rows))
        self._cut = any(one.on_disk for one in self._sliced.values())
        # Every part costs all checks once, however few its rows are.
        wide = TOGETHER_BYTES * SLICES // max(sum(one.nbytes for one in self._sliced.values()), 1)
        self._width = max(1, 1 << min(wide, SLICES).bit_length() >> 1)
        self._broken: list[_Broken] = []
        self._set_aside: SetAside = lambda found: (dict(found), {})

    def check(
        self,
        rules: CollectionRules,
        *,
        day: date,
        tags: Collection[str],
        set_aside: SetAside,
        systems: CodeSystems | None = None,
    ) -> tuple[Survey, set[str]]:
        """Check all that arrived; return what was found, and the tags that anything is kept under.

        Args:
            day: day of submission, in Japan.
            tags: the tags whose identity arrived through the converters.
            systems: given where the framework refuses codes that are not standard ones.
        """
        self._set_aside = set_aside
        filled = {
            name: there / (self._rows[name.partition(".")[0]] or 1)
            for name, there in self._there.items()
        }
        surveys, present = [], set[str]()
        for number in range(self.parts):
            kept, chosen = set_aside(self._part(number))
            landed = check(kept, rules, day=day, tags=tags, systems=systems, filled=filled)
            surveys.append(survey_of(landed, chosen))
            self._broken.append(_broken(landed.quarantined))
            for rows in kept.values():
                present |= set(rows["tag"].unique().to_pylist())
        return together(surveys), present

    def may_be_kept(self) -> Iterator[dict[str, pa.Table]]:
        """Yield, part by part, the tables without what a choice keeps out; broken records too."""
        for number in range(self.parts):
            yield self._set_aside(self._part(number))[0]

    @property
    def parts(self) -> int:
        """In how many parts it is read."""
        return SLICES // self._width if self._cut else 1

    def kept(self, name: str) -> Iterator[pa.Table]:
        """Yield the rows of a table that may land."""
        for rows, places, _ in self._judged(name):
            yield rows.filter(places.is_null())

    def quarantined(self, name: str) -> Iterator[pa.Table]:
        """Yield the rows of a table that wait in quarantine, with the rules that they broke."""
        for rows, places, broken in self._judged(name):
            held = places.is_valid()
            why = pc.take(broken.rules, places.filter(held))
            yield rows.filter(held).append_column(RULES_COLUMN, why)

    def _judged(self, name: str) -> Iterator[tuple[pa.Table, pa.ChunkedArray, _Broken]]:
        for number in range(self.parts):
            kept, _ = self._set_aside({name: self._read(name, number)})
            broken = self._broken[number]
            places = pc.index_in(record_names(kept[name]), value_set=broken.names)
            yield kept[name], places, broken

    def _take(self, name: str, rows: pa.Table) -> None:
        if name not in self._sliced:
            self._sliced[name] = Sliced(transit_schema(name), "tag", self._new_file)
        self._sliced[name].add(rows)
        self._rows[name] += rows.num_rows
        for column in rows.column_names:
            there = rows.num_rows - rows.column(column).null_count
            self._there[f"{name}.{column}"] += there

    def _part(self, number: int) -> dict[str, pa.Table]:
        found = {name: self._read(name, number) for name in self._sliced}
        return {name: rows for name, rows in found.items() if rows.num_rows}

    def _read(self, name: str, number: int) -> pa.Table:
        if not self._cut:
            return self._sliced[name].slice(0, cut=False)
        slices = range(number * self._width, (number + 1) * self._width)
        return pa.concat_tables([self._sliced[name].slice(one, cut=True) for one in slices])

    def _new_file(self) -> Path:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._files += 1
        return self._folder / f"{self._files}"


def _broken(quarantined: Mapping[str, pa.Table]) -> _Broken:
    """Return each quarantined record's name once, with its rules."""
    parts = [
        pa.table({"name": record_names(rows), "rules": rows.column(RULES_COLUMN)})
        for rows in quarantined.values()
    ]
    if not parts:
        return _Broken(pa.array([], pa.string()), pa.array([], pa.string()))
    each = pa.concat_tables(parts).group_by(["name", "rules"]).aggregate([]).combine_chunks()
    return _Broken(each["name"].combine_chunks(), each["rules"].combine_chunks())
