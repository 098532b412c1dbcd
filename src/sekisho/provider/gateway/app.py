"""The gateway as a WSGI application: the table of doors, and the guard before each of them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import falcon
import orjson

from sekisho.common.errors import Refusal, SekishoError
from sekisho.common.storage import is_full, storage_full
from sekisho.provider.gateway import outcome
from sekisho.provider.gateway.answers import Answers
from sekisho.provider.gateway.clients import Client, Clients
from sekisho.provider.gateway.doors import DOORS, Door

log = logging.getLogger("sekisho.gateway")
PROBLEM = "application/problem+json"


class NoKey(Refusal):
    """Nobody knows who asks."""

    http_status = 401


def make_app(answers: Answers, clients: Clients) -> falcon.App[falcon.Request, falcon.Response]:
    """Return the application; a path or method that no door has is refused."""
    app = falcon.App()
    app.req_options.strip_url_path_trailing_slash = False
    app.add_error_handler(Exception, _failed)
    app.add_error_handler(falcon.HTTPError, _unknown)
    by_path: dict[str, dict[str, Any]] = {}
    for door in DOORS:
        found = by_path.setdefault(door.path, {})
        found[f"on_{door.method.lower()}"] = _guarded(door, getattr(answers, door.name), clients)
    for path, responders in by_path.items():
        app.add_route(path, SimpleNamespace(**responders))
    return app


def _guarded(door: Door, answer: Callable[..., None], clients: Clients) -> Callable[..., None]:
    def responder(req: falcon.Request, resp: falcon.Response, **named: str) -> None:
        try:
            if door.roles:
                answer(req, resp, _admitted(door, req, clients), **named)
            else:
                answer(req, resp, **named)
        except SekishoError as error:
            _refuse(resp, error, fhir=door.fhir)
        except OSError as error:
            if not is_full(error):
                raise
            _refuse(resp, storage_full(), fhir=door.fhir)

    return responder


def _admitted(door: Door, req: falcon.Request, clients: Clients) -> Client:
    """Return who asks, when it may use this door."""
    scheme, _, key = (req.get_header("Authorization") or "").partition(" ")
    client = clients.find(key.strip()) if scheme.lower() == "bearer" else None
    if client is None:
        raise NoKey(
            "gateway.no-key",
            "The request carries no key that is known here.",
            rule="every client has a key of its own; without one nothing is answered",
            next_step="have the operator of the gateway make one: sekisho gateway add-client",
        )
    if client.role not in door.roles:
        raise Refusal(
            "gateway.not-yours",
            "This client may not use this door.",
            rule=f"open to: {', '.join(sorted(door.roles))}",
        )
    return client


def _refuse(resp: falcon.Response, error: SekishoError, *, fhir: bool) -> None:
    log.info("refused: %s", error.code)
    resp.status = error.http_status
    if error.http_status == NoKey.http_status:
        resp.set_header("WWW-Authenticate", "Bearer")
    told = outcome.refused(error) if fhir else error.as_problem()
    resp.data = orjson.dumps(told)
    resp.content_type = outcome.MEDIA_TYPE if fhir else PROBLEM


def _unknown(
    req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, params: Any
) -> None:
    """Answer what falcon itself refuses: no such path or method, or a wrong parameter."""
    code, title = "gateway.no-such-door", "There is no such door."
    if isinstance(error, falcon.HTTPInvalidParam):
        code, title = "gateway.parameter", "A parameter of the request is not what it can be."
    resp.status = error.status
    resp.data = orjson.dumps({"type": f"urn:sekisho:problem:{code}", "title": title})
    resp.content_type = PROBLEM


def _failed(req: falcon.Request, resp: falcon.Response, error: Exception, params: Any) -> None:
    """Say that it is our fault; the error's text may hold a value and is told to nobody."""
    log.error("failed: %s", type(error).__name__)
    resp.status = 500
    resp.data = orjson.dumps(
        {"type": "urn:sekisho:problem:defect", "title": "An error of ours.", "status": 500}
    )
    resp.content_type = PROBLEM
