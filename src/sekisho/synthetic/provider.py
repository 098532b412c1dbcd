"""What one provider has about its patients: the part of the event log that happened there."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sekisho.common.errors import UserError
from sekisho.synthetic.care import Visit
from sekisho.synthetic.person import Person

_CODE = re.compile(r"\d{10}", re.ASCII)
_SPREAD = 7_654_321  # coprime to ten million
_CHARTS = 10_000_000


@dataclass(frozen=True)
class ProviderSpec:
    """One institution: 都道府県(2) + 点数表(1) + 医療機関コード(7), and its name.

    ``without_number``: per cent of its patients of whom it wrote down its own number alone, and
    the rest as another clerk heard it (`identities.otherwise`); in FHIR files only.
    """

    code: str
    name: str
    without_number: int = 0

    def __post_init__(self) -> None:
        if not _CODE.fullmatch(self.code):
            raise UserError(
                "synthetic.provider", f"{self.code!r} is not an institution code of 10 digits."
            )


@dataclass(frozen=True)
class Patient:
    """One person at one provider; ``visits`` are those there, by day, at least one."""

    person: Person
    chart: str
    visits: tuple[Visit, ...]

    def chronic(self) -> dict[str, Visit]:
        """Return the chronic conditions known here, with the visit at which each was noted."""
        return {c: visit for visit in self.visits for c in visit.noted if c != visit.acute}


@dataclass(frozen=True)
class Institution:
    """One provider. ``place`` is its number, which decides its habits.

    ``seed`` is that of its people.
    """

    place: int
    spec: ProviderSpec
    seed: int

    def knows_number(self, patient: Patient) -> bool:
        """Whether it wrote down the patient's insured number: spread over the chart numbers."""
        return int(patient.chart) // 100 % 100 >= self.spec.without_number

    @property
    def wide(self) -> bool:
        """Writes symbols and numbers of insured persons in full width."""
        return self.place % 2 == 1

    @property
    def dotted(self) -> bool:
        """Writes ICD-10 codes with their dot, as WHO does, and not as ICD10-2013-full."""
        return self.place % 2 == 1


def chart_number(seed: int, place: int, number: int) -> str:
    """Return the number that a provider gives a person; no other patient there has it."""
    return f"{(number * _SPREAD + seed * 31 + place * 1_000_003) % _CHARTS:07}"
