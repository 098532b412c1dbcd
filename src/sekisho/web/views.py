"""The pages and doors of one body."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import wraps
from hashlib import sha256
from pathlib import Path

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import get_language

from sekisho.body.endpoints import Endpoint
from sekisho.body.flows import witness
from sekisho.body.ports import Incoming
from sekisho.body.service import where
from sekisho.body.unfinished import unfinished_in
from sekisho.common.clock import SystemClock
from sekisho.common.errors import SekishoError, StorageFull, UserError
from sekisho.common.ids import BodyId, new_id
from sekisho.common.storage import has_room, is_full, require_room, storage_full
from sekisho.control.ledger import origin_of, served
from sekisho.exchange.messages import Verified, kept_as, verify_request
from sekisho.exchange.pieces import HAVE, Piece, piece_of
from sekisho.web.language import kept
from sekisho.web.portals.start import performed, shell, start_page
from sekisho.web.runtime import current, ring

CONTENT_TYPE_LENGTH = 80
PIECE = 2**18
NUL = b"\\u0000"
"""As JSON spells it; not every database can keep it."""

log = logging.getLogger("sekisho.web")
View = Callable[..., HttpResponse]


def problem(error: SekishoError) -> JsonResponse:
    """Answer with an RFC 9457 problem document."""
    return JsonResponse(
        error.as_problem(), status=error.http_status, content_type="application/problem+json"
    )


def explained(view: View) -> View:
    """Turn errors into problem documents; one of ours says where it was, never with what value."""

    @wraps(view)
    def answer(request: HttpRequest, **kwargs: object) -> HttpResponse:
        try:
            return view(request, **kwargs)
        except SekishoError as error:
            return problem(error)
        except Exception as error:
            if is_full(error):
                return problem(storage_full())
            log.error("%s failed: %s", request.path, where(error))
            return JsonResponse(
                {"type": "urn:sekisho:problem:defect", "title": "An error of ours.", "status": 500},
                status=500,
                content_type="application/problem+json",
            )

    return answer


@explained
def exchange(request: HttpRequest, endpoint: Endpoint) -> HttpResponse:
    """Verify who calls, then keep a message (202; 200 if kept before) or answer a query."""
    if request.method not in {"GET", "POST"}:
        return HttpResponse(status=405, headers={"Allow": "GET, POST"})
    service = current()
    if endpoint.mode == "query":
        verified = verify(request, request.body)
        service.admit(endpoint, verified.sender)
        answer = service.query(endpoint, verified.sender, request.GET.dict(), request.body)
        return JsonResponse(answer)
    if request.method != "POST":
        raise UserError("exchange.method", "A message is sent with POST.")
    # The file has a fresh name of ours: nothing that a sender says names a file.
    store = service.body.store
    require_room(service.body.folders.base, int(request.headers.get("Content-Length") or 0))
    file = store.receive_spool(new_id(service.body.random), pieces(request))
    try:
        verified = verify(request, file)
        service.admit(endpoint, verified.sender)
        piece, meta = piece_of(verified.meta)
        verified = replace(verified, meta=meta)
        if piece is not None:
            return join(request, endpoint, verified, piece, file)
        return keep(request, endpoint, verified, file)
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def join(
    request: HttpRequest, endpoint: Endpoint, verified: Verified, piece: Piece, file: Path
) -> HttpResponse:
    """Put a piece to its message; keep the message when it is whole, say how far it is until then.

    A message that is kept already is answered as one that comes again.
    """
    body = current().body
    message_id = kept_as(verified.sender, verified.message_id)
    unfinished = unfinished_in(body.folders)
    if body.store.incoming_state(message_id) is not None:
        file.unlink()
        unfinished.drop(message_id, piece)
        return JsonResponse({"accepted": message_id, "new": False})
    require_room(body.folders.base, max(0, piece.total - piece.start))
    have = unfinished.append(message_id, piece, file)
    file.unlink()
    if have < piece.total:
        return JsonResponse({HAVE: have}, status=202)
    whole = unfinished.whole(message_id, piece)
    taken = body.store.take_spool("in", new_id(body.random), whole)
    try:
        answer = keep(request, endpoint, verified, taken)
    except BaseException:
        taken.unlink(missing_ok=True)
        raise
    unfinished.drop(message_id, piece)
    return answer


def verify(request: HttpRequest, body: bytes | Path) -> Verified:
    """Return who sent a request, its signature, digest, time and address verified."""
    own = current().body
    return verify_request(
        method=str(request.method),
        url=request.build_absolute_uri(),
        headers=dict(request.headers),
        body=body,
        resolve=own.directory.resolve,
        now=SystemClock().now(),
        recipient=own.id,
        seen=own.store.seen_nonce,
    )


def pieces(request: HttpRequest) -> Iterator[bytes]:
    """Yield a request's body, a bounded number of bytes at a time."""
    while piece := request.read(PIECE):
        yield piece


def keep(request: HttpRequest, endpoint: Endpoint, verified: Verified, file: Path) -> HttpResponse:
    """Keep a message whose body is in ``file``: its row and its task; say that it was accepted.

    A message that comes again cannot touch what was kept.
    """
    message_id = kept_as(verified.sender, verified.message_id)
    if request.content_type == "application/json" and _has_nul(file):
        raise UserError(
            "message.control-character",
            "The message holds the character NUL, which no text of ours has.",
            next_step="take it out where the text was typed, and send the message again",
        )
    if len(request.content_type or "") > CONTENT_TYPE_LENGTH:
        raise UserError("message.bad-content-type", "The content type is too long.")
    body = current().body
    message = Incoming(
        message_id,
        verified.sender,
        endpoint.path,
        dict(verified.meta),
        request.content_type or "",
        file,
    )
    new = body.store.keep_incoming(message, file.stat().st_size)
    if not new:
        file.unlink()
    ring()
    return JsonResponse({"accepted": message_id, "new": new}, status=202 if new else 200)


def _has_nul(file: Path) -> bool:
    """Search a file for the character NUL, a bounded number of bytes at a time."""
    before = b""
    with file.open("rb") as source:
        while piece := source.read(PIECE):
            if NUL in before + piece:
                return True
            before = piece[1 - len(NUL) :]
    return False


def health(request: HttpRequest) -> HttpResponse:
    """Say that this body answers, and whether it has room to work."""
    body = current().body
    if has_room(body.folders.base):
        return JsonResponse({"body": body.id, "status": "ok"})
    return JsonResponse({"body": body.id, "status": "full"}, status=StorageFull.http_status)


@explained
def checkpoint(request: HttpRequest) -> HttpResponse:
    """Show the ledger's latest signed checkpoint (C2SP)."""
    try:
        note = current().body.ledger.checkpoint()
    except FileNotFoundError:
        return JsonResponse(
            {
                "type": "urn:sekisho:problem:ledger.no-checkpoint",
                "title": "The ledger has no checkpoint yet.",
                "status": 404,
            },
            status=404,
            content_type="application/problem+json",
        )
    return HttpResponse(note, content_type="text/plain; charset=utf-8")


@explained
def ledger_file(request: HttpRequest, name: str) -> HttpResponse:
    """Serve the ledger's tiles and entries to anyone (C2SP tlog-tiles), read only."""
    if request.method not in {"GET", "HEAD"}:
        return HttpResponse(status=405, headers={"Allow": "GET, HEAD"})
    data = served(current().body.ledger.log, name)
    if data is None:
        return not_found(request, FileNotFoundError())
    if not name.startswith("tile/"):
        return HttpResponse(data, content_type="text/plain; charset=utf-8")
    answer = HttpResponse(data, content_type="application/octet-stream")
    answer["Cache-Control"] = "public, max-age=31536000, immutable"
    return answer


@explained
def witnessed(request: HttpRequest, origin: str) -> HttpResponse:
    """Show the checkpoint of another's ledger that this body co-signed last (C2SP tlog-witness)."""
    body = current().body
    for other, last in body.store.find(witness.KEPT):
        if sha256(origin_of(other, last["generation"]).encode()).hexdigest() == origin:
            return HttpResponse(last["note"], content_type="text/plain; charset=utf-8")
    return not_found(request, FileNotFoundError())


def start(request: HttpRequest) -> HttpResponse:
    """Show what this body is."""
    return page(request, "start.html", start_page(current().body, get_language() or "ja"))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that this is not a function of this body, and which are: as a page or to a program."""
    body, language = current().body, get_language() or "ja"
    if "text/html" in request.headers.get("Accept", ""):
        return page(request, "not_found.html", shell(body, language), status=404)
    problem = {
        "type": "urn:sekisho:problem:body.no-such-door",
        "title": "This is not a function of this body.",
        "status": 404,
        "functions": [one.id for one in performed(body.framework, BodyId(body.id), language)],
    }
    return JsonResponse(problem, status=404, content_type="application/problem+json")


def page(
    request: HttpRequest, template: str, context: dict[str, object], status: int = 200
) -> HttpResponse:
    """Return a page, with the language that was asked for carried along by its links."""
    return render(request, template, {**context, "kept": kept(request)}, status=status)


def failed(request: HttpRequest) -> HttpResponse:
    """The last resort of Django's own machinery."""
    return HttpResponse("500", status=500, content_type="text/plain")
