"""Monthly receipts as what they tell of: a stay that goes on, a diagnosis that is carried along.

A receipt speaks of one month. Read as they came, a stay of three months is three visits, and a
diagnosis stands there once a month. Which kinds of data are chained is in ``rules/same-fact.toml``.
Source of both rules: formats A9; OHDSI ETL-LambdaBuilder, JMDC ("era-like" rows of conditions).
"""

from __future__ import annotations

from sekisho.data.lake import Session, held_schema
from sekisho.data.lake.sql import Sql, fill, literals
from sekisho.data.processing.same import SameFact

VISITS, CONDITIONS = "visit_occurrence", "condition_occurrence"


def define_chains(session: Session, rules: SameFact) -> None:
    """Define ``stays`` and, as ``whole_TABLE``, visits and conditions chained over months.

    ``stays`` (person_key, data_class, provider, visit_ref, stay, until): receipts of one provider
    and person that name the same day of admission. Reads both tables of the lake; conditions with
    their ``canonical``.
    """
    kinds = literals(rules.chain.kinds)
    session.define("stays", fill(_STAYS, kinds=kinds, visits=literals(rules.chain.visits)))
    ends = {"visit_end_date": Sql("coalesce(s.until, r.visit_end_date)")}
    columns = _columns(VISITS, ends)
    session.define(f"whole_{VISITS}", fill(_VISITS, columns=columns, join=Sql(JOIN_STAY)))
    ends = {"condition_end_date": Sql(_ENDED)}
    columns = _columns(CONDITIONS, ends, "canonical")
    never = literals(rules.never)
    query = fill(_CONDITIONS, columns=columns, kinds=kinds, never=never)
    session.define(f"whole_{CONDITIONS}", query)


def _columns(table: str, instead: dict[str, Sql], *more: str) -> Sql:
    names = [*held_schema(table).names, *more]
    return Sql(", ".join(f"{instead[it]} AS {it}" if it in instead else f"r.{it}" for it in names))


_STAYS = """
SELECT DISTINCT person_key, data_class, provider, visit_ref,
  min(visit_ref) OVER (PARTITION BY person_key, data_class, provider, visit_start_date) AS stay,
  max(visit_end_date) OVER (PARTITION BY person_key, data_class, provider, visit_start_date)
    AS until
FROM visit_occurrence
WHERE kind IN ({kinds}) AND visit_concept_id IN ({visits}) AND visit_ref IS NOT NULL
"""
JOIN_STAY = """
LEFT JOIN stays s ON s.person_key = r.person_key AND s.data_class = r.data_class
  AND s.provider = r.provider AND s.visit_ref = r.visit_ref
"""
"""Joins rows ``r`` to the stay of their visit: ``s.stay`` instead of ``r.visit_ref``."""
_VISITS = """
SELECT {columns} FROM visit_occurrence r {join}
WHERE s.stay IS NULL OR s.stay = r.visit_ref
"""
# The n-th line with a code in one receipt goes on in the n-th line with it in the next: two lines
# of one receipt may mean left and right. The row of the latest month stays.
_CONDITIONS = """
SELECT {columns} FROM (
  SELECT n.*,
    max(carried) OVER (PARTITION BY chain, person_key, data_class, provider,
      condition_source_value, condition_source_system, condition_start_date, n) AS latest,
    max(condition_end_date) OVER (PARTITION BY chain, person_key, data_class, provider,
      condition_source_value, condition_source_system, condition_start_date, n) AS ended,
    row_number() OVER (PARTITION BY chain, person_key, data_class, provider,
      condition_source_value, condition_source_system, condition_start_date, n
      ORDER BY carried DESC NULLS LAST, source_id) AS place
  FROM (
    SELECT c.*, last_day(v.month) AS carried,
      row_number() OVER (PARTITION BY c.person_key, c.data_class, c.provider,
        c.condition_source_value, c.condition_source_system, c.condition_start_date,
        split_part(c.source_id, '.', 1) ORDER BY c.source_id) AS n
    FROM (SELECT t.*, kind IN ({kinds}) AND condition_source_value NOT IN ({never}) AS chain
      FROM condition_occurrence t) c
    LEFT JOIN (SELECT person_key, data_class, provider, visit_ref, max(visit_end_date) AS month
      FROM visit_occurrence GROUP BY person_key, data_class, provider, visit_ref) v
      ON v.person_key = c.person_key AND v.data_class = c.data_class
      AND v.provider = c.provider AND v.visit_ref = c.visit_ref) n) r
WHERE r.place = 1 OR NOT coalesce(r.chain, false)
"""
# It ends where a receipt says so, else, if it began before the latest month that carries it, with
# that month; one that is as old as its only receipt has no known end.
_ENDED = """CASE WHEN NOT coalesce(r.chain, false) THEN r.condition_end_date
    WHEN r.latest IS NULL OR r.ended >= r.latest THEN r.ended
    WHEN last_day(r.condition_start_date) < r.latest THEN r.latest ELSE r.ended END"""
