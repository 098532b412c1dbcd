"""Whose the records of a submission are: local names of patients, and what is said of each."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain, repeat
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm.scalars import int32, null
from sekisho.provider.batches import Ask, Who
from sekisho.provider.long_columns import Shelf
from sekisho.provider.profile import Profile
from sekisho.provider.readers.fhir_patient import USABLE, key_of
from sekisho.provider.records import MY_NUMBER, NO_IDENTIFIER, Identity
from sekisho.pseudonym.identifiers import PersonKey, canonical


@dataclass
class Persons:
    """Who the patients of a submission are.

    Attributes:
        number: by patient number, that of the person; -1 where none can be told.
        keys: by person number.
        lost: number of a patient without a person → why.
    """

    number: array[int] = field(default_factory=lambda: array("i"))
    keys: list[PersonKey] = field(default_factory=list)
    lost: dict[int, str] = field(default_factory=dict)

    def numbers(self) -> pa.Array:
        """Return by patient number that of the person; null where none can be told."""
        data = pa.py_buffer(self.number)
        all_ = pa.Array.from_buffers(pa.int32(), len(self.number), [None, data])
        return pc.if_else(pc.less(all_, int32(0)), null(all_), all_)


class Patients:
    """Numbers patients; what names them may come before or after.

    Args:
        new_file: names files for what is said of the units of batches.
    """

    def __init__(self, profile: Profile, new_file: Callable[[], Path]) -> None:
        self._profile = profile
        self._numbers = _Numbers()
        self._said: dict[str, Identity] = {}
        self._batches = list[tuple[int, Ask]]()
        self._rows = Shelf(new_file)

    def numbers(self, names: Iterable[str | None]) -> list[int]:
        """Return the number of each; -1 where none is named."""
        known = self._numbers
        return [known[name] if name else -1 for name in names]

    def identify(self, names: Iterable[str], identity: Identity) -> None:
        """Say who is meant by some names."""
        self._said.update(zip(names, repeat(identity), strict=False))

    def of_batch(self, who: Who) -> int:
        """Return the number of the first of a batch's patients; the others follow."""
        first = self._numbers.count
        self._numbers.count += len(who.rows)
        self._batches.append((first, who.ask))
        self._rows.add(who.rows)
        return first

    def persons(self) -> Persons:
        """Return who the patients are; a batch is asked for all of its own at once."""
        made, seen = Persons(), dict[bytes, int]()
        for key, problem in self._each():
            if key is None:
                made.lost[len(made.number)] = problem
                made.number.append(-1)
                continue
            # a digest takes a fraction of the memory of what it is of
            number = seen.setdefault(sha256(canonical(key)).digest(), len(seen))
            if number == len(made.keys):
                made.keys.append(key)
            made.number.append(number)
        return made

    def _each(self) -> Iterator[tuple[PersonKey | None, str]]:
        """Yield the key of each patient in order of number, or why there is none."""
        settle, by_name = self._profile.settle, self._profile.by_name
        named = iter(self._numbers.items())
        upcoming = next(named, None)
        batches = zip(self._batches, self._rows, strict=True)
        for (first, ask), rows in chain(batches, [((self._numbers.count, None), None)]):
            while upcoming is not None and upcoming[1] < first:
                yield self._person(upcoming[0])
                upcoming = next(named, None)
            if ask is not None:
                for identity in map(settle, ask(rows, by_name)):
                    yield identity.key, identity.problem

    def _person(self, name: str) -> tuple[PersonKey | None, str]:
        said = self._said.get(name)
        if said is not None:
            return said.key, said.problem
        system, bar, value = name.partition("|")
        if bar and system in USABLE:
            return key_of(system, value)
        if bar and value:
            unknown = Identity((name,), None, NO_IDENTIFIER, ((system, value),))
            settled = self._profile.settle(unknown)
            if settled.key is not None or settled.problem == MY_NUMBER:
                return settled.key, settled.problem
        return None, "person.unknown"


class _Numbers(dict[str, int]):
    """Name → number of those patients that have a name; ``count`` is of all."""

    count = 0

    def __missing__(self, name: str) -> int:
        made = self[name] = self.count
        self.count += 1
        return made
