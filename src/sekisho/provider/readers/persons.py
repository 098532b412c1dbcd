"""The row of person that every format gives in the same way."""

from __future__ import annotations

from datetime import date

from sekisho.provider.records import Row, row

GENDERS = {"male": 8507, "female": 8532}
"""FHIR's words → OMOP concepts; other words have none."""


def person_row(born: date, sex: str) -> Row:
    """Return the row of a person born on ``born``; the day of birth stays behind."""
    return row(
        "person",
        gender_concept_id=GENDERS.get(sex, 0),
        year_of_birth=born.year,
        month_of_birth=born.month,
        gender_source_value=sex,
    )
