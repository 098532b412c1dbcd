"""様式1 in its long form (since 2016): one line a fact of a stay. Experimental.

The places are those of one public program for fiscal 2026, and no public file is at hand: who the
patient is, when the stay ended and how, and its diseases are read; operations and all other codes
are set aside and counted. A disease is dated with the stay's first day, the only one that it has.
"""

from __future__ import annotations

from collections.abc import Iterator

from sekisho.provider.readers.dpc_lines import Group, SurveyLine
from sekisho.provider.readers.fhir_resources import EHR
from sekisho.provider.readers.persons import person_row
from sekisho.provider.readers.uke_values import ICD10, calendar_date, uke_day
from sekisho.provider.records import OTHER, Outcome, Record, Row, SetAside, Unreadable, row

_CODE, _PAYLOAD = 5, 8
_PATIENT, _LEFT = "A000010", "A000030"
_STATUS = {
    "A006010": 32902,  # 主傷病
    "A006020": 32890,  # 入院の契機となった傷病
    "A006030": 32908,  # 医療資源を最も投入した傷病
    "A006040": 32908,  # 入院時併存症
    "A006050": 32908,  # 入院後発症疾患
}
_SEXES = {"1": "male", "2": "female"}
_DIED = ("6", "7")  # 退院時転帰, unverified


def form1_records(group: Group) -> Iterator[Record]:
    """Yield a record for each line of a stay's form."""
    for part, line in enumerate(group.lines):
        code = line.get(_CODE)
        known = code in (_PATIENT, _LEFT) or code in _STATUS
        rows: tuple[Row, ...] = ()
        outcome, reason = Outcome.SENT, ""
        try:
            rows = _rows(line, group.unit)
        except SetAside as why:
            outcome, reason = Outcome.SET_ASIDE, why.code
        except Unreadable as problem:
            outcome, reason = Outcome.REFUSED, problem.code
        yield Record(
            f"FF1/{code}" if known else f"FF1/{OTHER}",
            line.number,
            group.unit,
            rows,
            line.patient,
            outcome,
            reason,
            part=part,
            whole=False,
        )


def _rows(line: SurveyLine, unit: str) -> tuple[Row, ...]:
    code, visit = line.get(_CODE), f"{unit}/visit"
    if code == _PATIENT:
        birth = calendar_date(uke_day(_payload(line, 1)))
        return (person_row(birth, _SEXES.get(_payload(line, 2), "unknown")),)
    if code == _LEFT:
        return tuple(_leaving(line, visit))
    if code in _STATUS:
        return (_disease(line, visit),)
    raise SetAside("no-table")


def _leaving(line: SurveyLine, visit: str) -> Iterator[Row]:
    left = uke_day(_payload(line, 1))
    if line.admitted is None or left < line.admitted:
        raise Unreadable("date.impossible")
    yield row(
        "visit_occurrence",
        visit,
        visit_concept_id=9201,
        visit_start_date=line.admitted,
        visit_end_date=left,
        visit_type_concept_id=EHR,
    )
    if _payload(line, 3) in _DIED:
        yield row("death", death_date=left, death_type_concept_id=EHR)


def _disease(line: SurveyLine, visit: str) -> Row:
    icd = _payload(line, 2)
    if not (3 <= len(icd) <= 6 and icd.isascii() and icd.isalnum() and icd[0].isalpha()):
        raise Unreadable("dpc.icd")
    return row(
        "condition_occurrence",
        visit,
        condition_start_date=line.admitted,
        condition_type_concept_id=EHR,
        condition_status_concept_id=_STATUS[line.get(_CODE)],
        condition_source_value=icd,
        condition_source_system=ICD10,
    )


def _payload(line: SurveyLine, number: int) -> str:
    """Return a payload by its number, from 1."""
    return line.get(_PAYLOAD + number - 1)
