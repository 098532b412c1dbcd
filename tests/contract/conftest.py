"""A PostgreSQL server for what must hold on both databases."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sekisho.web.serve import free_port

VERSIONS = Path("/usr/lib/postgresql")


def _programs() -> Path:
    """Return the folder of the newest PostgreSQL server's programs."""
    found = sorted(VERSIONS.glob("*/bin/initdb"), key=lambda file: int(file.parts[-3]))
    if not found:
        pytest.skip("PostgreSQL's server programs not found")
    return found[-1].parent


def _as_owner() -> list[str]:
    """Return the command by which root becomes the user that may run a server."""
    if os.geteuid() != 0:
        return []
    known = subprocess.run(["id", "postgres"], capture_output=True, check=False).returncode == 0
    if not known or shutil.which("runuser") is None:
        pytest.skip(
            "no user postgres or no runuser in PATH, and root may not run a PostgreSQL server"
        )
    return ["runuser", "-u", "postgres", "--"]


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """A private server in a folder of its own, with an order of text that is not code points'."""
    programs, owner = _programs(), _as_owner()
    folder = Path(tempfile.mkdtemp(prefix="sekisho-pg-"))
    if owner:
        shutil.chown(folder, "postgres")
    data, port = folder / "data", free_port()

    def run(program: str, *arguments: str) -> None:
        command = [*owner, str(programs / program), *arguments]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    try:
        order = ("--locale-provider=icu", "--icu-locale=ja-JP", "--locale=C.UTF-8")
        run("initdb", "-D", str(data), "-U", "sekisho", "-A", "trust", "-E", "UTF8", *order)
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c fsync=off"
        options += f" -c unix_socket_directories={folder}"
        log = str(folder / "log")
        run("pg_ctl", "start", "-w", "-D", str(data), "-l", log, "-o", options)
        try:
            run("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "sekisho", "body")
            yield f"postgresql://sekisho@127.0.0.1:{port}/body"
        finally:
            run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", str(data))
    finally:
        shutil.rmtree(folder)
