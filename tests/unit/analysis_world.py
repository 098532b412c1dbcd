"""What the tests of the analysis room share: the environment, a tested sandbox, small studies."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path

import pytest

from sekisho.common.randomness import seeded
from sekisho.data.analysis.dummy import dummy_data
from sekisho.data.analysis.environment import Environment, stage
from sekisho.data.analysis.limits import MIB, Facts, JobResult, Limits
from sekisho.data.analysis.sandbox import run
from sekisho.data.analysis.selftest import ProbeReport, self_test

needs_bubblewrap = pytest.mark.skipif(
    shutil.which("bwrap") is None, reason="bubblewrap is not installed"
)
SYNTHETIC = Facts(declared_synthetic=True)
SMALL = Limits(wall_seconds=20, memory_bytes=512 * MIB, tmp_bytes=64 * MIB)

MANIFEST = """
id = "a-study"
title = {{ ja = "調べ", en = "A study" }}
language = "python"
entry = "main.py"
inputs = [{inputs}]
seed = {seed}
[[output]]
name = "by-sex"
type = "table"
source = "people"
dimensions = ["sex"]
measure = "persons"
purpose = "a test"
"""

HONEST = """
import pyarrow.parquet as pq
people = pq.read_table("/data/person.parquet", columns=["person_id", "gender_source_value"])
people = people.rename_columns(["person_id", "sex"])
pq.write_table(people, "/out/people.parquet")
"""


@cache
def environment() -> Environment:
    return stage()


@cache
def probe() -> ProbeReport:
    return self_test(environment())


def write_study(folder: Path, code: str, *, inputs: str = '"person"', seed: int = 7) -> Path:
    folder.mkdir(parents=True)
    (folder / "study.toml").write_text(MANIFEST.format(inputs=inputs, seed=seed))
    (folder / "main.py").write_text(code)
    return folder


def write_data(folder: Path, tables: tuple[str, ...] = ("person",)) -> Path:
    import pyarrow.parquet as pq

    folder.mkdir(parents=True)
    for name, table in dummy_data(tables, None, seed=7).items():
        pq.write_table(table, folder / f"{name}.parquet")
    return folder


def run_code(
    tmp_path: Path, code: str, limits: Limits = SMALL, facts: Facts = SYNTHETIC
) -> JobResult:
    """Run ``code`` on dummy persons; what it leaves is in ``tmp_path/out``."""
    study = write_study(tmp_path / "study", code)
    data = write_data(tmp_path / "data")
    # The job's folder has a name of its own, so that a test can look for it afterwards.
    return run(
        study,
        data,
        tmp_path / "out",
        environment(),
        limits,
        facts,
        probe(),
        random=seeded(str(tmp_path)),
    )


def staged_at(tmp_path: Path) -> Path:
    """Where `run_code` stages the job of ``tmp_path``."""
    return Path(f"/var/tmp/sekisho-jobs-{os.geteuid()}") / seeded(str(tmp_path))(8).hex()
