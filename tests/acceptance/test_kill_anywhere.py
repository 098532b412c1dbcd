"""kill -9 of any body at any step: the run completes with the same bytes (promise 7).

The test chooses the steps, by number: each body is ended when it has written, renamed, removed or
connected so many times (or a moment after), is started again as a supervisor would, and may be
ended again. Callers send what was not answered again, under the same message id. Nothing in the
bodies knows of it.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from runs import FRAMEWORKS, Rehearsals, Run, first_study, run, same_books

from sekisho.common.clock import SystemClock
from sekisho.common.errors import PeerError
from sekisho.common.ids import new_id
from sekisho.common.randomness import system_random
from sekisho.exchange.client import Answer, Client
from sekisho.exchange.keys import SigningKey
from sekisho.framework import load
from sekisho.rehearsal.play import Play
from sekisho.rehearsal.stage import Stage
from sekisho.rehearsal.verification import verify
from sekisho.web.launch import Fleet

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("first-study")]

ROOT = Path(__file__).resolve().parents[2]
APPLICATION = "kidney"
PATIENCE = 120.0
"""Seconds that a caller goes on sending to a body that is being started again."""
EARLY, LATE = 260, 2_500
"""Steps that the busier bodies of the study have: while it is set up, and in all of it."""
LONGEST_DELAY = 0.03
"""Seconds after a step at which a kill still counts as of that step."""
PLAN = "plan.json"
WANTED = 200
"""Kills that the long drill must have seen (issue: at least 200)."""


class PatientClient(Client):
    """Sends again what was not answered, under the same id, as a provider's program would."""

    def _send(self, method: str, peer: Any, path: str, *given: Any) -> Answer:
        *rest, message_id = given
        kept = message_id or new_id(system_random)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return super()._send(method, peer, path, *rest, kept)
            except PeerError as away:
                if away.code != "peer.unreachable" or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


@dataclass
class SupervisedStage(Stage):
    """Waits for stillness also while bodies end and come back."""

    def client(self, actor: str) -> Client:
        if actor not in self.clients:
            key = SigningKey.read(self.keys[actor] / "signing")
            self.clients[actor] = PatientClient(
                actor, key, clock=SystemClock(), random=system_random
            )
        return self.clients[actor]

    def settle(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return super().settle()
            except PeerError as error:
                if error.code != "body.died" or time.monotonic() > deadline:
                    raise


@contextmanager
def supervised(fleet: Fleet) -> Iterator[None]:
    """Start again whatever ends, until the block is left."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            for body in fleet.dead():
                try:
                    fleet.restart(body)
                except PeerError:  # ended again while it started: the next round starts it
                    continue
        while len(fleet.dead()) < len(fleet.processes):
            time.sleep(0.1)  # a body ends with the thread that started it (prctl)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        over.set()


class Killed(Play):
    """A play whose bodies end at planned steps."""

    def run(self) -> Iterator[str]:
        self.stage = SupervisedStage(self.stage.fleet, self.stage.keys)
        with supervised(self.stage.fleet):
            (self.folder.parent / "begun").touch()
            yield from super().run()
            (self.folder.parent / PLAN).unlink()
            time.sleep(2 * LONGEST_DELAY)
            self.stage.settle()


Plan = dict[str, list[tuple[int, float]]]


def plan_of(seed: int, framework: str, kills: int) -> Plan:
    """Draw bodies and steps; two in three kills are exactly at a step, the others just after.

    Half are early, half lie anywhere; a step that a body never comes to kills nobody.
    """
    draw = random.Random(f"{framework}:{seed}")
    bodies = [body.id for body in load(ROOT / "frameworks" / f"{framework}.toml", ROOT).body]
    plan: Plan = {}
    for _ in range(kills):
        delay = draw.choice((0.0, 0.0, draw.uniform(0.0, LONGEST_DELAY)))
        step = draw.randint(1, draw.choice((EARLY, LATE)))
        plan.setdefault(draw.choice(bodies), []).append((step, delay))
    return plan


@dataclass(frozen=True)
class Drill:
    """A run that was killed on the way, and how often it was."""

    run: Run
    kills: int


def drill(folder: Path, framework: str, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> Drill:
    file = folder / PLAN
    folder.mkdir(parents=True)
    file.write_text(json.dumps(plan))
    with monkeypatch.context() as environment:
        environment.setenv("PYTHONPATH", str(Path(__file__).parent / "kill_points"))
        environment.setenv("KILL_PLAN", str(file))
        scenario = first_study().with_framework(framework)
        made = run(scenario, folder / "run", play=Killed)
    used = folder.glob(f"{PLAN}.*")
    return Drill(made, sum(len(one.read_text().split()) for one in used))


def unharmed(drilled: Run, sound: Run) -> None:
    """Assert that a killed run ended as the sound one: same bytes, same books, all proofs hold."""
    assert drilled.report["failed"] == []
    assert drilled.released(APPLICATION) == sound.released(APPLICATION)
    digests = [one.report["projects"][APPLICATION]["digests"] for one in (drilled, sound)]
    assert digests[0] == digests[1]
    assert verify(drilled.folder).problems == ()
    same_books(drilled, sound)


def test_a_run_killed_at_chosen_steps_ends_as_one_that_was_not(
    rehearsals: Rehearsals, study: Callable[[str], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    framework = "4-several"
    drilled = drill(rehearsals.folder / "drill", framework, plan_of(7, framework, 10), monkeypatch)
    assert drilled.kills >= 6
    unharmed(drilled.run, study(framework))


@pytest.mark.long
def test_two_hundred_kills_over_all_frameworks_change_nothing(
    rehearsals: Rehearsals,
    study: Callable[[str], Run],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kills, seed = 0, 0
    while kills < WANTED:
        seed += 1
        framework = FRAMEWORKS[seed % len(FRAMEWORKS)]
        plan = plan_of(seed, framework, 32)
        made = drill(tmp_path / f"{seed}", framework, plan, monkeypatch)
        print(f"seed {seed}, {framework}: {made.kills} kills", flush=True)
        unharmed(made.run, study(framework))
        kills += made.kills
