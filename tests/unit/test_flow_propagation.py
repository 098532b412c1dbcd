"""Nothing between a person's desk and the holders is lost, late or twice without anyone noticing.

In every framework: each kind of message is dropped once, by each body that sends it. Within a day
somebody alarms; the flow mends itself, and in the end every holder has every choice.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from memory_town import ROOT, START, MemoryTown
from sekisho.body import delivery
from sekisho.framework import desks, framework_files, registries_for

FRAMEWORKS = framework_files(ROOT)
SEVERAL = ROOT / "frameworks" / "4-several.toml"
NEVER = "collection/payload:9999"
ACKNOWLEDGED = "opt_out/acknowledgement"


def begun(file: Path, folder: Path) -> MemoryTown:
    """Return a town on its third day, with a choice from each desk, where messages are counted."""
    town = MemoryTown(file, folder, faults=(f"drop:{NEVER}",))
    town.begin(START)
    for _ in range(2):
        choose(town)
        town.begin()
    assert town.alarms() == []
    return town


def choose(town: MemoryTown) -> None:
    """State a choice of another person at every desk."""
    for desk in desks(town.framework):
        town.choose(desk, len(choices(town)))


def choices(town: MemoryTown) -> list[str]:
    return [ref for name in town.services for ref in town.records(name, "choice")]


def sent(town: MemoryTown) -> list[tuple[str, str]]:
    """Return every (body, path) on which there were messages day by day."""
    return [
        (name, path)
        for name in town.services
        for path, kept in town.records(name, delivery.COUNTED).items()
        if kept["count"] > 1
    ]


def settled(town: MemoryTown) -> Iterator[str]:
    """Yield what is not in order: alarms that stand, holders that lack a choice."""
    halves = {"transfer.half-missing"}  # end with their reason, a week later
    for one in town.alarms():
        if one["cleared"] is None and one["code"] not in halves:
            yield f"{one['body']}: {one['code']}"
    for holder in town.services:
        persons = set()
        for registry in registries_for(town.framework, town.body(holder).id):  # type: ignore[arg-type]
            held = town.records(holder, "held-list").get(registry, {"entries": {}})
            persons |= set(held["entries"])
        if "collection" in town.body(holder).rooms and len(persons) != expected(town, holder):
            yield f"{holder}: {len(persons)} persons"


def expected(town: MemoryTown, holder: str) -> int:
    """Return how many persons' choices bind a holder: those of all desks, or only its own."""
    sync = town.framework.opt_out.sync
    alone = sync == "none" and len(desks(town.framework)) > 1
    return len(town.records(holder, "choice")) if alone else len(choices(town))


@pytest.mark.parametrize("file", FRAMEWORKS, ids=lambda file: file.stem)
def test_each_kind_of_message_lost_once_is_noticed_within_a_day_and_mended(
    file: Path, tmp_path: Path
) -> None:
    town = begun(file, tmp_path)
    missed = []
    for body, path in sent(town):
        choose(town)
        town.plant(f"drop:{path}:{town.next_on(body, path)}@{body}")
        town.begin()
        lost_on = town.today
        town.begin()
        if not town.alarms(since=lost_on):
            missed.append(f"{path} of {body}")
    assert missed == []
    town.plant()
    for _ in range(3):
        town.begin()
    assert list(settled(town)) == []


@pytest.mark.long
@pytest.mark.parametrize("sync", ["none", "lead", "joint_registry"])
def test_it_is_noticed_however_desks_share_their_choices(sync: str, tmp_path: Path) -> None:
    text = SEVERAL.read_text("utf-8").replace('sync = "replicated"', f'sync = "{sync}"')
    file = tmp_path / SEVERAL.name
    file.write_text(text, "utf-8")
    town = begun(file, tmp_path / "town")
    for body, path in sent(town):
        choose(town)
        town.plant(f"drop:{path}:{town.next_on(body, path)}@{body}")
        town.begin()
        lost_on = town.today
        town.begin()
        # A registry may issue two lists a day; who acknowledges the second has the first.
        assert town.alarms(since=lost_on) or path == ACKNOWLEDGED, f"{path} of {body}"
    town.plant()
    for _ in range(3):
        town.begin()
    assert list(settled(town)) == []


@pytest.mark.long
@pytest.mark.parametrize("kind", ["duplicate", "reorder"])
def test_what_comes_twice_or_in_another_order_changes_nothing(kind: str, tmp_path: Path) -> None:
    town = begun(SEVERAL, tmp_path)
    for body, path in sent(town):
        choose(town)
        town.plant(f"{kind}:{path}:{town.next_on(body, path)}@{body}")
        town.begin()
        town.begin()
    town.plant()
    for _ in range(3):
        town.begin()
    happened = [one for name in town.services for one in delivery.happened(town.body(name))]
    assert {one["kind"] for one in happened} == {kind}
    assert list(settled(town)) == []


def test_what_comes_days_late_is_noticed_and_no_older_list_comes_back(tmp_path: Path) -> None:
    town = begun(SEVERAL, tmp_path)
    for body, path in sent(town):
        choose(town)
        town.plant(f"delay:{path}:{town.next_on(body, path)}:2@{body}")
        town.begin()
        late_on = town.today
        town.begin()
        assert town.alarms(since=late_on), f"{path} of {body}"
        town.begin()
    town.plant()
    for _ in range(3):
        town.begin()
    assert list(settled(town)) == []


def test_one_message_in_a_hundred_lost_is_noticed(tmp_path: Path) -> None:
    town = begun(SEVERAL, tmp_path)
    town.plant("drop-share:0.01")
    lost: set[str] = set()
    while len(lost) < 2:
        choose(town)
        town.begin()
        lost = {one["on"] for name in town.services for one in delivery.happened(town.body(name))}
    town.plant()
    town.begin()
    for day in sorted(lost):
        later = [one for one in town.alarms() if one["since"] > day]
        assert later, day
    for _ in range(3):
        town.begin()
    assert list(settled(town)) == []
