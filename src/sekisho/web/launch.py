"""Starts all bodies of a framework on loopback, waits until each answers, stops them all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import requests

from sekisho.body.setup import Deployment
from sekisho.common.errors import PeerError, StorageFull

START_SECONDS = 60.0
STOP_SECONDS = 15.0


class Fleet:
    """The running processes of one deployment, a process tree for each body."""

    def __init__(
        self, deployment: Deployment, processes: Mapping[str, subprocess.Popen[bytes]]
    ) -> None:
        self.deployment = deployment
        self.processes = dict(processes)

    def dead(self) -> tuple[str, ...]:
        """Return the bodies whose process has ended."""
        return tuple(b for b, process in self.processes.items() if process.poll() is not None)

    def pids(self) -> dict[str, int]:
        return {body: process.pid for body, process in self.processes.items()}

    def kill(self, body: str) -> None:
        """End one body's whole process tree without warning (fault drills)."""
        os.killpg(self.processes[body].pid, signal.SIGKILL)
        self.processes[body].wait()

    def restart(self, body: str) -> None:
        """Start a body again after it ended."""
        self.processes[body] = _spawn(self.deployment.configs[body])
        wait_until_healthy(self, lambda name: None)

    def stop(self) -> None:
        """Stop every body and wait until none is left."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for process in self.processes.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def running(
    deployment: Deployment, progress: Callable[[str], None] = lambda body: None
) -> Iterator[Fleet]:
    """Start every body, wait for all, and stop all however the block ends."""
    fleet = Fleet(deployment, {})
    try:
        for body, config in deployment.configs.items():
            fleet.processes[body] = _spawn(config)
        wait_until_healthy(fleet, progress)
        yield fleet
    finally:
        fleet.stop()


def _spawn(config: Path) -> subprocess.Popen[bytes]:
    log = config.parent / "log"
    log.mkdir(parents=True, exist_ok=True)
    with (log / "process.log").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "sekisho.web.serve", str(config), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def wait_until_healthy(fleet: Fleet, progress: Callable[[str], None]) -> None:
    """Wait until each body answers; one that died ends the wait with its log's place."""
    deadline = time.monotonic() + START_SECONDS
    waiting = list(fleet.processes)
    with requests.Session() as session:
        session.trust_env = False
        while waiting:
            for body in list(waiting):
                if fleet.processes[body].poll() is not None:
                    raise PeerError(
                        "body.died",
                        f"The body {body} ended while it started.",
                        next_step=f"read {fleet.deployment.configs[body].parent / 'log'}",
                    )
                if _answers(session, fleet.deployment.urls[body]):
                    waiting.remove(body)
                    progress(body)
            if waiting and time.monotonic() > deadline:
                raise PeerError("body.slow", f"No answer from: {', '.join(waiting)}.")
            time.sleep(0.05)


def _answers(session: requests.Session, url: str) -> bool:
    try:
        answer = session.get(f"{url}/health", timeout=2)
        return answer.ok or answer.status_code == StorageFull.http_status
    except requests.RequestException:
        return False
