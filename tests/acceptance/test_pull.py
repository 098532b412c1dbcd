"""Collection by pull: the same rows held and the same bytes released as by push, by a schedule."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from deltalake import DeltaTable
from msgspec.structs import replace
from runs import Rehearsals, Run, first_study

from sekisho.rehearsal.model import Scenario
from sekisho.rehearsal.play import Play
from sekisho.rehearsal.verification import verify

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("pull")]

FRAMEWORKS = ("2-1", "3")
"""Data go to two kinds of bodies and are joined; all are collected by one and used at another."""
PERSONS, LATER, WEEK = 60, 3, 7
FIRST = "1310000001"


class Changing(Play):
    """The first provider is pulled from once a week; meanwhile its system changes some results."""

    def run(self) -> Iterator[str]:
        rule = self.folder / "rules" / "pull.toml"
        weekly = f'[[provider]]\ncode = "{FIRST}"\nevery_hours = {24 * WEEK}\n'
        rule.write_text(rule.read_text().replace("[source]", f"{weekly}[source]"))
        fhir = next(
            one for one in self.scenario.submission
            if (one.provider, one.format) == (FIRST, "fhir-ndjson")
        )  # fmt: skip
        changed = replace(fhir, day=LATER, files=(self._changes(fhir.files),))
        self.scenario = replace(self.scenario, submission=(*self.scenario.submission, changed))
        yield from super().run()

    def _changes(self, files: tuple[Path, ...]) -> Path:
        """Write what changed: a result with its Patient, and that the next result is gone."""
        held = {file.stem: file.read_bytes().splitlines() for file in files}
        first, second = [json.loads(line) for line in held["Observation"][:2]]
        first["status"] = "amended"
        first["valueQuantity"]["value"] = 3.21
        whose = first["subject"]["reference"].partition("/")[2]
        patients = [line for line in held["Patient"] if json.loads(line)["id"] == whose]
        gone = {"request": {"method": "DELETE", "url": f"Observation/{second['id']}"}}
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [gone]}
        target = self.folder / "changed" / "changes.ndjson"
        target.parent.mkdir(parents=True, exist_ok=True)
        rows = [json.dumps(bundle).encode(), *patients, json.dumps(first).encode()]
        target.write_bytes(b"".join(row + b"\n" for row in rows))
        return target


def scenario(framework: str, mode: str) -> Scenario:
    """Return the main job with the people whom all its choices and questions leave."""
    made = first_study()
    chosen = [one for one in made.opt_out if (one.person.number or 0) < PERSONS]
    made = replace(made, opt_out=tuple(chosen), view=()).with_population(PERSONS)
    return made.with_framework(framework).with_override("open", "mode", mode)


@pytest.fixture(params=FRAMEWORKS)
def pair(rehearsals: Rehearsals, request: pytest.FixtureRequest) -> tuple[Run, Run]:
    """Return the same scenario by push and by pull."""

    def get(mode: str) -> Run:
        return rehearsals.get(
            f"{mode}-{request.param}", lambda: scenario(request.param, mode), play=Changing
        )

    return get("push"), get("pull")


def rows(run: Run) -> dict[tuple[str, str], list[str]]:
    """Return body and table → all rows held, without what is drawn anew for each run."""
    found = {}
    for home in sorted((run.folder / "bodies").glob("*/data/lake/tables/*")):
        table = DeltaTable(home).to_pyarrow_table().drop_columns(["batch"])
        if "person_key" in table.column_names:
            table = table.drop_columns(["person_key"])
        found[home.parents[3].name, home.name] = sorted(map(repr, table.to_pylist()))
    return found


def test_pull_holds_and_releases_what_push_does(pair: tuple[Run, Run]) -> None:
    push, pull = pair
    assert pull.report["failed"] == []
    assert pull.report["held"] == push.report["held"]
    assert rows(pull) == rows(push) != {}
    assert pull.released("kidney") == push.released("kidney")
    assert verify(pull.folder).problems == ()


def test_a_pull_comes_when_the_body_wants_it_and_takes_what_changed(pair: tuple[Run, Run]) -> None:
    _, pull = pair
    mine = [one for one in pull.report["pulls"] if one["provider"] == FIRST]
    assert [one["day"] for one in mine] == list(range(0, 41, WEEK))
    assert [one["problems"] for one in mine] == [[]] * len(mine)
    first, second, *others = mine
    assert first["resources"] > 100
    assert (second["resources"], second["deleted"]) == (2, 1)
    assert all((one["files"], one["resources"], one["deleted"]) == (0, 0, 0) for one in others)
    daily = [one["day"] for one in pull.report["pulls"] if one["provider"] != FIRST]
    assert sorted(daily) == sorted(2 * list(range(41)))


def test_the_setting_changes_figures_and_is_no_longer_said_to_be_unmeasured(
    pair: tuple[Run, Run],
) -> None:
    push, pull = pair
    assert push.report["pulls"] == []
    figures = [run.report["measures"] for run in pair]
    assert [one["collection_delay_days"] for one in figures] == [0, WEEK - LATER]
    assert figures[0]["pull_requests"] == 0
    assert figures[1]["pull_requests"] == sum(one["requests"] for one in pull.report["pulls"])
    assert figures[1]["pull_requests"] > 4 * len(pull.report["pulls"])
    for run in pair:
        assert "open.mode" not in {one["key"] for one in run.report["not_measured_yet"]}
