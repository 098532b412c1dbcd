"""A large message in pieces: it goes on where it was cut off, and is kept once and whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter

import web_world as world
from sekisho.body.service import Service
from sekisho.body.unfinished import Unfinished, unfinished_in
from sekisho.common.canonical import file_digest
from sekisho.common.clock import SystemClock
from sekisho.common.errors import PeerError, Refusal, TamperError, UserError
from sekisho.common.randomness import seeded, system_random
from sekisho.exchange import Client
from sekisho.exchange.pieces import Piece, described, piece_of
from web_world import Town, become, call

PATH = "/exchange/collection/submission"


class Line(BaseAdapter):
    """Brings requests to a body in this process; ``watch`` sees each before and after."""

    def __init__(self, place: Town, body: str) -> None:
        super().__init__()
        self.place, self.body = place, body
        self.sizes: list[int] = []
        self.before: Callable[[int], None] = lambda number: None
        self.after: Callable[[int], None] = lambda number: None

    def send(self, request: requests.PreparedRequest, **more: Any) -> requests.Response:  # type: ignore[override]
        data = request.body or b""
        data = data if isinstance(data, bytes) else data.read()  # type: ignore[attr-defined]
        self.sizes.append(len(data))
        self.before(len(self.sizes))
        path = str(request.path_url).removeprefix("/exchange/")
        said = call(self.place, self.body, path, dict(request.headers), data=data)
        self.after(len(self.sizes))
        answer = requests.Response()
        answer.status_code = said.status_code
        answer._content = said.content
        answer.headers.update(dict(said.headers))
        return answer

    def close(self) -> None:
        pass


@pytest.fixture
def line() -> Line:
    _, file = world.frameworks()[0]
    place = world.town(file)
    body = next(one.named[0] for one in place.framework.assignment if one.named)
    for left in unfinished(become(place, body)):  # by an earlier test
        left.unlink()
    return Line(place, body)


def client(line: Line, sender: str = "clinic", piece_bytes: int = 1000) -> Client:
    made = Client(
        sender,
        line.place.keys[sender],
        clock=SystemClock(),
        random=system_random,
        piece_bytes=piece_bytes,
    )
    made._session.mount("http://", line)
    return made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "message"
    made.write_bytes(seeded("message")(4500))
    return made


def post(line: Line, file: Path, sender: str = "clinic", message_id: str = "c" * 32) -> Any:
    peer = line.place.deployment.directory.find(line.body)
    return client(line, sender).post(peer, PATH, file, message_id=message_id).json()


def kept(line: Line, answer: Any) -> bytes:
    return become(line.place, line.body).body.store.incoming(answer["accepted"]).read()


def unfinished(service: Service) -> list[Path]:
    return sorted(unfinished_in(service.body.folders).folder.glob("*"))


def test_a_large_message_goes_in_pieces_and_is_kept_as_one(line: Line, file: Path) -> None:
    service = become(line.place, line.body)
    answer = post(line, file, message_id="1" * 32)
    assert answer["new"] is True
    assert line.sizes == [0, 1000, 1000, 1000, 1000, 500]
    assert kept(line, answer) == file.read_bytes()
    assert unfinished(service) == []
    # It is known: nothing of it is sent again.
    line.sizes.clear()
    assert post(line, file, message_id="1" * 32) == {**answer, "new": False}
    assert line.sizes == [0]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", [1, 3, 6])
def test_a_message_that_was_cut_off_goes_on_where_it_stopped(
    line: Line, file: Path, when: str, number: int
) -> None:
    service = become(line.place, line.body)
    message_id = f"{when}-{number}"

    def cut(at: int) -> None:
        if at == number:
            raise requests.ConnectionError

    setattr(line, when, cut)
    with pytest.raises(PeerError):
        post(line, file, message_id=message_id)
    setattr(line, when, lambda at: None)
    done = sum(line.sizes[: number if when == "after" else number - 1])
    line.sizes.clear()
    answer = post(line, file, message_id=message_id)
    assert sum(line.sizes) == 4500 - done
    assert kept(line, answer) == file.read_bytes()
    assert unfinished(service) == []


def test_other_bytes_under_the_same_id_begin_anew(line: Line, file: Path) -> None:
    def cut(at: int) -> None:
        if at == 4:
            raise requests.ConnectionError

    become(line.place, line.body)
    line.before = cut
    with pytest.raises(PeerError):
        post(line, file, message_id="3" * 32)
    line.before = lambda at: None
    file.write_bytes(seeded("other")(3000))
    answer = post(line, file, message_id="3" * 32)
    assert kept(line, answer) == file.read_bytes()


def test_a_piece_is_taken_only_from_who_may_use_the_door(line: Line, file: Path) -> None:
    service = become(line.place, line.body)
    with pytest.raises(Refusal) as refused:
        post(line, file, sender="user", message_id="4" * 32)
    assert refused.value.code == "body.not-yours"
    assert unfinished(service) == []


def test_pieces_that_make_another_message_are_refused_and_forgotten(line: Line, file: Path) -> None:
    service = become(line.place, line.body)
    peer = line.place.deployment.directory.find(line.body)
    said = described(None, Piece(0, 5, "0" * 64))
    with pytest.raises(TamperError) as refused:
        client(line).post(peer, PATH, b"12345", meta=said, message_id="5" * 32)
    assert refused.value.code == "message.pieces-differ"
    assert unfinished(service) == []


@pytest.mark.parametrize("piece", [{}, {"start": -1, "total": 1, "digest": "0" * 64}, 7])
def test_what_does_not_say_where_it_belongs_is_refused(line: Line, piece: Any) -> None:
    become(line.place, line.body)
    peer = line.place.deployment.directory.find(line.body)
    with pytest.raises(UserError) as refused:
        client(line).post(peer, PATH, b"1", meta={"piece": piece})
    assert refused.value.code == "message.piece"
    assert piece_of({"a": 1}) == (None, {"a": 1})


def test_pieces_out_of_turn_change_nothing(tmp_path: Path) -> None:
    spool, data = Unfinished(tmp_path / "pieces"), tmp_path / "data"
    data.write_bytes(b"abc")
    digest = file_digest(data)
    assert spool.append("m", Piece(3, 9, digest), data) == 0
    assert spool.append("m", Piece(0, 9, digest), data) == 3
    assert spool.append("m", Piece(0, 9, digest), data) == 3
    assert spool.append("m", Piece(3, 5, digest), data) == 3  # longer than the whole


def test_what_never_became_whole_is_dropped_after_its_days(tmp_path: Path) -> None:
    spool, data = Unfinished(tmp_path / "pieces"), tmp_path / "data"
    data.write_bytes(b"abc")
    spool.append("old", Piece(0, 9, "0" * 64), data)
    spool.append("new", Piece(0, 9, "0" * 64), data)
    now = SystemClock().now()
    [old] = spool.folder.glob("old*")
    os.utime(old, (then := (now - timedelta(days=8)).timestamp(), then))
    spool.sweep(now, days=7)
    assert [one.name[:3] for one in spool.folder.iterdir()] == ["new"]
