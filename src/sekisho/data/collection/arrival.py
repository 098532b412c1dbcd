"""A submission that arrived: checked, and then read by table, some persons at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date
from pathlib import Path

import pyarrow as pa

from sekisho.cdm import ByPerson, CodeSystems
from sekisho.data.collection.survey import Survey, survey_of, together
from sekisho.exchange.tables import Batched, in_batches
from sekisho.quality import CollectionRules, check, laid_out, with_rules

SetAside = Callable[[Mapping[str, pa.Table]], tuple[dict[str, pa.Table], dict[str, pa.Table]]]
"""Parts tables into what may be kept and what a choice of their persons keeps out."""
Known = Callable[[Collection[str]], Collection[str]]
"""Some tags → those of them whose identity arrived."""


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
        self._persons = ByPerson(self._new_file)
        for name in sorted(tables):
            for rows in in_batches(tables[name]):
                self._persons.add(name, laid_out(name, rows))
        self._held: list[Mapping[str, pa.DictionaryArray]] = []
        self._set_aside: SetAside = lambda found: (dict(found), {})

    def check(
        self,
        rules: CollectionRules,
        *,
        day: date,
        known: Known,
        set_aside: SetAside,
        keep: Callable[[Collection[str]], None] = lambda _: None,
        systems: CodeSystems | None = None,
    ) -> Survey:
        """Check all that arrived; return what was found.

        Args:
            day: day of submission, in Japan.
            known: of some tags, those whose identity arrived through the converters.
            keep: is told, part by part, of the tags under which anything is kept.
            systems: given where the framework refuses codes that are not standard ones.
        """
        self._set_aside = set_aside
        filled = self._persons.filled
        surveys = []
        for part in self._persons:
            kept, chosen = set_aside(part)
            here = _tags(kept)
            landed = check(kept, rules, day=day, tags=known(here), systems=systems, filled=filled)
            surveys.append(survey_of(landed, chosen))
            self._held.append(landed.held)
            keep(here)
        return together(surveys)

    def may_be_kept(self) -> Iterator[dict[str, pa.Table]]:
        """Yield, part by part, the tables without what a choice keeps out; broken records too."""
        for part in self._persons:
            yield self._set_aside(part)[0]

    @property
    def parts(self) -> int:
        """In how many parts it is read."""
        return self._persons.parts

    def kept(self, name: str) -> Iterator[pa.Table]:
        """Yield the rows of a table that may land."""
        for rows, held in self._judged(name):
            yield rows if held is None else rows.filter(held.is_null())

    def quarantined(self, name: str) -> Iterator[pa.Table]:
        """Yield the rows of a table that wait in quarantine, with the rules that they broke."""
        for rows, held in self._judged(name):
            if held is not None:
                yield with_rules(rows, held)

    def _judged(self, name: str) -> Iterator[tuple[pa.Table, pa.DictionaryArray | None]]:
        """Yield the rows of each part, and why which of them are held, if any is."""
        for number in range(self.parts):
            kept, _ = self._set_aside({name: self._persons.read(name, number)})
            yield kept[name], self._held[number].get(name)

    def _new_file(self) -> Path:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._files += 1
        return self._folder / f"{self._files}"


def _tags(tables: Mapping[str, pa.Table]) -> set[str]:
    found = set[str]()
    for rows in tables.values():
        found |= set(rows["tag"].unique().drop_null().to_pylist())
    return found
