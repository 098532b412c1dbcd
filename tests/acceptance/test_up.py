"""`sekisho up` as a person uses it: a table of addresses, and nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import psutil
import pytest
import requests
from runs import ROOT

from sekisho.framework import load

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("up")]

FRAMEWORK = "2-2-certified"
PATIENCE = 120.0


@contextmanager
def up(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """Start `sekisho up`; yield it and its processes once it has said that all bodies answer."""
    command = [sys.executable, "-m", "sekisho", "up", "--framework", FRAMEWORK, *options]
    environment = {**os.environ, "COLUMNS": "200", "PYTHONUNBUFFERED": "1"}
    out, err = folder / "out", folder / "err"
    with out.open("w") as to, err.open("w") as errors:
        process = subprocess.Popen(
            [*command, "--dir", str(folder / "bodies-here")],
            cwd=ROOT,
            env=environment,
            stdout=to,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while not re.search(r"Ctrl-C|\n}", out.read_text()):
            assert process.poll() is None, err.read_text()
            assert time.monotonic() < deadline, "no table of addresses"
            time.sleep(0.1)
        yield process, psutil.Process(process.pid).children(recursive=True)
    finally:
        for one in _alive([psutil.Process(process.pid)] if process.poll() is None else []):
            os.killpg(one.pid, signal.SIGTERM)
        process.wait(60)


def _alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def _gone(processes: list[psutil.Process]) -> bool:
    """Wait a little until none is left; a process that was told to end may need a moment."""
    _, alive = psutil.wait_procs(processes, timeout=20)
    return not _alive(alive)


def _addresses(folder: Path) -> dict[str, str]:
    found: dict[str, str] = orjson.loads((folder / "out").read_bytes())
    return found


def _uses(folder: Path) -> object:
    """Ask the running bodies as a person's client does; nobody has been given anything yet."""
    town, person = folder / "bodies-here", folder / "me.toml"
    person.write_text('insured = "06132013:12:345:01"\n')
    command = [sys.executable, "-m", "sekisho", "uses", "--json", "--person", str(person)]
    command += ["--dir", str(town), "--key", str(town / "actors" / "desk-client")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return orjson.loads(done.stdout)


def test_all_bodies_answer_and_ctrl_c_leaves_no_process(tmp_path: Path) -> None:
    with up(tmp_path) as (process, children):
        shown = (tmp_path / "out").read_text()
        bodies = [body.id for body in load(ROOT / "frameworks" / f"{FRAMEWORK}.toml").body]
        for body in bodies:
            assert re.search(rf"\b{body}\b.*http://127\.0\.0\.1:\d+", shown)
        for url in re.findall(r"http://127\.0\.0\.1:\d+", shown):
            assert requests.get(f"{url}/health", timeout=10).json()["status"] == "ok"
        assert len(children) == 2 * len(bodies)  # its web server and its worker
        assert _uses(tmp_path) == {"projects": {}, "choices": []}
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert _gone(children)


def test_an_unsigned_message_is_refused_at_every_door(tmp_path: Path) -> None:
    with up(tmp_path, "--json") as (process, children):
        for body, url in _addresses(tmp_path).items():
            for door in ("status/notice", "status/day", "status/head", "status/figures"):
                for ask in (requests.get, requests.post):
                    answer = ask(f"{url}/exchange/{door}", data=b"{}", timeout=10)
                    assert 400 <= answer.status_code < 500, (body, door)
                    assert answer.headers["Content-Type"] == "application/problem+json"
            # a door of a rehearsal is not there in an ordinary configuration
            assert requests.post(f"{url}/exchange/rehearsal/clock", timeout=10).status_code == 404
        process.send_signal(signal.SIGINT)
        process.wait(60)
        assert _gone(children)


def test_one_body_that_dies_stops_all_with_a_message(tmp_path: Path) -> None:
    with up(tmp_path, "--json") as (process, children):
        victim, url = next(iter(_addresses(tmp_path).items()))
        port = int(url.rpartition(":")[2])
        listening = [
            one
            for one in children
            if any(c.laddr.port == port and c.status == "LISTEN" for c in one.net_connections())
        ]
        for one in listening:  # looked for before: the others end when the first has ended
            one.kill()
        assert process.wait(60) == 4
        said = (tmp_path / "err").read_text()
        assert "body.died" in said
        assert victim in said
        assert _gone(children)


def test_a_worker_that_dies_stops_all_too(tmp_path: Path) -> None:
    with up(tmp_path, "--json") as (process, children):
        workers = [one for one in children if one.ppid() != process.pid]
        assert workers
        workers[0].kill()
        assert process.wait(60) == 4
        assert "body.died" in (tmp_path / "err").read_text()
        assert _gone(children)
