"""One suite (store_suite.py) holds the store on SQLite and on PostgreSQL to its promises."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = Path(__file__).with_name("store_suite.py")


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_the_store_keeps_its_promises(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = database if database == "sqlite" else request.getfixturevalue(database)
    environment = os.environ | {
        "SEKISHO_STORE_DATABASE": url,
        "SEKISHO_STORE_FOLDER": str(tmp_path / "body"),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [*command, str(SUITE)],
        env=environment,
        cwd=SUITE.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-12000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
