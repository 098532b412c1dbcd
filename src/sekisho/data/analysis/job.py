"""One study, twice: on dummy data, and only if the same hash passed there, on the extract.

Same code, same environment, same sandbox, same inspection of what it leaves; only the data
differ. The decision is a pure function of two records.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import pyarrow.parquet as pq

from sekisho.common.errors import Refusal, SekishoError
from sekisho.common.randomness import RandomBytes, system_random
from sekisho.data.analysis.dummy import dummy_data
from sekisho.data.analysis.environment import Environment
from sekisho.data.analysis.limits import Facts, JobResult, Limits, Status
from sekisho.data.analysis.sandbox import run
from sekisho.data.analysis.selftest import ProbeReport
from sekisho.data.analysis.study import StudyPackage, package_hash, unpack

Inspect = Callable[[StudyPackage, Path, Path], object]
"""Looks at what a run left: (study, out folder, data folder); raises a Refusal where it is wrong.
The release room's `count_outputs` is what a body hands in."""


class JobRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is recorded of one run: no value of a person, no float, ready for a ledger."""

    kind: Literal["dummy", "real"]
    study: str
    package_hash: str
    environment: str
    seed: int
    status: Status
    passed: bool
    reason: str
    milliseconds: int
    peak_bytes: int
    error_class: str
    controls: dict[str, str]
    data_digests: dict[str, str]
    handed_over: tuple[str, ...]
    left_behind: int

    def as_entry(self) -> dict[str, Any]:
        """Return the record as plain values."""
        made: dict[str, Any] = msgspec.to_builtins(self)
        return made


def check_may_run_on_real(package: bytes, environment: Environment, dummy: JobRecord) -> None:
    """Refuse a run on the extract unless exactly this study passed on dummy data.

    Raises:
        Refusal: another package or environment, no dummy run, or one that did not pass.
    """
    if dummy.kind != "dummy" or dummy.package_hash != package_hash(package):
        raise _not_yet("job.other-package", "This package did not run on dummy data.")
    if dummy.environment != environment.digest:
        raise _not_yet("job.other-environment", "The environment changed since the dummy run.")
    if not dummy.passed:
        raise _not_yet("job.dummy-failed", f"The run on dummy data did not pass: {dummy.reason}.")


def run_on_dummy(
    package: bytes,
    workspace: Path,
    environment: Environment,
    limits: Limits,
    probe: ProbeReport,
    inspect: Inspect,
    *,
    columns: Mapping[str, Sequence[str]] | None = None,
    codes: Mapping[str, Sequence[str]] | None = None,
    random: RandomBytes = system_random,
) -> tuple[JobRecord, str | None]:
    """Run the study on data made from the catalogue; return the record and what it printed.

    Args:
        workspace: the folder for code, data and output of this run; what was in it is removed, so
            that a run that was interrupted can be made again.
        columns: the permitted columns per table; None: all of the catalogue.
        codes: published codes per source column for the dummy data, e.g. the cohort's.
    """
    study = _fresh(package, workspace)
    data = workspace / "data"
    data.mkdir()
    tables = tuple(sorted({*study.inputs, "person"}))
    for name, table in dummy_data(tables, columns, study.seed, codes=codes).items():
        pq.write_table(table, data / f"{name}.parquet")
    facts = Facts(declared_synthetic=True, dummy=True)
    result = run(
        workspace / "code",
        data,
        workspace / "out",
        environment,
        limits,
        facts,
        probe,
        random=random,
    )
    record = _record("dummy", study, package, environment, result, workspace, data, inspect)
    return record, result.log


def run_on_real(
    package: bytes,
    data: Path,
    workspace: Path,
    environment: Environment,
    limits: Limits,
    facts: Facts,
    probe: ProbeReport,
    inspect: Inspect,
    dummy: JobRecord,
    *,
    random: RandomBytes = system_random,
) -> JobRecord:
    """Run the study on the extract in ``data``; what it left is in ``workspace/out``.

    ``workspace`` is emptied first, as in `run_on_dummy`.

    Raises:
        Refusal: it did not pass on dummy data, or a control is missing.
    """
    check_may_run_on_real(package, environment, dummy)
    if facts.dummy:
        raise ValueError("a run on an extract is not a dummy run")
    study = _fresh(package, workspace)
    result = run(
        workspace / "code",
        data,
        workspace / "out",
        environment,
        limits,
        facts,
        probe,
        random=random,
    )
    return _record("real", study, package, environment, result, workspace, data, inspect)


def _fresh(package: bytes, workspace: Path) -> StudyPackage:
    if workspace.exists():
        shutil.rmtree(workspace)
    workspace.mkdir(parents=True, mode=0o700)
    return unpack(package, workspace / "code")


def _record(
    kind: Literal["dummy", "real"],
    study: StudyPackage,
    package: bytes,
    environment: Environment,
    result: JobResult,
    workspace: Path,
    data: Path,
    inspect: Inspect,
) -> JobRecord:
    passed = result.status == "finished"
    reason = "" if passed else f"job.{result.status}"
    if passed:
        try:
            inspect(study, workspace / "out", data)
        except SekishoError as error:
            passed, reason = False, error.code
    return JobRecord(
        kind=kind,
        study=study.id,
        package_hash=package_hash(package),
        environment=environment.digest,
        seed=study.seed,
        status=result.status,
        passed=passed,
        reason=reason,
        milliseconds=round(result.seconds * 1000),
        peak_bytes=result.peak_bytes,
        error_class=result.error_class or "",
        controls=dict(result.controls),
        data_digests=dict(result.data_digests),
        handed_over=result.handed_over,
        left_behind=result.left_behind,
    )


def _not_yet(code: str, message: str) -> Refusal:
    return Refusal(
        code,
        message,
        rule="the same hash passes on dummy data before it sees an extract (design, section 5)",
        next_step="run exactly this package on dummy data first, in the present environment",
    )
