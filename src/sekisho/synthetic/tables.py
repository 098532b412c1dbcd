"""The figures, codes and names that ship with this room, as values."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TypeVar

from msgspec import Struct, field

from sekisho.common.toml import parse_toml

T = TypeVar("T")

UNCODED = "0000999"
"""未コード化傷病名: the receipt names the disease in words instead."""


class Strict(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a shipped file."""


class Band(Strict, frozen=True):
    """Ages ``from_`` to ``to``: thousands of people, and outpatients per 100,000 on one day."""

    from_: int = field(name="from")
    to: int
    male: int
    female: int
    outpatient_male: int
    outpatient_female: int

    def outpatients(self, sex: str) -> int:
        """Return outpatients per 100,000 on one day."""
        return self.outpatient_male if sex == "male" else self.outpatient_female


class Disease(Strict, frozen=True):
    """How many persons in 10,000 have it, from each age in ``from_`` upwards."""

    id: str
    from_: tuple[int, ...] = field(name="from")
    male: tuple[int, ...]
    female: tuple[int, ...]
    source: str
    total_thousand: int | None = None

    def share(self, sex: str, age: int) -> int:
        """Return the persons in 10,000 of this sex and age."""
        return at_age(self.from_, self.male if sex == "male" else self.female, age)


class Kidney(Strict, frozen=True):
    """Chronic kidney disease in 10,000 by age, and what other diseases add."""

    from_: tuple[int, ...] = field(name="from")
    share: tuple[int, ...]
    hypertension: int
    diabetes: int
    stages: tuple[int, ...]
    source: str


class Insurer(Strict, frozen=True):
    """A kind of insurer, by its 法別番号 (empty: 国民健康保険)."""

    law: str
    weight: int


class InsuranceFacts(Strict, frozen=True):
    source: str
    family: int
    prefectures: tuple[str, ...]


class Change(Strict, frozen=True):
    """How identifiers change, and who has none; in 100 or 1,000 as the names say.

    ``yearly``: persons in 100 whose insurer changes in a year, from each age in ``from_`` upwards.
    ``unheard``: changes in 100 of which the history service never learns. ``married``: in 1,000 a
    year, the women of 20 to 39 who take another family name. ``respelt``: in 1,000 a year, whose
    kana are corrected. ``local_only``: in 1,000, who have no insured number. ``namesake``: in
    1,000, who share kana, birth date and sex with somebody before them.
    """

    source: str
    from_: tuple[int, ...] = field(name="from")
    yearly: tuple[int, ...]
    unheard: int
    married: int
    respelt: int
    local_only: int
    namesake: int


class Population(Strict, frozen=True):
    """population.toml."""

    source_population: str
    source_outpatient: str
    outpatient_mean: int
    band: tuple[Band, ...]
    disease: tuple[Disease, ...]
    kidney: Kidney
    insurer: tuple[Insurer, ...]
    insurance: InsuranceFacts
    change: Change


class Condition(Strict, frozen=True):
    """One disease in three code systems; ``icd10`` without its dot, as ICD10-2013-full has it."""

    id: str
    name: str
    icd10: str
    medis: str
    receipt: str
    source: str

    @property
    def dotted(self) -> str:
        """ICD-10 as WHO writes it."""
        return self.icd10 if len(self.icd10) == 3 else f"{self.icd10[:3]}.{self.icd10[3:]}"


class Drug(Strict, frozen=True):
    """One drug. With a receipt code the provider hands it out; else it is prescribed."""

    id: str
    name: str
    yj: str
    treats: str
    days: int
    source: str
    receipt: str | None = None
    points: int = 0


class Unit(Strict, frozen=True):
    """算定単位: acts under one 診療識別, with the points of all of them together."""

    id: str
    group: str
    acts: tuple[str, ...]
    points: int
    source: str


class Result(Strict, frozen=True):
    """A measured quantity; values are integers of ``decimals`` decimal places."""

    id: str
    code: str
    unit: str
    decimals: int
    source: str

    def spelled(self, value: int) -> str:
        """Return the digits of a value as they are; no float ever stands for a measured one."""
        if not self.decimals:
            return str(value)
        text = str(value).zfill(self.decimals + 1)
        return f"{text[: -self.decimals]}.{text[-self.decimals :]}"


class Allergy(Strict, frozen=True):
    code: str
    source: str


class Codes(Strict, frozen=True):
    """codes.toml."""

    condition: tuple[Condition, ...]
    drug: tuple[Drug, ...]
    unit: tuple[Unit, ...]
    result: tuple[Result, ...]
    allergy: tuple[Allergy, ...]


Name = tuple[str, str, int]
"""Kanji, kana, weight."""


class Names(Strict, frozen=True):
    """names.toml."""

    family: tuple[Name, ...]
    male: tuple[Name, ...]
    female: tuple[Name, ...]


def at_age(starts: tuple[int, ...], values: tuple[int, ...], age: int) -> int:
    """Return the value that holds from the last of ``starts`` not above ``age``."""
    found = 0
    for start, value in zip(starts, values, strict=True):
        if age >= start:
            found = value
    return found


@cache
def population() -> Population:
    """Return population.toml."""
    return _read("population.toml", Population)


@cache
def codes() -> Codes:
    """Return codes.toml."""
    return _read("codes.toml", Codes)


@cache
def names() -> Names:
    """Return names.toml."""
    return _read("names.toml", Names)


@cache
def condition(id: str) -> Condition:
    """Return the condition called ``id``."""
    return _one(codes().condition, id)


@cache
def unit(id: str) -> Unit:
    """Return the unit called ``id``."""
    return _one(codes().unit, id)


@cache
def result(id: str) -> Result:
    """Return the result called ``id``."""
    return _one(codes().result, id)


@cache
def drug_for(condition_id: str) -> Drug | None:
    """Return the drug that treats a condition; None where none does here."""
    return next((drug for drug in codes().drug if drug.treats == condition_id), None)


def _one(entries: tuple[T, ...], id: str) -> T:
    return next(entry for entry in entries if getattr(entry, "id", None) == id)


def _read(name: str, kind: type[T]) -> T:
    return parse_toml(files(__package__).joinpath(name).read_text("utf-8"), kind, name)
