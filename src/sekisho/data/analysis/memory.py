"""The bound on a job's total memory: a cgroup where one was delegated, else a watchdog.

Address-space limits are per process, so without one of the two a job could fill the machine. A
watchdog looks from time to time and can be outrun; it stands in for synthetic data only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from sekisho.common.errors import Refusal
from sekisho.data.analysis.limits import Facts, Limits


def memory_control(facts: Facts) -> str:
    """Return what bounds the memory of a run: ``cgroup-v2`` or ``watchdog``.

    Raises:
        Refusal: there is no usable cgroup and the data are not declared synthetic.
    """
    if facts.cgroup is not None and usable(facts.cgroup):
        return "cgroup-v2"
    if facts.declared_synthetic or facts.dummy:
        return "watchdog"
    raise Refusal(
        "sandbox.no-memory-bound",
        "Nothing bounds the total memory of a job: no delegated cgroup v2 folder was found.",
        rule="on real data the kernel bounds the memory of a job (reference: analysis 2.1)",
        next_step="delegate a cgroup v2 folder with the memory controller (systemd: Delegate=yes) "
        "and name it in the configuration",
    )


def usable(folder: Path) -> bool:
    """Can a job's cgroup be made below ``folder``: ours, memory enabled for children, empty?"""
    try:
        enabled = (folder / "cgroup.subtree_control").read_text().split()
        occupied = (folder / "cgroup.procs").read_text().strip()
    except OSError:
        return False
    return {"memory", "pids"} <= set(enabled) and not occupied and os.access(folder, os.W_OK)


@contextmanager
def job_cgroup(control: str, facts: Facts, limits: Limits, name: str) -> Iterator[Path | None]:
    """Make the job's cgroup with its limits, and remove it when the job is dead."""
    if control != "cgroup-v2" or facts.cgroup is None:
        yield None
        return
    folder = facts.cgroup / f"job-{name}"
    folder.mkdir()
    try:
        for file, value in (
            ("memory.max", limits.memory_bytes),
            ("memory.swap.max", 0),
            ("memory.oom.group", 1),
            # bubblewrap itself is two processes.
            ("pids.max", limits.processes + 4),
        ):
            (folder / file).write_text(str(value))
        yield folder
    finally:
        kill = folder / "cgroup.kill"
        if kill.exists():
            kill.write_text("1")
        folder.rmdir()


def out_of_memory(cgroup: Path | None) -> bool:
    """Did the kernel kill the job for its memory?"""
    if cgroup is None:
        return False
    lines = (cgroup / "memory.events").read_text().splitlines()
    events = dict(line.split() for line in lines)
    return int(events.get("oom_kill", 0)) > 0


def peak_of(cgroup: Path | None) -> int:
    """Return the highest total that the kernel saw, 0 where it keeps none."""
    file = cgroup / "memory.peak" if cgroup else None
    return int(file.read_text()) if file and file.exists() else 0


def resident(tree: list[psutil.Process], limit: int) -> int:
    """Return the memory of a process tree in bytes.

    The sum of resident sets counts shared pages several times; only where it exceeds ``limit``
    is it worth asking for proportional sets, in which each page counts once.
    """
    total = 0
    for process in tree:
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return _proportional(tree) if total > limit else total


def _proportional(tree: list[psutil.Process]) -> int:
    total = 0
    for process in tree:
        try:
            total += process.memory_full_info().pss
        except psutil.AccessDenied:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total
