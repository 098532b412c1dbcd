"""Runs one study in the hardened sandbox.

What holds a job (reference: analysis 2.1): an unprivileged user of its own on the host (where root
starts it), every namespace, no network, an empty environment, no inherited descriptor, a read-only
world but /out and /tmp, a system call filter, limits per process, and a bound on the whole job:
time, processes, disk, memory. A run is refused unless the self-test has seen each of them hold.

Two bounds are weaker than the rest and say so in the result: without a cgroup the memory of the
whole job is watched from outside (`sekisho.data.analysis.memory`), and the disk used below /out
always is. A file system of fixed size for /out would be harder, but one in memory dies with the
job before it could be collected, and one on disk needs root.
"""

from __future__ import annotations

import builtins
import os
import re
from pathlib import Path

from sekisho.common.canonical import digest
from sekisho.common.errors import Refusal
from sekisho.common.randomness import RandomBytes, system_random
from sekisho.data.analysis.archive import pack_files, read_folder, unpack_files
from sekisho.data.analysis.command import Plan, build_command, variables
from sekisho.data.analysis.environment import STARTER, Environment
from sekisho.data.analysis.limits import Facts, JobResult, Limits
from sekisho.data.analysis.memory import job_cgroup, memory_control
from sekisho.data.analysis.outer import outer_user
from sekisho.data.analysis.selftest import ProbeReport
from sekisho.data.analysis.staging import copy_inputs, hand_over, job_folder, private_base
from sekisho.data.analysis.study import read_study
from sekisho.data.analysis.syscalls import as_descriptor, compile_filter
from sekisho.data.analysis.tools import RULE, find_tools
from sekisho.data.analysis.watch import Ended, execute

ERROR_CLASSES = frozenset(
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
) | {"ArrowInvalid", "ArrowKeyError", "ArrowTypeError", "BinderException", "ParserException"}
"""What may be said about a failure: an exception's class, if it is one of these."""


def run(
    package_folder: Path,
    data_folder: Path,
    out_folder: Path,
    environment: Environment,
    limits: Limits,
    facts: Facts,
    probe: ProbeReport,
    *,
    random: RandomBytes = system_random,
) -> JobResult:
    """Run the study in ``package_folder`` on the Parquet files in ``data_folder``.

    What it leaves is handed over to ``out_folder``: plain files with plain names, nothing else.
    It is still hostile, and for `sekisho.data.release.collect` only.

    Raises:
        Refusal: a control is missing, or nothing bounds the memory of a run on real data.
        UserError: the package is not a study, or an input is missing.
    """
    check_controls(probe)
    control = memory_control(facts)
    tools = find_tools()
    program = compile_filter()
    study = read_study(package_folder)
    package = pack_files(read_folder(package_folder))
    base = private_base("sekisho-jobs")
    with outer_user(base) as uid, job_folder(base, uid, random) as folder:
        (folder.path / "code").rmdir()
        unpack_files(package, folder.path / "code")
        digests = copy_inputs(data_folder, folder.path / "data", study.inputs)
        folder.give()
        with job_cgroup(control, facts, limits, folder.path.name) as cgroup:
            descriptor = as_descriptor(program)
            try:
                plan = Plan(
                    folder=folder.path,
                    environment=environment.folder,
                    script=(f"/env/{STARTER}", study.entry),
                    outer_uid=uid,
                    variables=variables(study.seed),
                    limits=limits,
                    filter_fd=descriptor,
                    cgroup=cgroup,
                )
                ended = execute(tools, plan, build_command)
            finally:
                os.close(descriptor)
        copied, left = hand_over(folder.out, out_folder, limits)
    return JobResult(
        status=ended.status,
        exit_code=None if ended.exit_code is None else min(abs(ended.exit_code), 1),
        seconds=ended.seconds,
        peak_bytes=ended.peak_bytes,
        error_class=_error_class(ended),
        controls=(
            ("sandbox", tools.version),
            ("user", "own to the job" if uid is not None else "the service's"),
            ("filter", digest(program)),
            ("memory", control),
            ("disk", "watchdog"),
            ("probe", probe.digest),
        ),
        data_digests=digests,
        handed_over=copied,
        left_behind=left,
        log=ended.words.decode("utf-8", "replace") if facts.dummy else None,
    )


def check_controls(probe: ProbeReport) -> None:
    """Refuse to run anything where the self-test found a control missing."""
    if probe.missing:
        raise Refusal(
            "sandbox.control-missing",
            f"The sandbox does not hold on this machine: {', '.join(probe.missing)}.",
            rule=RULE,
            next_step="allow unprivileged user namespaces for bubblewrap (AppArmor, sysctl), "
            "update bubblewrap and the kernel, then start again",
        )


def _error_class(ended: Ended) -> str | None:
    """Return the class of the failure: the last line names it, and nothing else of it is kept."""
    if ended.status != "failed":
        return None
    lines = ended.words.decode("utf-8", "replace").strip().splitlines()
    match = re.match(r"(?:[A-Za-z_]\w*\.)*([A-Za-z_]\w*)(?::|$)", lines[-1]) if lines else None
    return match.group(1) if match and match.group(1) in ERROR_CLASSES else "other"
