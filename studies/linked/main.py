"""Weight and blood pressure over two hospitals, of persons with a few common diseases.

Reads /data/TABLE.parquet, writes /out/cohort.parquet: one row per person. SNOMED CT and LOINC
codes; receipts in 傷病名コード. The result depends on what the rows say, never on their order.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

BMI = "39156-5"
SYSTOLIC = "8480-6"

COHORT = """
SELECT DISTINCT person_id FROM condition_occurrence
WHERE condition_source_value IN
    ('444814009', '162864005', '38341003', '15777000', '44054006', '8833421', '2500013')
"""

PEOPLE = """
SELECT person_id, CASE WHEN min(sex) = max(sex) THEN min(sex) ELSE 'unknown' END AS sex
FROM (
    SELECT person_id, CASE gender_concept_id WHEN 8507 THEN 'male' WHEN 8532 THEN 'female'
                                             ELSE 'unknown' END AS sex
    FROM person
) GROUP BY person_id
"""

VALUES = """
SELECT person_id, measurement_source_value AS code, measurement_date AS day,
       try_cast(value_as_number AS DECIMAL(18, 4)) AS value
FROM measurement
WHERE try_cast(value_as_number AS DECIMAL(18, 4)) IS NOT NULL
"""

RESULT = """
WITH weighed AS (
    SELECT person_id, value,
           dense_rank() OVER (PARTITION BY person_id ORDER BY day DESC, value DESC) AS place
    FROM given WHERE code = '{bmi}'
), weight AS (
    SELECT person_id, max(value) AS value FROM weighed WHERE place = 1 GROUP BY person_id
), pressure AS (
    SELECT person_id, max(value) AS value FROM given WHERE code = '{systolic}' GROUP BY person_id
), time AS (
    SELECT person_id, count(DISTINCT year(day)) AS years FROM given GROUP BY person_id
)
SELECT c.person_id,
       coalesce(p.sex, 'unknown') AS sex,
       CASE WHEN w.value >= 30 THEN '30 and over' WHEN w.value IS NOT NULL THEN 'under 30'
            ELSE 'not measured' END AS weight,
       CASE WHEN b.value >= 140 THEN '140 and over' WHEN b.value IS NOT NULL THEN 'under 140'
            ELSE 'not measured' END AS pressure,
       CASE WHEN t.years >= 5 THEN '5 and more' WHEN t.years >= 1 THEN '1-4'
            ELSE '0' END AS years
FROM cohort c
LEFT JOIN people p USING (person_id)
LEFT JOIN weight w USING (person_id)
LEFT JOIN pressure b USING (person_id)
LEFT JOIN time t USING (person_id)
ORDER BY ALL
"""

INPUTS = ("person", "condition_occurrence", "measurement", "drug_exposure")


def run(data: Path, out: Path) -> None:
    """Make out/cohort.parquet from data/TABLE.parquet."""
    base = duckdb.connect()
    base.execute("SET threads = 1")
    for table in INPUTS:
        base.read_parquet(str(data / f"{table}.parquet")).create_view(table)
    base.execute(f"CREATE TEMP TABLE cohort AS {COHORT}")
    base.execute(f"CREATE TEMP TABLE people AS {PEOPLE}")
    base.execute(f"CREATE TEMP TABLE given AS {VALUES}")
    base.sql(RESULT.format(bmi=BMI, systolic=SYSTOLIC)).write_parquet(str(out / "cohort.parquet"))


if __name__ == "__main__":
    sys.exit(run(Path("/data"), Path("/out")))
