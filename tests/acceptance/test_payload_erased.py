"""Who applied can be erased from a body; its ledger still verifies and says when that was done."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from runs import Run

from sekisho.control.ledger import Payload, TileLog
from sekisho.rehearsal.cast import applicant_of
from sekisho.rehearsal.verification import verify

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("first-study")]

APPLICATION = "kidney"
LATER = """
import sys
from pathlib import Path
from sekisho.web.serve import operating
with operating(Path(sys.argv[1])) as service:
    service.body.store.put("clock", "day", {"day": "2040-01-01"})
"""


@pytest.fixture(scope="module")
def folder(study: Callable[[str], Run], tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("erased") / "run"
    shutil.copytree(study("2-1").folder, copy)
    return copy


def erase(home: Path) -> tuple[int, Any]:
    command = [sys.executable, "-m", "sekisho", "ledger", "erase", "--json"]
    command += ["--config", str(home / "body.toml"), "--application", APPLICATION]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ)
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def holds(home: Path, text: str) -> list[str]:
    """Return the files of a body that hold a text, whatever they are."""
    files = (file for file in sorted(home.rglob("*")) if file.is_file())
    return [str(file.relative_to(home)) for file in files if text.encode() in file.read_bytes()]


TRANSPORT = {"message", "nonce"}
"""Tables that name the account with which messages were exchanged; it is no part of the payload."""


def account_in(home: Path, account: str) -> set[str]:
    """Return the tables of a body's database that hold an account's name; no other file may."""
    found = set()
    with sqlite3.connect(home / "control.sqlite3") as database:
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in names:
            if any(
                account in str(cell)
                for row in database.execute(f"SELECT * FROM {name}")
                for cell in row
            ):
                found.add(name.rpartition("_")[2])
    assert set(holds(home, account)) <= {"control.sqlite3"}
    return found


def committed(home: Path) -> list[str]:
    """Return the commitments in a body's ledger."""
    bodies = [json.loads(entry)["body"] for entry in TileLog(home / "ledger").entries()]
    return [body["payload"] for body in bodies if isinstance(body.get("payload"), str)]


def test_entries_hold_salted_commitments_and_never_a_name(folder: Path) -> None:
    name = "Example University"
    for home in sorted((folder / "bodies").iterdir()):
        assert holds(home / "ledger", name) == []
        for commitment in committed(home):
            file = home / "documents" / "payload" / f"{commitment}.json"
            payload = Payload.from_bytes(file.read_bytes())
            assert payload.commitment == commitment
            # The same words under other salt are another commitment: guessing does not help.
            assert Payload(bytes(32), payload.said).commitment != commitment


def test_payload_is_erased_only_by_the_operator_and_only_when_nothing_rests_on_it(
    folder: Path,
) -> None:
    home = folder / "bodies" / "alpha"
    assert applicant_of(APPLICATION) not in "".join(holds(home / "ledger", "applicant"))
    names = [
        Payload.from_bytes(file.read_bytes()).said["applicant"]
        for file in (home / "documents" / "payload").iterdir()
    ]
    assert names
    code, told = erase(home)
    assert (code, "payload.permit-in-force" in told) == (3, True)
    assert verify(folder).problems == ()
    later = [sys.executable, "-c", LATER, str(home / "body.toml")]
    subprocess.run(later, check=True, timeout=60)
    before = set(committed(home))
    code, told = erase(home)
    assert (code, set(told["payloads"])) == (0, before)
    found = verify(folder)
    assert found.problems == ()
    assert {file for file in found.erased if "/payload/" in file} == {
        f"bodies/alpha/documents/payload/{one}.json" for one in before
    }
    assert set(found.erased.values()) == {"2039-12-31"}  # UTC
    assert "payload erased on" in found.summary()
    for name in names:
        assert holds(home, name) == []
    assert account_in(home, applicant_of(APPLICATION)) <= TRANSPORT
    assert erase(home)[0] == 2
    # A payload put back after its erasure, or lost without one, is found.
    other = next((folder / "bodies" / "beta" / "documents" / "payload").iterdir())
    data = other.read_bytes()
    other.unlink()
    assert [one.what for one in verify(folder).problems] == ["is missing"]
    other.write_bytes(data.replace(b"University", b"Universitx"))
    assert {one.what for one in verify(folder).problems} == {"does not open its commitment"}
    other.write_bytes(data)
    assert verify(folder).problems == ()
