"""The client: a real request over loopback that the receiver verifies; errors keep their class."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import orjson
import pytest

from sekisho.common.clock import SystemClock
from sekisho.common.errors import (
    Defect,
    PeerError,
    Refusal,
    SekishoError,
    TamperError,
    UserError,
)
from sekisho.common.randomness import seeded
from sekisho.exchange import Client, Peer, SigningKey, messages

KEY = SigningKey.generate(seeded("alpha"))
ERRORS = {kind.__name__: kind for kind in (UserError, Refusal, TamperError, Defect, PeerError)}


class Body(BaseHTTPRequestHandler):
    """A body that verifies every request and answers with what it understood."""

    nonces: set[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/plain"):
            return self.answer(503, "text/plain", b"busy")
        if self.path.startswith("/redirect"):
            return self.answer(302, "text/plain", b"", Location="http://127.0.0.1:9/")
        if self.path.startswith("/error/"):
            error = ERRORS[self.path.removeprefix("/error/")](
                "case.x", "no", rule="r", next_step="n"
            )
            problem = orjson.dumps(error.as_problem())
            return self.answer(error.http_status, "application/problem+json", problem)
        verified = messages.verify_request(
            method=self.command,
            url=f"http://{self.headers['Host']}{self.path}",
            headers=dict(self.headers.items()),
            body=body,
            resolve=lambda sender: KEY.public if sender == "alpha" else None,
            recipient="national",
            now=SystemClock().now(),
            seen=self.seen,
        )
        said = [verified.sender, verified.message_id, verified.meta, len(body)]
        return self.answer(200, "application/json", orjson.dumps(said))

    do_GET = do_POST

    def seen(self, sender: str, nonce: str) -> bool:
        known = nonce in self.nonces
        self.nonces.add(nonce)
        return known

    def answer(self, status: int, kind: str, body: bytes, **headers: str) -> None:
        self.send_response(status)
        headers |= {"Content-Type": kind, "Content-Length": str(len(body))}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def peer() -> Iterator[Peer]:
    Body.nonces = set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Body)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    yield Peer("national", "body", SigningKey.generate(seeded("n")).public.text, url=url)
    server.shutdown()
    server.server_close()


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client("alpha", KEY, clock=SystemClock(), random=seeded(1), answer_seconds=5)
    yield client
    client.close()


def test_a_message_arrives_as_it_was_sent(client: Client, peer: Peer) -> None:
    answer = client.post(peer, "/exchange/landing", b"x" * 1000, meta={"kind": "k"}, message_id="m")
    assert answer.json() == ["alpha", "m", {"kind": "k"}, 1000]
    again = client.post(peer, "/exchange/landing", b"x" * 1000, meta={"kind": "k"}, message_id="m")
    assert again.json() == answer.json()


def test_a_query_and_an_empty_message_arrive(client: Client, peer: Peer) -> None:
    assert client.get(peer, "/exchange/head?size=3&name=%E9%96%A2").json()[3] == 0
    assert client.post(peer, "/exchange/head").json()[3] == 0


@pytest.mark.parametrize("kind", [UserError, Refusal, TamperError, PeerError])
def test_a_peers_refusal_keeps_its_class_and_its_words(client, peer, kind) -> None:
    with pytest.raises(kind) as caught:
        client.post(peer, f"/error/{kind.__name__}")
    error = caught.value
    assert (error.code, error.rule, error.next_step) == ("case.x", "r", "n")
    assert error.message == "national: no"


@pytest.mark.parametrize("path", ["/error/Defect", "/plain", "/redirect"])
def test_a_peers_own_fault_is_the_peers(client: Client, peer: Peer, path: str) -> None:
    with pytest.raises(PeerError):
        client.post(peer, path)


def test_a_body_that_is_down_is_a_peer_error(client: Client, peer: Peer) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{free.getsockname()[1]}"
    away = Peer(peer.id, peer.kind, peer.verify_key, url=gone)
    with pytest.raises(PeerError) as caught:
        client.post(away, "/x", b"canary-4711")
    assert caught.value.code == "peer.unreachable"
    assert "canary" not in str(caught.value)


def test_a_party_without_an_address_cannot_be_sent_to(client: Client, peer: Peer) -> None:
    with pytest.raises(SekishoError, match="no address"):
        client.post(Peer(peer.id, "reviewer", peer.verify_key), "/x")


def test_a_proxy_of_the_machine_is_not_used(client, peer, monkeypatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    assert client.get(peer, "/x").status == 200
