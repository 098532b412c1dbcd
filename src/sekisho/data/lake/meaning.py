"""What the vocabulary says of one row: concepts of its code, value and unit, and its table.

What a file itself says goes before. A code that no map knows as a whole may be read by its first
characters (``stem`` in ``rules/code-systems.toml``); the row then says so, and is still compared
with rows of other routes by its whole code.
"""

from __future__ import annotations

from typing import Final

from sekisho.cdm import Table, code_columns
from sekisho.data.lake.engine import Session
from sekisho.data.lake.sql import Sql, fill, literal, name

DOMAINS: Final = {
    "Condition": "condition_occurrence",
    "Drug": "drug_exposure",
    "Procedure": "procedure_occurrence",
    "Device": "device_exposure",
    "Measurement": "measurement",
    "Observation": "observation",
}
"""Domain of a standard concept → the table of its rows; of other domains a row stays where it is.
Source: OMOP CDM 5.4, clinical data tables."""
RESULTS: Final = ("measurement", "observation")
"""Tables whose rows may speak *about* their code: a diagnosis that is suspected, a drug that was
not borne. Such a row is no diagnosis and no drug, so it moves among these tables only."""
MEANT: Final = {
    "*concept_id": "meant_concept",
    "*source_concept_id": "meant_source",
    "*mapped_by": "meant_by",
    "value_as_concept_id": "meant_value",
    "unit_concept_id": "meant_unit",
}
"""Column, without its table's name → the column of ``coded_TABLE`` that says it."""


def define_coded(session: Session, source: Table) -> None:
    """Define ``coded_TABLE``: current rows of ``source`` with what the vocabulary says of them.

    Reads ``current_TABLE``, ``vocabulary_in_force``, ``vocabulary_names``, ``vocabulary_map``,
    ``vocabulary_stems``.
    """
    own, (value, system) = stem_of(source), code_columns(source.name)
    of = {
        "source": name(f"current_{source.name}"),
        "system": name(system),
        "code": _spelt("n", value),
    }
    stems = f"{own}_mapped_by" in source.names
    values = "value_source_system" in source.names
    units = "unit_source_value" in source.names
    if stems:
        session.define(f"stemmed_{source.name}", fill(_STEMMED, **of), keep=True)
    joins = [it for it, there in ((_STEM, stems), (_VALUE, values), (_UNIT, units)) if there]
    may = RESULTS if source.name in RESULTS else DOMAINS.values()
    home = " ".join(f"WHEN '{d}' THEN '{t}'" for d, t in DOMAINS.items() if t in may)
    query = fill(
        _CODED,
        **of,
        concept=_given(source, f"{own}_concept_id"),
        source_concept=_given(source, f"{own}_source_concept_id"),
        value=_given(source, "value_as_concept_id"),
        unit=_given(source, "unit_concept_id"),
        by_stem=Sql("s.concept_id" if stems else "0"),
        stem=Sql("s.stem" if stems else "NULL"),
        stem_domain=Sql("s.domain_id" if stems else "NULL"),
        by_value=Sql("vm.concept_id" if values else "0"),
        by_unit=Sql("um.concept_id" if units else "0"),
        joins=fill(
            "\n".join(joins),
            stemmed=name(f"stemmed_{source.name}"),
            code=of["code"],
            value_code=_spelt("vn", "value_source_value"),
            units=literal(UNITS),
        ),
        home=Sql(home),
        here=literal(source.name),
    )
    session.define(f"coded_{source.name}", query)


def stem_of(of: Table) -> str:
    """Return what the code's columns begin with: ``condition`` of condition_occurrence."""
    return code_columns(of.name)[1].removesuffix("_source_system")


def _spelt(system: str, column: str) -> Sql:
    """Return a code of the row ``l`` as maps spell it, by the row ``system`` of the names."""
    return Sql(
        f"CASE WHEN {system}.icd THEN upper(replace(replace(l.{column}, '.', ''), '-', ''))"
        f" ELSE l.{column} END"
    )


def _given(source: Table, column: str) -> Sql:
    """Return the concept that the file names; 0 where it names none."""
    return fill("coalesce(l.{it}, 0)", it=name(column)) if column in source.names else Sql("0")


UNITS: Final = "UCUM"
"""Units come without a system: a map of one's own names any other spelling under this one."""
_STEMMED = """
SELECT version, name, code, concept_id, domain_id, stem FROM (
  SELECT o.version, o.name, o.code, m.concept_id, m.domain_id, t.stem,
    row_number() OVER (PARTITION BY o.version, o.name, o.code ORDER BY t.first DESC) AS place
  FROM (
    SELECT DISTINCT n.version, n.name, n.vocabulary, {code} AS code FROM {source} l
    JOIN vocabulary_in_force v ON v.batch = l.batch
    JOIN vocabulary_names n ON n.version = v.version AND n.name = coalesce(l.{system}, '')) o
  JOIN vocabulary_stems t ON t.version = o.version AND t.vocabulary = o.vocabulary
    AND t.first < length(o.code)
  JOIN vocabulary_map m ON m.version = o.version AND m.vocabulary = o.vocabulary
    AND m.code = substr(o.code, 1, t.first) AND m.concept_id > 0) found
WHERE place = 1
"""
_CODED = """
SELECT l.*, m.canonical AS said,
  CASE WHEN {concept} <> 0 THEN {concept}
    ELSE coalesce(nullif(m.concept_id, 0), {by_stem}, 0) END AS meant_concept,
  CASE WHEN {source_concept} <> 0 THEN {source_concept}
    ELSE coalesce(m.source_concept_id, 0) END AS meant_source,
  CASE WHEN {concept} <> 0 THEN NULL WHEN m.concept_id > 0 THEN 'code' ELSE {stem} END AS meant_by,
  CASE WHEN {value} <> 0 THEN {value}
    ELSE coalesce(nullif({by_value}, 0), m.value_concept_id, 0) END AS meant_value,
  CASE WHEN {unit} <> 0 THEN {unit} ELSE coalesce({by_unit}, 0) END AS meant_unit,
  CASE WHEN {concept} <> 0 THEN {here}
    ELSE CASE CASE WHEN m.concept_id > 0 THEN m.domain_id ELSE {stem_domain} END
      {home} ELSE {here} END END AS home
FROM {source} l
LEFT JOIN vocabulary_in_force v ON v.batch = l.batch
LEFT JOIN vocabulary_names n ON n.version = v.version AND n.name = coalesce(l.{system}, '')
LEFT JOIN vocabulary_map m ON m.version = n.version AND m.vocabulary = n.vocabulary
  AND m.code = {code}
{joins}
"""
_STEM = """
LEFT JOIN {stemmed} s ON s.version = n.version AND s.name = n.name AND s.code = {code}
"""
_VALUE = """
LEFT JOIN vocabulary_names vn ON vn.version = v.version AND vn.name = l.value_source_system
LEFT JOIN vocabulary_map vm ON vm.version = vn.version AND vm.vocabulary = vn.vocabulary
  AND vm.code = {value_code}
"""
_UNIT = """
LEFT JOIN vocabulary_map um ON um.version = v.version AND um.vocabulary = {units}
  AND um.code = l.unit_source_value
"""
