"""DPC調査 外来EFファイル: the acts of the receipts by day, under the hospital's own number.

Layout: formats A2 (31 columns, TSV, CP932). An E row for each unit of account, F rows for its acts;
データ識別番号 is the chart number, which says nothing outside the hospital.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from sekisho.synthetic.care import Period
from sekisho.synthetic.provider import Institution, Patient
from sekisho.synthetic.uke import Claim, claims_of
from sekisho.synthetic.writing import Counts, Lines

_NO_DAY = "00000000"


class DpcWriter:
    """Writes one file a month; a month without acts has no file."""

    def __init__(self, institution: Institution, period: Period, folder: Path) -> None:
        self._institution, self._lines = institution, Lines(folder)
        self._months = list(period.months())

    def add(self, patient: Patient) -> None:
        for first, last in self._months:
            for line in _patient(self._institution, patient, first, last):
                self._lines.put(f"EFg_{first:%Y%m}.txt", f"{line}\r\n".encode("cp932"), "EF")

    def close(self) -> dict[Path, Counts]:
        return self._lines.close()


def _patient(institution: Institution, patient: Patient, first: date, last: date) -> Iterator[str]:
    visits = [visit for visit in patient.visits if first <= visit.day <= last]
    if not visits:
        return
    for number, claim in enumerate(claims_of(visits), 1):
        for day, times in sorted(claim.days.items()):
            yield from _unit(institution, patient, first.replace(day=day), number, claim, times)


def _unit(
    institution: Institution, patient: Patient, on: date, number: int, claim: Claim, times: int
) -> Iterator[str]:
    code = institution.spec.code
    insurance = patient.person.insurance(on)
    insurer = insurance.insurer if insurance else ""
    parent = ("000", "", str(claim.points), str(claim.points))
    details = [(f"{n:03}", act, "", "") for n, act in enumerate(claim.codes, 1)]
    for detail, act, points, of_unit in (parent, *details):
        fields = [
            f"{code[:2]}{code[3:]}",
            f"{int(patient.chart):010}",
            _NO_DAY,
            _NO_DAY,
            claim.group,
            f"{number:04}",
            detail,
            "",
            act,
            "",
            "",
            claim.amount,
            "",
            "",
            "0",
            points,
            "0" * 12,
            of_unit,
            "",
            "",
            str(times),
            insurer,
            "",
            f"{on:%Y%m%d}",
            "01",
            "01",
            "",
            "",
            "",
            "2",
            "",
        ]
        yield "\t".join(fields)
