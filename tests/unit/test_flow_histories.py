"""Changes of numbers from an insurer to every holder and registry: whole, in order, opaque."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from memory_town import INSURER, ROOT, SEED, START, MemoryTown, change_of
from sekisho.body.flows import alarms, aliases, transfer
from sekisho.body.flows.histories import numbers_of
from sekisho.body.ports import Outgoing
from sekisho.common.errors import Refusal
from sekisho.common.ids import Domain, body_domain, registry_domain
from sekisho.exchange import parcel
from sekisho.framework import alias_receivers
from sekisho.synthetic import Person, person_of

NATIONAL, ALPHA = body_domain("national"), body_domain("alpha")
REGISTRY = registry_domain("national")
MOVED = next(
    person
    for person in (person_of(SEED, n) for n in range(100))
    if len(person.episodes) == 2 and person.episodes[1].since < START
)


@pytest.fixture
def town(tmp_path: Path) -> MemoryTown:
    made = MemoryTown(ROOT / "frameworks" / "2-1.toml", tmp_path)
    made.begin(START)
    return made


def change(person: Person = MOVED, **more: Any) -> dict[str, Any]:
    return change_of(person, **more)


def united(town: MemoryTown, to: Domain) -> Mapping[str, str]:
    body = town.body(to.partition(":")[2])
    return aliases.roots(body, to, town.today, town.today)


def kept(town: MemoryTown, to: Domain) -> int:
    return aliases.taken(town.body(to.partition(":")[2]), to)[0]


def test_every_holder_and_registry_keeps_the_change_under_pseudonyms_of_its_own(
    town: MemoryTown,
) -> None:
    town.change(change())
    assert united(town, ALPHA) == {}
    town.begin()
    receivers = alias_receivers(town.framework)
    assert set(receivers) == {NATIONAL, ALPHA, body_domain("beta"), REGISTRY}
    seen: list[str] = []
    refs: list[str] = []
    for to in receivers:
        found = united(town, to)
        assert len(found) == 2
        assert len(set(found.values())) == 1
        seen += found
        refs += [
            key.rpartition("/")[2]
            for key in town.records(to.split(":")[1], "alias")
            if key.startswith(to)
        ]
    assert len(set(seen)) == len(seen)
    assert len(set(refs)) == len(receivers)  # nor can two join by what the event is called
    assert all(one["kept"] for one in town.records("history", "alias-sent").values())


def test_a_batch_does_not_show_how_many_changes_it_carries(town: MemoryTown) -> None:
    counts = []
    for number in range(2):
        person = [person_of(SEED, n) for n in range(60) if len(person_of(SEED, n).episodes) > 1]
        town.change(*(change(one) for one in person[number : 1 + 3 * number]))
        town.begin()
        counts.append(
            {
                e["count"]
                for e in town.entries("oversight", "conversion.done")
                if e["reason_kind"] == "alias"
            }
        )
    assert counts == [{20}, {20}]  # padded to 16, written in tens


def test_what_comes_again_is_acknowledged_and_changes_nothing(town: MemoryTown) -> None:
    town.change(change())
    town.begin()
    before = {name: town.records(name, "alias") for name in ("national", "alpha", "beta")}
    town.tell("alpha", "history", "history/aliases-since", {"to": ALPHA, "since": 0})
    town.settle()
    town.change(change())  # the insurer says it twice
    town.begin()
    assert {name: town.records(name, "alias") for name in before} == before
    said = [one["counts"] for one in town.entries("history", "alias.recorded")]
    assert [one["repeated"] for one in said] == [0, 10]  # in tens


def test_a_lost_batch_is_noticed_by_both_sides_and_comes_again(
    town: MemoryTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [p for p in (person_of(SEED, n) for n in range(60)) if len(p.episodes) > 1]
    real = town.services["oversight"].deliver
    sent: list[Outgoing] = []

    def lose(message_id: str) -> str:
        out, _ = town.services["oversight"].body.store.outgoing(message_id)
        if out.to == "alpha" and out.path == "collection/pseudonyms" and not sent:
            data = out.file.read_bytes() if out.file else out.body
            token = parcel.unpack(data, each="reasons")[0]["reasons"][0]
            if transfer.verify_reason(town.body("alpha"), token)[0].kind == "alias":
                sent.append(out)
                return "done"
        return real(message_id)

    monkeypatch.setattr(town.services["oversight"], "deliver", lose)
    town.change(change())
    town.begin()
    assert (kept(town, ALPHA), kept(town, NATIONAL)) == (0, 1)
    town.change(change(others[0]))
    town.begin()
    raised = {
        name: [a["code"] for a in alarms.shown(town.body(name))] for name in ("alpha", "history")
    }
    assert raised["history"] == ["alias.unacknowledged"]
    assert kept(town, ALPHA) == 2
    assert len(united(town, ALPHA)) == 4
    town.begin()
    assert not alarms.stands(town.body("alpha"), f"aliases:{ALPHA}")
    assert not alarms.stands(town.body("history"), f"aliases-to:{ALPHA}")


def test_what_comes_before_its_turn_waits_and_the_missing_is_asked_for(town: MemoryTown) -> None:
    town.change(change())
    town.begin()
    store = town.body("alpha").store
    others = [p for p in (person_of(SEED, n) for n in range(60)) if len(p.episodes) > 1]
    for kind in ("alias", "alias-head"):
        for key in town.records("alpha", kind):
            store.drop(kind, key)
    town.change(change(others[0]))
    town.begin()
    assert kept(town, ALPHA) == 2
    assert len(united(town, ALPHA)) == 4
    (alarm,) = [a for a in alarms.shown(town.body("alpha")) if a["code"] == "alias.gap"]
    assert alarm["cleared"] is not None


def test_a_split_gives_both_numbers_their_own_again_and_keeps_the_past(town: MemoryTown) -> None:
    town.change(change())
    town.begin()
    linked = town.today
    town.begin()
    town.change(change(split=True))
    town.begin()
    body = town.body("alpha")
    assert united(town, ALPHA) == {}
    assert len(aliases.roots(body, ALPHA, linked, linked)) == 2
    assert len(town.records("alpha", "alias")) == 2  # nothing is overwritten
    town.change(change())
    town.begin()
    assert len(united(town, ALPHA)) == 2


def test_a_choice_follows_the_person_to_a_new_number(town: MemoryTown) -> None:
    """Said under the old number: the list names both; said under neither, nobody is named twice."""
    town.choose("national", MOVED.number)
    town.begin()
    (entry,) = town.records("national", "list-head").values()
    assert entry["count"] == 1
    town.change(change())
    town.begin()
    (entry,) = town.records("national", "list-head").values()
    assert entry["count"] == 2
    held = town.records("alpha", "held-list")["national"]
    assert set(held["entries"]) == set(united(town, ALPHA))
    town.choose("national", MOVED.number, revoke=True)
    town.begin()
    (entry,) = town.records("national", "list-head").values()
    assert entry["count"] == 0


def test_the_history_service_knows_all_standing_numbers_of_who_asks(town: MemoryTown) -> None:
    body, (old, new) = town.body("history"), MOVED.numbers()[:2]
    assert numbers_of(body, new) == [new]
    town.change(change())
    assert set(numbers_of(body, new)) == set(numbers_of(body, old)) == {old, new}
    town.change(change(split=True))
    assert numbers_of(body, new) == [new]
    town.change(change())
    assert numbers_of(body, new)[0] == new
    assert set(numbers_of(body, new)) == {old, new}


def test_forms_that_cannot_be_read_are_counted_and_the_others_are_kept(town: MemoryTown) -> None:
    my_number = {"insured": "06132013:12:123456789018:01"}
    town.change(
        change(),
        change(new=my_number),
        change(valid_from="yesterday"),
        change(reason="because"),
        change(new=MOVED.episodes[0].spec()),
        change(split=True, old=my_number),
    )
    (said,) = town.entries("history", "alias.recorded")
    counts = {"recorded": 10, "unreadable": 10, "revoked": 0, "repeated": 0}
    assert said["counts"] == counts


def test_only_an_insurer_may_tell_and_only_an_owner_may_ask(town: MemoryTown) -> None:
    for sender in ("observer", "alpha", "desk-client"):
        with pytest.raises(Refusal):
            town.tell(sender, "history", "history/change", {})
    with pytest.raises(Refusal):
        town.tell(INSURER, "history", "history/aliases-since", {"to": ALPHA, "since": 0})
    for path in ("history/aliases-since", "history/alias-kept"):
        town.tell("beta", "history", path, {"to": ALPHA, "since": 0, "number": 1, "digest": "x"})
    town.settle()
    refused = [one["code"] for one in town.entries("history", "message.refused")]
    assert refused == ["alias.not-yours"] * 2


def test_nobody_but_the_history_service_can_send_aliases(town: MemoryTown) -> None:
    """The converters' desk refuses the batch, and a receiver would not take its payload."""
    town.change(change())
    town.begin()
    sent = [
        out for out, _ in town.body("history").store.sent.values() if out.path == "conversion/batch"
    ]
    assert sent[0].file is not None
    header, blobs = parcel.unpack(sent[0].file.read_bytes(), each="reasons")
    before = len(town.entries("converter", "conversion.refused"))
    again = parcel.pack(header, blobs)
    peer = town.deployment.directory.find("converter")
    town.body("alpha").client.post(peer, "/exchange/conversion/batch", again)
    town.settle()
    assert len(town.entries("converter", "conversion.refused")) == before + 1


def test_a_holder_that_lacks_a_batch_the_permit_counts_on_makes_no_extract(
    town: MemoryTown,
) -> None:
    town.change(change())
    town.begin()
    body = town.body("alpha")
    aliases.require_taken(body, ALPHA, 1)
    with pytest.raises(Refusal) as refused:
        aliases.require_taken(body, ALPHA, 2)
    assert refused.value.code == "alias.behind"


def test_a_framework_that_goes_by_numbers_alone_sends_and_unites_nothing(tmp_path: Path) -> None:
    text = (ROOT / "frameworks" / "2-1.toml").read_text("utf-8")
    file = tmp_path / "numbers.toml"
    file.write_text(text.replace('identifier = "history"', 'identifier = "number_only"'), "utf-8")
    town = MemoryTown(file, tmp_path / "town")
    town.begin(START)
    town.change(change())
    town.begin(date(2026, 4, 1) + timedelta(days=3))
    assert len(town.records("history", "change")) == 1
    assert not any(town.records(name, "alias") for name in town.services)
