"""A body has the doors of its rooms and no others, and each opens to whom the table names."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

import web_world as world
from sekisho.body.config import RehearsalOptions
from sekisho.body.endpoints import ENDPOINTS, EVERYWHERE, REHEARSAL, SELF, Endpoint
from sekisho.body.service import roles_of
from sekisho.common.clock import SystemClock
from sekisho.exchange.directory import Kind
from sekisho.exchange.keys import SigningKey
from sekisho.exchange.messages import SKEW, TTL
from sekisho.framework import FUNCTIONS, Framework, registries
from web_world import Town, become, call, code_of, signed

FRAMEWORKS = world.frameworks()
EACH_FRAMEWORK = pytest.mark.parametrize("file", [f for _, f in FRAMEWORKS], ids=lambda f: f.stem)
REHEARSED = RehearsalOptions(seed=1, start=date(2026, 4, 1))
KINDS = {"body", "provider", "insurer", "applicant", "reviewer", "desk", "observer"}
PATHS = [endpoint.path for endpoint in ENDPOINTS]


def expected_rooms(fw: Framework, body: str) -> set[str]:
    """What the file gives a body, read from its lines and not from the code that mounts doors."""
    rooms = {one.function for one in fw.assignment if body in one.named} | {EVERYWHERE}
    roles = set(fw.find_body(body).roles)
    rooms |= {"history", "enclave"} if "history" in roles else set()
    rooms |= {"conversion"} if roles & {"converter", "oversight"} else set()
    rooms |= {"oversight"} if "oversight" in roles else set()
    rooms |= {"opt_out"} if body in registries(fw) else set()
    return rooms


# Which doors there are


def test_the_table_names_each_door_once_and_only_rooms_that_exist() -> None:
    assert len(set(PATHS)) == len(PATHS)
    rooms = {*FUNCTIONS, "history", "enclave", "conversion", "oversight", EVERYWHERE, REHEARSAL}
    assert {endpoint.room for endpoint in ENDPOINTS} == rooms


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=PATHS)
def test_behind_every_door_is_a_flow(endpoint: Endpoint) -> None:
    module, _, name = endpoint.flow.partition(":")
    flow = getattr(importlib.import_module(f"sekisho.body.flows.{module}"), name)
    assert callable(flow)


@EACH_FRAMEWORK
def test_a_body_has_the_doors_of_its_rooms_and_every_other_is_no_function_of_it(
    file: Path,
) -> None:
    """Every function × body × framework, asked over HTTP with a signature that would hold."""
    place = world.town(file)
    mounted: set[str] = set()
    for one in place.framework.body:
        service = become(place, one.id)
        rooms = expected_rooms(place.framework, one.id)
        for endpoint in ENDPOINTS:
            if endpoint.room in rooms:
                answer = call(place, one.id, endpoint.path, {})
                assert (answer.status_code, code_of(answer)) == (403, "message.unsigned")
                mounted.add(endpoint.path)
                continue
            for method in ("GET", "POST"):
                sender = next(iter(place.framework.body)).id
                headers = signed(place, one.id, endpoint.path, sender, method=method)
                answer = call(place, one.id, endpoint.path, headers, method=method)
                assert answer.status_code == 404, (one.id, endpoint.path)
                assert code_of(answer) == "body.no-such-door"
                assert answer.json()["title"] == "This is not a function of this body."
        assert {e.room for e in service.endpoints.values()} <= rooms
    # Between them the bodies have every door but those of a rehearsal.
    assert mounted == {e.path for e in ENDPOINTS if e.room != REHEARSAL}


@EACH_FRAMEWORK
def test_an_ordinary_configuration_has_no_doors_of_a_rehearsal(file: Path) -> None:
    doors = [e for e in ENDPOINTS if e.room == REHEARSAL]
    assert doors
    for place in (world.town(file), world.town(file, synthetic=True)):
        for body in place.deployment.configs:
            become(place, body)
            for door in doors:
                headers = signed(place, body, door.path, "watcher")
                answer = call(place, body, door.path, headers)
                assert (answer.status_code, code_of(answer)) == (404, "body.no-such-door")


def test_a_body_started_for_a_rehearsal_has_its_doors() -> None:
    place = world.town(FRAMEWORKS[0][1], rehearsal=REHEARSED)
    body = next(iter(place.deployment.configs))
    become(place, body)
    headers = signed(place, body, "rehearsal/queue", "watcher", method="GET")
    answer = call(place, body, "rehearsal/queue", headers, method="GET")
    assert answer.status_code == 200
    assert set(answer.json()) == {"waiting", "done", "failed"}


@pytest.mark.parametrize(
    "path",
    ["collection/unknown", "unknown/submission", "collection/submission/", "", "../exchange"],
)
def test_a_door_that_nobody_has_is_no_function_of_a_body(path: str) -> None:
    place = world.town(FRAMEWORKS[0][1])
    body = next(iter(place.deployment.configs))
    become(place, body)
    answer = call(place, body, path, {})
    assert (answer.status_code, code_of(answer)) == (404, "body.no-such-door")


# Who may call them


def homes(endpoints: list[Endpoint]) -> Iterator[tuple[Town, str, list[Endpoint]]]:
    """Yield bodies that between them have all doors, each with those that it is tried for."""
    left = {e.path: e for e in endpoints}
    for _, file in FRAMEWORKS:
        place = world.town(file, rehearsal=REHEARSED)
        for body in place.deployment.configs:
            found = [e for e in become(place, body).endpoints.values() if e.path in left]
            if found:
                yield place, body, found
            for endpoint in found:
                del left[endpoint.path]
    assert not left


def test_every_door_opens_to_the_roles_that_it_names_and_to_nobody_else() -> None:
    """Every endpoint × every party: of each kind, and with each role, that a directory knows."""
    tried: set[tuple[str, str]] = set()
    roles_tried: set[str] = set()
    for place, body, endpoints in homes(list(ENDPOINTS)):
        become(place, body)
        for endpoint in endpoints:
            for party in place.deployment.directory:
                roles = roles_of(place.deployment.directory, party.id)
                headers = signed(place, body, endpoint.path, party.id)
                answer = call(place, body, endpoint.path, headers)
                refused = (answer.status_code, code_of(answer)) == (403, "body.not-yours")
                assert refused != bool(roles & endpoint.senders), (endpoint.path, party.id)
                if endpoint.mode == "message" and not refused:
                    assert answer.status_code == 202, (endpoint.path, party.id)
                tried |= {(endpoint.path, role) for role in roles}
                roles_tried |= roles
    assert roles_tried == KINDS | {"checker", "clerk", "history", "converter", "oversight"}
    assert len(tried) == len(ENDPOINTS) * len(roles_tried)


def test_every_role_that_a_door_names_is_one_that_the_directory_can_give() -> None:
    from typing import get_args

    assert set(get_args(Kind)) == KINDS
    named = {role for endpoint in ENDPOINTS for role in endpoint.senders}
    assert named <= KINDS | {"checker", "clerk", "history", "converter", "oversight", SELF}


def test_a_door_to_oneself_opens_to_no_party_at_all() -> None:
    doors = [e for e in ENDPOINTS if SELF in e.senders]
    assert doors
    assert all(e.senders == {SELF} for e in doors)
    for place, body, endpoints in homes(doors):
        become(place, body)
        for endpoint in endpoints:
            for party in (*place.deployment.configs, *world.ACTORS):
                answer = call(place, body, endpoint.path, signed(place, body, endpoint.path, party))
                assert (answer.status_code, code_of(answer)) == (403, "body.not-yours")


# What a request must be


@pytest.fixture(scope="module")
def collector() -> tuple[Town, str]:
    """A body that collects, and its town."""
    place = world.town(FRAMEWORKS[0][1])
    return place, next(one.named[0] for one in place.framework.assignment if one.named)


PATH = "collection/submission"


def answer_to(collector: tuple[Town, str], **changed: object) -> tuple[int, str]:
    place, body = collector
    become(place, body)
    headers = signed(place, body, PATH, **{"sender": "clinic", **changed})  # type: ignore[arg-type]
    answer = call(place, body, PATH, headers)
    return answer.status_code, code_of(answer)


def test_a_signed_message_is_accepted(collector: tuple[Town, str]) -> None:
    assert answer_to(collector) == (202, "")


def test_an_unsigned_message_is_refused(collector: tuple[Town, str]) -> None:
    place, body = collector
    become(place, body)
    answer = call(place, body, PATH, {"Content-Type": "application/json"})
    assert (answer.status_code, code_of(answer)) == (403, "message.unsigned")
    assert answer.json()["rule"]
    assert answer.json()["next"]


def test_a_replayed_request_is_refused(collector: tuple[Town, str]) -> None:
    place, body = collector
    become(place, body)
    headers = signed(place, body, PATH, "clinic")
    assert call(place, body, PATH, headers).status_code == 202
    again = call(place, body, PATH, headers)
    assert (again.status_code, code_of(again)) == (403, "message.replayed")


def test_an_expired_message_is_refused(collector: tuple[Town, str]) -> None:
    then = SystemClock().now() - TTL - SKEW - timedelta(seconds=5)
    assert answer_to(collector, now=then) == (403, "message.expired")


def test_a_message_from_the_future_is_refused(collector: tuple[Town, str]) -> None:
    then = SystemClock().now() + SKEW + timedelta(seconds=60)
    assert answer_to(collector, now=then) == (403, "message.not-yet-valid")


def test_a_message_to_another_body_is_refused(collector: tuple[Town, str]) -> None:
    place, body = collector
    other = next(one for one in place.deployment.configs if one != body)
    assert answer_to(collector, recipient=other) == (403, "message.misaddressed")


def test_a_message_signed_for_another_door_is_refused(collector: tuple[Town, str]) -> None:
    place, body = collector
    url = f"{place.deployment.urls[body]}/exchange/collection/receipt"
    assert answer_to(collector, url=url) == (403, "message.bad-signature")


def test_a_message_whose_body_was_changed_is_refused(collector: tuple[Town, str]) -> None:
    place, body = collector
    become(place, body)
    answer = call(place, body, PATH, signed(place, body, PATH, "clinic"), data=b'{"more": 1}')
    assert (answer.status_code, code_of(answer)) == (403, "message.digest-mismatch")


def test_a_stranger_is_refused(collector: tuple[Town, str]) -> None:
    key = SigningKey.generate(lambda n: b"s" * n)
    assert answer_to(collector, key=key) == (403, "message.bad-signature")
    assert answer_to(collector, key=key, sender="nobody") == (403, "message.unknown-key")


def test_a_message_sent_again_is_kept_once_as_it_first_was(collector: tuple[Town, str]) -> None:
    place, body = collector
    service = become(place, body)
    headers = signed(place, body, PATH, "clinic", message_id="a" * 32)
    first = call(place, body, PATH, headers)
    other = signed(place, body, PATH, "clinic", message_id="a" * 32, data=b'{"other": 1}')
    again = call(place, body, PATH, other, data=b'{"other": 1}')
    assert (first.status_code, first.json()["new"]) == (202, True)
    assert (again.status_code, again.json()["new"]) == (200, False)
    kept = service.body.store.incoming(first.json()["accepted"])
    assert kept.read() == b"{}"


def test_a_text_that_a_database_cannot_keep_is_refused(collector: tuple[Town, str]) -> None:
    place, body = collector
    become(place, body)
    data = b'{"applicant": "a\\u0000b"}'
    headers = signed(place, body, PATH, "clinic", data=data, content_type="application/json")
    answer = call(place, body, PATH, headers, data=data)
    assert (answer.status_code, code_of(answer)) == (400, "message.control-character")
    assert answer.json()["next"]


@pytest.mark.parametrize("message_id", ["../../../keys/signing", "/etc/passwd", "a" * 200, "."])
def test_no_message_id_leads_out_of_the_spool(collector: tuple[Town, str], message_id: str) -> None:
    place, body = collector
    service = become(place, body)
    answer = call(place, body, PATH, signed(place, body, PATH, "clinic", message_id=message_id))
    assert answer.status_code == 202
    kept = service.body.store.incoming(answer.json()["accepted"])
    assert kept.file.parent == service.body.folders.spool / "in"


def test_two_senders_may_use_one_id(collector: tuple[Town, str]) -> None:
    place, body = collector
    become(place, body)
    for sender in ("clinic", *[b for b in place.deployment.configs if b != body][:1]):
        path = PATH if sender == "clinic" else "collection/payload"
        answer = call(place, body, path, signed(place, body, path, sender, message_id="b" * 32))
        assert answer.status_code == 202


def test_a_message_is_not_sent_by_get_and_no_other_method_is_known(
    collector: tuple[Town, str],
) -> None:
    place, body = collector
    become(place, body)
    headers = signed(place, body, PATH, "clinic", method="GET")
    answer = call(place, body, PATH, headers, method="GET")
    assert (answer.status_code, code_of(answer)) == (400, "exchange.method")
    for method in ("PUT", "DELETE", "PATCH"):
        answer = call(place, body, PATH, {}, method=method)
        assert (answer.status_code, answer["Allow"]) == (405, "GET, POST")
