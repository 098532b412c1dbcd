"""Who is in the cohort, decided over the united data of all holders."""

from __future__ import annotations

import re
from collections.abc import Collection

import pyarrow as pa

from sekisho.data.lake import Session
from sekisho.data.lake.sql import Sql, fill, literal
from sekisho.data.processing.order import Cohort

_ICD10 = re.compile(r"[A-Z][0-9][0-9A-Z](?:\.?[0-9A-Z]{1,5})?\Z")
# http://hl7.org/fhir/sid/icd-10(-cm), …/mhlw/CodeSystem/ICD10-2013-full, and the OIDs of ICD-10
# (2.16.840.1.113883.6.3), ICD-10-CM (…6.90) and ICD-10 in Japan (1.2.392.200119.4.101.6 ff).
_ICD10_SYSTEM = re.compile(
    r"icd-?10|2\.16\.840\.1\.113883\.6\.(?:3|90)\Z|1\.2\.392\.200119\.4\.101", re.IGNORECASE
)


def matches(code: str, system: str | None, wanted: Collection[str]) -> bool:
    """Tell whether a code is one of ``wanted``, or, in ICD-10, a descendant of one.

    In ICD-10 a longer code is a descendant of its stem, with or without the dot (E11 ⊇ E11.9,
    E119); masters may end a code with ``-``. Other systems, and codes without one, match exactly.
    """
    if code in wanted:
        return True
    if system is None or not _ICD10_SYSTEM.search(system):
        return False
    plain = code.upper().replace(".", "").rstrip("-")
    stems = (it.upper().replace(".", "") for it in wanted if _ICD10.match(it.upper()))
    return any(plain.startswith(stem) for stem in stems)


def define_chosen(session: Session, target: str, cohort: Cohort) -> None:
    """Define ``target`` (pseudonym): the distinct persons of the cohort.

    Reads ``kept_tags``, ``person_row`` where an age is asked, and the conditions where these are:
    whether one is of the concepts its holder said in ``wanted``, since it has the vocabulary.
    A person of unknown year of birth has no known age and is outside; an unknown month counts as
    December, so that nobody counts as older than the year can tell.
    """
    conditions = ["true"]
    if cohort.by_condition:
        if cohort.codes:
            _add_wanted(session, cohort.codes)
        conditions.append(f"({' OR '.join(_meant(cohort))})")
        day = Sql("r.condition_start_date")
        if cohort.start:
            conditions.append(f"{day} >= {literal(cohort.start)}")
        if cohort.end:
            conditions.append(f"{day} <= {literal(cohort.end)}")
        conditions += _ages(cohort, day)
    elif cohort.start:
        conditions += _ages(cohort, literal(cohort.start))
    query = fill(
        _CHOSEN,
        rows=Sql("".join(_rows(cohort))),
        born=Sql(_BORN if cohort.by_age else ""),
        conditions=Sql(" AND ".join(conditions)),
    )
    session.define(target, query, keep=True)


def _rows(cohort: Cohort) -> list[str]:
    return [_CONDITIONS] * cohort.by_condition + [_CODES] * bool(cohort.codes)


def _meant(cohort: Cohort) -> list[str]:
    """Return the ways in which a condition may be one of the cohort's."""
    return ["w.code IS NOT NULL"] * bool(cohort.codes) + ["r.wanted"] * bool(cohort.concepts)


def _add_wanted(session: Session, codes: Collection[str]) -> None:
    """Define ``wanted`` (code, system): the pairs that occur and match."""
    seen = session.fetch(Sql(_SEEN)).to_pylist()
    pairs = [(s["code"], s["system"]) for s in seen if matches(s["code"], s["system"], codes)]
    columns = {
        "code": pa.array([code for code, _ in pairs], pa.string()),
        "system": pa.array([system or "" for _, system in pairs], pa.string()),
    }
    session.add("wanted", pa.table(columns))


def _ages(cohort: Cohort, on: Sql) -> list[str]:
    """Return the conditions on the age, in months: the month of birth counts as reached."""
    months = (
        f"(year({on}) * 12 + month({on}) - p.year_of_birth * 12 - coalesce(p.month_of_birth, 12))"
    )
    found = []
    if cohort.min_age is not None:
        found.append(f"{months} >= {literal(cohort.min_age * 12)}")
    if cohort.max_age is not None:
        found.append(f"{months} < {literal(cohort.max_age * 12 + 12)}")
    return found


_SEEN = """
SELECT DISTINCT condition_source_value AS code, condition_source_system AS system
FROM in_condition_occurrence WHERE condition_source_value IS NOT NULL
"""
_CONDITIONS = """
JOIN in_condition_occurrence r ON r.part = k.part AND r.tag = k.tag
"""
_CODES = """
LEFT JOIN wanted w ON w.code = r.condition_source_value
  AND w.system = coalesce(r.condition_source_system, '')
"""
_BORN = "JOIN person_row p ON p.pseudonym = k.pseudonym"
_CHOSEN = "SELECT DISTINCT k.pseudonym FROM kept_tags k {rows} {born} WHERE {conditions}"
