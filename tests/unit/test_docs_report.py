"""A real run's report is what docs/reference says that it is."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from sekisho.reference.schemas import all_schemas
from sekisho.rehearsal.run import run
from sekisho.rehearsal.scenario import read_scenario

ROOT = Path(__file__).resolve().parents[2]

SMALL = """
framework = "2-1"
start = 2026-04-01
seed = 7
[[provider]]
code = "1310000001"
name = "第一病院"
operator = "alpha"
[[provider]]
code = "1310000002"
name = "契約のない診療所"
[population]
persons = 24
[[opt_out]]
day = 1
person = { number = 3 }
scope = "all"
[[application]]
id = "kidney"
day = 2
applicant = "Example University"
purpose = "research"
tables = ["person", "condition_occurrence", "measurement", "drug_exposure"]
linkage = true
[application.cohort]
codes = ["I10", "E11", "N18"]
[[job]]
application = "kidney"
day = 23
study = "STUDY"
"""


@pytest.mark.acceptance
def test_a_real_report_fits_the_schema_of_the_documentation(tmp_path: Path) -> None:
    file = tmp_path / "small.toml"
    file.write_text(SMALL.replace("STUDY", str(ROOT / "studies" / "kidney")), "utf-8")
    run(read_scenario(file), tmp_path / "out", root=ROOT)
    report = json.loads((tmp_path / "out" / "report.json").read_bytes())
    check = jsonschema.Draft202012Validator(all_schemas()["report"])
    assert [f"{error.json_path}: {error.message}" for error in check.iter_errors(report)] == []
    assert report["failed"] == []
    assert report["lost"]["records_withheld"], "a provider without a contract is told by cause"
    assert report["studies"], "the study ran, so that its part of the schema was held too"
