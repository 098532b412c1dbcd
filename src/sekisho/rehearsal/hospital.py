"""A hospital's FHIR server in a rehearsal: FHIR Bulk Data Access over what its system holds.

Source: https://hl7.org/fhir/uv/bulkdata/export.html. It is on loopback, only while somebody pulls.
Of the files that a scenario brings, a line is a resource that is new or changed on that day, and a
Bundle with DELETE in it takes resources back. An export holds what changed after ``_since``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, make_server

import falcon
import orjson

from sekisho.provider.pull.manifest import deletions
from sekisho.provider.sources import Limits, lines

_NDJSON = "application/fhir+ndjson"
_WAIT = "120"
"""Seconds that the server asks for before the one look at which an export is not ready."""
_UNTYPED = "Resource"


class _Held(NamedTuple):
    """A resource as it stands since ``at``; ``line`` is None where it was deleted."""

    at: datetime
    kind: str
    line: bytes | None


@dataclass
class Hospital:
    """One provider's server. ``requests`` counts what was asked of it."""

    held: dict[str, _Held] = field(default_factory=dict)
    requests: int = 0
    _now: datetime | None = None
    _exports: dict[str, dict[str, list[tuple[str, bytes]]]] = field(default_factory=dict)
    _looked: set[str] = field(default_factory=set)

    def change(self, files: Sequence[Path], at: datetime) -> None:
        """Take over what the hospital's system wrote until ``at``."""
        for number, file in enumerate(files):
            for name in deletions(file):
                self._put(name, _Held(at, name.partition("/")[0], None))
            for line in lines(file, Limits()):
                if line.data is None:
                    continue
                kind, id = _named(line.data)
                if kind != "Bundle":
                    unnamed = f"{at.isoformat()}/{number}/{line.number}"
                    self._put(f"{kind}/{id or unnamed}", _Held(at, kind, line.data))

    def _put(self, name: str, held: _Held) -> None:
        self.held.pop(name, None)  # what changed last is told last
        self.held[name] = held

    @contextmanager
    def serving(self, now: datetime) -> Iterator[str]:
        """Answer while the block lasts, at the time ``now``; yield the FHIR base."""
        app: falcon.App[Any, Any] = falcon.App()
        app.add_sink(self._answer, prefix="/")
        self._now = now
        with make_server("127.0.0.1", 0, app, handler_class=_Quiet) as server:
            base = f"http://127.0.0.1:{server.server_port}"
            thread = Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield f"{base}/fhir"
            finally:
                server.shutdown()
                thread.join()

    def _answer(self, req: falcon.Request, resp: falcon.Response, **_: str) -> None:
        self.requests += 1
        match req.path.split("/")[1:]:
            case ["fhir", *_, "$export"]:
                self._kick_off(req, resp)
            case ["exports", job] if job in self._exports:
                self._status(req, resp, job)
            case ["exports", job, sort, number] if job in self._exports:
                resp.data = self._exports[job][sort][int(number)][1]
                resp.content_type = _NDJSON
            case _:
                resp.status = 404

    def _kick_off(self, req: falcon.Request, resp: falcon.Response) -> None:
        if (
            req.get_header("Prefer") != "respond-async"
            or req.params.get("_outputFormat") != _NDJSON
        ):
            resp.status = 400
            return
        job = str(self.requests)
        self._exports[job] = self._export(req.get_param("_since"))
        resp.status = 202
        resp.set_header("Content-Location", f"{req.prefix}/exports/{job}")

    def _export(self, since: str | None) -> dict[str, list[tuple[str, bytes]]]:
        """Return the files of an export by sort: the type of each, and its bytes."""
        after = datetime.fromisoformat(since) if since else None
        output: dict[str, list[bytes]] = {}
        gone: list[bytes] = []
        for name, one in self.held.items():
            if after is not None and one.at <= after:
                continue
            if one.line is not None:
                output.setdefault(one.kind, []).append(one.line)
            elif after is not None:  # who never got it need not hear that it is gone
                gone.append(_deletion(name))
        return {
            "output": [(kind, _joined(found)) for kind, found in output.items()],
            "deleted": [("Bundle", _joined(gone))] if gone else [],
        }

    def _status(self, req: falcon.Request, resp: falcon.Response, job: str) -> None:
        if req.method == "DELETE":
            del self._exports[job]
            resp.status = 202
        elif job not in self._looked:
            self._looked.add(job)
            resp.status = 202
            resp.set_header("Retry-After", _WAIT)
        else:
            assert self._now is not None
            resp.media = {
                "transactionTime": self._now.isoformat(),
                "request": f"{req.prefix}/fhir/Patient/$export",
                "requiresAccessToken": False,
                "error": [],
                **{
                    sort: [
                        {
                            "type": kind,
                            "url": f"{req.prefix}/exports/{job}/{sort}/{number}",
                            "count": data.count(b"\n"),
                        }
                        for number, (kind, data) in enumerate(files)
                    ]
                    for sort, files in self._exports[job].items()
                },
            }


def _named(line: bytes) -> tuple[str, str]:
    """Return the type and id of a resource; a line that is none has neither."""
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return _UNTYPED, ""
    if not isinstance(found, dict):
        return _UNTYPED, ""
    return str(found.get("resourceType") or _UNTYPED), str(found.get("id") or "")


def _deletion(name: str) -> bytes:
    entry = {"request": {"method": "DELETE", "url": name}}
    return orjson.dumps({"resourceType": "Bundle", "type": "transaction", "entry": [entry]})


def _joined(found: Sequence[bytes]) -> bytes:
    return b"".join(one + b"\n" for one in found)


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing: an address may name a patient."""
