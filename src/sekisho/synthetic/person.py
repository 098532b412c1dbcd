"""One person: a function of the seed and a number alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, Literal

from sekisho.pseudonym import PersonKey, parse_spec
from sekisho.synthetic.draws import Draws
from sekisho.synthetic.insurance import HOUSEHOLD, Insurance, insurance_of
from sekisho.synthetic.tables import Band, Name, at_age, names, population

Sex = Literal["male", "female"]

AGES_ON = date(2025, 10, 1)
"""The day on which the people's ages follow the population of 2022-10-01."""
_INSURED_SINCE = date(2021, 3, 1)  # 枝番 exist since then


@dataclass(frozen=True)
class Person:
    """One person of a population. Everything but the illnesses can identify, so repr shows none.

    Attributes:
        number: place in the population, from 0.
        kidney: eGFR in mL/min/1.73m² around which measurements vary.
        episodes: insurances, the earliest first.
        chronic: ids of chronic diseases (codes.toml).
    """

    number: int
    sex: Sex
    birth: date = field(repr=False)
    family_name: tuple[str, str] = field(repr=False)
    given_name: tuple[str, str] = field(repr=False)
    phone: str = field(repr=False)
    address: str = field(repr=False)
    episodes: tuple[Insurance, ...] = field(repr=False)
    chronic: tuple[str, ...]
    kidney: int
    allergy: int | None

    @property
    def name(self) -> str:
        """Kanji, half-width space between."""
        return f"{self.family_name[0]} {self.given_name[0]}"

    @property
    def kana(self) -> str:
        """Full-width kana, half-width space between."""
        return f"{self.family_name[1]} {self.given_name[1]}"

    def age(self, on: date) -> int:
        """Return completed years."""
        passed = (on.month, on.day) >= (self.birth.month, self.birth.day)
        return on.year - self.birth.year - (not passed)

    def insurance(self, on: date) -> Insurance:
        """Return the insurance in force on a day."""
        return next(one for one in reversed(self.episodes) if one.since <= on)

    def spec(self) -> dict[str, Any]:
        """Return how the person names themself in a form (`pseudonym.parse_spec`)."""
        return self.episodes[-1].spec()

    def key(self) -> PersonKey:
        """Return the person's key."""
        return parse_spec(self.spec())


@lru_cache(maxsize=4096)
def person_of(seed: int, number: int) -> Person:
    """Return person ``number`` of the population made from ``seed``."""
    draws = Draws(seed, "person", number)
    sex, age, birth = _born(draws)
    first = number - number % HOUSEHOLD
    head_age = age if first == number else _born(Draws(seed, "person", first))[1]
    known = names()
    family = _name(draws, known.family)
    given = _name(draws, known.male if sex == "male" else known.female)
    insurance = insurance_of(seed, number, age, head_age, _INSURED_SINCE)
    phone = f"03-{draws.between(1000, 9999)}-{draws.between(1000, 9999)}"
    address = f"関町{draws.between(1, 9)}-{draws.between(1, 40)}-{draws.between(1, 30)}"
    chronic, kidney = _health(Draws(seed, "health", number), sex, age)
    allergy = draws.below(2) if draws.chance(6) else None
    return Person(
        number, sex, birth, family, given, phone, address, (insurance,), chronic, kidney, allergy
    )


def band_of(age: int) -> Band:
    """Return the figures for an age."""
    bands = population().band
    return next((band for band in bands if band.from_ <= age <= band.to), bands[-1])


def _born(draws: Draws) -> tuple[Sex, int, date]:
    bands = population().band
    weights = [count for band in bands for count in (band.male, band.female)]
    place = draws.weighted(weights)
    band, sex = bands[place // 2], ("male", "female")[place % 2]
    age = draws.between(band.from_, band.to)
    birthday = AGES_ON.replace(year=AGES_ON.year - age) - timedelta(days=draws.below(365))
    return sex, age, birthday  # type: ignore[return-value]  # one of the two


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
