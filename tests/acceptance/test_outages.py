"""A full disk and a body that is down for days: a clear state, nothing lost, the same end."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import requests
from runs import ROOT, Rehearsals, Run

from sekisho.common.errors import PeerError
from sekisho.common.storage import RESERVE, room
from sekisho.rehearsal import run as rehearsal
from sekisho.rehearsal.play import Play
from sekisho.rehearsal.scenario import Job, Scenario, Submission, read_scenario
from sekisho.rehearsal.stage import Stage
from sekisho.rehearsal.verification import verify

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("outages")]

BODY, CONVERTER = "national", "converter"
SMALL = """
framework = "1"
start = 2026-04-01
seed = 7
[[provider]]
code = "1310000001"
name = "第一病院"
[population]
persons = 60
[[opt_out]]
day = 1
person = { number = 3 }
scope = "all"
[[opt_out]]
day = 2
person = { number = 10 }
scope = "all"
[[application]]
id = "kidney"
day = 4
applicant = "Example University"
purpose = "research"
tables = ["person", "condition_occurrence", "measurement", "drug_exposure"]
[application.cohort]
codes = ["I10", "E11", "N18", "8833421", "2500015"]
min_age = 18
[[job]]
application = "kidney"
day = 24
study = "STUDY"
[[view]]
day = 24
person = { number = 3 }
[[view]]
day = 24
person = { number = 5 }
"""


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Scenario]:
    file = tmp_path_factory.mktemp("outages") / "small.toml"
    file.write_text(SMALL.replace("STUDY", str(ROOT / "studies" / "kidney")), "utf-8")
    return lambda: read_scenario(file)


@pytest.fixture(scope="module")
def sound(rehearsals: Rehearsals, scenario: Callable[[], Scenario]) -> Run:
    return rehearsals.get("outages-none", scenario)


def same_end(run: Run, sound: Run) -> None:
    assert run.report["failed"] == []
    assert run.report["undelivered"] == {}
    assert run.released("kidney") == sound.released("kidney") != {}
    digests = [one.report["projects"]["kidney"]["digests"] for one in (run, sound)]
    assert digests[0] == digests[1]
    assert run.report["held"] == sound.report["held"]
    assert run.report["views"] == sound.report["views"]
    for kind in ("submission.landed", "optout.choice", "extract.sent", "extract.made"):
        assert run.entries(kind) == sound.entries(kind), kind
    for kind in ("job.finished", "release.made", "use.indexed", "message.refused"):
        assert run.entries(kind) == sound.entries(kind), kind
    assert verify(run.folder).problems == ()


# A body that is down


@dataclass
class PatientStage(Stage):
    """Knows who is down: neither asks it nor waits for what only it could do."""

    down: set[str] = field(default_factory=set)

    def set_day(self, day: date) -> None:
        for body in set(self.deployment.urls) - self.down:
            self.tell("observer", body, "rehearsal/clock", {"day": day.isoformat()})
        self.settle()

    def settle(self) -> None:
        if self.down:
            time.sleep(3)
        else:
            super().settle()


@dataclass
class Away(Play):
    """The first converter is down over two cut-offs, while persons opt out."""

    noted: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.stage: PatientStage = PatientStage(self.stage.fleet, self.stage.keys)

    def run(self) -> Iterator[str]:
        for step in super().run():
            if step == "day 1":
                self.stage.fleet.kill(CONVERTER)
                self.stage.down.add(CONVERTER)
            if step == "day 3":
                self._look()
            if step == "day 4":
                self._look()
                self.stage.fleet.restart(CONVERTER)
                self.stage.down.clear()
                self.stage.set_day(self.day_of(3))
            yield step

    def _look(self) -> None:
        figures = self.stage.ask("observer", BODY, "status/figures")
        raised = [one for one in figures["alarms"] if one["code"] == "exchange.undelivered"]
        self.noted.setdefault("waits", []).append(figures["undelivered"])
        self.noted.setdefault("alarms", []).append(raised)
        SEEN["away"] = self.noted


SEEN: dict[str, Any] = {}


@pytest.fixture(scope="module")
def away(rehearsals: Rehearsals, scenario: Callable[[], Scenario]) -> Run:
    return rehearsals.get("outages-away", scenario, play=Away)


def test_others_keep_what_they_have_for_a_body_that_is_down_and_say_so(away: Run) -> None:
    first, second = SEEN["away"]["waits"]
    assert set(first) == set(second) == {CONVERTER}
    assert 0 < first[CONVERTER] <= second[CONVERTER]
    before, after = SEEN["away"]["alarms"]
    assert before == []
    assert [one["about"]["peer"] for one in after] == [CONVERTER]
    raised = [one for one in away.report["alarms"][BODY] if one["alarm"] == f"peer/{CONVERTER}"]
    assert [one["cleared"] is not None for one in raised] == [True]


def test_after_its_return_the_run_ends_as_if_nothing_had_been(away: Run, sound: Run) -> None:
    same_end(away, sound)


# A full disk

DISK = 96 * 2**20


def can_mount(folder: Path) -> bool:
    if os.geteuid() != 0:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    made = subprocess.run(["mount", "-t", "tmpfs", "none", str(folder)], check=False)
    if made.returncode == 0:
        subprocess.run(["umount", str(folder)], check=True)
    return made.returncode == 0


@contextmanager
def on_a_small_disk(body: str) -> Iterator[list[Path]]:
    """Give a body's folder a disk of its own before anything is laid out there."""
    set_up, mounted = rehearsal.set_up, list[Path]()

    def with_disk(framework: Any, file: Path, folder: Path, **more: Any) -> Any:
        home = folder / "bodies" / body
        home.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", home], check=True)
        mounted.append(home)
        return set_up(framework, file, folder, **more)

    rehearsal.set_up = with_disk
    try:
        yield mounted
    finally:
        rehearsal.set_up = set_up


@dataclass
class Full(Play):
    """Fills the disk of a body at every kind of step, looks what it says, and makes room again."""

    full: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.folder / "bodies" / BODY

    def fill(self, left: int) -> None:
        """Fill the disk until ``left`` bytes are free."""
        # The body writes at the same time: the last piece may be its own.
        with suppress(OSError), (self.home / "ballast").open("wb") as file:
            file.write(b"\0" * max(0, room(self.home) - left))

    def make_room(self) -> None:
        (self.home / "ballast").unlink()

    def health(self) -> tuple[int, str]:
        answer = requests.get(self.stage.deployment.urls[BODY] + "/health", timeout=10)
        return answer.status_code, answer.json()["status"]

    @contextmanager
    def hardship(self, step: str, *, left: int = 0, seconds: float = 2.0) -> Iterator[None]:
        """Fill the disk after what the block sent was taken; see it said, then make room."""
        yield
        self.fill(left)
        time.sleep(seconds)
        assert self.health() == (507, "full")
        self.full.append(step)
        self.make_room()
        self.stage.settle()
        assert self.health() == (200, "ok")

    def submit(self, sent: Submission) -> None:
        self.fill(RESERVE // 2)
        try:
            super().submit(sent)
        except PeerError as error:
            self.refused.append(error.code)
        self.make_room()
        with self.hardship("submission"):
            super().submit(sent)

    def _command(self, body: str, application: str, command: dict[str, Any]) -> None:
        if command["command"] != "seal_decision":
            return super()._command(body, application, command)
        with self.hardship("extract"):
            message = {"application": application, "command": command}
            self.stage.tell(command["by"], body, "review/command", message)
        return None

    def run_job(self, job: Job) -> None:
        super().run_job(job)
        SEEN["full"] = (self.full, self.refused)


@pytest.fixture(scope="module")
def full(
    rehearsals: Rehearsals,
    scenario: Callable[[], Scenario],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Run]:
    if not can_mount(tmp_path_factory.mktemp("disk")):
        pytest.skip("needs root and tmpfs, to give a body a disk of its own")
    with on_a_small_disk(BODY) as mounted:
        try:
            yield rehearsals.get("outages-full", scenario, play=Full)
        finally:
            for home in mounted:
                subprocess.run(["umount", "--lazy", str(home)], check=False)


def test_a_full_body_says_so_takes_nothing_and_fails_nothing(full: Run) -> None:
    steps, refused = SEEN["full"]
    assert steps == ["submission", "submission", "extract"]
    assert refused == ["storage.full", "storage.full"]
    assert full.report["failed"] == []
    logs = (full.folder / "bodies" / BODY / "log").glob("*")
    assert any(b"there was no room on the disk" in file.read_bytes() for file in logs)


def test_with_room_again_a_full_body_goes_on_to_the_same_end(full: Run, sound: Run) -> None:
    same_end(full, sound)
