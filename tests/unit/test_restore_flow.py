"""Any body comes back from an old backup, opens by itself, and nothing stops or is revived."""

from __future__ import annotations

from pathlib import Path

import pytest

import restore_world as world
from memory_town import DESK, ROOT, SEED, START, MemoryTown, change_of
from sekisho.body.flows import aliases, desk
from sekisho.body.generations import ledger_before
from sekisho.common.ids import body_domain
from sekisho.control.ledger import Held, TileLog, TreeHead, origin_of
from sekisho.framework import alias_receivers, desks, registries
from sekisho.rehearsal.ledgers import Ledgers
from sekisho.synthetic import person_of

CASES = [
    ("2-1", "history", True),
    ("2-1", "converter", False),
    ("2-1", "oversight", False),
    ("2-1", "alpha", True),
    ("2-1", "national", False),
    ("2-1", "national", True),
    ("4-several", "alpha", True),
]
"""Framework, who is lost, and whether the epoch turned between backup and restore."""
MOVED = [one for n in range(10, 100) if len((one := person_of(SEED, n)).episodes) == 2]
BEFORE, LISTED, LATE = 5, 6, 7
"""Persons: who chose before the backup, after it, and on the day of the loss."""


def lost(framework: str, victim: str, folder: Path, *, turns: bool = False) -> MemoryTown:
    """Return a town in which ``victim`` is back with an older state and has done all it can."""
    town = MemoryTown(ROOT / "frameworks" / f"{framework}.toml", folder)
    town.begin(START)
    where = victim if victim in desks(town.framework) else desks(town.framework)[0]
    town.choose(where, BEFORE)
    town.begin()
    town.begin()
    saved = world.back_up(town, victim)
    town.choose(where, LISTED)
    town.change(change_of(MOVED[0]))
    town.begin()
    town.begin()
    if turns:
        first = town.framework.with_role("converter")[0]
        town.tell(first, first, "conversion/rotate", {"deadline_days": 14})
        town.settle()
        town.begin()
    town.choose(where, LATE)
    world.bring_back(town, saved)
    world.work(town)
    return town


def goes_on(town: MemoryTown, victim: str) -> None:
    """Assert that days go by without an alarm, and that each brings a list to each holder."""
    assert world.is_open(town, victim)
    for _ in range(3):
        town.begin()
    assert [one for one in town.alarms() if one["cleared"] is None] == []
    for registry in registries(town.framework):
        head = town.records(registry, "list-head")[registry]
        assert head["on"] == town.today.isoformat()
        for holder in {to.partition(":")[2] for to in alias_receivers(town.framework)}:
            held = town.records(holder, "held-list").get(registry)
            assert held is None or held["header"]["digest"] == head["digest"]


@pytest.mark.parametrize(("framework", "victim", "turns"), CASES)
def test_a_restored_body_opens_and_days_go_on(
    framework: str, victim: str, turns: bool, tmp_path: Path
) -> None:
    town = lost(framework, victim, tmp_path, turns=turns)
    assert town.body(victim).epoch == int(turns)
    goes_on(town, victim)
    where = victim if victim in desks(town.framework) else desks(town.framework)[0]
    # Who chose at a desk on the day of its loss is known by a receipt only, see below.
    assert len(town.records(where, "registry")) == (2 if where == victim else 3)


@pytest.mark.parametrize("victim", ["converter", "oversight"])
def test_a_converter_whose_newest_secret_was_lost_stays_closed(victim: str, tmp_path: Path) -> None:
    """Another secret under the old number would give every person a second pseudonym."""
    town = lost("2-1", victim, tmp_path, turns=True)
    assert not world.is_open(town, victim)
    assert list(town.body(victim).keys.converter().secrets) == [0]


def test_changes_of_numbers_after_the_loss_reach_everyone(tmp_path: Path) -> None:
    """The restored service gives no number of a batch a second time."""
    town = lost("2-1", "history", tmp_path)
    goes_on(town, "history")
    assert len(town.entries("history", "alias.lost")) == 1
    alpha = body_domain("alpha")
    before = aliases.taken(town.body("alpha"), alpha)[0]
    town.change(change_of(MOVED[1]))
    town.begin()
    town.begin()
    assert aliases.taken(town.body("alpha"), alpha)[0] == before + 1
    assert len(aliases.events_at(town.body("alpha"), alpha)) == 2
    assert [one for one in town.alarms() if one["cleared"] is None] == []


def test_a_choice_that_a_desk_lost_is_stated_again_as_its_receipt_says(tmp_path: Path) -> None:
    town, home = MemoryTown(ROOT / "frameworks" / "2-1.toml", tmp_path), "national"
    town.begin(START)
    saved = world.back_up(town, home)
    town.choose(home, LATE)
    (file,) = (town.body(home).folders.documents / "choices").iterdir()
    receipt = file.read_text()
    world.bring_back(town, saved)
    world.work(town)
    (window,) = desk.work(town.body(home), DESK, {}, b"")["lost"]
    assert window["since"] <= START.isoformat() <= window["until"]
    assert not town.records(home, "choice")
    town.begin()
    town.choose(home, LATE, receipt=receipt)
    town.choose(home, LATE, receipt=receipt)  # twice at the desk is once
    town.begin()
    (kept,) = town.records(home, "registry").values()
    (choice,) = kept["choices"]
    assert choice["ref"] == file.stem
    assert choice["recorded_on"] == choice["effective_from"] == START.isoformat()
    town.choose(home, BEFORE, "data:basic", receipt=receipt)  # another choice than it confirms
    codes = {one["code"] for one in town.entries(home, "message.refused")}
    assert codes == {"opt-out.other-receipt"}
    assert len(town.records(home, "choice")) == 1


def test_a_head_that_a_permit_rests_on_is_looked_for_in_its_generation(tmp_path: Path) -> None:
    town = lost("2-1", "alpha", tmp_path)
    folders = town.body("alpha").folders
    old, new = TileLog(ledger_before(folders, 1)), TileLog(folders.ledger)
    assert old.size > 2
    assert new.size > 2

    def wrong(number: int, size: int, root: bytes) -> int:
        book = Ledgers(town.framework, town.body("alpha").directory)
        head = TreeHead(origin_of("alpha", number), size, root)
        book.held["alpha"] = [Held("the permit for kidney", head)]
        places = (ledger_before(folders, 1), folders.ledger)
        return sum(len(book.problems("alpha", folders, place)) for place in places)

    for number, log in ((1, old), (2, new)):
        assert wrong(number, log.size, log.edge().root()) == 0
        assert wrong(number, log.size - 1, bytes(32)) == 1
    assert wrong(1, old.size + 5, bytes(32)) == 0  # written after the backup, lost with the body
    assert wrong(2, new.size + 5, bytes(32)) == 1
