"""Lists at a holder: taken in order, asked for again, never exchanged; alarms stand once."""

from __future__ import annotations

from pathlib import Path

import pytest

from memory_town import ROOT, START, MemoryTown
from sekisho.body.flows import alarms
from sekisho.body.ports import Outcome
from sekisho.common.canonical import canonical_json

REGISTRY, HOLDER = "national", "alpha"


@pytest.fixture
def town(tmp_path: Path) -> MemoryTown:
    made = MemoryTown(ROOT / "frameworks" / "2-1.toml", tmp_path)
    made.begin(START)
    made.choose(REGISTRY, 3)
    made.begin()
    return made


def held(town: MemoryTown) -> int:
    return int(town.records(HOLDER, "held-list")[REGISTRY]["header"]["number"])


def commit(town: MemoryTown, outcome: Outcome) -> None:
    for kind, key, data in outcome.put:
        town.body(HOLDER).store.put(kind, key, data)


def test_a_holder_that_lost_its_lists_gets_all_of_them_and_takes_the_newest(
    town: MemoryTown,
) -> None:
    before = town.records(HOLDER, "held-list")
    town.begin()
    store = town.body(HOLDER).store
    for kind, since in (("held-list", 0), ("held-list", 2)):
        for registry in town.records(HOLDER, kind):
            store.drop(kind, registry)
        if since:
            store.put(kind, REGISTRY, before[REGISTRY])
        town.tell(HOLDER, REGISTRY, "opt_out/lists-since", {"since": since})
        town.settle()
        assert held(town) == 3
        assert len(town.records(HOLDER, "held-list")[REGISTRY]["entries"]) == 1
    resent = town.entries(REGISTRY, "optout.list.resent")
    assert [(one["first"], one["number"]) for one in resent] == [(1, 3), (3, 3)]


def test_asking_again_for_what_one_has_is_answered_and_changes_nothing(town: MemoryTown) -> None:
    before = town.records(HOLDER, "held-list")
    for since in (0, held(town), 99):
        town.tell(HOLDER, REGISTRY, "opt_out/lists-since", {"since": since})
        town.settle()
    assert town.records(HOLDER, "held-list") == before
    assert alarms.shown(town.body(HOLDER)) == []


@pytest.mark.parametrize("message", [b"{}", b"[]", b'{"since": "x"}', b"no json"])
def test_a_question_without_a_number_is_refused(town: MemoryTown, message: bytes) -> None:
    peer = town.deployment.directory.find(REGISTRY)
    town.body(HOLDER).client.post(peer, "/exchange/opt_out/lists-since", message)
    town.settle()
    assert [one["code"] for one in town.entries(REGISTRY, "message.refused")] == ["opt-out.since"]


def test_who_is_bound_by_no_list_of_the_registry_gets_none(town: MemoryTown) -> None:
    town.tell("history", REGISTRY, "opt_out/lists-since", {"since": 0})
    town.settle()
    (refused,) = town.entries(REGISTRY, "message.refused")
    assert refused["code"] == "opt-out.not-a-reader"


def test_an_alarm_stands_once_with_its_first_day_until_it_is_cleared(town: MemoryTown) -> None:
    body = town.body(HOLDER)
    raised = Outcome()
    alarms.raise_(raised, body, "k", "opt-out.gap", peer=REGISTRY, lists=2)
    alarms.raise_(raised, body, "k", "opt-out.gap", peer=REGISTRY, lists=2)
    commit(town, raised)
    town.begin()
    town.begin()
    again = Outcome()
    alarms.raise_(again, body, "k", "opt-out.gap", peer=REGISTRY, lists=3)
    assert again.put == again.facts == []
    (shown,) = alarms.shown(body)
    assert (shown["owner"], shown["days"], shown["cleared"]) == ("opt-out-officer", 2, None)
    cleared = Outcome()
    alarms.clear(cleared, body, "k")
    alarms.clear(cleared, body, "k")
    commit(town, cleared)
    assert [fact.kind for fact in raised.facts + cleared.facts] == ["alarm.raised", "alarm.cleared"]
    assert raised.facts[0].body["counts"] == {"lists": 2}
    assert raised.facts[0].body["about"] == [f"peer={REGISTRY}"]
    assert not alarms.stands(body, "k")
    assert canonical_json(alarms.shown(body))
