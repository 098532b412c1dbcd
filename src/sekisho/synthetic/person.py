"""One person: a function of the seed and a number alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, Literal

from sekisho.common.errors import UserError
from sekisho.pseudonym import PersonKey, parse_spec
from sekisho.synthetic.draws import Draws
from sekisho.synthetic.insurance import HOUSEHOLD, YEARS, Insurance, episodes_of
from sekisho.synthetic.tables import Band, Name, at_age, names, population

Sex = Literal["male", "female"]

AGES_ON = date(2025, 10, 1)
"""The day on which the people's ages follow the population of 2022-10-01."""
_VOICED = str.maketrans("ザジズゼゾダヂヅデドバビブベボ", "サシスセソタチツテトハヒフヘホ")


@dataclass(frozen=True)
class Called:
    """What a person is called from a day on: family and given name, each in kanji and kana.

    ``reason``: why the name changed; empty for the first.
    """

    since: date
    family: tuple[str, str] = field(repr=False)
    given: tuple[str, str] = field(repr=False)
    reason: str = ""

    @property
    def name(self) -> str:
        """Kanji, half-width space between."""
        return f"{self.family[0]} {self.given[0]}"

    @property
    def kana(self) -> str:
        """Full-width kana, half-width space between."""
        return f"{self.family[1]} {self.given[1]}"


@dataclass(frozen=True)
class Person:
    """One person of a population. Everything but the illnesses can identify, so repr shows none.

    Attributes:
        number: place in the population, from 0.
        kidney: eGFR in mL/min/1.73m² around which measurements vary.
        names: what the person is called, the earliest first.
        episodes: insurances, the earliest first; none for who has no insured number.
        chronic: ids of chronic diseases (codes.toml).
    """

    number: int
    sex: Sex
    birth: date = field(repr=False)
    names: tuple[Called, ...] = field(repr=False)
    phone: str = field(repr=False)
    address: str = field(repr=False)
    episodes: tuple[Insurance, ...] = field(repr=False)
    chronic: tuple[str, ...]
    kidney: int
    allergy: int | None

    def called(self, on: date) -> Called:
        """Return the person's name on a day."""
        return next(one for one in reversed(self.names) if one.since <= on)

    def age(self, on: date) -> int:
        """Return completed years."""
        return _age(self.birth, on)

    def insurance(self, on: date) -> Insurance | None:
        """Return the insurance in force on a day; None for who has none."""
        return next((one for one in reversed(self.episodes) if one.since <= on), None)

    def spec(self, on: date = AGES_ON) -> dict[str, Any]:
        """Return how the person names themself in a form on a day (`pseudonym.parse_spec`).

        Raises:
            UserError: the person has no insured number.
        """
        insurance = self.insurance(on)
        if insurance is None:
            raise UserError("synthetic.uninsured", "This person has no insured number to name.")
        return insurance.spec()

    def key(self, on: date = AGES_ON) -> PersonKey:
        """Return the person's key on a day."""
        return parse_spec(self.spec(on))

    def numbers(self) -> tuple[PersonKey, ...]:
        """Return all keys that the person's insured numbers ever give, the earliest first."""
        return tuple(parse_spec(one.spec()) for one in self.episodes)

    def root(self, key: PersonKey, on: date, since: date) -> PersonKey:
        """Return the oldest key to which the histories of a day lead from ``key``.

        ``since``: the day from which on the history service learns of changes.
        """
        keys = self.numbers()
        place = keys.index(key)
        if self.episodes[place].since > on:
            return key
        while place and self.episodes[place].heard and self.episodes[place].since > since:
            place -= 1
        return keys[place]


@lru_cache(maxsize=4096)
def person_of(seed: int, number: int) -> Person:
    """Return person ``number`` of the population made from ``seed``."""
    draws = Draws(seed, "person", number)
    sex, birth = _born(draws)
    first = number - number % HOUSEHOLD
    head_birth = birth if first == number else _born(Draws(seed, "person", first))[1]
    known = names()
    family = _name(draws, known.family)
    given = _name(draws, known.male if sex == "male" else known.female)
    phone = f"03-{draws.between(1000, 9999)}-{draws.between(1000, 9999)}"
    address = f"関町{draws.between(1, 9)}-{draws.between(1, 40)}-{draws.between(1, 30)}"
    change, marks = population().change, Draws(seed, "identity", number)
    called = _names(marks, sex, birth, family, given)
    if number and marks.chance(change.namesake, 1000):
        other = person_of(seed, marks.below(number))
        sex, birth, called = other.sex, other.birth, other.names[:1]
    insured = not marks.chance(change.local_only, 1000)
    episodes = episodes_of(seed, number, birth, head_birth) if insured else ()
    age = _age(birth, AGES_ON)
    chronic, kidney = _health(Draws(seed, "health", number), sex, age)
    allergy = draws.below(2) if draws.chance(6) else None
    return Person(number, sex, birth, called, phone, address, episodes, chronic, kidney, allergy)


def _names(
    draws: Draws, sex: Sex, birth: date, family: tuple[str, str], given: tuple[str, str]
) -> tuple[Called, ...]:
    """Return what a person is called over the years: marriages, corrected kana."""
    change = population().change
    made = [Called(birth, family, given)]
    for year in YEARS:
        on = date(year, draws.between(1, 12), draws.between(1, 28))
        last, other = made[-1], _name(draws, names().family)
        marries = draws.chance(change.married, 1000)
        respelt = (last.family[0], last.family[1].translate(_VOICED))
        corrected = draws.chance(change.respelt, 1000)
        if on <= last.since:
            continue
        if (
            sex == "female"
            and 20 <= _age(birth, on) < 40
            and marries
            and other[1] != last.family[1]
        ):
            made.append(Called(on, other, given, "marriage"))
        elif corrected and respelt != last.family:
            made.append(Called(on, respelt, given, "kana"))
    return tuple(made)


def band_of(age: int) -> Band:
    """Return the figures for an age."""
    bands = population().band
    return next((band for band in bands if band.from_ <= age <= band.to), bands[-1])


def _born(draws: Draws) -> tuple[Sex, date]:
    bands = population().band
    weights = [count for band in bands for count in (band.male, band.female)]
    place = draws.weighted(weights)
    band, sex = bands[place // 2], ("male", "female")[place % 2]
    age = draws.between(band.from_, band.to)
    birthday = AGES_ON.replace(year=AGES_ON.year - age) - timedelta(days=draws.below(365))
    return sex, birthday  # type: ignore[return-value]  # one of the two


def _age(birth: date, on: date) -> int:
    return on.year - birth.year - ((on.month, on.day) < (birth.month, birth.day))


def _health(draws: Draws, sex: Sex, age: int) -> tuple[tuple[str, ...], int]:
    """Return chronic diseases, and the eGFR that goes with them."""
    facts = population()
    chronic = [d.id for d in facts.disease if draws.chance(d.share(sex, age), 10_000)]
    kidney = facts.kidney
    share = at_age(kidney.from_, kidney.share, age)
    share += kidney.hypertension * ("hypertension" in chronic)
    share += kidney.diabetes * ("type-2-diabetes" in chronic)
    healthy = max(62, 118 - age * 2 // 3 + draws.between(-10, 10))
    if age < 18 or not draws.chance(share, 10_000):
        return tuple(chronic), healthy
    stage = draws.weighted(kidney.stages)
    least, greatest = ((45, 59), (30, 44), (15, 29), (6, 14))[stage]
    chronic.append(("ckd-g3a", "ckd-g3b", "ckd-g4", "ckd-g5")[stage])
    return tuple(chronic), draws.between(least, greatest)


def _name(draws: Draws, choices: tuple[Name, ...]) -> tuple[str, str]:
    kanji, kana, _ = choices[draws.weighted([weight for *_, weight in choices])]
    return kanji, kana
