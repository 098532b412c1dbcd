"""An operator leaves a framework of several, in real bodies: nothing is lost, doubled or revived.

The same study runs before and after; what leaves the second time is what left the first time.
"""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from msgspec.structs import replace
from runs import Rehearsals, Run, first_study
from test_kill_anywhere import PLAN, SupervisedStage, supervised

from sekisho.body.flows.ending import PERSONAL
from sekisho.common.canonical import digest
from sekisho.control.ledger import TileLog
from sekisho.exchange import seal
from sekisho.exchange.keys import SealKey
from sekisho.framework import load, without
from sekisho.rehearsal import cast
from sekisho.rehearsal.play import Play
from sekisho.rehearsal.scenario import Scenario
from sekisho.rehearsal.verification import verify

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("exit")]

FRAMEWORK, LEAVER, HEIR = "4-several", "beta", "alpha"
PERSONS = 60
WITHDRAWN, LAST_DAY, GOES = 23, 24, 25
"""Days: the first study is over; a second application waits for its votes."""
BEFORE, OPEN, AFTER = "kidney", "open", "again"
KILLS = (
    (1, 0.0, "spool/"),  # goods are made, half of them sent, received, receipted …
    (9, 0.0, "spool/"),
    (20, 0.0, "spool/"),
    (1, 0.0, ".parquet"),  # the data are destroyed: before the first file, in the middle, at last
    (3, 0.0, ".parquet"),
    (1, 0.0, "data/lake"),
    (1, 0.0, "keys/wrapping"),  # the keys are: before the first, between them, about the commit
    (1, 0.0, "keys/seal"),
    (1, 0.02, "keys/seal"),
)
"""Where the leaving body is ended: the n-th time that it writes, renames or removes such a file."""


def scenario() -> Scenario:
    """Return the first study, an application that the exit meets, and the same study once more."""
    made = first_study().with_framework(FRAMEWORK)
    (kidney,), (job,) = made.application, made.job
    chosen = [one for one in made.opt_out if (one.person.number or PERSONS) < PERSONS]
    changed = replace(
        made,
        opt_out=tuple(replace(one, day=1) for one in chosen),
        application=(
            replace(kidney, id=BEFORE, day=2),
            replace(kidney, id=OPEN, day=LAST_DAY - 2),
            replace(kidney, id=AFTER, day=GOES + 2),
        ),
        job=(replace(job, day=22), replace(job, application=AFTER, day=GOES + 22)),
        view=(),
    )
    return changed.with_population(PERSONS)


@dataclass
class Leaving(Play):
    """Lets an operator leave, as its people and those of the oversight body would.

    The leaving body is ended at chosen steps and started again each time.
    """

    def run(self) -> Iterator[str]:
        self.stage = SupervisedStage(self.stage.fleet, self.stage.keys)
        with supervised(self.stage.fleet):
            yield from super().run()

    def days(self) -> list[int]:
        return sorted({*super().days(), WITHDRAWN, LAST_DAY, GOES, GOES + 1, GOES + 2})

    def tell_changes(self, day: int) -> None:
        super().tell_changes(day)
        if day == WITHDRAWN:
            self.fetch_released()
            self.withdraw()
        if day == GOES:
            (self.folder.parent / "begun").touch()
        if day == GOES + 2:
            (self.folder.parent / PLAN).unlink()
            # From now on people read the framework as its bodies do.
            self.framework = without(load(self.folder / "framework.toml"), {LEAVER: HEIR})

    def withdraw(self) -> None:
        last = self.scenario.start + timedelta(days=LAST_DAY)
        home = self.folder / "bodies" / "oversight"
        who = ("--body", LEAVER, "--successor", HEIR, "--last-day", last)
        sekisho("exit", "withdraw", home, *who)
        self.stage.settle()

    def decide(self, asked: Any) -> None:
        if asked.id == OPEN:
            applicant = cast.applicant_of(OPEN)
            told = self.stage.ask(applicant, LEAVER, f"review/status?application={OPEN}")
            self.record.notes.append(f"{told['stage']}: {told['ended']['next_step']}")
        super().decide(asked)


def sekisho(*arguments: object) -> bytes:
    told = [sys.executable, "-m", "sekisho", *map(str, arguments)]
    return subprocess.run(told, check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def left(rehearsals: Rehearsals) -> Run:
    file = rehearsals.folder / PLAN
    file.write_text(json.dumps({LEAVER: KILLS}))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", str(Path(__file__).parent / "kill_points"))
        environment.setenv("KILL_PLAN", str(file))
        run = rehearsals.get("left", scenario, play=Leaving)
    used = rehearsals.folder / f"{PLAN}.{LEAVER}"
    assert len(used.read_text().split()) >= len(KILLS) - 1  # the last may come when all is over
    return run


def entries(run: Run, body: str, kind: str) -> list[dict[str, Any]]:
    log = TileLog(run.folder / "bodies" / body / "ledger")
    found = [orjson.loads(entry) for entry in log.entries()]
    return [entry["body"] for entry in found if entry["kind"] == kind]


def test_the_same_study_gives_the_same_bytes_at_the_successor(left: Run) -> None:
    assert left.report["failed"] == []
    assert left.released(AFTER) == left.released(BEFORE) != {}


def test_no_row_of_an_extract_is_lost_or_doubled(left: Run) -> None:
    for table in ("person", "condition_occurrence", "measurement", "drug_exposure"):
        before, after = (_rows(left, application, table) for application in (BEFORE, AFTER))
        assert after == before
        assert before


def _rows(run: Run, application: str, table: str) -> list[str]:
    """Return a table's rows without keys, which every project draws anew."""
    found = run.table(application, table)
    said = [name for name in found.column_names if not name.endswith("_id")]
    return sorted(map(repr, found.select(said).to_pylist()))


def test_everything_that_moved_was_receipted_once(left: Run) -> None:
    for what in ("choices", "records"):
        (landed,) = [o for o in entries(left, HEIR, "exit.landed") if o["what"] == what]
        assert landed["sent"] == landed["landed"] + landed["there"] + landed["set_aside"] > 0
        (kept,) = [o for o in entries(left, LEAVER, "exit.receipted") if o["what"] == what]
        assert kept["digest"] == landed["digest"]
    assert _choices(left, HEIR) >= {one["ref"] for one in entries(left, LEAVER, "optout.choice")}


def _choices(run: Run, body: str) -> set[str]:
    rows = records(run, body, "registry")
    return {choice["ref"] for kept in rows for choice in kept["choices"]}


def records(run: Run, body: str, kind: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(run.folder / "bodies" / body / "control.sqlite3")) as store:
        rows = store.execute("SELECT data FROM store_record WHERE kind = ?", (kind,)).fetchall()
    return [orjson.loads(data) for (data,) in rows]


def test_cases_and_permits_that_name_the_leaver_end(left: Run) -> None:
    projects = left.report["projects"]
    assert projects[BEFORE]["state"] == "revoked"
    assert projects[AFTER]["state"] == "ready"
    assert OPEN not in projects
    assert left.report["notes"] == [f"withdrawn: apply again; the data are at {HEIR}"]
    assert [one["application"] for one in entries(left, LEAVER, "exit.case")] == [OPEN]


def test_data_and_keys_are_destroyed_and_the_archive_opens(left: Run) -> None:
    home, oversight = (left.folder / "bodies" / name for name in (LEAVER, "oversight"))
    shown = orjson.loads(sekisho("exit", "show", home, "--json"))
    assert (shown["step"], shown["cosigned"]) == ("destroyed", True)
    assert not [*(home / "data").rglob("*.parquet")]
    assert sorted(file.name for file in (home / "keys").iterdir()) == [
        "global",
        "seal",
        "signing",
        "wrapping",
    ]
    assert not any(records(left, LEAVER, kind) for kind in PERSONAL)
    (done,) = entries(left, LEAVER, "exit.destroyed")
    sealed = (oversight / "data" / "archives" / f"{LEAVER}.tar.xz.age").read_bytes()
    assert digest(sealed) == done["archive"]
    opened = seal.open_sealed(sealed, SealKey.read(oversight / "keys" / "seal"))
    with tarfile.open(fileobj=io.BytesIO(opened)) as archive:
        kept = {one for one in archive.getnames() if one.startswith("documents/succession-")}
    assert len(kept) >= 2


def test_the_folder_verifies_and_a_changed_receipt_of_the_exit_is_found(
    left: Run, tmp_path: Path
) -> None:
    assert verify(left.folder).problems == ()
    copy = tmp_path / "copy"
    shutil.copytree(left.folder, copy)
    receipt = copy / "bodies" / LEAVER / "documents" / "succession-receipts" / "records.jws"
    shutil.copy(receipt.with_name("choices.jws"), receipt)
    other = copy / "projects" / BEFORE / "data" / "person.parquet"  # of a project that closed
    other.write_bytes(other.read_bytes()[:-1])
    found = {problem.file for problem in verify(copy).problems}
    assert found == {one.relative_to(copy).as_posix() for one in (receipt, other)}
