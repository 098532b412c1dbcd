"""OMOP CDM 5.4 as CSV, one file a table: what a hospital's own research database exports.

``person_id`` is the chart number: the hospital's mapping says whose. Codes stay source codes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from sekisho.synthetic.care import Period
from sekisho.synthetic.provider import Institution, Patient
from sekisho.synthetic.tables import condition, result

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


def write_omop(
    institution: Institution, period: Period, folder: Path
) -> dict[Path, dict[str, int]]:
    """Write the tables of one provider; ``period`` is what its visits lie in."""
    del period
    rows: dict[str, list[tuple[object, ...]]] = {name: [] for name in _HEADS}
    for patient in institution.patients:
        for name, values in _rows(patient):
            own = () if name == "person" else (len(rows[name]) + 1,)
            rows[name].append((*own, *values))
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for name, made in rows.items():
        if not made:
            continue
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_HEADS[name].split(","))
        writer.writerows(made)
        path = folder / f"{name.upper()}.csv"
        path.write_text(text.getvalue(), "utf-8")
        written[path] = {name: len(made)}
    return written


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
