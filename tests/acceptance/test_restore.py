"""A body that comes from an old backup is closed until it has caught up, and revives nobody."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from runs import Rehearsals, Run, first_study

from sekisho.body.closed import CATCHING_UP
from sekisho.common.errors import SekishoError
from sekisho.common.randomness import system_random
from sekisho.control.ledger import TileLog
from sekisho.exchange.keys import SealKey
from sekisho.rehearsal import cast
from sekisho.rehearsal.play import Play
from sekisho.rehearsal.scenario import Scenario
from sekisho.rehearsal.verification import verify

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("restore")]

APPLICATION = "kidney"
PERSONS = 130
BACKED_UP, RESTORED = 1, 8
"""Days: most choices are stated, and leave their desk, between the two."""


def sekisho(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "sekisho", *map(str, arguments)], check=True)


@dataclass
class Restoring(Play):
    """Backs ``victim`` up on one day, loses it on another, and goes on with what the backup had."""

    victim = ""
    away: tuple[str, ...] = ()
    refused: list[str] = field(default_factory=list)

    def days(self) -> list[int]:
        return sorted({*super().days(), 6, 7, RESTORED})

    @property
    def home(self) -> Path:
        return self.folder / "bodies" / self.victim

    def apply(self, asked: Any) -> None:
        self.check_open()
        super().apply(asked)

    def choose(self, choice: Any) -> None:
        if choice.day > BACKED_UP and not (self.folder / "backup").exists():
            self.back_up()
        super().choose(choice)

    def back_up(self) -> None:
        key = SealKey.generate(system_random)
        key.write(self.folder / "recovery" / "key")
        to = self.folder / "backup"
        sekisho("backup", "--body", self.home, "--out", to, "--recipient", key.recipient)

    def day_of(self, day: int) -> Any:
        if day == RESTORED and not self.refused:
            self.refused.append("")
            self.restore()
        return super().day_of(day)

    def restore(self) -> None:
        """Lose the body and bring it back while a registry or converter is away."""
        fleet = self.stage.fleet
        fleet.kill(self.victim)
        shutil.move(self.home, self.folder / "lost")
        directory = self.folder / "directory.json"
        sekisho(
            "restore",
            self.folder / "backup",
            "--directory",
            directory,
            "--to",
            self.home,
            "--identity",
            self.folder / "recovery" / "key",
        )
        second = self.framework.with_role("oversight")[0]
        fleet.kill(second)
        fleet.processes.pop(second)  # so that nobody waits for it
        fleet.restart(self.victim)
        self.refused.append(self.attempt())
        fleet.restart(second)
        yesterday = super().day_of(RESTORED - 1)
        self.stage.tell(
            cast.OBSERVER, self.victim, "rehearsal/clock", {"day": yesterday.isoformat()}
        )
        self.stage.settle()

    def attempt(self) -> str:
        """Ask the closed body for an extract, as another body would."""
        other = next(b for b in self.stage.deployment.urls if b != self.victim)
        self.stage.keys = {**self.stage.keys, other: self.folder / "bodies" / other / "keys"}
        rooms = ("collection/permit", "opt_out/permit")
        for path in rooms:
            try:
                self.stage.tell(other, self.victim, path, {"permit": "any"})
            except SekishoError as error:
                if error.code != "body.no-such-door":
                    return error.code
        return "taken"

    def check_open(self) -> None:
        assert self.refused == ["", CATCHING_UP]


def restoring(name: str) -> type[Play]:
    return type("Restoring", (Restoring,), {"victim": name})


Restored = Callable[[str, str], Run]
EFFECT = {"alpha": "erase", "national": "stop_provision"}
"""What a choice does where this body is lost: of a holder what its backup holds must go again, too.
"""


def scenario(framework: str, body: str) -> Scenario:
    found = first_study(PERSONS).with_framework(framework)
    return found.with_override("opt_out", "effect", EFFECT[body])


@pytest.fixture(scope="module")
def sound(rehearsals: Rehearsals) -> Restored:
    def get(framework: str, body: str) -> Run:
        name = f"sound-{framework}-{EFFECT[body]}"
        return rehearsals.get(name, lambda: scenario(framework, body))

    return get


@pytest.fixture(scope="module")
def restored(rehearsals: Rehearsals) -> Restored:
    def get(framework: str, body: str) -> Run:
        return rehearsals.get(
            f"restored-{framework}-{body}",
            lambda: scenario(framework, body),
            play=restoring(body),
        )

    return get


CASES = pytest.mark.parametrize(("framework", "body"), [("2-1", "alpha"), ("2-1", "national")])


@CASES
def test_nobody_who_opted_out_after_the_backup_is_used(
    restored: Restored, sound: Restored, framework: str, body: str
) -> None:
    run, other = restored(framework, body), sound(framework, body)
    assert run.report["failed"] == []
    lost, expected = (one.report["lost"]["projects"][APPLICATION] for one in (run, other))
    assert lost["dropped_by_holders"] == expected["dropped_by_holders"]
    assert lost["incidents"] == []
    assert run.released(APPLICATION) == other.released(APPLICATION)


@CASES
def test_the_ledger_goes_on_in_a_generation_that_names_the_old_head(
    restored: Restored, framework: str, body: str
) -> None:
    run = restored(framework, body)
    assert verify(run.folder).problems == ()
    assert run.entries("ledger.continued") == 1
    assert run.entries("body.restored") == run.entries("body.opened") == 1


def test_what_the_backup_still_held_is_erased_before_the_body_opens(restored: Restored) -> None:
    """The erasure itself reads every file again and ends in an error if it left anything."""
    run = restored("2-1", "alpha")
    home = run.folder / "bodies" / "alpha"
    kinds = [orjson.loads(entry)["kind"] for entry in TileLog(home / "ledger").entries()]
    assert "person.erased" in kinds[: kinds.index("body.opened")]


def test_a_restored_registry_knows_of_every_choice_when_it_learned_of_it(
    restored: Restored,
) -> None:
    """Who comes back with a returned list may choose again, and lists can be made again."""
    run = restored("2-1", "national")
    with closing(sqlite3.connect(run.folder / "bodies" / "national" / "control.sqlite3")) as store:
        rows = store.execute("SELECT data FROM store_record WHERE kind = 'registry'").fetchall()
    kept = [orjson.loads(data) for (data,) in rows]
    assert kept
    assert all({one["ref"] for one in it["choices"]} == it["learned"].keys() for it in kept)
