"""Whole extracts over two holders: who is united by a history, who is not, and that it is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import exit_world as world
import extract_world as extracts
from exit_world import HEIR, LEAVER
from memory_town import SEED, START, MemoryTown
from sekisho.body.flows.conflicts import conflicts
from sekisho.commands import linkage
from sekisho.common.ids import BodyId, body_domain
from sekisho.framework import registries_for
from sekisho.synthetic import Person, person_of

FRAMEWORK = "4-several"
HOLDERS = (BodyId(HEIR), BodyId(LEAVER))
MOVED = [
    one
    for one in (person_of(SEED, number) for number in range(150))
    if len(one.episodes) == 2 and one.episodes[1].since < START
][:4]
FAR, NEAR, SEX, BIRTH = MOVED
"""Known by the old number at one holder and by the new at the other; by both at one holder; and two
of whom a history says that they are one, while their records speak of two."""


def plain(spec: dict[str, Any]) -> dict[str, Any]:
    return {key: getattr(value, "isoformat", lambda v=value: v)() for key, value in spec.items()}


def old(person: Person) -> dict[str, Any]:
    return plain(person.episodes[0].spec())


def new(person: Person) -> dict[str, Any]:
    return plain(person.episodes[1].spec())


def change(person: Person, *, split: bool = False) -> dict[str, Any]:
    return {
        "old": person.episodes[0].spec(),
        "new": person.episodes[1].spec(),
        "valid_from": person.episodes[1].since.isoformat(),
        "reason": "insurer-change",
        "split": split,
    }


@pytest.fixture
def town(tmp_path: Path) -> MemoryTown:
    """Nine registrations of four persons and of one who never moved; all is said of them."""
    made = world.town(FRAMEWORK, tmp_path)
    here = {1: old(FAR), 2: old(NEAR), 3: new(NEAR), 4: old(SEX), 5: new(SEX)}
    there = {1: new(FAR), 6: old(BIRTH), 7: new(BIRTH)}
    man = {"gender_concept_id": 8507, "gender_source_value": "male"}
    may = {"month_of_birth": 5}
    world.submit(
        made, HEIR, "here", {n: [f"h{n}"] for n in (*here, 9)}, known_as=here, said={5: man}
    )
    world.submit(
        made, LEAVER, "there", {n: [f"t{n}"] for n in there}, known_as=there, said={7: may}
    )
    made.begin()
    return made


def made(town: MemoryTown, application: str) -> dict[str, dict[str, int]]:
    """Make an extract today and return what each holder says of its linkage."""
    extracts.send_out(town, extracts.permit(town, application, HOLDERS, "additional"))
    assert extracts.project(town, application)["state"] == "ready"
    return {
        name.partition(":")[0]: {
            key: value for key, value in told.items() if key not in {"by_method"}
        }
        for name, told in extracts.quality(town, application).items()
    }


def persons(town: MemoryTown, application: str) -> int:
    """Return how many persons the environment sees, by its own tables."""
    rows = extracts.table(town, application, "condition_occurrence")
    people = extracts.table(town, application, "person")
    assert set(rows["person_id"].to_pylist()) == set(people["person_id"].to_pylist())
    assert rows.num_rows == 9  # united or not, no record is lost or doubled
    return people.num_rows


def test_the_work_list_names_what_differs_and_who_can_end_it(
    town: MemoryTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no more: a corrected record or a split ends a case, whichever comes."""
    town.change(*(change(one) for one in MOVED))
    town.begin()
    made(town, "study")
    here, there = conflicts(town.body(HEIR)), conflicts(town.body(LEAVER))
    assert [(one["differ"], one["registrations"]) for one in here] == [(["sex"], 2)]
    assert [(one["differ"], one["registrations"]) for one in there] == [(["birth-month"], 2)]
    (case,) = here
    assert case["providers"] == [world.CLINIC]
    assert case["extract"]["application"] == "study"
    assert [f"{body_domain(HEIR)}/{one}" in town.records(HEIR, "alias") for one in case["changes"]]
    monkeypatch.setattr(linkage, "opened", lambda folder: town.body(folder.name))
    printed = CliRunner().invoke(linkage.app, ["conflicts", HEIR]).output
    assert all(word in printed for word in (case["case"], world.CLINIC, "split", "別人"))
    shown = json.dumps([here, there]) + printed
    for person in MOVED:
        for one in person.episodes:
            assert one.spec()["insured"] not in shown

    town.change(change(SEX, split=True))
    corrected = {7: new(BIRTH)}
    world.submit(town, LEAVER, "corrected", {7: ["t7"]}, known_as=corrected)
    town.begin()
    assert conflicts(town.body(HEIR)) == conflicts(town.body(LEAVER)) == []
    assert "不一致はありません" in CliRunner().invoke(linkage.app, ["conflicts", HEIR]).output


NOTHING = {"aliases_used": 0, "merged": 0, "conflicts": 0}


def test_each_extract_says_whom_histories_united_and_whom_they_could_not(town: MemoryTown) -> None:
    assert made(town, "before") == {
        HEIR: {"persons": 6, **NOTHING},
        LEAVER: {"persons": 3, **NOTHING},
    }
    assert persons(town, "before") == 9

    town.change(*(change(one) for one in MOVED))
    town.begin()
    # Merged here: NEAR. In conflict: SEX here, BIRTH there, each kept as two. FAR's new number
    # leaves under the old one, so that the two holders' records meet in the environment.
    assert made(town, "united") == {
        HEIR: {"persons": 5, "aliases_used": 1, "merged": 1, "conflicts": 1},
        LEAVER: {"persons": 3, "aliases_used": 1, "merged": 0, "conflicts": 1},
    }
    assert persons(town, "united") == 7

    town.change(change(NEAR, split=True), change(SEX, split=True))
    town.begin()
    # What is revoked unites nobody and is nobody's conflict any more.
    assert made(town, "split") == {
        HEIR: {"persons": 6, **NOTHING},
        LEAVER: {"persons": 3, "aliases_used": 1, "merged": 0, "conflicts": 1},
    }
    assert persons(town, "split") == 8

    town.change(change(NEAR))
    town.begin()
    assert made(town, "again")[HEIR] == {
        "persons": 5,
        "aliases_used": 1,
        "merged": 1,
        "conflicts": 0,
    }
    assert persons(town, "again") == 7


def test_an_extract_that_a_late_list_stopped_is_made_once_when_the_list_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused while the holder's list is old, though a person opted out meanwhile; then made by
    itself, by the list that came, without that person, and not a second time."""
    town = world.town("2-2-certified", tmp_path)
    world.submit(town, HEIR, "here", {1: ["h1"], 2: ["h2"]})
    world.submit(town, LEAVER, "there", {1: ["t1"], 3: ["t3"]})
    (registry,) = {one for holder in HOLDERS for one in registries_for(town.framework, holder)}
    town.begin()
    lost = lose_lists(town, monkeypatch, registry, LEAVER)
    town.choose(registry, 3)
    for _ in range(2):
        town.begin()
    assert lost
    extracts.send_out(town, extracts.permit(town, "late", HOLDERS, "additional"))
    waiting = extracts.project(town, "late")
    assert (waiting["state"], waiting["held_up"]) == ("waiting", [LEAVER])
    (refused,) = town.entries(LEAVER, "message.refused")
    assert refused["code"] in ("opt-out.stale", "opt-out.list-gap")
    assert town.entries(LEAVER, "extract.sent") == []

    town.begin()
    assert extracts.project(town, "late")["state"] == "waiting", "still without a list"
    assert town.entries(LEAVER, "extract.sent") == []
    monkeypatch.undo()
    town.begin()
    made = extracts.project(town, "late")
    assert made["state"] == "ready"
    held = town.records(LEAVER, "held-list")[registry]["header"]["number"]
    (part,) = [one for name, one in made["parts"].items() if name.startswith(LEAVER)]
    assert part["lists"][registry]["number"] == held
    assert made["counts"]["included"] == 2
    before = extracts.table(town, "late", "condition_occurrence")
    assert before.num_rows == 3  # t3 is of who opted out while no list came
    for _ in range(2):
        town.begin()
    for holder in HOLDERS:
        assert len(town.entries(holder, "extract.sent")) == 1
    environment = extracts.environment_of(town, "late")
    assert len(town.entries(environment, "extract.made")) == 1
    assert extracts.table(town, "late", "condition_occurrence") == before


def lose_lists(
    town: MemoryTown, monkeypatch: pytest.MonkeyPatch, registry: str, holder: str
) -> list[str]:
    """Lose every transfer from a registry to a holder from now on; return the messages lost."""
    real = town.services[registry].deliver
    lost: list[str] = []

    def lose(message_id: str) -> str:
        out, _ = town.services[registry].body.store.outgoing(message_id)
        if (out.to, out.path) == (holder, "collection/payload"):
            lost.append(message_id)
            return "done"
        return real(message_id)

    monkeypatch.setattr(town.services[registry], "deliver", lose)
    return lost
