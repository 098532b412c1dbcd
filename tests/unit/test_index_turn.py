"""The index of uses turns with the epoch: persons see the same, and no former secret is needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from extract_world import permit
from memory_town import ROOT, START, MemoryTown
from sekisho.body.flows import countersign, epochs, indexturn, uses
from sekisho.body.flows.permits import read_permit
from sekisho.body.ports import Incoming
from sekisho.common.canonical import canonical_json, digest_of
from sekisho.common.errors import PeerError, Refusal
from sekisho.common.ids import Domain, uses_domain
from sekisho.pseudonym.group import Element
from uses_world import HEART, KIDNEY, index, log_of, oversight, pseudonym, used, view


@pytest.fixture
def town(tmp_path: Path) -> MemoryTown:
    made = MemoryTown(ROOT / "frameworks" / "2-1.toml", tmp_path)
    made.begin(START)
    index(made, "heart", HEART)
    index(made, "kidney", KIDNEY)
    return made


def rotate(town: MemoryTown) -> None:
    first = town.framework.with_role("converter")[0]
    town.tell(first, first, "conversion/rotate", {"deadline_days": 14})


def held(town: MemoryTown, application: str) -> set[Element]:
    """Return whom the index of a project holds."""
    body = town.body(oversight(town))
    kept = body.store.find(uses.INDEX, f"{application}:")
    return {body.keys.unwrap(one) for _, record in kept for one in record["persons"]}


def test_the_included_and_nobody_else_see_their_uses_in_every_epoch(town: MemoryTown) -> None:
    for epoch in (1, 2):
        rotate(town)
        town.settle()
        town.begin()
        for application, inside in (("heart", HEART), ("kidney", KIDNEY)):
            assert held(town, application) == {
                pseudonym(town, application, one, epoch) for one in inside
            }
        for person in range(1, 7):
            seen = view(town, person)
            assert seen is not None
            expected = {n for n, of in (("heart", HEART), ("kidney", KIDNEY)) if person in of}
            assert used(seen) == expected
            assert len(seen.of("not_used")) == 2 - len(expected)


def test_a_persons_part_and_a_list_to_compare_turn_with_the_index(town: MemoryTown) -> None:
    body = town.body(oversight(town))
    old = [body.keys.wrap(pseudonym(town, "heart", one)) for one in sorted(HEART)]
    parts = [["national", "basic"], ["alpha", "additional"]]
    for name, persons in uses.buckets_of(old).items():
        marks = {one: f"{old.index(one) % 2}1" for one in persons}
        body.store.put(uses.PARTS, f"heart:{name}", {"parts": parts, "persons": marks})
    listed = {"digest": "0" * 64, "entries": {old[0]: ["all"]}}
    body.store.put(countersign.LISTED, "heart:national:1", listed)
    rotate(town)
    town.settle()
    new = [body.keys.wrap(pseudonym(town, "heart", one, 1)) for one in sorted(HEART)]
    marks = {}
    for key, kept in body.store.find(uses.PARTS, "heart:"):
        assert kept["parts"] == parts
        assert {f"heart:{one[: uses.BUCKET_DIGITS]}" for one in kept["persons"]} == {key}
        marks |= kept["persons"]
    assert marks == {one: f"{number % 2}1" for number, one in enumerate(new)}
    assert body.store.get(countersign.LISTED, "heart:national:1") == {
        **listed,
        "entries": {new[0]: ["all"]},
    }


@pytest.mark.parametrize("lost", ["dropped", "emptied", "another person in it"])
def test_a_part_that_was_lost_before_the_turn_never_becomes_no_use(
    town: MemoryTown, lost: str
) -> None:
    body = town.body(oversight(town))
    wrapped = body.keys.wrap(pseudonym(town, "kidney", 3))
    key = f"kidney:{wrapped[: uses.BUCKET_DIGITS]}"
    if lost == "dropped":
        body.store.drop(uses.INDEX, key)
    else:
        other = body.keys.wrap(pseudonym(town, "heart", 1))
        body.store.put(uses.INDEX, key, {"persons": [] if lost == "emptied" else [other]})
    rotate(town)
    town.settle()
    assert held(town, "kidney") == set()
    for person in (3, 4, 1):
        seen = view(town, person)
        assert seen is not None
        assert "kidney" not in {one.application for one in seen.of("not_used")} | used(seen)
    turned = {one["application"]: one["whole"] for one in town.entries(body.id, "use.turned")}
    assert turned == {"heart": True, "kidney": False}
    body.store.put(uses.LOG, "kidney", log_of(town, "kidney", moved_on=START, epoch=1).payload())
    assert used(view(town, 3)) == {"heart"}


def steps(town: MemoryTown, until: str) -> Iterator[None]:
    """Do what waits, one by one, up to the first message for a path at the oversight body."""
    while town.tasks:
        body, what, message_id = town.tasks.popleft()
        service = town.services[body]
        if what == "handle" and service.body.store.incoming(message_id).path == until:
            town.tasks.appendleft((body, what, message_id))
            return
        _ = service.handle(message_id) if what == "handle" else service.deliver(message_id)
        yield


def test_until_a_projects_index_has_turned_who_needs_it_comes_back_later(town: MemoryTown) -> None:
    rotate(town)
    for _ in steps(town, "oversight/turn-index"):
        pass
    body = town.body(oversight(town))
    assert body.epoch == 1
    assert indexturn.behind(body, 1) == ["heart", "kidney"]
    converter = town.framework.with_role("converter")[0]
    assert body.id not in town.records(converter, "rotation")["now"]["turned"]
    with pytest.raises(PeerError) as waits:
        uses.is_included(body, "heart", [pseudonym(town, "heart", 2, 1)])
    assert waits.value.code == "peer.unreachable"
    town.settle()
    assert indexturn.behind(body, 1) == []
    assert body.id in town.records(converter, "rotation")["now"]["turned"]
    assert uses.is_included(body, "heart", [pseudonym(town, "heart", 2, 1)])


def test_an_index_that_is_behind_is_turned_at_the_days_cut_off(town: MemoryTown) -> None:
    rotate(town)
    town.settle()
    body = town.body(oversight(town))
    index(town, "late", {4})  # as it was kept before the index turned with epochs
    town.begin()
    assert indexturn.behind(body, 1) == []
    assert used(view(town, 4)) == {"kidney", "late"}


def test_turning_an_index_again_changes_nothing(town: MemoryTown) -> None:
    rotate(town)
    town.settle()
    body = town.body(oversight(town))
    before = dict(body.store.find(uses.INDEX)) | dict(body.store.find(uses.LOG))
    said = town.folder / "again"
    said.write_bytes(canonical_json({"application": "heart"}))
    told = Incoming("1", body.id, "oversight/turn-index", {}, "application/json", said)
    outcome = indexturn.turn(body, told)
    assert (outcome.put, outcome.drop, outcome.facts) == ([], [], [])
    assert dict(body.store.find(uses.INDEX)) | dict(body.store.find(uses.LOG)) == before


def test_a_projects_log_begins_in_the_epoch_in_force(town: MemoryTown) -> None:
    rotate(town)
    town.settle()
    body = town.body(oversight(town))
    text = permit(town, "study", ["national"], "basic", epoch=1)
    (kind, key, kept) = uses.begin(body, read_permit(body, text)).put[0]
    assert (kind, key, kept["epoch"]) == (uses.LOG, "study", 1)


def test_only_the_oversight_body_gets_the_ratio_of_an_index(town: MemoryTown) -> None:
    rotate(town)
    town.settle()
    converter = town.body(str(town.framework.with_role("converter")[0]))

    def ask(who: str, domain: Domain) -> Any:
        asked = canonical_json({"domain": domain, "from": 0, "to": 1})
        return epochs.give_ratio(converter, who, {}, asked)["sealed"]

    assert ask(oversight(town), uses_domain("heart", oversight(town)))
    for who, owner in (("national", oversight(town)), ("national", "national")):
        with pytest.raises(Refusal):
            ask(who, uses_domain("heart", owner))


def test_the_ledger_names_the_turned_index_by_its_digest(town: MemoryTown) -> None:
    rotate(town)
    town.settle()
    body = town.body(oversight(town))
    for entry in town.entries(body.id, "use.turned"):
        log = uses.log_of(body, entry["application"])
        assert log is not None
        assert entry["digest"] == digest_of(log.buckets)
        assert (entry["epoch"], entry["whole"]) == (1, True)
