"""The hardened command line of one job (reference: analysis 2.1), as a pure function.

From the outside in: an optional cgroup; an unprivileged user; limits; bubblewrap with every
namespace, no network, nothing of the host but /usr; the filter; a limit on processes that counts
only the job's own; the program.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sekisho.data.analysis.limits import Limits
from sekisho.data.analysis.tools import INTERPRETER, Tools

INNER_ID = 1000
HOSTNAME = "job"


@dataclass(frozen=True)
class Plan:
    """What one run needs.

    Args:
        folder: the staged job folder with ``code``, ``data`` and ``out``.
        environment: the staged environment.
        script: the path that the interpreter runs, as the job sees it, and its arguments.
        outer_uid: the user that the job is on the host; None: the caller's own.
        variables: the whole environment of the job.
        filter_fd, info_fd: descriptors for the filter and for bubblewrap's report (set at start).
        cgroup: the job's own cgroup, or None.
    """

    folder: Path
    environment: Path
    script: tuple[str, ...]
    outer_uid: int | None
    variables: tuple[tuple[str, str], ...]
    limits: Limits
    filter_fd: int
    info_fd: int = -1
    cgroup: Path | None = None


Builder = Callable[[Tools, Plan], list[str]]


def build_command(tools: Tools, plan: Plan) -> list[str]:
    """Return the command line that runs ``plan``."""
    return [
        *_enter_cgroup(plan),
        *_unprivileged(tools, plan),
        *_limited(tools, plan.limits),
        *_boxed(tools, plan),
        # Inside the job's user namespace the count starts at nothing; outside it would count
        # every process of the user (kernel: ucounts, since 5.14).
        str(tools.prlimit),
        f"--nproc={plan.limits.processes}",
        # Isolated as by -I (no user site, no folder of the script), and without the host's site
        # packages; but the environment counts, for it is ours and holds PYTHONHASHSEED.
        *(str(INTERPRETER), "-P", "-s", "-S", "-B"),
        *plan.script,
    ]


def variables(seed: int) -> tuple[tuple[str, str], ...]:
    """Return the whole environment of a job: nothing of the host's, all of it reproducible."""
    return (
        ("PATH", "/usr/bin"),
        ("HOME", "/tmp"),  # noqa: S108  # the job's own
        ("LANG", "C.UTF-8"),
        ("TZ", "Asia/Tokyo"),
        ("PYTHONHASHSEED", str(seed)),
        ("STUDY_SEED", str(seed)),
        ("OMP_NUM_THREADS", "2"),
    )


def _enter_cgroup(plan: Plan) -> list[str]:
    if plan.cgroup is None:
        return []
    enter = 'echo $$ > "$0" && exec "$@"'
    return ["/bin/sh", "-c", enter, str(plan.cgroup / "cgroup.procs")]


def _unprivileged(tools: Tools, plan: Plan) -> list[str]:
    command = [str(tools.setpriv), "--no-new-privs"]
    if plan.outer_uid is not None:
        user = str(plan.outer_uid)
        command += ["--reuid", user, "--regid", user, "--clear-groups"]
        command += ["--inh-caps=-all", "--bounding-set=-all"]
    return command


def _limited(tools: Tools, limits: Limits) -> list[str]:
    return [
        str(tools.prlimit),
        f"--as={limits.address_bytes}",
        f"--fsize={limits.file_bytes}",
        f"--cpu={limits.cpu_seconds}",
        f"--nofile={limits.open_files}",
        "--core=0",
    ]


def _boxed(tools: Tools, plan: Plan) -> list[str]:
    command = [str(tools.bwrap)]
    command += ["--unshare-all", "--unshare-user", "--disable-userns"]
    command += ["--die-with-parent", "--new-session", "--clearenv"]
    for name, value in plan.variables:
        command += ["--setenv", name, value]
    command += ["--ro-bind", "/usr", "/usr"]
    for link in ("lib", "lib64", "bin"):
        command += ["--symlink", f"usr/{link}", f"/{link}"]
    command += ["--proc", "/proc", "--dev", "/dev"]
    command += ["--size", str(plan.limits.SHM_BYTES), "--tmpfs", "/dev/shm"]  # noqa: S108  # in the job
    command += ["--size", str(plan.limits.tmp_bytes), "--tmpfs", "/tmp"]  # noqa: S108  # in the job
    command += ["--ro-bind", str(plan.environment), "/env"]
    command += ["--ro-bind", str(plan.folder / "code"), "/code"]
    command += ["--ro-bind", str(plan.folder / "data"), "/data"]
    command += ["--bind", str(plan.folder / "out"), "/out"]
    # The root and /dev are file systems in memory without a size: nobody may write there.
    command += ["--remount-ro", "/dev", "--remount-ro", "/"]
    command += ["--chdir", "/tmp", "--hostname", HOSTNAME]  # noqa: S108  # in the job
    command += ["--uid", str(INNER_ID), "--gid", str(INNER_ID), "--cap-drop", "ALL"]
    command += ["--seccomp", str(plan.filter_fd), "--info-fd", str(plan.info_fd)]
    return command
