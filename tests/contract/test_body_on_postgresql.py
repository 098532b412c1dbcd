"""A whole body on PostgreSQL, among others on SQLite: it runs, is lost, and comes back."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest

from sekisho.body.config import RehearsalOptions
from sekisho.body.setup import Actor, set_up
from sekisho.common.canonical import canonical_json
from sekisho.common.randomness import system_random
from sekisho.control.ledger import TileLog
from sekisho.exchange import seal
from sekisho.exchange.keys import SealKey
from sekisho.framework import load
from sekisho.rehearsal import cast
from sekisho.rehearsal.stage import Stage
from sekisho.synthetic import person_of
from sekisho.web.launch import running
from sekisho.web.serve import free_port

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "frameworks" / "2-1.toml"
BODY, HOLDER = "national", "alpha"
START, SEED = date(2026, 4, 1), 7


@dataclass(frozen=True)
class Town:
    """Running bodies, one of them on PostgreSQL, and its desk's client."""

    stage: Stage
    folder: Path
    database: str

    @property
    def home(self) -> Path:
        return self.folder / "bodies" / BODY

    def choose(self, number: int) -> None:
        directory = self.stage.deployment.directory
        spec = person_of(SEED, number).spec(START)
        plain = {k: v.isoformat() if isinstance(v, date) else v for k, v in spec.items()}
        form = seal.seal(canonical_json(plain), directory.find("history").seal_recipient or "")
        said = {"scope": "all", "form": form.hex()}
        self.stage.tell(cast.DESK, BODY, "opt_out/choice", said)
        self.stage.settle()

    def day(self, number: int) -> None:
        self.stage.set_day(START + timedelta(days=number))

    def lists(self) -> list[int]:
        """Return the numbers of the registry's newest list, as it and a holder have it."""
        own = self.stage.ask(HOLDER, BODY, "opt_out/head")
        held = self.stage.ask(BODY, HOLDER, f"collection/held-list?registry={BODY}")
        return [int(one["number"]) for one in (own, held)]

    def rows(self, kind: str) -> list[dict[str, Any]]:
        with psycopg.connect(self.database) as store:
            found = store.execute("SELECT data FROM store_record WHERE kind = %s", [kind])
            return [d if isinstance(d, dict) else orjson.loads(d) for (d,) in found.fetchall()]

    def empty_database(self) -> None:
        with psycopg.connect(self.database, autocommit=True) as store:
            store.execute("DROP SCHEMA public CASCADE")
            store.execute("CREATE SCHEMA public")


@pytest.fixture
def town(postgresql: str, tmp_path: Path) -> Iterator[Town]:
    actors = tuple(
        Actor(name, kind, tmp_path / "actors" / name)  # type: ignore[arg-type]
        for name, kind in ((cast.OBSERVER, "observer"), (cast.DESK, "desk"))
    )
    framework = load(FILE, ROOT)
    made = set_up(
        framework,
        FILE,
        tmp_path,
        rules=ROOT / "rules",
        ports=free_port,
        actors=actors,
        rehearsal=RehearsalOptions(SEED, START, ()),
        declared_synthetic=True,
    )
    config = made.configs[BODY]
    text = config.read_text("utf-8")
    assert 'database = "sqlite"' in text
    config.write_text(text.replace('"sqlite"', f'"{postgresql}"'), "utf-8")
    keys = {actor.id: actor.keys for actor in actors}
    keys |= {name: tmp_path / "bodies" / name / "keys" for name in (BODY, HOLDER)}
    with running(made) as fleet:
        stage = Stage(fleet, keys)
        yield Town(stage, tmp_path, postgresql)
        stage.close()


def sekisho(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "sekisho", *map(str, arguments)], check=True)


def test_a_body_on_postgresql_is_backed_up_running_and_restored(town: Town) -> None:
    town.day(0)
    town.choose(5)
    town.day(1)
    key = SealKey.generate(system_random)
    key.write(town.folder / "recovery")
    backup, directory = town.folder / "backup", ("--directory", town.folder / "directory.json")
    sekisho("backup", "--body", town.home, "--out", backup, "--recipient", key.recipient)
    sekisho("restore", backup, *directory, "--verify")
    before = town.rows("registry")
    assert len(before) == 1
    town.choose(6)
    town.day(2)
    assert len(town.rows("registry")) == 2

    town.stage.fleet.kill(BODY)
    shutil.move(town.home, town.folder / "lost")
    town.empty_database()
    sekisho(
        "restore", backup, *directory, "--to", town.home, "--identity", town.folder / "recovery"
    )
    assert town.rows("registry") == before
    assert not (town.home / "control.sqlite3").exists()
    town.stage.fleet.restart(BODY)
    town.day(2)
    town.day(3)
    entries = [orjson.loads(entry) for entry in TileLog(town.home / "ledger").entries()]
    kinds = [entry["kind"] for entry in entries]
    assert kinds[0] == "ledger.continued"
    assert kinds.count("body.opened") == 1
    assert len(town.rows("registry")) == 2  # who chose after the backup is back
    own, held = town.lists()
    assert own == held
