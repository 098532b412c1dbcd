"""Who asks at a desk sees exactly the own uses; a log that was lost is shown as missing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import cohort
import orjson
import pytest
from runs import FRAMEWORKS, Rehearsals, Run, standing

from sekisho.body.flows.uses import filled_up
from sekisho.body.keyring import Keyring, load_keys
from sekisho.common.ids import uses_domain
from sekisho.pseudonym.group import Element
from sekisho.rehearsal.scenario import Scenario, read_scenario

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("first-study")]

APPLICATION = "kidney"
every_framework = pytest.mark.parametrize("framework", FRAMEWORKS)
Study = Callable[[str], Run]


@every_framework
def test_exactly_the_included_see_the_use(study: Study, framework: str) -> None:
    run = study(framework)
    included = cohort.members(run) - cohort.out(run, "basic")
    root = cohort.roots(run)  # who changed the insurer is known under the oldest number
    asked = [root[run.scenario.key_of(one.person)] for one in run.scenario.view]
    assert 0 < len(included & set(asked)) < len(asked)
    for key, seen in zip(asked, run.report["views"], strict=True):
        assert seen["answered"] == 1
        assert (seen["used"], seen["not_used"]) == ((1, 0) if key in included else (0, 1))
        assert seen["missing"] == seen["not_yet"] == 0


@every_framework
def test_who_asks_sees_the_choices_in_force(study: Study, framework: str) -> None:
    run = study(framework)
    for one, seen in zip(run.scenario.view, run.report["views"], strict=True):
        on = run.scenario.start + timedelta(days=one.day)
        scopes = standing(run.scenario, on).get(run.scenario.key_of(one.person), set())
        registries = sum(1 for told in run.report["lists"].values() if told["issued"])
        assert seen["choices"] in ({0} if not scopes else {len(scopes), len(scopes) * registries})


@every_framework
def test_the_index_holds_exactly_the_included_wrapped_and_filled_up(
    study: Study, framework: str
) -> None:
    run = study(framework)
    keys, stored = _index(run)
    held = {bytes(keys.unwrap(one)) for one in stored}
    included = cohort.members(run) - cohort.out(run, "basic")
    known = {_pseudonym(run, key): key for key in cohort.people(run)}
    assert {known[one] for one in held & known.keys()} == included
    assert len(held) == filled_up(len(included))
    use = run.report["uses"][APPLICATION]
    assert use == {"state": "received", "included": len(included), "released": use["released"]}
    assert use["released"] == len(run.released(APPLICATION)) > 0
    assert run.entries("use.indexed") == 1


@every_framework
def test_nobody_keeps_that_somebody_was_not_found(study: Study, framework: str) -> None:
    """A view of one who is not in the project leaves the pseudonym nowhere, wrapped or not."""
    run = study(framework)
    keys, _ = _index(run)
    included = cohort.members(run) - cohort.out(run, "basic")
    asked = {run.scenario.key_of(one.person) for one in run.scenario.view}
    needles: list[bytes] = []
    for key in asked - included:
        element = _pseudonym(run, key)
        needles += [element, element.hex().encode(), keys.wrap(Element(element)).encode()]
    assert needles
    for file in (run.folder / "bodies").rglob("*"):
        data = file.read_bytes() if file.is_file() else b""
        assert not any(needle in data for needle in needles), file.name


def _pseudonym(run: Run, key: Any) -> bytes:
    return run.pseudonym_in(uses_domain(APPLICATION, "oversight"), key)


def _index(run: Run) -> tuple[Keyring, set[str]]:
    home = run.folder / "bodies" / "oversight"
    with sqlite3.connect(f"file:{home / 'control.sqlite3'}?mode=ro", uri=True) as database:
        rows = database.execute("SELECT data FROM store_record WHERE kind = 'use-index'").fetchall()
    stored = {one for (data,) in rows for one in orjson.loads(data)["persons"]}
    return load_keys(home / "keys"), stored


SMALL = """
framework = "4-single"
start = 2026-04-01
seed = 7
[[provider]]
code = "1310000001"
name = "第一病院"
operator = "alpha"
[population]
persons = 24
formats = ["uke"]
[[application]]
id = "lost"
day = 1
applicant = "Example University"
purpose = "research"
tables = ["person", "condition_occurrence"]
[application.cohort]
codes = ["8833421"]
[[application]]
id = "declined"
day = 1
applicant = "Example Company"
purpose = "commercial"
tables = ["person", "condition_occurrence"]
votes = "reject"
[application.cohort]
codes = ["8833421"]
[[view]]
day = 21
person = { number = 1 }
[[view]]
day = 24
person = { number = 1 }
"""


@pytest.fixture(scope="module")
def lost(rehearsals: Rehearsals, tmp_path_factory: pytest.TempPathFactory) -> Run:
    file: Path = tmp_path_factory.mktemp("lost") / "small.toml"
    file.write_text(SMALL, "utf-8")

    def scenario() -> Scenario:
        return read_scenario(file)

    return rehearsals.get("uses-log-lost", scenario, faults=("uses-log-lost",))


def test_a_log_that_was_lost_shows_as_missing_and_a_declined_project_not_at_all(lost: Run) -> None:
    first, later = lost.report["views"]
    assert (first["not_yet"], first["missing"], first["used"], first["not_used"]) == (1, 0, 0, 0)
    assert (later["not_yet"], later["missing"], later["used"], later["not_used"]) == (0, 1, 0, 0)
    assert lost.report["projects"]["lost"]["state"] == "ready"
    assert {name: one["state"] for name, one in lost.report["uses"].items()} == {"lost": "missing"}
    standing_alarms = [
        (body, one["code"])
        for body, alarms in lost.report["alarms"].items()
        for one in alarms
        if one["cleared"] is None
    ]
    assert ("oversight", "uses.missing") in standing_alarms
