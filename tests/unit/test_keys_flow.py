"""Epochs and revoked bodies, from message to ledger, at all bodies of a framework at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from memory_town import MemoryClient, MemoryTown
from sekisho.body.context import Epoch
from sekisho.body.flows import epochs, transfer
from sekisho.body.setup import set_up
from sekisho.common.canonical import canonical_json
from sekisho.common.errors import Refusal
from sekisho.common.ids import Domain, Tag, body_domain, new_tag, registry_domain
from sekisho.common.randomness import system_random
from sekisho.exchange.globalkey import read_global_key
from sekisho.exchange.transfer import Reason
from sekisho.framework import collectors, load, registries
from sekisho.pseudonym import ConverterSecret, Element, random_element
from sekisho.pseudonym.group import multiply

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def town(tmp_path: Path) -> MemoryTown:
    made = MemoryTown(ROOT / "frameworks" / "2-1.toml", tmp_path)
    made.begin(made.today)
    made.settle()
    return made


def first(town: MemoryTown) -> str:
    return str(town.framework.with_role("converter")[0])


def second(town: MemoryTown) -> str:
    return str(town.framework.with_role("oversight")[0])


def rotate(town: MemoryTown, days: int = 14) -> None:
    town.tell(first(town), first(town), "conversion/rotate", {"deadline_days": days})


def next_day(town: MemoryTown) -> None:
    town.begin()
    town.settle()


def forwarded(town: MemoryTown, epoch: int, **changes: Any) -> Reason:
    """A registry's list to a holder, as a reason of ``epoch``."""
    registry = registries(town.framework)[0]
    holder = collectors(town.framework, "basic")[0]
    fields: dict[str, Any] = {
        "id": f"drill:{len(town.tasks)}:{epoch}",
        "kind": "opt_out_list",
        "from_domain": registry_domain(registry),
        "to_domain": body_domain(holder),
        "receiver": holder,
        "room": "collection",
        "max_rows": 9,
        "expires": (town.today + timedelta(days=7)).isoformat(),
        "epoch": epoch,
    }
    return Reason(**fields | changes)


def refusals(town: MemoryTown, body: str) -> list[str]:
    return [str(entry["code"]) for entry in town.entries(body, "conversion.refused")]


def test_a_rotation_reaches_every_body_and_ends_the_old_epoch_a_day_later(
    town: MemoryTown,
) -> None:
    rotate(town)
    town.settle()
    assert {town.body(name).epoch for name in town.services} == {1}
    keys = {bytes(town.body(name).global_key) for name in town.services}
    assert len(keys) == 1
    assert keys != {bytes(town.body(first(town)).keys.first_global_key)}
    assert epochs.accepted(town.body(first(town))) == (1, 0)
    next_day(town)
    for converter in (first(town), second(town)):
        assert epochs.accepted(town.body(converter)) == (1, None)
    assert [entry["phase"] for entry in town.entries(first(town), "key.rotation")] == [
        "begun",
        "turning",
        "over",
    ]


def test_a_second_rotation_waits_for_the_first_and_then_follows(town: MemoryTown) -> None:
    rotate(town)
    rotate(town)
    town.settle()
    assert {town.body(name).epoch for name in town.services} == {1}
    next_day(town)
    rotate(town)
    town.settle()
    assert {town.body(name).epoch for name in town.services} == {2}


def test_the_old_epoch_ends_at_the_deadline_also_when_a_body_has_not_turned(
    town: MemoryTown,
) -> None:
    rotate(town, days=2)
    late = collectors(town.framework, "basic")[0]
    while town.tasks:  # the holder is away: what is brought to it stays undone
        body, what, message_id = town.tasks.popleft()
        service = town.services[body]
        if body == late:
            continue
        _ = service.handle(message_id) if what == "handle" else service.deliver(message_id)
    for _day in range(2):
        state = town.records(first(town), "rotation")["now"]
        assert state["phase"] == "turning"
        assert late not in state["turned"]
        town.today += timedelta(days=1)
        town.body(first(town)).store.put("clock", "day", {"day": town.today.isoformat()})
    town.body(first(town)).store.put(
        "clock", "day", {"day": (town.today + timedelta(days=1)).isoformat()}
    )
    outcome = epochs.daily(town.body(first(town)))
    (fact,) = outcome.facts
    assert fact.body == {"epoch": 1, "phase": "over", "late": [late]}


def test_pseudonyms_of_the_old_epoch_convert_no_more(town: MemoryTown) -> None:
    """Whoever stole the registry's keys and tables before the rotation."""
    rotate(town)
    town.settle()
    next_day(town)
    registry = town.body(registries(town.framework)[0])
    registry = replace(registry, turning=Epoch(0, registry.keys.first_global_key))
    stolen = [(new_tag(system_random), random_element(system_random))]
    outcome = transfer.start(registry, forwarded(town, 0), stolen, {"rows": pa.table({"a": [1]})})
    batch = next(out for out in outcome.send if out.path == "conversion/batch")
    client = MemoryClient(town, registry.id)
    peer = town.deployment.directory.find(first(town))
    client.post(
        peer,
        "/exchange/conversion/batch",
        batch.file or batch.body,
        content_type=batch.content_type,
    )
    town.settle()
    assert refusals(town, first(town)) == ["conversion.old-epoch"]


def test_what_was_on_its_way_when_the_epoch_ended_arrives_in_the_new_one(
    town: MemoryTown,
) -> None:
    """Converted in the old epoch, received in the new one: the owner brings it over itself."""
    holder = town.body(collectors(town.framework, "basic")[0])
    person, tag = random_element(system_random), Tag("0" * 32)
    old = in_domain(town, person, body_domain(holder.id), 0)
    rotate(town)
    town.settle()
    brought = dict(epochs.into_own(holder, body_domain(holder.id), 0, [(tag, old)]))
    assert brought == {tag: in_domain(town, person, body_domain(holder.id), 1)}
    assert dict(epochs.into_own(holder, Domain("project:a:b"), 0, [(tag, old)])) == {tag: old}


def in_domain(town: MemoryTown, element: Element, domain: Domain, epoch: int) -> Element:
    for converter in (first(town), second(town)):
        element = multiply(town.body(converter).keys.converter().factor(domain, epoch), element)
    return element


def test_a_ratio_is_given_to_the_domains_owner_only(town: MemoryTown) -> None:
    rotate(town)
    town.settle()
    holder = collectors(town.framework, "basic")[0]
    other = next(b for b in town.framework.function_bodies if b != holder)
    asked = canonical_json({"domain": body_domain(holder), "from": 0, "to": 1})
    converter = town.body(first(town))
    assert epochs.give_ratio(converter, holder, {}, asked)["sealed"]
    with pytest.raises(Refusal, match="own domains only"):
        epochs.give_ratio(converter, other, {}, asked)


def test_a_global_key_that_one_converter_made_alone_is_refused(town: MemoryTown) -> None:
    """With it that converter could read every identity."""
    from sekisho.exchange import jws
    from sekisho.exchange.globalkey import KIND

    converter = town.body(first(town))
    alone = ConverterSecret.generate(system_random).public_step(None)
    payload = {"steps": [alone.hex(), alone.hex()], "group": "ristretto255", "epoch": 1}
    signed = jws.sign_shared(payload, converter.keys.signing, converter.id, KIND)
    text = jws.assemble(payload, [signed])
    client = MemoryClient(town, converter.id)
    for name in town.services:
        peer = town.deployment.directory.find(name)
        client.post(peer, "/exchange/status/epoch", text.encode())
    town.settle()
    assert {town.body(name).epoch for name in town.services} == {0}


def test_a_revoked_body_is_answered_no_more_and_nothing_is_converted_for_it(
    town: MemoryTown,
) -> None:
    oversight = second(town)
    bad = collectors(town.framework, "additional")[0]
    town.tell(oversight, oversight, "oversight/revoke-body", {"body": bad, "code": "stolen"})
    town.settle()
    others = [name for name in town.services if name != bad]
    for name in others:
        assert [e["body"] for e in town.entries(name, "body.revoked")] == [bad]
        with pytest.raises(Refusal) as refused:
            town.tell(bad, name, "status/notice", {})
        assert refused.value.code == "body.revoked"
    signed_before = forwarded(
        town, 0, to_domain=body_domain(bad), receiver=bad, id="to-the-revoked"
    )
    registry = town.body(registries(town.framework)[0])
    person = [(new_tag(system_random), random_element(system_random))]
    outcome = transfer.start(registry, signed_before, person, {"rows": pa.table({"a": [1]})})
    batch = next(out for out in outcome.send if out.path == "conversion/batch")
    client = MemoryClient(town, registry.id)
    peer = town.deployment.directory.find(first(town))
    client.post(
        peer,
        "/exchange/conversion/batch",
        batch.file or batch.body,
        content_type=batch.content_type,
    )
    town.settle()
    assert refusals(town, first(town)) == ["conversion.wrong-receiver-key"]


def test_only_the_oversight_body_revokes_a_body(town: MemoryTown) -> None:
    holder = collectors(town.framework, "basic")[0]
    with pytest.raises(Refusal):
        town.tell(holder, second(town), "oversight/revoke-body", {"body": "alpha", "code": "x"})


def test_nothing_is_converted_from_identities_in_a_former_epoch_after_its_end(
    town: MemoryTown,
) -> None:
    rotate(town)
    town.settle()
    next_day(town)
    told = epochs.now(town.body(first(town)), "clinic", {}, b"")
    assert (told["epoch"], told["former"]) == (1, None)


def test_the_record_of_an_ordinary_ceremony_is_signed_by_the_keys_that_the_bodies_have(
    tmp_path: Path,
) -> None:
    file = ROOT / "frameworks" / "2-1.toml"
    ports = iter(range(20000, 30000))
    made = set_up(load(file, ROOT), file, tmp_path, rules=ROOT / "rules", ports=lambda: next(ports))
    record = read_global_key((tmp_path / "global-key.json").read_bytes(), made.directory)
    assert set(record.signers) == {"converter", "oversight"}
