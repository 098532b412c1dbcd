"""Whose the records of a submission are: local names of patients, and what is said of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, repeat

from sekisho.provider.batches import Who
from sekisho.provider.profile import Profile
from sekisho.provider.readers.fhir_patient import USABLE, key_of
from sekisho.provider.records import MY_NUMBER, NO_IDENTIFIER, Identity
from sekisho.pseudonym.identifiers import PersonKey, canonical

_Told = tuple[Who, int]
"""Who says whose a unit of a batch is, and its place there."""


class Patients:
    """Numbers patients by their local names; what names them may come before or after."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._numbers: dict[str, int] = {}
        self._said: dict[str, Identity | _Told] = {}

    def numbers(self, names: Iterable[str | None]) -> list[int]:
        """Return the number of each; -1 where none is named."""
        known = self._numbers
        return [known.setdefault(name, len(known)) if name else -1 for name in names]

    def identify(self, names: Iterable[str], identity: Identity) -> None:
        """Say who is meant by some names."""
        self._said.update(zip(names, repeat(identity), strict=False))

    def identify_units(self, units: Sequence[str], first: int, who: Who) -> None:
        """Say who can tell of whom units of a batch are, the first of which has this place."""
        told = zip(repeat(who), range(first, first + len(units)), strict=False)
        self._said.update(zip(units, told, strict=True))

    def persons(self) -> Iterator[tuple[PersonKey | None, str]]:
        """Yield the key of each patient, or why there is none; a batch is asked once for many."""
        known = ((name, self._said.get(name)) for name in self._numbers)
        settle, by_name = self._profile.settle, self._profile.by_name
        for who, group in groupby(known, lambda one: _who(one[1])):
            if who is None:
                yield from (self._person(name, said) for name, said in group)
                continue
            places = [said[1] for _, said in group if isinstance(said, tuple)]
            for identity in map(settle, who(places, by_name)):
                yield identity.key, identity.problem

    def _person(self, name: str, said: Identity | _Told | None) -> tuple[PersonKey | None, str]:
        if isinstance(said, Identity):
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


def _who(said: Identity | _Told | None) -> Who | None:
    return said[0] if isinstance(said, tuple) else None


def person_numbers(keys: Sequence[PersonKey | None]) -> tuple[list[int], list[PersonKey]]:
    """Number distinct persons: return patient number → person number (-1: none), and the keys."""
    numbers: dict[bytes, int] = {}
    distinct: list[PersonKey] = []
    made: list[int] = []
    for key in keys:
        if key is None:
            made.append(-1)
            continue
        name = canonical(key)
        if name not in numbers:
            numbers[name] = len(distinct)
            distinct.append(key)
        made.append(numbers[name])
    return made, distinct
