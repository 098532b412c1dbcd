"""The example studies: what they count depends on what the rows say and on nothing else."""

from __future__ import annotations

import importlib.util
import random
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from sekisho.cdm import table
from sekisho.data.analysis.study import read_study

TYPES = {"int64": pa.int64(), "date": pa.date32(), "string": pa.string(), "decimal": pa.string()}
ICD10 = "http://hl7.org/fhir/sid/icd-10"
Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(params=["kidney", "linked"])
def study(request: pytest.FixtureRequest, root: Path) -> Path:
    return root / "studies" / str(request.param)


def runner(study: Path) -> Callable[[Path, Path], None]:
    spec = importlib.util.spec_from_file_location(f"study_{study.name}", study / "main.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    run: Callable[[Path, Path], None] = module.run
    return run


def counted(study: Path, folder: Path, rows: Rows) -> dict[str, Counter[tuple[str, ...]]]:
    """Run the study and count persons for each of its outputs."""
    package = read_study(study)
    data, out = folder / "data", folder / "out"
    data.mkdir(parents=True)
    out.mkdir()
    for name in package.inputs:
        schema = pa.schema([(c.name, TYPES[c.type]) for c in table(name).columns])
        parquet.write_table(
            pa.Table.from_pylist(rows.get(name, []), schema), data / f"{name}.parquet"
        )
    runner(study)(data, out)
    made = parquet.read_table(out / "cohort.parquet").to_pylist()
    assert len({row["person_id"] for row in made}) == len(made)
    for output in package.outputs:
        for dimension, levels in output.levels.items():
            assert {row[dimension] for row in made} <= set(levels)
    return {
        output.name: Counter(tuple(row[d] for d in output.dimensions) for row in made)
        for output in package.outputs
    }


def person(number: int, born: int = 1950, concept: int = 8507) -> dict[str, Any]:
    return {
        "person_id": number,
        "year_of_birth": born,
        "month_of_birth": 6,
        "gender_concept_id": concept,
    }


def condition(number: int, code: str, day: date = date(2025, 10, 3)) -> dict[str, Any]:
    return {
        "person_id": number,
        "condition_start_date": day,
        "condition_source_value": code,
        "condition_source_system": ICD10,
    }


def measured(number: int, code: str, value: str | None, day: date) -> dict[str, Any]:
    return {
        "person_id": number,
        "measurement_date": day,
        "value_as_number": value,
        "measurement_source_value": code,
    }


def sample() -> Rows:
    """Forty people with every kind of row that the studies look at."""
    draw = random.Random(5)
    codes = ["E119", "E11.9", "2500015", "I10", "8833421", "N183", "444814009", "162864005"]
    results = ["8A065000002391901", "3C015000002327101", "39156-5", "8480-6"]
    rows: Rows = {name: [] for name in ("person", "condition_occurrence", "measurement")}
    rows["drug_exposure"] = []
    for number in range(1, 41):
        rows["person"].append(person(number, draw.randint(1925, 2005), draw.choice([8507, 8532])))
        for _ in range(draw.randint(1, 3)):
            day = date(2025, draw.randint(9, 12), draw.randint(1, 28))
            rows["condition_occurrence"].append(condition(number, draw.choice(codes), day))
            value = draw.choice([str(draw.randint(10, 160)), "1.05", None])
            rows["measurement"].append(measured(number, draw.choice(results), value, day))
            rows["drug_exposure"].append({"person_id": number, "drug_exposure_start_date": day})
    return rows


def test_a_study_runs_on_empty_tables(study: Path, tmp_path: Path) -> None:
    assert all(not counts for counts in counted(study, tmp_path, {}).values())


def test_neither_order_nor_numbers_of_persons_change_what_is_counted(
    study: Path, tmp_path: Path
) -> None:
    rows = sample()
    names = list(range(1_000, 1_040))
    random.Random(8).shuffle(names)
    renamed: Rows = {}
    for name, table_rows in rows.items():
        renamed[name] = [{**row, "person_id": names[row["person_id"] - 1]} for row in table_rows]
        random.Random(9).shuffle(renamed[name])
    first = counted(study, tmp_path / "1", rows)
    assert first == counted(study, tmp_path / "2", renamed)
    assert sum(next(iter(first.values())).values()) > 10


def test_rows_that_come_twice_count_once(study: Path, tmp_path: Path) -> None:
    rows = sample()
    twice = {name: table_rows * 2 for name, table_rows in rows.items()}
    assert counted(study, tmp_path / "1", rows) == counted(study, tmp_path / "2", twice)


def test_the_last_egfr_decides_and_the_worse_of_one_day(root: Path, tmp_path: Path) -> None:
    egfr = "8A065000002391901"
    rows: Rows = {
        "person": [person(1), person(2, born=1990, concept=8532), person(3)],
        "condition_occurrence": [
            condition(1, "E11.9"),
            condition(1, "8833421"),
            condition(2, "I10"),
            condition(3, "J00"),
        ],
        "measurement": [
            measured(1, egfr, "80", date(2025, 9, 1)),
            measured(1, egfr, "44", date(2025, 12, 1)),
            measured(1, egfr, "50", date(2025, 12, 1)),
            measured(2, egfr, None, date(2025, 12, 1)),
        ],
        "drug_exposure": [{"person_id": 2, "drug_exposure_start_date": date(2025, 10, 3)}],
    }
    found = counted(root / "studies" / "kidney", tmp_path, rows)
    assert found["cohort-by-age"] == {("male", "75+"): 1, ("female", "18-39"): 1}
    assert found["kidney-by-age"] == {("75+", "30-44"): 1, ("18-39", "not measured"): 1}
    assert found["kidney-by-disease"] == {
        ("both", "yes"): 1,
        ("hypertension", "not measured"): 1,
    }
    assert found["treated-by-disease"] == {("both", "no"): 1, ("hypertension", "yes"): 1}
