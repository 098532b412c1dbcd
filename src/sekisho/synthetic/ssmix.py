"""SS-MIX2 標準化ストレージ: one patient's messages in the folders that the specification asks for.

Layout: formats A4, as the public sample has it. ADT-00 the patient, ADT-12 a visit, PPR-01 all
diagnoses, OMP-01 a prescription, OML-11 results. ISO-2022-JP has no 髙 or 﨑: a hospital writes 高
and 崎 for them, and 〓 for what has no such brother.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path, PurePosixPath

from sekisho.synthetic.care import Period, Visit
from sekisho.synthetic.provider import Institution, Patient
from sekisho.synthetic.tables import condition, drug_for, result
from sekisho.synthetic.writing import Counts, Packs

_BROTHERS = str.maketrans("髙﨑", "高崎")
_PRESSURE = {"systolic": "9A751000000000001", "diastolic": "9A761000000000001"}
"""JLAC10 of blood pressure, first reading (特定健診 item list)."""


class SsmixWriter:
    """Writes a storage as archives: all of a patient's folders in one of them."""

    def __init__(self, institution: Institution, period: Period, folder: Path) -> None:
        del institution
        self._period, self._packs = period, Packs(folder, "ssmix")

    def add(self, patient: Patient) -> None:
        self._packs.begin()
        for kind, day, order, segments in _messages(patient, self._period):
            name = _place(patient, kind, day, order, self._period)
            data = _encoded("".join(f"{one}\r" for one in segments))
            self._packs.put(name.as_posix(), data, {kind: 1})

    def close(self) -> dict[Path, Counts]:
        return self._packs.close()


Message = tuple[str, date | None, str, list[str]]
"""Kind of data, day of care, order number, segments."""


def _messages(patient: Patient, period: Period) -> Iterator[Message]:
    pid = _pid(patient)
    none = "9" * 15
    yield "ADT-00", None, none, [_msh("ADT^A08^ADT_A01", period.last), pid, *_insured(patient)]
    problems = list(_problems(patient))
    if problems:
        yield "PPR-01", None, none, [_msh("PPR^ZD1^PPR_ZD1", period.last), pid, *problems]
    for number, visit in enumerate(patient.visits, 1):
        order = f"{int(patient.chart):09}{number:06}"
        came = f"PV1|0001|O|01^^^^^C{'|' * 41}{visit.day:%Y%m%d}0900"
        yield "ADT-12", visit.day, order, [_msh("ADT^A04^ADT_A01", visit.day), pid, came]
        drugs = [drug for id in visit.treated if (drug := drug_for(id))]
        if drugs:
            lines = []
            for drug in drugs:
                lines += [
                    f"ORC|NW|{order}||1|||||{visit.day:%Y%m%d}0930",
                    f"RXE||{drug.yj}^{drug.name}^YJ|1||TAB^錠^MR9P|||||{drug.days}|TAB^錠^MR9P",
                    f"TQ1|1|||||{drug.days}^d|{visit.day:%Y%m%d}",
                ]
            yield "OMP-01", visit.day, order, [_msh("RDE^O11^RDE_O11", visit.day), pid, *lines]
        if visit.results:
            lines = list(_results(visit, order))
            yield "OML-11", visit.day, order, [_msh("OUL^R22^OUL_R22", visit.day), pid, *lines]


def _place(
    patient: Patient, kind: str, day: date | None, order: str, period: Period
) -> PurePosixPath:
    chart, when = patient.chart, "-" if day is None else f"{day:%Y%m%d}"
    moment = f"{day or period.last:%Y%m%d}103000000"
    name = f"{chart}_{when}_{kind}_{order}_{moment}_{'-' if day is None else '01'}_1"
    return PurePosixPath(chart[:3]) / chart[3:6] / chart / when / kind / name


def _msh(kind: str, day: date) -> str:
    return (
        f"MSH|^~\\&|HIS|SEND|GW|RCV|{day:%Y%m%d}103000||{kind}|{day:%Y%m%d}000001|P|2.5||||||"
        "~ISO IR87||ISO 2022-1994|SS-MIX2_1.20^SS-MIX2^1.2.392.200250.2.1.100.1.2.120^ISO"
    )


def _pid(patient: Patient) -> str:
    person = patient.person
    called = person.called(patient.visits[-1].day)
    family, given = called.family, called.given
    sex = "M" if person.sex == "male" else "F"
    names = f"{family[0]}^{given[0]}^^^^^L^I~{family[1]}^{given[1]}^^^^^L^P"
    return f"PID|0001||{patient.chart}^^^^PI||{names}||{person.birth:%Y%m%d}|{sex}"


def _insured(patient: Patient) -> Iterator[str]:
    """Yield IN1 of every insurance that was in force at a visit, the branch beside the symbol."""
    told = dict.fromkeys(patient.person.insurance(visit.day) for visit in patient.visits)
    for number, one in enumerate((one for one in told if one is not None), 1):
        symbol = f"{one.symbol}^{one.branch}" if one.branch else one.symbol
        yield (
            f"IN1|{number}|01^健康保険^JHSD0001|{one.insurer}|||||||{symbol}|{one.number}"
            f"|{one.since:%Y%m%d}"
        )


def _problems(patient: Patient) -> Iterator[str]:
    for visit in patient.visits:
        for id in visit.noted:
            found = condition(id)
            yield (
                f"PRB|AD|{visit.day:%Y%m%d}|{found.medis}^{found.name}^MDCDX2|1|||"
                f"{visit.day:%Y%m%d}||||||||||||"
            )


def _results(visit: Visit, order: str) -> Iterator[str]:
    yield f"SPM|1|{order}||023^血清^JC10{'|' * 13}{visit.day:%Y%m%d}0915"
    yield f"OBR|1|{order}|{order}|E001^検査^99O03|||{visit.day:%Y%m%d}0920"
    for number, (id, value) in enumerate(visit.results.items(), 1):
        found = result(id)
        code = _PRESSURE.get(id, found.code)
        unit = f"{found.unit}^{found.unit}^ISO+"
        yield (
            f"OBX|{number}|NM|{code}^{id}^JC10||{found.spelled(value)}|{unit}|||||F|||"
            f"{visit.day:%Y%m%d}0920"
        )


def _encoded(text: str) -> bytes:
    text = text.translate(_BROTHERS)
    try:
        return text.encode("iso2022_jp")
    except UnicodeEncodeError:
        return "".join(c if _fits(c) else "〓" for c in text).encode("iso2022_jp")


def _fits(sign: str) -> bool:
    try:
        sign.encode("iso2022_jp")
    except UnicodeEncodeError:
        return False
    return True
