"""One process tree from start to death: started with closed doors, watched, and surely dead."""

from __future__ import annotations

import os
import select
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO

import orjson
import psutil

from sekisho.common.errors import Defect
from sekisho.data.analysis.command import Builder, Plan
from sekisho.data.analysis.limits import Status
from sekisho.data.analysis.memory import out_of_memory, peak_of, resident
from sekisho.data.analysis.outer import processes_of
from sekisho.data.analysis.tools import SEARCH, Tools
from sekisho.data.analysis.usage import out_usage

PERIOD = 0.05
"""Seconds between two looks."""
WORDS = 64 * 1024
"""How much of the end of standard error is kept, in bytes."""
PATIENCE = 10.0
"""Seconds for bubblewrap to report its child, and for killed processes to be gone."""


@dataclass(frozen=True)
class Ended:
    """How a process tree ended, and what was seen of it from outside."""

    status: Status
    exit_code: int | None
    seconds: float
    peak_bytes: int
    words: bytes
    host_uids: frozenset[int]
    died_with_parent: bool


def execute(tools: Tools, plan: Plan, build: Builder) -> Ended:
    """Run ``plan`` to its end; when this returns, none of its processes is alive.

    Call it and wait for it in one thread: the kernel's parent-death signal follows the thread
    that started the job.

    Raises:
        Defect: a process of the job survived.
    """
    started = time.monotonic()
    with _started(tools, plan, build) as job:
        status = job.watch(started + plan.limits.wall_seconds)
        died = job.end()
    code = job.process.returncode
    if status is None:
        status = "finished" if code == 0 else "failed"
        if code and out_of_memory(plan.cgroup):
            status = "memory"
    return Ended(
        status=status,
        exit_code=code if status in ("finished", "failed") else None,
        seconds=time.monotonic() - started,
        peak_bytes=max(job.peak, peak_of(plan.cgroup)),
        words=job.words.end(),
        host_uids=frozenset(job.uids),
        died_with_parent=died,
    )


@contextmanager
def _started(tools: Tools, plan: Plan, build: Builder) -> Iterator[_Job]:
    reader, writer = os.pipe()
    try:
        process = subprocess.Popen(
            build(tools, replace(plan, info_fd=writer)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            # Everything is closed but the two descriptors that bubblewrap itself uses up.
            close_fds=True,
            pass_fds=(plan.filter_fd, writer),
            # Inside, this environment can be read as that of process 1: it must hold nothing.
            env={"PATH": SEARCH},
            cwd="/",
        )
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    job = _Job(plan, process, reader)
    try:
        yield job
    finally:
        job.end()


class _Job:
    """A running job."""

    def __init__(self, plan: Plan, process: subprocess.Popen[bytes], reader: int) -> None:
        self.plan = plan
        self.process = process
        self.words = _Tail(process.stderr)
        self.peak = 0
        self.uids: set[int] = set()
        self._died = True
        self._root = _init_process(reader)

    def watch(self, deadline: float) -> Status | None:
        """Wait for the end; return why the job was stopped, or None when it ended by itself."""
        limits = self.plan.limits
        while True:
            tree = self._tree()
            memory = resident(tree, limits.process_bytes)
            self.peak = max(self.peak, memory)
            if self.plan.cgroup is None and memory > limits.process_bytes:
                return "memory"
            used, entries = out_usage(self.plan.folder / "out", tree, limits.out_entries)
            if used > limits.out_bytes or entries > limits.out_entries:
                return "output"
            if time.monotonic() > deadline:
                return "timeout"
            try:
                self.process.wait(PERIOD)
            except subprocess.TimeoutExpired:
                continue
            return None

    def end(self) -> bool:
        """Kill what is left; return whether the job died with its starter, as it must.

        Raises:
            Defect: a process survived.
        """
        self.process.kill()
        self.process.wait()
        if not self._dead_within(1.0):
            self._died = False
            if self._root is not None and _alive(self._root):
                # Process 1 of the job's namespace: the kernel kills the namespace with it.
                self._root.kill()
        if self._dead_within(PATIENCE):
            return self._died
        raise Defect(
            "sandbox.survivor",
            "A process of the job is still alive; nothing of it is collected.",
            next_step="stop the service and look for the process by its user id",
        )

    def _dead_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self._root is not None and _alive(self._root):
            if time.monotonic() > deadline:
                return False
            time.sleep(PERIOD / 10)
        # The user is the job's own: nobody else's process can be meant.
        while self.plan.outer_uid is not None and processes_of(self.plan.outer_uid):
            if time.monotonic() > deadline:
                return False
            time.sleep(PERIOD / 10)
        return True

    def _tree(self) -> list[psutil.Process]:
        try:
            tree: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.Error:
            return []
        for process in tree:
            try:
                self.uids |= set(process.uids())
            except psutil.Error:
                continue
        return tree


class _Tail:
    """Reads a pipe to its end and keeps only the end, so that a flood of words costs nothing."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        self._pipe = pipe
        self._kept = b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def end(self) -> bytes:
        self._thread.join(PATIENCE)
        return self._kept

    def _read(self) -> None:
        if self._pipe is None:
            return
        with self._pipe:
            while piece := os.read(self._pipe.fileno(), WORDS):
                self._kept = (self._kept + piece)[-WORDS:]


def _init_process(reader: int) -> psutil.Process | None:
    """Return process 1 of the job as bubblewrap reports it, or None when it never started."""
    report = b""
    deadline = time.monotonic() + PATIENCE
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        while b"}" not in report and (left := deadline - time.monotonic()) > 0:
            if not select.select([pipe], [], [], left)[0]:
                break
            piece = pipe.read(4096)
            if not piece:
                break
            report += piece
    try:
        return psutil.Process(orjson.loads(report)["child-pid"])
    except (orjson.JSONDecodeError, KeyError, psutil.Error):
        return None


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
