"""OMOP CDM 5.4 as CSV, one file a table: what a hospital's own research database exports.

``person_id`` is the chart number: the hospital's mapping says whose. Codes stay source codes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from sekisho.synthetic.care import Period
from sekisho.synthetic.provider import Institution, Patient
from sekisho.synthetic.tables import condition, result
from sekisho.synthetic.writing import Counts, Lines

_HEADS = {
    "person": (
        "person_id,gender_concept_id,year_of_birth,month_of_birth,race_concept_id,"
        "ethnicity_concept_id,gender_source_value"
    ),
    "condition_occurrence": (
        "condition_occurrence_id,person_id,condition_concept_id,condition_start_date,"
        "condition_type_concept_id,condition_source_value"
    ),
    "measurement": (
        "measurement_id,person_id,measurement_concept_id,measurement_date,"
        "measurement_type_concept_id,value_as_number,unit_source_value,measurement_source_value"
    ),
}
_EHR = 32817


class OmopWriter:
    """Writes one file a table; a table without rows has no file."""

    def __init__(self, institution: Institution, period: Period, folder: Path) -> None:
        del institution, period
        self._lines = Lines(folder)
        self._rows = dict.fromkeys(_HEADS, 0)

    def add(self, patient: Patient) -> None:
        for name, values in _rows(patient):
            if not self._rows[name]:
                self._lines.put(_file(name), _line(_HEADS[name].split(",")))
            self._rows[name] += 1
            own = () if name == "person" else (self._rows[name],)
            self._lines.put(_file(name), _line((*own, *values)), name)

    def close(self) -> dict[Path, Counts]:
        return self._lines.close(map(_file, _HEADS))


def _file(name: str) -> str:
    return f"{name.upper()}.csv"


def _line(values: Iterable[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode()


def _rows(patient: Patient) -> Iterator[tuple[str, tuple[object, ...]]]:
    person, chart = patient.person, int(patient.chart)
    gender = 8507 if person.sex == "male" else 8532
    birth = person.birth
    yield "person", (chart, gender, birth.year, birth.month, 0, 0, person.sex)
    for visit in patient.visits:
        for id in visit.noted:
            yield (
                "condition_occurrence",
                (chart, 0, visit.day.isoformat(), _EHR, condition(id).icd10),
            )
        for id, value in visit.results.items():
            found = result(id)
            yield (
                "measurement",
                (chart, 0, visit.day, _EHR, found.spelled(value), found.unit, found.code),
            )
