"""Missed and false links, measured against the truth that only a rehearsal's observer knows.

The observer has both converters' secrets (all keys of a rehearsal follow from its seed), so that it
can say which pseudonym each synthetic person's identifiers give at each holder. It then asks each
holder whom an extract would unite. Nobody else in the system can do either.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sekisho.common.ids import body_domain
from sekisho.framework import CLASSES, Framework, holders
from sekisho.framework.model import Identifier
from sekisho.pseudonym.group import multiply
from sekisho.pseudonym.identifiers import (
    JP_LOCAL,
    PersonKey,
    canonical,
    element_of,
    local,
    named,
)
from sekisho.pseudonym.keys import ConverterKeys
from sekisho.synthetic import Period, Person
from sekisho.synthetic.provider import chart_number

Json = dict[str, Any]

AGES = ((0, 19), (20, 34), (35, 64), (65, 74), (75, 150))
CAUSES = ("no-insured-number", "age-75", "household", "insurer-change", "name-change", "mixed")
"""Why a person's records were not found to be one person's; the first that fits is counted."""
NAMESAKE, WRONG_HISTORY = "namesake", "wrong-history"


@dataclass(frozen=True)
class Piece:
    """One person's records at one holder under one identifier, and the identifier they left by."""

    person: int
    holder: str
    key: PersonKey
    sent: bytes


@dataclass(frozen=True)
class Population:
    """The people of a rehearsal, and at which providers they may be known."""

    seed: int
    people: tuple[Person, ...]
    providers: tuple[str, ...]
    period: Period

    def keys(self, person: Person) -> Iterator[PersonKey]:
        """Yield every key that some reader may make of the person's records."""
        in_force = person.insurance(self.period.first)
        for key, one in zip(person.numbers(), person.episodes, strict=True):
            if one == in_force or one.since > self.period.first:
                yield key
        if not person.episodes:
            for place, code in enumerate(self.providers):
                yield local(f"{JP_LOCAL}{code}", chart_number(self.seed, place, person.number))
        for called in person.names:
            yield named(called.kana, person.birth, person.sex)


def measure(
    population: Population,
    secrets: Iterable[ConverterKeys],
    seen: Mapping[str, Json],
    identifier: Identifier,
    on: date,
) -> Json:
    """Return missed and false links as counts of persons.

    Args:
        population: the truth.
        secrets: both converters'.
        seen: holder → what it unites on the day ``on`` (`body.flows.united`).
        identifier: what the framework goes by.
        on: the day of the extract.
    """
    pieces, unknown = _pieces(population, tuple(secrets), seen)
    people = {person.number: person for person in population.people}
    mine: dict[int, list[Piece]] = defaultdict(list)
    groups: dict[bytes, set[int]] = defaultdict(set)
    for piece in pieces:
        mine[piece.person].append(piece)
        groups[piece.sent].add(piece.person)
    missed = {
        number: _cause(people[number], own)
        for number, own in mine.items()
        if len({piece.sent for piece in own}) > 1
    }
    wrong = NAMESAKE if identifier == "kana_birth_sex" else WRONG_HISTORY
    false = {number: wrong for group in groups.values() if len(group) > 1 for number in group}
    return {
        "identifier": identifier,
        "on": on.isoformat(),
        "persons": len(mine),
        "several": sum(1 for own in mine.values() if len(own) > 1),
        "methods": dict(
            sorted(Counter(one["method"] for h in seen.values() for one in h["persons"]).items())
        ),
        "conflicts": sum(one["conflicts"] for one in seen.values()),
        "unknown": unknown,
        "missed": _counted(missed, people, on),
        "false": _counted(false, people, on),
    }


def _pieces(
    population: Population, secrets: tuple[ConverterKeys, ...], seen: Mapping[str, Json]
) -> tuple[list[Piece], int]:
    """Return whose records each holder has, and how many pseudonyms are nobody's."""
    elements = [
        (person.number, key, element_of(key))
        for person in population.people
        for key in population.keys(person)
    ]
    pieces, unknown = [], 0
    for holder, told in seen.items():
        whose: dict[str, list[tuple[int, PersonKey]]] = defaultdict(list)
        factors = [secret.factor(body_domain(holder), told["epoch"]) for secret in secrets]
        for number, key, element in elements:
            for factor in factors:
                element = multiply(factor, element)
            whose[bytes(element).hex()].append((number, key))
        for one in told["persons"]:
            found, sent = whose.get(one["own"]), whose.get(one["sent"])
            if not found or not sent:
                unknown += 1
                continue
            # A key that two persons share: whose these records are cannot be told, so both have
            # them, and the group is a false link.
            under = canonical(sent[0][1])
            pieces += [Piece(number, holder, key, under) for number, key in found]
    return pieces, unknown


def _cause(person: Person, own: Iterable[Piece]) -> str:
    """Return why a person's records fell apart."""
    keys = {piece.key for piece in own}
    methods = {key.method for key in keys}
    if "local" in methods:
        return "no-insured-number"
    if methods == {"name"}:
        return "name-change"
    if "name" in methods:
        return "mixed"
    every = person.numbers()
    places = sorted(every.index(key) for key in keys if key in every)
    reasons = {one.reason for one in person.episodes[places[0] + 1 : places[-1] + 1]}
    return next((cause for cause in CAUSES if cause in reasons), "mixed")


def _counted(found: Mapping[int, str], people: Mapping[int, Person], on: date) -> Json:
    ages = Counter(_band(people[number].age(on)) for number in found)
    return {
        "persons": len(found),
        "by_age": {band: ages[band] for band in map(_named, AGES) if ages[band]},
        "by_sex": dict(sorted(Counter(people[number].sex for number in found).items())),
        "by_cause": dict(sorted(Counter(found.values()).items())),
    }


def _band(age: int) -> str:
    return next(_named(band) for band in AGES if band[0] <= age <= band[1])


def _named(band: tuple[int, int]) -> str:
    return f"{band[0]}-{band[1]}" if band[1] < 150 else f"{band[0]}+"


def holders_of(framework: Framework) -> list[str]:
    """Return the bodies that hold records of persons."""
    return sorted({holder for one in CLASSES for holder in holders(framework, one)})
