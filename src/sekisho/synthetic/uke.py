"""電子レセプト (医科, 入院外): one file a month for each of the two that pay.

Columns: formats A1 (sample of 75 receipts). CP932, CRLF, no quotes; points stand on the last act
of a unit; a day column holds how often on that day; GO holds the totals of the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from pathlib import Path

from sekisho.synthetic.care import Period, Visit
from sekisho.synthetic.insurance import Insurance
from sekisho.synthetic.person import Person
from sekisho.synthetic.provider import Institution, Patient
from sekisho.synthetic.tables import UNCODED, Drug, condition, drug_for, unit
from sekisho.synthetic.writing import Counts, Lines

_WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
_COLUMNS = {"IR": 10, "RE": 38, "HO": 15, "SN": 9, "SY": 8, "SI": 44, "IY": 44, "GO": 4}
_CURED, _CONTINUING, _DIED = "2", "1", "3"


@dataclass(frozen=True)
class Claim:
    """算定単位 on the days of a month: group, coded lines, points of one time, how often by day."""

    kind: str
    group: str
    codes: tuple[str, ...]
    points: int
    days: dict[int, int]
    amount: str = ""

    @property
    def times(self) -> int:
        return sum(self.days.values())


class UkeWriter:
    """Writes a file for each month and payer; one without receipts is not there."""

    def __init__(self, institution: Institution, period: Period, folder: Path) -> None:
        self._institution, self._lines = institution, Lines(folder)
        self._months = list(period.months())
        self._numbers: Counter[date] = Counter()
        """Counts on over both files: no two receipts of a month have one number."""
        self._receipts: Counter[str] = Counter()
        self._points: Counter[str] = Counter()

    def add(self, patient: Patient) -> None:
        for first, last in self._months:
            of_month = [v for v in patient.visits if first <= v.day <= last]
            for insurance, visits in _by_insurance(patient.person, of_month):
                self._numbers[first] += 1
                payer = "1" if insurance.social else "2"
                name = f"RECEIPTC-{first:%Y%m}-{payer}.UKE"
                if name not in self._lines:
                    self._put(name, _head(self._institution, first, payer))
                claims = list(claims_of(visits))
                total = sum(claim.points * claim.times for claim in claims)
                self._receipts[name] += 1
                self._points[name] += total
                number = self._numbers[first]
                for line in _receipt(self._institution, patient, insurance, number, visits, total):
                    self._put(name, line)
                for claim in claims:
                    for line in _claim_lines(claim):
                        self._put(name, line)

    def close(self) -> dict[Path, Counts]:
        for name, receipts in self._receipts.items():
            self._put(name, _line("GO", str(receipts), str(self._points[name]), "99"))
        return self._lines.close()

    def _put(self, name: str, line: str) -> None:
        self._lines.put(name, f"{line}\r\n".encode("cp932"), line[:2])


def _head(institution: Institution, first: date, payer: str) -> str:
    code = institution.spec.code
    billed = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    said = (code[:2], code[2], code[3:], "", institution.spec.name, f"{billed:%Y%m}", "00")
    return _line("IR", payer, *said)


def _by_insurance(person: Person, visits: list[Visit]) -> Iterator[tuple[Insurance, list[Visit]]]:
    """Return one receipt's visits for each insurance of a month; none for who has none."""
    for insurance, same in groupby(visits, key=lambda visit: person.insurance(visit.day)):
        if insurance is not None:
            yield insurance, list(same)


def _receipt(
    institution: Institution,
    patient: Patient,
    insurance: Insurance,
    number: int,
    visits: list[Visit],
    points: int,
) -> Iterator[str]:
    person, month = patient.person, visits[0].day
    called = person.called(month)
    symbol, own = insurance.symbol, insurance.number
    if institution.wide:
        symbol, own = symbol.translate(_WIDE), own.translate(_WIDE)
    yield _line(
        "RE",
        str(number),
        _kind(person, insurance, month),
        f"{month:%Y%m}",
        called.name.replace(" ", "　"),
        "1" if person.sex == "male" else "2",
        f"{person.birth:%Y%m%d}",
        *[""] * 6,
        patient.chart,
        *[""] * 22,
        called.kana.replace(" ", "　"),
    )
    yield _line("HO", insurance.insurer.rjust(8), symbol, own, str(len(visits)), str(points))
    if insurance.branch:
        yield _line("SN", "1", "01", "", "", "", insurance.branch)
    died = any(visit.dies for visit in visits)
    for n, (id, start, acute) in enumerate(_diagnoses(patient, visits)):
        found = condition(id)
        outcome = _DIED if died and n == 0 else _CURED if acute else _CONTINUING
        name = found.name if found.receipt == UNCODED else ""
        main = "01" if n == 0 else ""
        yield _line("SY", found.receipt, f"{start:%Y%m%d}", outcome, "", name, main)


def _diagnoses(patient: Patient, visits: list[Visit]) -> Iterator[tuple[str, date, bool]]:
    """Return what is known by the end of the month: condition, since when, whether it passes."""
    for id, visit in patient.chronic().items():
        if visit.day <= visits[-1].day:
            yield id, visit.day, False
    for visit in visits:
        if visit.acute:
            yield visit.acute, visit.day, True


def _kind(person: Person, insurance: Insurance, on: date) -> str:
    """Return the レセプト種別 of an outpatient with one payer."""
    age = person.age(on)
    if insurance.elderly:
        return "1318"
    if age < 6:
        return "1114"
    if age >= 70:
        return "1118"
    return "1112" if insurance.head else "1116"


def claims_of(visits: list[Visit]) -> Iterator[Claim]:
    """Yield the units of account of one person's visits in a month."""
    revisits = {visit.day.day: 1 for visit in visits if not visit.first}
    tested = {visit.day.day: 1 for visit in visits if visit.results}
    prescribed = {v.day.day: 1 for v in visits if any(map(_prescribed, v.treated))}
    for visit in visits:
        if visit.first:
            yield _unit("first-visit", {visit.day.day: 1})
    if revisits:
        yield _unit("revisit", revisits)
    for visit in visits:
        drug = drug_for(visit.acute) if visit.acute else None
        if drug and drug.receipt:
            yield _handed(drug, visit.day.day)
    if tested:
        yield _unit("judgement", {min(tested): 1})  # once a month
        yield _unit("blood-taking", tested)
        yield _unit("blood-chemistry", tested)
    if prescribed:
        yield _unit("prescription", prescribed)


def _prescribed(condition_id: str) -> bool:
    drug = drug_for(condition_id)
    return drug is not None and drug.receipt is None


def _unit(id: str, days: dict[int, int]) -> Claim:
    found = unit(id)
    return Claim("SI", found.group, found.acts, found.points, days)


def _handed(drug: Drug, day: int) -> Claim:
    return Claim("IY", "21", (str(drug.receipt),), drug.points, {day: drug.days}, amount="1")


def _claim_lines(claim: Claim) -> Iterator[str]:
    days = [str(claim.days.get(day, "")) for day in range(1, 32)]
    for n, code in enumerate(claim.codes):
        yield _line(
            claim.kind,
            claim.group if n == 0 else "",
            "1",
            code,
            claim.amount,
            str(claim.points) if n == len(claim.codes) - 1 else "",
            str(claim.times),
            *[""] * 6,
            *days,
        )


def _line(kind: str, *fields: str) -> str:
    return ",".join((kind, *fields, *[""] * (_COLUMNS[kind] - 1 - len(fields))))
