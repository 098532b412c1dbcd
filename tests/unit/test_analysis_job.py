"""Dummy first: only the hash that passed there runs on the extract."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from analysis_world import (
    HONEST,
    SMALL,
    SYNTHETIC,
    environment,
    needs_bubblewrap,
    probe,
    write_data,
    write_study,
)

from sekisho.common.canonical import canonical_json
from sekisho.common.errors import Refusal
from sekisho.data.analysis.job import (
    JobRecord,
    check_may_run_on_real,
    run_on_dummy,
    run_on_real,
)
from sekisho.data.analysis.study import pack, unpack
from sekisho.data.release import (
    Outcome,
    check,
    choose,
    count_outputs,
    everyone,
    project_persons,
    read_rule_sets,
)

pytestmark = needs_bubblewrap
ROOT = Path(__file__).resolve().parents[2]


def on_dummy(tmp_path: Path, code: str) -> tuple[bytes, JobRecord, str | None]:
    package = pack(write_study(tmp_path / "study", code))
    workspace = tmp_path / "dummy"
    workspace.mkdir()
    # What an interrupted run left is in the way of nobody.
    (workspace / "code").mkdir()
    (workspace / "out").mkdir()
    (workspace / "out" / "people.csv").write_text("person_id,sex\n1,old\n")
    record, log = run_on_dummy(package, workspace, environment(), SMALL, probe(), count_outputs)
    return package, record, log


def test_a_study_that_passes_on_dummy_data_runs_on_the_extract(tmp_path: Path) -> None:
    package, dummy, _ = on_dummy(tmp_path, HONEST)
    assert dummy.passed
    data = write_data(tmp_path / "data")
    real_workspace = tmp_path / "real"
    real = run_on_real(
        package,
        data,
        real_workspace,
        environment(),
        SMALL,
        SYNTHETIC,
        probe(),
        count_outputs,
        dummy,
    )
    assert real.passed
    assert (real.package_hash, real.environment) == (dummy.package_hash, dummy.environment)
    assert (real_workspace / "out" / "people.parquet").is_file()
    assert canonical_json(real.as_entry())
    assert msgspec.convert(real.as_entry(), JobRecord) == real


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise KeyError('x')", "job.failed"),
        ("open('/out/other.csv', 'w').write('x')", "collector.table"),
        (
            "open('/out/people.csv', 'w').write('person_id,sex\\n999999,M\\n')",
            "builder.unknown-person",
        ),
    ],
)
def test_a_study_that_fails_on_dummy_data_never_sees_the_extract(
    tmp_path: Path, code: str, reason: str
) -> None:
    package, dummy, log = on_dummy(tmp_path, code)
    assert (dummy.passed, dummy.reason) == (False, reason)
    if reason == "job.failed":
        assert "KeyError: 'x'" in (log or "")
    with pytest.raises(Refusal, match="did not pass"):
        run_on_real(
            package,
            tmp_path / "extract",
            tmp_path / "real",
            environment(),
            SMALL,
            SYNTHETIC,
            probe(),
            count_outputs,
            dummy,
        )
    assert not (tmp_path / "real").exists()


def test_another_package_environment_or_kind_of_run_does_not_count(tmp_path: Path) -> None:
    package, dummy, _ = on_dummy(tmp_path, HONEST)
    check_may_run_on_real(package, environment(), dummy)
    changed = pack(write_study(tmp_path / "changed", HONEST + "\n# one more line\n"))
    for wrong, given in (
        (dummy, changed),
        (msgspec.structs.replace(dummy, environment="0" * 64), package),
        (msgspec.structs.replace(dummy, kind="real"), package),
    ):
        with pytest.raises(Refusal):
            check_may_run_on_real(given, environment(), wrong)


def test_of_a_hostile_study_only_what_was_counted_and_checked_here_is_left(tmp_path: Path) -> None:
    """It copies the extract, counts wrongly itself, and hides a person's value in a label."""
    code = """
import shutil
import pyarrow.parquet as pq
ids = pq.read_table("/data/person.parquet").column("person_id").to_pylist()
shutil.copy("/data/person.parquet", "/out/copy.parquet")
open("/out/by-sex.csv", "w").write("sex,persons\\nperson 1 is ill,10\\n")
rows = [f"{i},{'person 1 is ill' if i == 1 else 'F'}" for i in ids] * 10
open("/out/people.csv", "w").write("person_id,sex\\n" + "\\n".join(rows) + "\\n")
"""
    package, dummy, _ = on_dummy(tmp_path, code)
    assert dummy.passed
    out, data = tmp_path / "dummy" / "out", tmp_path / "dummy" / "data"
    study = unpack(package, tmp_path / "unpacked")
    (table,) = count_outputs(study, out, data)
    rules = choose(read_rule_sets(ROOT / "rules" / "publication"), ["ndb"])
    verdict = check(table, rules)
    assert verdict.content == b"sex,persons\nF,49\n(small),-\n"
    assert check(table, rules, (everyone(project_persons(data)),)).outcome is Outcome.REFUSED
