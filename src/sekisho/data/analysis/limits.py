"""What a job may use, what is known about its run, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

MIB = 1024 * 1024

Status = Literal["finished", "failed", "timeout", "memory", "output"]
"""``finished`` is exit code 0; the last three were stopped by the watchdog or the kernel."""


@dataclass(frozen=True)
class Limits:
    """Caps of one job; bytes and seconds.

    Args:
        wall_seconds: the job is killed after this time.
        cpu_seconds: of each process (RLIMIT_CPU).
        memory_bytes: of all processes and temporary files together.
        address_bytes: address space of each process (RLIMIT_AS).
        processes: processes and threads at one time (RLIMIT_NPROC in the job's own user namespace).
        file_bytes: of one file (RLIMIT_FSIZE).
        out_bytes, out_entries: of everything below /out.
        tmp_bytes: of /tmp, which is memory.
        open_files: of each process.
    """

    wall_seconds: float = 600.0
    cpu_seconds: int = 900
    memory_bytes: int = 3072 * MIB
    address_bytes: int = 8192 * MIB
    processes: int = 256
    file_bytes: int = 100 * MIB
    out_bytes: int = 256 * MIB
    out_entries: int = 256
    tmp_bytes: int = 512 * MIB
    open_files: int = 256

    SHM_BYTES = 16 * MIB
    """Size of /dev/shm."""

    def __post_init__(self) -> None:
        if self.process_bytes < 32 * MIB:
            raise ValueError("memory_bytes leaves less than 32 MiB for processes")
        if min(self.wall_seconds, self.cpu_seconds, self.out_bytes, self.out_entries) <= 0:
            raise ValueError("a limit is not positive")

    @property
    def process_bytes(self) -> int:
        """What is left for processes when the job fills its temporary file systems.

        Pages of a temporary file belong to no process, so a watchdog that adds up processes
        cannot see them: they are taken off beforehand.
        """
        return self.memory_bytes - self.tmp_bytes - self.SHM_BYTES


@dataclass(frozen=True)
class Facts:
    """What the caller states about a run; it decides what may stand in for what.

    Args:
        declared_synthetic: the configuration marks all of its data as synthetic (a rehearsal).
        dummy: the data come from `dummy_data`; the job's own words may then be shown.
        cgroup: a cgroup v2 folder delegated to this service, with the memory controller enabled
            for its children and no process of its own; None where there is none.
    """

    declared_synthetic: bool
    dummy: bool = False
    cgroup: Path | None = None


@dataclass(frozen=True)
class JobResult:
    """How a job ended. Holds no value of a person: no output text, only a class of error.

    Args:
        exit_code: 0, 1, or None when the job was stopped: a code could carry a message.
        seconds: wall time.
        peak_bytes: highest total of resident memory that was seen.
        error_class: name of a Python exception of a fixed list, ``other``, or None.
        controls: what held this run, e.g. ``("memory", "watchdog")``.
        log: the end of what the job printed as errors; only for dummy data.
    """

    status: Status
    exit_code: int | None
    seconds: float
    peak_bytes: int
    error_class: str | None
    controls: tuple[tuple[str, str], ...]
    data_digests: tuple[tuple[str, str], ...]
    handed_over: tuple[str, ...]
    left_behind: int
    log: str | None = None
