"""A submission of several pieces, cut off by kill -9 at both ends, lands once and as it was."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from runs import ROOT

from dicom_files import image
from provider_world import made_home
from sekisho.body.config import Folders
from sekisho.body.setup import set_up
from sekisho.body.unfinished import unfinished_in
from sekisho.common.canonical import canonical_json, digest, file_digest
from sekisho.common.clock import SystemClock
from sekisho.common.errors import PeerError
from sekisho.common.randomness import system_random
from sekisho.data.lake import Lake
from sekisho.exchange import jws
from sekisho.exchange.directory import Directory
from sekisho.exchange.keys import SigningKey
from sekisho.exchange.pieces import PIECE_BYTES
from sekisho.exchange.transfer import RECEIPT
from sekisho.framework import load
from sekisho.provider.desk import Desk
from sekisho.provider.home import Home
from sekisho.provider.registration import admit
from sekisho.provider.showing import show
from sekisho.web.launch import Fleet, running
from sekisho.web.serve import free_port

pytestmark = [pytest.mark.acceptance]

FRAMEWORK, BODY = "1", "national"
PATIENCE = 120.0
SUBMIT = """
import os, signal, sys
from sekisho.cli import main
from sekisho.exchange.client import Client

number, victim, *sys.argv[1:] = sys.argv[1:]
send, sent = Client._send, []

def cut(self, method, peer, path, data, *given):
    if path.endswith("collection/submission") and data:
        sent.append(len(data))
        if len(sent) == int(number):
            pid = int(victim) or os.getpid()
            (os.killpg if int(victim) else os.kill)(pid, signal.SIGKILL)
    return send(self, method, peer, path, data, *given)

Client._send = cut
main()
"""
"""Submits as the command does; before a piece is sent, ends a body or itself without warning."""


@dataclass(frozen=True)
class Hospital:
    """A provider with one large image, and the bodies that it knows."""

    fleet: Fleet
    home: Path
    file: Path

    @property
    def desk(self) -> Desk:
        return Desk(Home.open(self.home), SystemClock(), system_random)

    @property
    def folders(self) -> Folders:
        return Folders(self.fleet.deployment.configs[BODY].parent)

    def submit(self, at_piece: int = 0, victim: int = 0) -> int:
        command = ["submit", "--provider", str(self.home), "--format", "dicom", str(self.file)]
        done = subprocess.run(
            [sys.executable, "-c", SUBMIT, str(at_piece), str(victim), *command],
            capture_output=True,
            check=False,
        )
        return done.returncode

    def arrived(self) -> list[int]:
        """Return the bytes that are there of messages that are not whole."""
        return [file.stat().st_size for file in unfinished_in(self.folders).folder.glob("*")]

    def parcel(self) -> str:
        """Return the digest of the message that waits at the provider."""
        [made] = (self.home / "outbox").glob("*/door")
        return file_digest(made)


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    folder = tmp_path_factory.mktemp("large")
    home, asked = made_home(
        folder / "provider", FRAMEWORK, mapping="mapping.csv", told_everyone_on=date(2026, 1, 1)
    )
    (home / "mapping.csv").write_text("local,insured\nCANARY0001,06132013:12:345:01\n")
    pixels = random.Random(1).randbytes(2 * PIECE_BYTES + PIECE_BYTES // 2)
    file = image(folder / "image.dcm", PixelData=pixels, Rows=4096, Columns=5120)
    framework = ROOT / "frameworks" / f"{FRAMEWORK}.toml"
    deployment = set_up(
        load(framework, ROOT), framework, folder / "town", rules=ROOT / "rules", ports=free_port
    )
    key = SigningKey.read(home / "keys" / "signing").public.text
    known = admit(asked, Directory.read(folder / "town" / "directory.json"), key)
    for place in (folder / "town", home):
        known.write(place / "directory.json")
    with running(deployment) as fleet:
        yield Hospital(fleet, home, file)


def test_pieces_go_on_after_a_kill_of_either_side_and_land_once_with_the_same_bytes(
    hospital: Hospital, tmp_path: Path
) -> None:
    body = hospital.fleet.processes[BODY]
    assert hospital.submit(at_piece=2, victim=body.pid) == PeerError.exit_code
    body.wait()
    assert hospital.arrived() == [PIECE_BYTES]
    parcel = hospital.parcel()
    hospital.fleet.restart(BODY)

    assert hospital.submit(at_piece=2) == -9
    assert hospital.arrived() == [2 * PIECE_BYTES]
    assert hospital.parcel() == parcel

    assert hospital.submit() == 0
    assert hospital.arrived() == []
    assert not list((hospital.home / "outbox").iterdir())
    desk, deadline = hospital.desk, time.monotonic() + PATIENCE
    while not desk.collect_receipts():
        assert time.monotonic() < deadline, "no receipt came"
        time.sleep(0.2)
    assert desk.differences() == []  # counts, rows, and the digest of what landed
    assert hospital.submit() == 0  # once more: the body has it

    ready = desk.ready([hospital.file], "dicom")
    show(desk.home, ready, tmp_path / "shown")
    [shown] = (tmp_path / "shown" / BODY / "objects").iterdir()
    assert shown.stat().st_size > 2 * PIECE_BYTES
    [receipt] = (hospital.home / "receipts").iterdir()
    said = jws.verify(receipt.read_bytes(), desk.home.directory.resolve, RECEIPT).payload
    told = said["objects"]
    same = f"{shown.stem}:{hashlib.sha256(shown.read_bytes()).hexdigest()}"
    assert told["digest"] == digest(canonical_json([same]))
    assert (told["objects"], told["bytes"]) == (1, shown.stat().st_size)
    stored = [path for path in hospital.folders.objects.rglob("*") if path.is_file()]
    assert len(stored) == 1
    lake = Lake(hospital.folders.lake)
    assert [lake.records_in(batch) for batch in (1, 2)] == [said["totals"]["landed"], 0]
