"""A converter at work, from the message to the ledger: what it refuses is an entry with its code.

The converter is a body as it runs; who sends to it is the test, with the keys of all parties.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

import web_world as world
from sekisho.body.config import RehearsalOptions
from sekisho.body.flows.permits import PERMIT, decider
from sekisho.body.flows.revocation import REVOCATION
from sekisho.body.ports import Incoming
from sekisho.body.service import Service
from sekisho.common.ids import IDENTITY, Domain, Tag, body_domain, new_id, new_tag
from sekisho.common.randomness import system_random
from sekisho.control.review import LedgerHead, ListMinimum, Permit, part_along
from sekisho.control.review.permit import ReceiverKey
from sekisho.exchange import jws
from sekisho.exchange.transfer import (
    Reason,
    batch_parcel,
    encrypt_persons,
    key_digest,
    make_transfer,
)
from sekisho.framework import CLASSES, DataClass, environment, extract_route, holders
from sekisho.pseudonym import Batch, Element, pack, random_element
from sekisho.pseudonym.group import IDENTITY as NOBODY
from web_world import Town, become

START = RehearsalOptions(seed=5, start=date(2026, 4, 1))
PEOPLE = 3


@dataclass
class Desk:
    """The first converter, and everybody's keys."""

    place: Town
    service: Service

    @property
    def body(self) -> Any:
        return self.service.body

    def batch(self, count: int = PEOPLE) -> tuple[tuple[Tag, bytes], ...]:
        persons = [(new_tag(system_random), random_element(system_random)) for _ in range(count)]
        return encrypt_persons(persons, self.body.global_key, system_random)

    def message(
        self, reason: Reason, signer: str, persons: tuple[tuple[Tag, bytes], ...], **other: Any
    ) -> bytes:
        made = make_transfer(
            reason,
            signer=signer,
            key=self.place.keys[signer],
            persons=persons,
            payload={},
            recipient=other.get("recipient")
            or self.body.directory.find(reason.receiver).seal_recipient,
            global_key=self.body.global_key,
            sealed=self.body.folders.spool / "sealed" / "test",
        )
        return batch_parcel([(made.token, other.get("batch") or made.batch)])

    def receive(self, data: bytes, sender: str, path: str = "conversion/batch") -> list[Any]:
        """Bring a message to the converter; return the entries that its ledger has gained."""
        before = self.body.ledger.head().size
        id_ = new_id(system_random)
        file = self.body.store.write_spool("in", id_, data)
        message = Incoming(id_, sender, path, {}, "application/octet-stream", file)
        assert self.body.store.keep_incoming(message, len(data))
        self.service.handle(id_)
        return list(self.body.ledger.entries())[before:]

    def refused(self, data: bytes, sender: str) -> str:
        """Bring a message that must be refused; return the code in the ledger."""
        sent = set(self._outgoing())
        (entry,) = self.receive(data, sender)
        assert entry.kind == "conversion.refused"
        assert "conversion/batch" not in [path for _, path in set(self._outgoing()) - sent]
        return str(entry.body["code"])

    def _outgoing(self) -> list[tuple[str, str]]:
        from sekisho.web.store.models import Message

        return list(Message.objects.filter(direction="out").values_list("id", "path"))


@pytest.fixture
def desk() -> Desk:
    return at("2-1")


def at(framework: str) -> Desk:
    """Return the desk of a framework's first converter."""
    file = next(file for name, file in world.frameworks() if name == framework)
    place = world.town(file, START)
    service = become(place, place.framework.with_role("converter")[0])
    take_over(service)
    return Desk(place, service)


def take_over(service: Service) -> None:
    """Bodies of one process share a database here: let its ledger go on where this body's is."""
    from sekisho.web.store.models import Counter, Record, StagedEntry

    Record.objects.all().delete()
    StagedEntry.objects.all().delete()
    folder = service.body.folders.ledger
    size = service.body.ledger.head().size if (folder / "checkpoint").exists() else 0
    Counter.objects.update_or_create(name="ledger", defaults={"next": size})
    if not size:
        service.started()


def submission(desk: Desk, **changes: Any) -> Reason:
    body = desk.place.framework.function_bodies[0]
    reason = Reason(
        id=new_id(system_random),
        kind="submission",
        from_domain=IDENTITY,
        to_domain=body_domain(body),
        receiver=body,
        room="collection",
        max_rows=PEOPLE,
        expires=(desk.body.today() + timedelta(days=7)).isoformat(),
    )
    return replace(reason, **changes)


def permit(
    desk: Desk, of: DataClass = "basic", *, rows: int = 5, days: int = 90, **changes: Any
) -> tuple[Permit, str]:
    """Return a permit for one class of the first holder's data, and its signed text."""
    framework = desk.place.framework
    place = environment(framework, CLASSES)
    holder = holders(framework, of)[0]
    lane = decider(framework, holder, of)
    hops = extract_route(framework, holder, of, place).hops
    part = part_along(hops, of, lane=lane, application="kidney", max_rows=rows)
    keys = {one: key_digest(desk.body.directory.find(one).seal_recipient) for one in hops}
    fields: dict[str, Any] = {
        "id": new_id(system_random),
        "version": 1,
        "application": "kidney",
        "application_digest": "0" * 64,
        "applicant": "Example University",
        "team": ("user",),
        "purpose": "research",
        "tables": [{"table": "person", "columns": ["year_of_birth"]}],
        "classes": (of,),
        "cohort": {"codes": ["E11"]},
        "period": {},
        "form": "pseudonymised",
        "linkage": False,
        "environment": part.hops[-1],
        "parts": (part,),
        "opt_out": (ListMinimum(registry=holder, number=1),),
        "ledger_heads": (LedgerHead(body=holder, size=1, root="00"),),
        "conditions": (),
        "starts": desk.body.today() - timedelta(days=100),
        "expires": desk.body.today() + timedelta(days=days),
        "granted_by": (lane,),
        "receiver_keys": tuple(
            ReceiverKey(body=one, digest=keys[one]) for one in sorted(hops[1:] or hops)
        ),
    }
    plain = msgspec.to_builtins(fields | changes)
    made = Permit.from_payload(plain)
    signature = jws.sign_shared(made.payload(), desk.place.keys[lane], lane, PERMIT)
    return made, jws.assemble(made.payload(), [signature])


def extract(desk: Desk, granted: Permit, text: str, **changes: Any) -> Reason:
    part = granted.parts[0]
    start, end = part.domains[:2]
    reason = submission(
        desk,
        kind="permit",
        from_domain=Domain(start),
        to_domain=Domain(end),
        receiver=end.rpartition(":")[2],
        room="analysis",
        permit=text,
    )
    return replace(reason, **changes)


def test_a_batch_with_a_reason_is_converted_once(desk: Desk) -> None:
    data = desk.message(submission(desk), "clinic", desk.batch())
    (entry,) = desk.receive(data, "clinic")
    assert entry.kind == "conversion.done"
    assert entry.body["count"] == -(-PEOPLE // 10) * 10  # persons are counted in tens
    assert desk.refused(data, "clinic") == "conversion.replayed"


def test_the_same_batch_under_a_fresh_reason_is_a_replay(desk: Desk) -> None:
    persons = desk.batch()
    assert desk.receive(desk.message(submission(desk), "clinic", persons), "clinic")
    again = desk.message(submission(desk), "clinic", persons)
    assert desk.refused(again, "clinic") == "conversion.replayed"


@pytest.mark.parametrize("half", [slice(0, 32), slice(32, 64)], ids=["first half", "second half"])
@pytest.mark.parametrize(
    ("bad", "code"),
    [(NOBODY, "element.identity"), (b"\xff" * 32, "element.invalid")],
    ids=["identity element", "invalid encoding"],
)
def test_what_is_no_ciphertext_of_a_person_is_refused(
    desk: Desk, bad: bytes, half: slice, code: str
) -> None:
    (tag, cipher), *others = desk.batch()
    broken = bytearray(cipher)
    broken[half] = bad
    batch = pack(Batch(((tag, bytes(broken)), *others), desk.body.global_key))
    data = desk.message(submission(desk), "clinic", desk.batch(), batch=batch)
    assert desk.refused(data, "clinic") == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"to_domain": Domain("body:nowhere")}, "conversion.unknown-domain"),
        ({"epoch": 1}, "conversion.future-epoch"),
        ({"max_rows": PEOPLE - 1}, "conversion.too-many-rows"),
        ({"expires": "2026-03-31"}, "conversion.expired"),
        ({"kind": "permit"}, "conversion.ends-not-of-kind"),
    ],
)
def test_a_reason_that_does_not_fit_is_refused(
    desk: Desk, changes: dict[str, Any], code: str
) -> None:
    data = desk.message(submission(desk, **changes), "clinic", desk.batch())
    assert desk.refused(data, "clinic") == code


def test_a_reason_with_another_key_of_the_receiver_is_refused(desk: Desk) -> None:
    other = desk.body.directory.find(desk.place.framework.function_bodies[1]).seal_recipient
    data = desk.message(submission(desk), "clinic", desk.batch(), recipient=other)
    assert desk.refused(data, "clinic") == "conversion.wrong-receiver-key"


def test_a_batch_under_another_key_than_the_global_one_is_refused(desk: Desk) -> None:
    other = Element(random_element(system_random))
    batch = pack(Batch(desk.batch(), other))
    data = desk.message(submission(desk), "clinic", desk.batch(), batch=batch)
    assert desk.refused(data, "clinic") == "conversion.not-global"


def test_a_batch_that_was_cut_is_refused(desk: Desk) -> None:
    cut = pack(Batch(desk.batch(), desk.body.global_key))[:-1]
    data = desk.message(submission(desk), "clinic", desk.batch(), batch=cut)
    assert desk.refused(data, "clinic") == "batch.count"


def test_a_permit_bounds_all_batches_over_a_hop_together_also_re_randomised_ones(
    desk: Desk,
) -> None:
    """The same persons encrypted anew cannot be told from others: their number is the bound."""
    granted, text = permit(desk, rows=5)
    holder = granted.parts[0].holder
    first = desk.message(extract(desk, granted, text), holder, desk.batch())
    (entry,) = desk.receive(first, holder)
    assert entry.kind == "conversion.done"
    again = desk.message(extract(desk, granted, text), holder, desk.batch())
    assert desk.refused(again, holder) == "conversion.too-many-rows"


def test_an_expired_permit_and_a_revoked_one_convert_nothing(desk: Desk) -> None:
    late, text = permit(desk, days=-1)
    holder = late.parts[0].holder
    data = desk.message(extract(desk, late, text), holder, desk.batch())
    assert desk.refused(data, holder) == "conversion.expired"

    granted, text = permit(desk)
    said = {
        "permit": granted.id,
        "application": granted.application,
        "digest": "0" * 64,
        "by": holder,
        "on": "2026-04-01",
        "code": "misuse",
    }
    token = jws.sign(said, desk.place.keys[holder], holder, REVOCATION).encode()
    (entry,) = desk.receive(token, holder, "status/permit-revoked")
    assert entry.kind == "permit.revoked"
    data = desk.message(extract(desk, granted, text), holder, desk.batch())
    assert desk.refused(data, holder) == "conversion.revoked"


def test_who_did_not_grant_a_permit_cannot_take_it_back(desk: Desk) -> None:
    granted, text = permit(desk)
    holder = granted.parts[0].holder
    stranger = next(b for b in desk.place.framework.function_bodies if b != holder)
    said = {
        "permit": granted.id,
        "application": granted.application,
        "digest": "0" * 64,
        "by": stranger,
        "on": "2026-04-01",
        "code": "misuse",
    }
    token = jws.sign(said, desk.place.keys[stranger], stranger, REVOCATION).encode()
    desk.receive(token, stranger, "status/permit-revoked")
    data = desk.message(extract(desk, granted, text, max_rows=1), holder, desk.batch(1))
    (entry,) = desk.receive(data, holder)
    assert entry.kind == "conversion.done"


def test_a_permit_that_names_another_key_of_the_receiver_converts_nothing(desk: Desk) -> None:
    granted, _ = permit(desk)
    named = [{"body": key.body, "digest": "1" * 64} for key in granted.receiver_keys]
    granted, text = permit(desk, receiver_keys=named)
    holder = granted.parts[0].holder
    data = desk.message(extract(desk, granted, text), holder, desk.batch())
    assert desk.refused(data, holder) == "conversion.wrong-receiver-key"


def test_a_batch_from_somebody_else_than_its_signer_is_refused(desk: Desk) -> None:
    data = desk.message(submission(desk), "clinic", desk.batch())
    holder = desk.place.framework.function_bodies[0]
    assert desk.refused(data, holder) == "conversion.out-of-turn"


def test_persons_of_two_holders_do_not_meet_without_linkage_grants() -> None:
    """Two permits, each of one holder, lead to one project: the second hop is refused."""
    desk = at("2-2-public")
    for of, code in (("additional", None), ("basic", "conversion.no-linkage-grant")):
        granted, text = permit(desk, of)  # type: ignore[arg-type]
        holder = granted.parts[0].holder
        data = desk.message(extract(desk, granted, text), holder, desk.batch())
        if code:
            assert desk.refused(data, holder) == code
        else:
            assert [entry.kind for entry in desk.receive(data, holder)] == ["conversion.done"]
