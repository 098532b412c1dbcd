"""A lack of room is known however it is spelled; nothing else is taken for one."""

from __future__ import annotations

import errno
import sqlite3
from datetime import date, timedelta
from pathlib import Path

import pytest

import web_world as world
from sekisho.body.ports import Incoming, Outcome
from sekisho.body.service import Service
from sekisho.common import storage
from sekisho.common.atomicfile import write_pieces
from sekisho.common.errors import StorageFull, UserError
from sekisho.common.storage import RESERVE, has_room, is_full, require_room, room
from sekisho.exchange.overdue import Waiting, looked_at

FIRST = world.frameworks()[0][1]
TODAY = date(2026, 4, 1)


def caused(by: BaseException) -> BaseException:
    try:
        raise UserError("file.unreadable", "It cannot be read.") from by
    except UserError as error:
        return error


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "x"),
        OSError(errno.EDQUOT, "x"),
        RuntimeError("IO Error: Could not write file: No space left on device (os error 28)"),
        sqlite3.OperationalError("database or disk is full"),
        caused(OSError(errno.ENOSPC, "x")),
        storage.storage_full(),
    ],
    ids=str,
)
def test_a_lack_of_room_is_known_by_any_name(error: Exception) -> None:
    assert is_full(error)


@pytest.mark.parametrize(
    "error",
    [OSError(errno.EACCES, "x"), sqlite3.OperationalError("database is locked"), ValueError("x")],
    ids=str,
)
def test_other_errors_are_not_taken_for_one(error: Exception) -> None:
    assert not is_full(error)


def test_what_does_not_fit_beside_the_reserve_is_refused(tmp_path: Path) -> None:
    assert has_room(tmp_path)
    require_room(tmp_path, 1)
    with pytest.raises(StorageFull):
        require_room(tmp_path, room(tmp_path) - RESERVE + 2**30)


def test_a_file_that_found_no_room_leaves_no_beginning(tmp_path: Path) -> None:
    def pieces():  # type: ignore[no-untyped-def]
        yield b"begun"
        raise OSError(errno.ENOSPC, "x")

    with pytest.raises(OSError, match="x"):
        write_pieces(tmp_path / "file", pieces())
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def service() -> Service:
    place = world.town(FIRST)
    return world.become(place, place.framework.body[0].id)


def test_a_message_that_finds_no_room_waits_and_is_handled_when_there_is(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often: three errors of ours would end it, a lack of room never does."""
    from sekisho.web import tasks

    store, message_id = service.body.store, "f" * 32
    file = store.write_spool("in", message_id, b"{}")
    own = service.body.id
    store.keep_incoming(Incoming(message_id, own, "status/notice", {}, "", file), 2)
    tries: list[int] = []

    def full(*_: object) -> Outcome:
        tries.append(1)
        if len(tries) < 6:
            raise RuntimeError("database or disk is full")
        return Outcome()

    monkeypatch.setattr("sekisho.body.flows.status.notice", full)
    monkeypatch.setattr(tasks, "FULL_SECONDS", (0.0,))
    assert tasks.handle.call(message_id) == "done"
    assert len(tries) == 6
    assert store.incoming(message_id).state == "done"


def test_a_body_below_its_reserve_takes_no_message_and_says_so(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, body = world.town(FIRST), service.body.id
    other = next(one.id for one in place.framework.body if one.id != body)
    monkeypatch.setattr(storage, "RESERVE", 2**60)
    headers = world.signed(place, body, "status/notice", other)
    answer = world.call(place, body, "status/notice", headers)
    assert (answer.status_code, world.code_of(answer)) == (507, "storage.full")
    health = world.visit("/health")
    assert (health.status_code, health.json()["status"]) == (507, "full")
    monkeypatch.undo()
    assert world.visit("/health").json()["status"] == "ok"
    assert world.call(place, body, "status/notice", headers).status_code == 202


def test_only_what_waited_at_an_earlier_look_makes_a_receiver_one_that_is_away() -> None:
    first = looked_at(None, ["a", "b"], TODAY)
    assert first == Waiting(("a", "b"), TODAY)
    later = TODAY + timedelta(days=1)
    assert looked_at(first, ["c"], later) == Waiting(("c",), later)
    still = looked_at(first, ["b", "c"], later)
    assert still == Waiting(("b",), TODAY)
    assert still.days(later) == 1
    assert looked_at(still, [], later) is None
