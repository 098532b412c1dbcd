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
from sekisho.data.analysis.study import pack
from sekisho.data.release import count_outputs

pytestmark = needs_bubblewrap


def on_dummy(tmp_path: Path, code: str) -> tuple[bytes, JobRecord, str | None]:
    package = pack(write_study(tmp_path / "study", code))
    workspace = tmp_path / "dummy"
    workspace.mkdir()
    record, log = run_on_dummy(package, workspace, environment(), SMALL, probe(), count_outputs)
    return package, record, log


def test_a_study_that_passes_on_dummy_data_runs_on_the_extract(tmp_path: Path) -> None:
    package, dummy, _ = on_dummy(tmp_path, HONEST)
    assert dummy.passed
    data = write_data(tmp_path / "data")
    real_workspace = tmp_path / "real"
    real_workspace.mkdir()
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
