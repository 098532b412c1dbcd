"""Kidney function of persons with high blood pressure, type 2 diabetes or kidney disease.

Reads /data/TABLE.parquet, writes /out/cohort.parquet: one row per person of the cohort. The result
depends on what the rows say, never on their order or on which number a person has.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

# In ICD-10 (dots left out) and as 傷病名コード of receipts.
COHORT = """
WITH coded AS (
    SELECT person_id, condition_start_date AS day,
           replace(upper(condition_source_value), '.', '') AS code
    FROM condition_occurrence
    WHERE condition_source_value IS NOT NULL
), found AS (
    SELECT person_id, day,
           code LIKE 'E11%' OR code = '2500015' AS diabetes,
           code LIKE 'I10%' OR code = '8833421' AS hypertension,
           code LIKE 'N18%' AS kidney
    FROM coded
)
SELECT person_id, min(day) AS entered,
       bool_or(diabetes) AS diabetes, bool_or(hypertension) AS hypertension
FROM found
WHERE diabetes OR hypertension OR kidney
GROUP BY person_id
"""

# One row per person whatever comes: the same person may be described twice.
PEOPLE = """
SELECT person_id,
       CASE WHEN min(sex) = max(sex) THEN min(sex) ELSE 'unknown' END AS sex,
       min(born) AS born
FROM (
    SELECT person_id,
           CASE gender_concept_id WHEN 8507 THEN 'male' WHEN 8532 THEN 'female'
                                  ELSE 'unknown' END AS sex,
           year_of_birth * 12 + coalesce(month_of_birth, 12) AS born
    FROM person
) GROUP BY person_id
"""

# The last value of an analyte (the first five characters of JLAC10); of two on one day the worse.
LAST = """
SELECT person_id, {worst}(value) AS value
FROM (
    SELECT person_id, value, dense_rank() OVER (PARTITION BY person_id ORDER BY day DESC) AS place
    FROM (
        SELECT person_id, measurement_date AS day,
               try_cast(value_as_number AS DECIMAL(18, 4)) AS value
        FROM measurement
        WHERE left(measurement_source_value, 5) = '{analyte}'
    ) WHERE value IS NOT NULL
) WHERE place = 1
GROUP BY person_id
"""

TREATED = """
SELECT DISTINCT c.person_id
FROM cohort c JOIN drug_exposure d USING (person_id)
WHERE d.drug_exposure_start_date >= c.entered
"""

RESULT = """
SELECT c.person_id,
       coalesce(c.sex, 'unknown') AS sex,
       CASE WHEN months IS NULL THEN 'unknown'
            WHEN months < 40 * 12 THEN '18-39'
            WHEN months < 65 * 12 THEN '40-64'
            WHEN months < 75 * 12 THEN '65-74'
            ELSE '75+' END AS age_band,
       CASE WHEN e.value >= 60 THEN '60+'
            WHEN e.value >= 45 THEN '45-59'
            WHEN e.value >= 30 THEN '30-44'
            WHEN e.value IS NOT NULL THEN '<30'
            WHEN k.value >= 1.2 THEN 'creatinine high'
            WHEN k.value IS NOT NULL THEN 'creatinine low'
            ELSE 'not measured' END AS kidney,
       CASE WHEN e.value < 60 THEN 'yes'
            WHEN e.value IS NOT NULL THEN 'no'
            ELSE 'not measured' END AS low_egfr,
       CASE WHEN c.diabetes AND c.hypertension THEN 'both'
            WHEN c.diabetes THEN 'diabetes'
            WHEN c.hypertension THEN 'hypertension'
            ELSE 'kidney only' END AS disease,
       CASE WHEN t.person_id IS NULL THEN 'no' ELSE 'yes' END AS treated
FROM (
    SELECT cohort.*, sex, year(entered) * 12 + month(entered) - born AS months
    FROM cohort LEFT JOIN people USING (person_id)
) c
LEFT JOIN egfr e USING (person_id)
LEFT JOIN creatinine k USING (person_id)
LEFT JOIN treated t USING (person_id)
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
    base.execute(f"CREATE TEMP TABLE egfr AS {LAST.format(analyte='8A065', worst='min')}")
    base.execute(f"CREATE TEMP TABLE creatinine AS {LAST.format(analyte='3C015', worst='max')}")
    base.execute(f"CREATE TEMP TABLE treated AS {TREATED}")
    base.sql(RESULT).write_parquet(str(out / "cohort.parquet"))


if __name__ == "__main__":
    sys.exit(run(Path("/data"), Path("/out")))
