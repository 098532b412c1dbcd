"""The event log: which providers a person sees, when, and what is found and given there.

Everything that is written in any format comes from here, so that one fact arrives by several
routes. Person ``i`` depends on the seed, the number of providers and the period, never on others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal, localcontext
from functools import lru_cache

from sekisho.common.errors import UserError
from sekisho.synthetic.draws import Draws
from sekisho.synthetic.person import Person, band_of
from sekisho.synthetic.tables import population

_ACUTE = ("cold", "cold", "cold", "injury", "ankle-abrasion")
_SECOND_PROVIDER = 35  # in 100; so is the rest of this file's rates: assumptions
_MONTHLY = 6_700  # of 10,000: 8 outpatient receipts a person-year (formats C4)


@dataclass(frozen=True)
class Period:
    """The time that records cover, both days included."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise UserError("synthetic.period", "The period's first day comes after its last.")

    @classmethod
    def before(cls, day: date) -> Period:
        """Return the six months that end a month before ``day``'s: what has been billed by then."""
        months = day.year * 12 + day.month - 1
        last = date((months - 1) // 12, (months - 1) % 12 + 1, 1) - timedelta(days=1)
        return cls(date((months - 7) // 12, (months - 7) % 12 + 1, 1), last)

    def months(self) -> Iterator[tuple[date, date]]:
        """Return the first and last day of each month, cut to the period."""
        start = self.first
        while start <= self.last:
            after = date(start.year + start.month // 12, start.month % 12 + 1, 1)
            yield start, min(after - timedelta(days=1), self.last)
            start = after


@dataclass(frozen=True)
class Visit:
    """One visit. ``results`` are integers of the unit's decimal places, by result id.

    Attributes:
        place: number of the provider, from 0.
        first: the person's first visit there.
        noted: conditions noted for the first time there.
        acute: the condition for which alone the person came; None for a chronic one.
        treated: conditions that drugs are given for.
        dies: the person dies on this day, and the provider knows.
    """

    place: int
    day: date
    first: bool
    noted: tuple[str, ...]
    acute: str | None
    treated: tuple[str, ...]
    results: dict[str, int] = field(repr=False)
    dies: bool = False


def visits_of(seed: int, person: Person, providers: int, period: Period) -> tuple[Visit, ...]:
    """Return the person's visits to all providers, by day: at least one, if born by then."""
    draws = Draws(seed, "care", person.number)
    months = [month for month in period.months() if month[1] >= person.birth]
    if not months:
        return ()
    made = []
    for rank, place in enumerate(_places(draws, providers)):
        days = list(_days(draws, person, rank, months))
        known = [c for c in person.chronic if rank == 0 or draws.chance(50)]
        for n, day in enumerate(days):
            made.append(_visit(draws, person, place, day, n == 0, known))
    made.sort(key=lambda visit: (visit.day, visit.place))
    last = made[-1]
    if person.age(last.day) >= 80 and draws.chance(3):
        made[-1] = replace(last, dies=True)
    return tuple(made)


@lru_cache(maxsize=1 << 15)
def creatinine(egfr: int, age: int, female: bool) -> int:
    """Return the serum creatinine in 0.01 mg/dL that gives an eGFR.

    eGFR = 194 · Cr^-1.094 · age^-0.287 (· 0.739 for women): Matsuo et al., Am J Kidney Dis 2009;
    53:982-992 (日本腎臓学会). In decimals of 28 digits, so the same on every machine.
    """
    with localcontext(prec=28):
        scale = Decimal(194) * Decimal(age) ** Decimal("-0.287")
        scale *= Decimal("0.739") if female else 1
        value = (scale / egfr) ** (1 / Decimal("1.094"))
    return int((value * 100).to_integral_value())


def _places(draws: Draws, providers: int) -> tuple[int, ...]:
    """Return the providers a person sees, the main one first."""
    left = list(range(providers))
    seen = [left.pop(draws.weighted([6 // (n + 1) + 1 for n in left]))]
    while left and draws.chance(_SECOND_PROVIDER if len(seen) == 1 else 12):
        seen.append(left.pop(draws.below(len(left))))
    return tuple(seen)


def _days(
    draws: Draws, person: Person, rank: int, months: list[tuple[date, date]]
) -> Iterator[date]:
    """Return the days of visits to one provider, by the person's outpatient rate."""
    rate = band_of(person.age(max(months[0][0], person.birth))).outpatients(person.sex)
    monthly = min(9_500, _MONTHLY * rate // population().outpatient_mean)
    if person.chronic:
        monthly = max(6_000, monthly)
    if rank:
        monthly //= 3
    chosen = [month for month in months if draws.chance(monthly, 10_000)] or [draws.pick(months)]
    for first, last in chosen:
        drawn = [draws.below((last - first).days + 1) for _ in range(1 + draws.chance(15))]
        yield from sorted({max(first + timedelta(days=day), person.birth) for day in drawn})


def _visit(
    draws: Draws, person: Person, place: int, day: date, first: bool, known: list[str]
) -> Visit:
    acute = draws.pick(_ACUTE) if not known or draws.chance(12) else None
    measured = draws.chance(60 if known and not acute else 10)
    noted = (*(known if first else ()), *((acute,) if acute else ()))
    treated = (acute,) if acute else tuple(known)
    results = _results(draws, person, day, known) if measured and person.age(day) >= 18 else {}
    return Visit(place, day, first, noted, acute, treated, results)


def _results(draws: Draws, person: Person, day: date, known: list[str]) -> dict[str, int]:
    egfr = max(5, person.kidney + draws.between(-4, 4))
    made = {
        "creatinine": creatinine(egfr, person.age(day), person.sex == "female"),
        "egfr": egfr,
        "potassium": draws.between(36, 50) + (4 if egfr < 30 else 0),
    }
    if "type-2-diabetes" in known or draws.chance(15):
        made["hba1c"] = (
            draws.between(61, 89) if "type-2-diabetes" in known else draws.between(50, 60)
        )
    if "dyslipidaemia" in known or draws.chance(20):
        made["ldl"] = (
            draws.between(100, 179) if "dyslipidaemia" in known else draws.between(70, 129)
        )
    if "hypertension" in known or draws.chance(30):
        high = 14 if "hypertension" in known else 0
        made["systolic"] = draws.between(104, 138) + high
        made["diastolic"] = draws.between(62, 86) + high // 2
    return made
