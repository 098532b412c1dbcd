"""A former epoch's secret is destroyed when nothing needs it, stays so, and nobody misses it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import exit_world as world
import extract_world as extracts
import restore_world
from exit_world import HEIR, LEAVER
from memory_town import MemoryTown
from sekisho.body.flows import destruction, epochs, keyshares, resending
from sekisho.body.flows.exit import left
from sekisho.body.keyring import converter_file, read_converter
from sekisho.common.canonical import canonical_json
from sekisho.common.errors import PeerError, Refusal, TamperError
from sekisho.common.ids import BodyId, body_domain
from sekisho.common.secretfile import destroy_secret, read_secret, write_secret
from sekisho.exchange import jws
from sekisho.exchange.destruction import KIND, read_destruction
from uses_world import index, used, view

CONVERTERS = ("converter", "oversight")
HOLDERS = (BodyId(HEIR), BodyId(LEAVER))
IN_PROJECT = {2, 3}


def begun(folder: Path) -> MemoryTown:
    """Return a town with records at two operators, a choice, and a project in the index."""
    town = world.town("4-several", folder)
    for holder in HOLDERS:
        world.submit(town, holder, f"to-{holder}", {n: [f"{holder}{n}"] for n in (1, 2, 3)})
    town.choose(LEAVER, 1)
    town.begin()
    index(town, "before", IN_PROJECT)
    return town


def rotated(folder: Path, *, days: int | None = None) -> MemoryTown:
    """Return the same after a rotation, so many days after its end (enough, if not said)."""
    town = begun(folder)
    town.tell("converter", "converter", "conversion/rotate", {"deadline_days": 14})
    town.settle()
    town.begin()
    town.begin(town.today + timedelta(days=kept(town) + 1 if days is None else days))
    return town


def kept(town: MemoryTown) -> int:
    """Return for how many days messages are kept for a restored body."""
    return resending.rule(town.body("converter")).keep_sent_days


@pytest.fixture
def town(tmp_path: Path) -> MemoryTown:
    return rotated(tmp_path)


def order(town: MemoryTown, converter: str, epoch: int = 0, name: str = "1") -> Mapping[str, Any]:
    """Give the order as the converter's operator does; return what is told of it."""
    town.tell(converter, converter, "conversion/destroy", {"epoch": epoch, "order": name})
    town.settle()
    said = destruction.ordered(town.body(converter), converter, {"epoch": str(epoch)}, b"")
    assert said["order"] == name
    return said


def destroyed(town: MemoryTown) -> MemoryTown:
    for converter in CONVERTERS:
        assert order(town, converter)["state"] == "destroyed"
    return town


def secret(town: MemoryTown, converter: str, epoch: int = 0) -> Path:
    return converter_file(town.body(converter).keys.folder, epoch)


def refused(town: MemoryTown, converter: str = "converter", epoch: int = 0) -> Mapping[str, Any]:
    """Give the order; return the problem, when it was refused, entered and changed nothing."""
    before = read_secret(secret(town, converter, epoch))
    said = order(town, converter, epoch)
    assert said["state"] == "refused"
    (entry,) = town.entries(converter, "key.destruction")
    assert entry["phase"] == "refused"
    assert said["problem"]["type"].endswith(entry["code"])
    assert read_secret(secret(town, converter, epoch)) == before
    assert [one for name in town.services for one in town.entries(name, "key.destroyed")] == []
    return {**said["problem"], "needed_by": entry["needed_by"]}


# What is destroyed


@pytest.mark.parametrize("converter", CONVERTERS)
def test_the_file_is_overwritten_and_removed_and_every_body_has_the_record(
    town: MemoryTown, converter: str
) -> None:
    file, second = secret(town, converter), town.folder / "a second name of the file"
    os.link(file, second)
    size = second.stat().st_size
    assert order(town, converter)["state"] == "destroyed"
    assert not file.exists()
    assert second.read_bytes() == bytes(size)
    assert town.body(converter).keys.converter().destroyed == (0,)
    (entry,) = town.entries(converter, "key.destroyed")
    assert (entry["converter"], entry["epoch"]) == (converter, 0)
    for name in town.services:
        assert town.entries(name, "key.destroyed") == [entry]
    for name in town.services:
        body = town.body(name)
        (record,) = destruction.records(body.folders.documents)
        assert read_destruction(record.read_text(), body.directory).converter == converter


def test_an_order_given_again_changes_nothing(town: MemoryTown) -> None:
    destroyed(town)
    assert order(town, "converter", name="2")["state"] == "destroyed"
    assert len(town.entries("converter", "key.destroyed")) == 2  # its own, and the other one's


def test_a_file_that_was_overwritten_and_not_removed_counts_as_destroyed(
    town: MemoryTown,
) -> None:
    file = secret(town, "converter")
    file.write_bytes(bytes(file.stat().st_size))
    assert read_converter(file.parent).destroyed == (0,)


def test_destroying_a_file_that_is_gone_is_no_error(tmp_path: Path) -> None:
    write_secret(tmp_path / "keys" / "one", b"x" * 40)
    for _ in range(2):
        destroy_secret(tmp_path / "keys" / "one")
    assert list((tmp_path / "keys").iterdir()) == []


# What refuses it


def test_the_secret_of_the_epoch_in_force_stays(town: MemoryTown) -> None:
    assert refused(town, epoch=1)["type"].endswith("keys.in-force")


def test_an_epoch_that_never_was_is_refused(town: MemoryTown) -> None:
    assert order(town, "converter", 7)["state"] == "refused"


def test_it_stays_while_the_rotation_runs(tmp_path: Path) -> None:
    town = begun(tmp_path)
    town.tell("converter", "converter", "conversion/rotate", {"deadline_days": 14})
    town.settle()
    for converter in CONVERTERS:
        assert refused(town, converter)["type"].endswith("keys.rotation-running")


def test_it_stays_as_long_as_a_restored_body_may_ask_for_messages_of_the_epoch(
    tmp_path: Path,
) -> None:
    town = rotated(tmp_path, days=0)
    town.begin(town.today + timedelta(days=kept(town)))
    assert refused(town)["type"].endswith("keys.may-be-asked")
    town.begin()
    assert order(town, "converter")["state"] == "destroyed"


@pytest.mark.parametrize("converter", CONVERTERS)
def test_it_stays_while_a_project_of_its_epoch_is_open(town: MemoryTown, converter: str) -> None:
    ends = town.today + timedelta(days=3)
    text = extracts.permit(town, "study", HOLDERS, "additional", epoch=0, expires=ends)
    extracts.send_out(town, text)
    place = extracts.environment_of(town, "study")
    problem = refused(town, converter)
    assert problem["needed_by"] == [place]
    assert "permits: 1" in problem["title"]
    town.begin(ends + timedelta(days=1))
    assert order(town, converter)["state"] == "destroyed"


def test_a_permit_that_was_taken_back_needs_nothing(town: MemoryTown) -> None:
    text = extracts.permit(town, "study", HOLDERS, "additional", epoch=0)
    payload = jws.verify_shared(text, town.deployment.directory.resolve, "sekisho-permit").payload
    lane = payload["granted_by"][0]
    town.body(lane).store.put("signed-permit", "study", {"payload": payload})
    assert refused(town)["needed_by"] == [lane]
    key = f"{payload['id']}:{lane}"
    town.body(lane).store.put("revoked", key, {"by": lane})
    assert order(town, "converter")["state"] == "destroyed"


def test_a_permit_that_is_still_to_be_signed_needs_it(town: MemoryTown) -> None:
    text = extracts.permit(town, "study", HOLDERS, "additional", epoch=0)
    payload = jws.verify_shared(text, town.deployment.directory.resolve, "sekisho-permit").payload
    town.body(HEIR).store.put("joined", "study", {"state": "signing", "payload": payload})
    town.body(LEAVER).store.put("joined", "other", {"state": "refused"})
    assert refused(town)["needed_by"] == [HEIR]


def test_it_stays_while_half_of_a_transfer_of_its_epoch_waits(town: MemoryTown) -> None:
    half = {"state": "waiting", "since": "2026-04-01", "halves": ["payload"], "sender": "x"}
    reason = {"epoch": 0, "expires": "2027-01-01", "kind": "submission"}
    town.body(HEIR).store.put("transfer", "half", half | {"reason": reason})
    assert refused(town)["needed_by"] == [HEIR]


def test_it_stays_while_an_index_of_uses_has_not_turned(town: MemoryTown) -> None:
    index(town, "late", {4})
    problem = refused(town)
    assert problem["needed_by"] == ["oversight"]
    assert "indexes: 1" in problem["title"]


def test_it_stays_while_a_body_has_not_turned(tmp_path: Path) -> None:
    """Here the deadline ended the epoch while a holder was away."""
    town = begun(tmp_path)
    town.tell("converter", "converter", "conversion/rotate", {"deadline_days": 1})
    late = []
    while town.tasks:
        body, what, message_id = task = town.tasks.popleft()
        service = town.services[body]
        if (body, what) == (HEIR, "handle"):
            late.append(task)
            continue
        _ = service.handle(message_id) if what == "handle" else service.deliver(message_id)
    for days in (1, 1, 1, kept(town)):
        town.today += timedelta(days=days)
        for name in set(town.services) - {HEIR}:
            town.tell("observer", name, "rehearsal/clock", {"day": town.today.isoformat()})
        restore_world.work(town)
    assert epochs.accepted(town.body("converter")) == (1, None)
    town.tasks.clear()
    assert HEIR in refused(town)["needed_by"]
    town.tasks.extend(late)
    restore_world.work(town)
    assert town.body(HEIR).epoch == 1


def test_it_stays_while_a_body_does_not_answer(
    town: MemoryTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    heir = town.services[HEIR]

    def away(*_: object) -> None:
        raise PeerError("peer.unreachable", "away")

    monkeypatch.setattr(heir, "admit", away)
    problem = refused(town)
    assert problem["needed_by"] == [HEIR]
    assert destruction.UNHEARD in problem["title"]


@pytest.mark.parametrize("sender", ["oversight", HEIR])
def test_only_the_converters_own_operator_gives_the_order(town: MemoryTown, sender: str) -> None:
    with suppress(Refusal):  # not even taken
        town.tell(sender, "converter", "conversion/destroy", {"epoch": 0, "order": "1"})
    town.settle()
    assert secret(town, "converter").exists()
    assert town.entries("converter", "key.destruction") == []


def test_a_record_of_another_than_the_converter_it_names_is_refused(town: MemoryTown) -> None:
    body = town.body("oversight")
    said = {"epoch": 0, "converter": "converter", "on": "2026-04-01", "record": "0" * 64}
    token = jws.sign(said, body.keys.signing, body.id, KIND)
    with pytest.raises(TamperError):
        read_destruction(token, body.directory)
    client: Any = body.client
    client.post(body.directory.find(HEIR), f"/exchange/{destruction.DOOR}", token.encode())
    town.settle()
    assert town.entries(HEIR, "key.destroyed") == []


# What is no longer possible


def test_old_pseudonyms_convert_no_more_and_no_ratio_or_share_of_the_epoch_is_made(
    town: MemoryTown,
) -> None:
    destroyed(town)
    domain = body_domain(HEIR)
    for converter in CONVERTERS:
        body = town.body(converter)
        ratio = canonical_json({"domain": domain, "from": 0, "to": 1})
        share = canonical_json({"domain": domain, "epoch": 0, "permit": None})
        for ask, data in ((epochs.give_ratio, ratio), (keyshares.give_share, share)):
            with pytest.raises(Refusal) as no:
                ask(body, HEIR, {}, data)
            assert no.value.code == "keys.destroyed"
        with pytest.raises(Refusal, match="destroyed"):
            body.keys.converter().factor(domain, 0)


def test_a_project_of_the_former_epoch_is_refused_with_the_reason(town: MemoryTown) -> None:
    """A permit that nobody told of before: it was signed late, on a lane's own machine."""
    destroyed(town)
    extracts.send_out(town, extracts.permit(town, "late", HOLDERS, "additional", epoch=0))
    codes = {entry["code"] for entry in town.entries("converter", "conversion.refused")}
    assert codes == {"keys.destroyed"}


# What goes on


def test_days_choices_submissions_extracts_uses_and_an_exit_go_on_without_it(
    town: MemoryTown,
) -> None:
    index(town, "after", {3})
    town.begin()  # brings the index into the epoch in force
    destroyed(town)
    for person in (1, 2, 3):
        expected = {name for name, of in (("before", IN_PROJECT), ("after", {3})) if person in of}
        assert used(view(town, person)) == expected
    world.submit(town, HEIR, "later", {2: ["again2"], 4: ["new4"]})
    town.choose(LEAVER, 2)
    town.begin()
    extracts.send_out(town, extracts.permit(town, "study", HOLDERS, "additional", epoch=1))
    assert extracts.project(town, "study")["countersigned"]
    persons = extracts.table(town, "study", "person")
    assert persons.num_rows == 2  # 1 and 2 chose; 3 is one person at both holders, 4 is new
    for person in (1, 2, 3, 4):
        assert ("study" in used(view(town, person))) == (person in {3, 4})
    last_day = town.today + timedelta(days=2)
    world.withdraw(town, last_day)
    world.until(town, last_day)
    for _ in range(3):
        town.begin()
    assert left(town.body(HEIR)) == {LEAVER: HEIR}
    assert {"again2", "new4", f"{LEAVER}3"} <= set(world.sources(town, HEIR))
    assert [one for one in town.alarms() if one["cleared"] is None] == []


def test_the_next_epoch_begins_and_its_former_secret_goes_too(town: MemoryTown) -> None:
    destroyed(town)
    town.tell("converter", "converter", "conversion/rotate", {"deadline_days": 14})
    town.settle()
    town.begin()
    town.begin(town.today + timedelta(days=kept(town) + 1))
    for converter in CONVERTERS:
        assert order(town, converter, 1)["state"] == "destroyed"
        assert town.body(converter).keys.converter().destroyed == (0, 1)
    assert used(view(town, 2)) == {"before"}


# What a backup brings back


@pytest.mark.parametrize("converter", CONVERTERS)
def test_a_converter_from_a_backup_with_the_secret_destroys_it_before_it_uses_any(
    town: MemoryTown, converter: str
) -> None:
    saved = restore_world.back_up(town, converter)
    assert (saved.folder / "keys" / "converter.0").exists()
    destroyed(town)
    town.begin()
    restore_world.bring_back(town, saved)
    assert secret(town, converter).exists()
    peer = town.body(HEIR)
    asked = canonical_json({"domain": body_domain(HEIR), "from": 0, "to": 1})
    with pytest.raises(PeerError) as early:
        peer.client.post(peer.directory.find(converter), "/exchange/conversion/ratio", asked)
    assert early.value.code == "peer.unreachable"
    restore_world.work(town)
    assert restore_world.is_open(town, converter)
    assert not secret(town, converter).exists()
    assert town.body(converter).keys.converter().destroyed == (0,)
    phases = [one["phase"] for one in town.entries(converter, "key.destruction")]
    assert phases == ["followed"]
    assert {one["converter"] for one in town.entries(converter, "key.destroyed")} == set(CONVERTERS)
    for _ in range(2):
        town.begin()
    assert [one for one in town.alarms() if one["cleared"] is None] == []
    assert used(view(town, 2)) == {"before"}


def test_a_restored_converter_does_nothing_while_another_body_has_not_told_it_what_it_knows(
    town: MemoryTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = restore_world.back_up(town, "converter")
    destroyed(town)
    restore_world.bring_back(town, saved)
    heir = town.services[HEIR]
    admit = heir.admit

    def away(*_: object) -> None:
        raise PeerError("peer.unreachable", "away")

    monkeypatch.setattr(heir, "admit", away)
    restore_world.work(town)
    assert secret(town, "converter").exists()
    assert not restore_world.is_open(town, "converter")
    assert town.entries("converter", "conversion.done") == []
    monkeypatch.setattr(heir, "admit", admit)
    restore_world.work(town)
    assert restore_world.is_open(town, "converter")
    assert not secret(town, "converter").exists()


@pytest.mark.parametrize("victim", [HEIR, "oversight"])
def test_a_body_from_a_backup_of_the_epoch_in_force_opens_without_the_former_secret(
    town: MemoryTown, victim: str
) -> None:
    saved = restore_world.back_up(town, victim)
    town.begin()
    destroyed(town)
    town.choose(LEAVER, 2)
    town.begin()
    restore_world.bring_back(town, saved)
    restore_world.work(town)
    assert restore_world.is_open(town, victim)
    for _ in range(2):
        town.begin()
    assert [one for one in town.alarms() if one["cleared"] is None] == []
    assert used(view(town, 3)) == {"before"}


def test_a_body_from_a_backup_of_the_destroyed_epoch_stays_closed_and_says_why(
    tmp_path: Path,
) -> None:
    town = begun(tmp_path)
    saved = restore_world.back_up(town, HEIR)
    town.tell("converter", "converter", "conversion/rotate", {"deadline_days": 14})
    town.settle()
    town.begin()
    town.begin(town.today + timedelta(days=kept(town) + 1))
    destroyed(town)
    restore_world.bring_back(town, saved)
    waiting = restore_world.work(town)
    assert not restore_world.is_open(town, HEIR)
    assert town.body(HEIR).epoch == 0
    codes = {entry["code"] for entry in town.entries(HEIR, "message.refused")}
    assert "keys.destroyed" in codes
    assert waiting
    assert destruction.destroyed_epochs(town.body(HEIR)) == {0}
