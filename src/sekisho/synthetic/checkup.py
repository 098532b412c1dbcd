"""特定健診 as HL7 CDA R2, in the official ZIP: one archive an insurer.

Layout: formats A3. Who is 40 to 74 and was measured has one check-up in the period: the first
measurement of the event log, so that the same values stand in other formats, too.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from sekisho.synthetic.care import Period, Visit
from sekisho.synthetic.insurance import Insurance
from sekisho.synthetic.provider import Institution, Patient
from sekisho.synthetic.tables import result
from sekisho.synthetic.writing import Counts

AGES = range(40, 75)
"""高齢者の医療の確保に関する法律 第20条: insured persons of 40 to 74."""
_OID = "1.2.392.200119.6"
_HL7, _XSI = "urn:hl7-org:v3", "http://www.w3.org/2001/XMLSchema-instance"
_TOTALS = "http://tokuteikenshin.jp/checkup/2007"
_ITEMS = {
    "creatinine": "3C015000002327101",
    "hba1c": "3D046000001906202",
    "ldl": "3F077000002327101",
    "systolic": "9A751000000000001",
    "diastolic": "9A761000000000001",
}
"""Results that are items of a check-up (特定健診 item list)."""
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)


class CheckupWriter:
    """Writes one archive an insurer; until it is whole, its documents wait on the disk."""

    def __init__(self, institution: Institution, period: Period, folder: Path) -> None:
        self._institution, self._period, self._folder = institution, period, folder
        self._waiting: Counter[str] = Counter()

    def add(self, patient: Patient) -> None:
        found = _checkup_of(patient)
        if found is None:
            return
        visit, insurance = found
        made = _document(self._institution, patient, visit, insurance)
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._wait(insurance.insurer).open("ab") as file:
            file.write(len(made).to_bytes(4, "big") + made)
        self._waiting[insurance.insurer] += 1

    def close(self) -> dict[Path, Counts]:
        return dict(self._archive(insurer) for insurer in sorted(self._waiting))

    def _archive(self, insurer: str) -> tuple[Path, Counts]:
        code, number = self._institution.spec.code, self._waiting[insurer]
        stem = f"{code}_{insurer:>08}_{self._period.last:%Y%m%d}1_1"
        path = self._folder / f"{stem}.zip"
        with zipfile.ZipFile(path, "w") as archive:

            def put(name: str, data: bytes) -> None:
                archive.writestr(zipfile.ZipInfo(f"{stem}/{name}", _FIXED_TIME), data)

            put("ix08_V08.xml", _total("index", "totalRecordCount", number))
            put("su08_V08.xml", _total("summary", "totalSubjectCount", number))
            with self._wait(insurer).open("rb") as file:
                for place in range(1, number + 1):
                    document = file.read(int.from_bytes(file.read(4), "big"))
                    put(f"DATA/h{code}{place:06}.xml", document)
        self._wait(insurer).unlink()
        return path, {"Checkup": number, "Index": 1, "Summary": 1}

    def _wait(self, insurer: str) -> Path:
        return self._folder / f".{insurer}.waiting"


def items_of(visit: Visit) -> dict[str, str]:
    """Return item code → value of what a check-up on this visit holds."""
    return {
        code: result(id).spelled(visit.results[id])
        for id, code in _ITEMS.items()
        if id in visit.results
    }


def _checkup_of(patient: Patient) -> tuple[Visit, Insurance] | None:
    for visit in patient.visits:
        insurance = patient.person.insurance(visit.day)
        if visit.results and insurance and patient.person.age(visit.day) in AGES:
            return visit, insurance
    return None


def _document(
    institution: Institution, patient: Patient, visit: Visit, insurance: Insurance
) -> bytes:
    person = patient.person
    root = _element("ClinicalDocument")
    _child(root, "typeId", root="2.16.840.1.113883.1.3", extension="POCD_HD000040")
    _child(root, "code", code="10", codeSystem=f"{_OID}.1001")
    _child(root, "effectiveTime", value=f"{visit.day:%Y%m%d}")
    role = _child(_child(root, "recordTarget"), "patientRole")
    for oid, value in _numbers(insurance):
        _child(role, "id", root=f"{_OID}.{oid}", extension=value)
    whose = _child(role, "patient")
    _child(whose, "name").text = person.called(visit.day).kana.replace(" ", "　")
    sex = "1" if person.sex == "male" else "2"
    _child(whose, "administrativeGenderCode", code=sex, codeSystem=f"{_OID}.1104")
    _child(whose, "birthTime", value=f"{person.birth:%Y%m%d}")
    author = _child(_child(_child(root, "author"), "assignedAuthor"), "representedOrganization")
    _child(author, "id", root=f"{_OID}.102", extension=institution.spec.code)
    event = _child(_child(root, "documentationOf"), "serviceEvent")
    _child(event, "code", code="010", codeSystem=f"{_OID}.1002")
    _child(event, "effectiveTime", value=f"{visit.day:%Y%m%d}")
    body = _child(_child(root, "component"), "structuredBody")
    section = _child(_child(body, "component"), "section")
    _child(section, "code", code="01010", codeSystem=f"{_OID}.1010")
    for id, what in _ITEMS.items():
        if id in visit.results:
            found = result(id)
            one = _child(_child(section, "entry"), "observation", classCode="OBS", moodCode="EVN")
            _child(one, "code", code=what, codeSystem=f"{_OID}.1005")
            measured = _child(one, "value", value=found.spelled(visit.results[id]), unit=found.unit)
            measured.set(f"{{{_XSI}}}type", "PQ")
    return _text(root)


def _numbers(insurance: Insurance) -> Iterator[tuple[str, str]]:
    yield "101", insurance.insurer.zfill(8)
    if insurance.symbol:
        yield "204", insurance.symbol
    yield "205", insurance.number
    if insurance.branch:
        yield "211", insurance.branch


def _total(kind: str, name: str, number: int) -> bytes:
    root = ElementTree.Element(f"{{{_TOTALS}}}{kind}")
    ElementTree.SubElement(root, f"{{{_TOTALS}}}{name}", value=str(number))
    return _text(root)


def _element(name: str) -> ElementTree.Element:
    return ElementTree.Element(f"{{{_HL7}}}{name}")


def _child(parent: ElementTree.Element, name: str, **attributes: str) -> ElementTree.Element:
    return ElementTree.SubElement(parent, f"{{{_HL7}}}{name}", attributes)


def _text(root: ElementTree.Element) -> bytes:
    made: bytes = ElementTree.tostring(root, "utf-8", xml_declaration=True)
    return made
