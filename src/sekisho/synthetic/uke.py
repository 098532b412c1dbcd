"""電子レセプト (医科, 入院外): one file a month for each of the two that pay.

Columns: formats A1 (sample of 75 receipts). CP932, CRLF, no quotes; points stand on the last act
of a unit; a day column holds how often on that day; GO holds the totals of the file.
"""

from __future__ import annotations

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


def write_uke(institution: Institution, period: Period, folder: Path) -> dict[Path, dict[str, int]]:
    """Write the receipts of one provider.

    Returns:
        Each file with its number of records by type. A month without receipts has no file.
    """
    written = {}
    for first, last in period.months():
        for payer in ("1", "2"):
            lines = list(_file(institution, first, last, payer))
            if not lines:
                continue
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"RECEIPTC-{first:%Y%m}-{payer}.UKE"
            path.write_bytes("".join(line + "\r\n" for line in lines).encode("cp932"))
            counts: dict[str, int] = {}
            for line in lines:
                counts[line[:2]] = counts.get(line[:2], 0) + 1
            written[path] = counts
    return written


def _file(institution: Institution, first: date, last: date, payer: str) -> Iterator[str]:
    body: list[str] = []
    number = receipts = points = 0
    for patient in institution.patients:
        of_month = [v for v in patient.visits if first <= v.day <= last]
        for insurance, visits in _by_insurance(patient.person, of_month):
            number += 1  # counts on over both files: no two of a month have one number
            if insurance.social != (payer == "1"):
                continue
            receipts += 1
            claims = list(claims_of(visits))
            total = sum(claim.points * claim.times for claim in claims)
            points += total
            body += _receipt(institution, patient, insurance, number, visits, total)
            body += [line for claim in claims for line in _claim_lines(claim)]
    if not receipts:
        return
    code, billed = (
        institution.spec.code,
        date(first.year + first.month // 12, first.month % 12 + 1, 1),
    )
    yield _line(
        "IR", payer, code[:2], code[2], code[3:], "", institution.spec.name, f"{billed:%Y%m}", "00"
    )
    yield from body
    yield _line("GO", str(receipts), str(points), "99")


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
