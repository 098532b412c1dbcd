"""kill -9 of a body at any moment loses nothing and doubles nothing (promise 7).

Bodies are killed with their whole process tree while they work: after a message was sent and before
anyone has waited for it. Then they are started again, and the run must end as if nothing had been.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from runs import Rehearsals, Run, first_study, same_books

from sekisho.common.errors import PeerError
from sekisho.rehearsal.play import Play
from sekisho.rehearsal.scenario import Application, Job, OptOut, Submission
from sekisho.rehearsal.stage import Stage
from sekisho.rehearsal.verification import verify
from sekisho.web.launch import Fleet

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("first-study")]

APPLICATION = "kidney"
LONG = pytest.mark.long
"""Long beside `test_kill_anywhere`, which ends bodies at chosen steps of the same study."""
every_drill = pytest.mark.parametrize(
    "framework", [pytest.param(one, marks=LONG) for one in ("2-1", "3")]
)


def crash(fleet: Fleet, body: str) -> None:
    """End a body's whole process tree without warning, then start it again."""
    process = fleet.processes[body]
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    fleet.restart(body)


@dataclass
class DrillStage(Stage):
    """Before it waits for stillness, kills the bodies that were named, each after a moment."""

    next: list[tuple[str, float]] = field(default_factory=list)
    killed: list[str] = field(default_factory=list)

    def settle(self) -> None:
        while self.next:
            body, seconds = self.next.pop(0)
            time.sleep(seconds)
            crash(self.fleet, body)
            self.killed.append(body)
        super().settle()

    def tell(self, *given: Any, **named: Any) -> None:
        try:
            super().tell(*given, **named)
        except PeerError:  # a kept connection that ended with the body it led to
            super().tell(*given, **named)


@dataclass
class Crashing(Play):
    """Kills someone at every kind of step: submission, choice, day, permit and extract, study."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.stage = DrillStage(self.stage.fleet, self.stage.keys)
        self.chance = random.Random(self.framework.id)
        self.left = {name: list(victims) for name, victims in self._drills().items()}

    def _drills(self) -> dict[str, list[str]]:
        first, second = (self.framework.with_role(r)[0] for r in ("converter", "oversight"))
        history = self.framework.with_role("history")[0]
        holders = [b.id for b in self.framework.body if b.id in self.framework.function_bodies]
        return {
            "submission": [holders[0], first, holders[-1], second, holders[0], holders[-1]],
            "choice": [history, holders[0], first],
            "sealed": [holders[0], second, holders[-1], first, holders[0]],
            "study": [holders[0], holders[-1]],
        }

    def _drill(self, step: str, *, number: int = 1, longest: float = 0.6) -> None:
        victims = [self.left[step].pop(0) for _ in range(min(number, len(self.left[step])))]
        self.stage.next += [(one, self.chance.uniform(0.0, longest)) for one in victims]

    def submit(self, sent: Submission) -> None:
        super().submit(sent)
        self._drill("submission")
        if len(self.record.submissions) % 2:
            self.stage.settle()

    def choose(self, choice: OptOut) -> None:
        super().choose(choice)
        self._drill("choice")

    def decide(self, asked: Application) -> None:
        super().decide(asked)
        assert not self.left["sealed"]

    def _command(self, body: str, application: str, command: dict[str, Any]) -> None:
        last = self.record.applications[-1]["lanes"][-1]
        if command["command"] == "seal_decision" and body == last:
            self._drill("sealed", number=5, longest=0.3)
        super()._command(body, application, command)

    def run_job(self, job: Job) -> None:
        self._drill("study", number=2, longest=2.0)
        super().run_job(job)

    def fetch_released(self) -> None:
        assert len(self.stage.killed) == 16
        super().fetch_released()


class Impatient(Play):
    """A provider that hears nothing sends its files again at once, before any receipt is there."""

    def submit(self, sent: Submission) -> None:
        super().submit(sent)
        super().submit(sent)


@pytest.fixture(scope="module")
def drilled(rehearsals: Rehearsals) -> Callable[[str], Run]:
    def get(framework: str) -> Run:
        return rehearsals.get(
            f"crash-{framework}", lambda: first_study().with_framework(framework), play=Crashing
        )

    return get


@pytest.fixture(scope="module")
def impatient(rehearsals: Rehearsals) -> Run:
    return rehearsals.get("impatient", lambda: first_study().with_framework("2-1"), play=Impatient)


Runs = Callable[[str], Run]


@every_drill
def test_a_run_with_crashes_releases_the_same_bytes(
    drilled: Runs, study: Runs, framework: str
) -> None:
    crashed, sound = drilled(framework), study(framework)
    assert crashed.report["failed"] == []
    assert crashed.released(APPLICATION) == sound.released(APPLICATION)
    digests = [run.report["projects"][APPLICATION]["digests"] for run in (crashed, sound)]
    assert digests[0] == digests[1]


@every_drill
def test_a_run_with_crashes_verifies(drilled: Runs, framework: str) -> None:
    assert verify(drilled(framework).folder).problems == ()


@every_drill
def test_nothing_is_lost_or_doubled_by_crashes(drilled: Runs, study: Runs, framework: str) -> None:
    same_books(drilled(framework), study(framework))


def test_files_sent_again_before_a_receipt_change_nothing(impatient: Run, study: Runs) -> None:
    sound = study("2-1")
    assert impatient.report["failed"] == []
    assert impatient.released(APPLICATION) == sound.released(APPLICATION)
    assert verify(impatient.folder).problems == ()
    same_books(impatient, sound)
