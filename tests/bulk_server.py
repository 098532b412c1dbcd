"""A server of FHIR Bulk Data Access on loopback, by the specification, that can misbehave.

Source: https://hl7.org/fhir/uv/bulkdata/export.html and SMART Backend Services. It checks what a
client must send (Accept, Prefer, the signed assertion) and remembers every request.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import falcon
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

TIME = "2026-04-01T00:00:00.000Z"
LATER_TIME = "2026-05-01T00:00:00.000Z"


@dataclass
class BulkServer:
    """One server. ``files`` are its export: (sort, type, lines); faults by name."""

    files: list[tuple[str, str, list[bytes]]] = field(default_factory=list)
    key: ECKey | RSAKey | None = None
    polls: int = 2
    """How often an export is not ready yet."""
    faults: dict[str, int] = field(default_factory=dict)
    """Fault → how many requests meet it."""
    counts: dict[int, int] = field(default_factory=dict)
    """File → the count that the manifest says, where it is wrong."""
    time: str = TIME
    file_host: str | None = None
    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    kicked: list[dict[str, str]] = field(default_factory=list)
    tokens: int = 0
    used: set[str] = field(default_factory=set)
    polled: Counter[str] = field(default_factory=Counter)
    jobs: dict[str, str] = field(default_factory=dict)

    def meets(self, fault: str) -> bool:
        """Use a fault up once."""
        left = self.faults.get(fault, 0)
        self.faults[fault] = max(0, left - 1)
        return left > 0

    def app(self) -> falcon.App[Any, Any]:
        made = falcon.App()
        made.add_sink(self._answer, prefix="/")
        return made

    def _answer(self, req: falcon.Request, resp: falcon.Response) -> None:
        self.asked.append((req.method, req.path))
        for fault, status in (("429", 429), ("503", 503), ("500", 500)):
            if req.path != "/token" and self.meets(fault):
                resp.status = status
                if status != 500:
                    resp.set_header("Retry-After", "7")
                return
        if req.path == "/fhir/.well-known/smart-configuration":
            resp.media = {"token_endpoint": f"{self.url}/token"}
        elif req.path == "/token":
            self._token(req, resp)
        elif not req.path.startswith("/open/") and not self._let_in(req):
            resp.status = 401
        elif req.path.endswith("/$export"):
            self._kick_off(req, resp)
        elif req.path.startswith("/job/"):
            self._status(req, resp)
        else:
            self._file(req, resp)

    def _token(self, req: falcon.Request, resp: falcon.Response) -> None:
        form = req.get_media()
        token = jwt.decode(form["client_assertion"], self.key, ["ES384", "RS384"])
        claims = token.claims
        good = (
            claims["aud"] == f"{self.url}/token"
            and claims["iss"] == claims["sub"] == "gateway"
            and claims["exp"] - claims["iat"] <= 300
            and claims["jti"] not in self.used
            and token.header["kid"] == "k1"
            and form["grant_type"] == "client_credentials"
            and form["scope"] == "system/*.read"
            and form["client_assertion_type"].endswith("client-assertion-type:jwt-bearer")
        )
        if not good:
            resp.status = 400
            resp.media = {"error": "invalid_client"}
            return
        self.used.add(claims["jti"])
        self.tokens += 1
        resp.media = {
            "access_token": f"t{self.tokens}",
            "token_type": "bearer",
            "expires_in": 300,
            "scope": "system/*.read",
        }

    def _let_in(self, req: falcon.Request) -> bool:
        if self.key is None:
            return req.get_header("Authorization") is None
        expired = self.meets("expired")
        return not expired and req.get_header("Authorization") == f"Bearer t{self.tokens}"

    def _kick_off(self, req: falcon.Request, resp: falcon.Response) -> None:
        assert req.get_header("Accept") == "application/fhir+json"
        assert req.get_header("Prefer") == "respond-async"
        if self.meets("refuse"):
            resp.status = 400
            return
        self.kicked.append({"path": req.path, **{k: str(v) for k, v in req.params.items()}})
        name = f"/job/{len(self.kicked)}"
        self.jobs[name] = "running"
        resp.status = 202
        resp.set_header("Content-Location", f"{self.url}{name}")

    def _status(self, req: falcon.Request, resp: falcon.Response) -> None:
        if self.jobs.get(req.path) != "running":
            resp.status = 404
            return
        if req.method == "DELETE":
            self.jobs[req.path] = "deleted"
            resp.status = 202
            return
        self.polled[req.path] += 1
        if self.polled[req.path] <= self.polls:
            resp.status = 202
            resp.set_header("X-Progress", "in progress")
            if self.polled[req.path] == 1:
                resp.set_header("Retry-After", "120")
            return
        where = self.file_host or self.url
        prefix = "file" if self.key is not None else "open"
        named: dict[str, list[dict[str, Any]]] = {"output": [], "deleted": [], "error": []}
        for number, (sort, kind, lines) in enumerate(self.files):
            count = self.counts.get(number, len(lines))
            entry = {"type": kind, "url": f"{where}/{prefix}/{number}", "count": count}
            named[sort].append(entry)
        resp.media = {
            "transactionTime": self.time,
            "request": f"{self.url}/fhir/$export",
            "requiresAccessToken": self.key is not None,
            **named,
        }

    def _file(self, req: falcon.Request, resp: falcon.Response) -> None:
        number = int(req.path.rpartition("/")[2])
        if req.get_header("Authorization") is not None and self.key is None:
            resp.status = 400  # a token that was not asked for
            return
        if self.meets(f"missing-{number}"):
            resp.status = 404
            return
        data = b"".join(line + b"\n" for line in self.files[number][2])
        if self.meets(f"cut-{number}"):
            data = data[: len(data) - 5]
        resp.data = data
        resp.content_type = "application/fhir+ndjson"


@contextmanager
def serving(server: BulkServer) -> Iterator[BulkServer]:
    """Serve on loopback while the block lasts."""
    with make_server("127.0.0.1", 0, server.app(), handler_class=_Quiet) as made:
        server.url = f"http://127.0.0.1:{made.server_port}"
        thread = Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            made.shutdown()
            thread.join()


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def lines_of(*resources: dict[str, Any]) -> list[bytes]:
    return [json.dumps(one).encode() for one in resources]
