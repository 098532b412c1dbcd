"""The sending side: signed requests to a peer, and its answer or its error as ours."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import requests

from sekisho.common.canonical import file_digest
from sekisho.common.clock import Clock
from sekisho.common.errors import (
    PeerError,
    Refusal,
    SekishoError,
    TamperError,
    UserError,
)
from sekisho.common.ids import new_id
from sekisho.common.randomness import RandomBytes
from sekisho.exchange.directory import Peer
from sekisho.exchange.keys import SigningKey
from sekisho.exchange.messages import sign_request
from sekisho.exchange.pieces import HAVE, PIECE_BYTES, Piece, described

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 300.0

_CLASSES: dict[int, type[SekishoError]] = {
    400: UserError,
    403: Refusal,
    404: Refusal,
    409: TamperError,
}


@dataclass(frozen=True)
class Answer:
    """What a peer answered."""

    status: int
    content_type: str
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON; an unreadable one is the peer's fault."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise PeerError("peer.unreadable", "The peer's answer is not JSON.") from error


class Client:
    """One party's voice. Keep one per process: it keeps connections open.

    Transport time is the machine's, never a scenario's: ``clock`` must be the system's clock, or
    peers will refuse the messages as expired.
    """

    def __init__(
        self,
        sender: str,
        key: SigningKey,
        *,
        clock: Clock,
        random: RandomBytes,
        answer_seconds: float = ANSWER_SECONDS,
        piece_bytes: int = PIECE_BYTES,
    ) -> None:
        self.sender = sender
        self._key = key
        self._clock = clock
        self._random = random
        self._piece_bytes = piece_bytes
        self._timeout = (CONNECT_SECONDS, answer_seconds)
        self._session = requests.Session()
        # Neither a proxy nor a netrc of the machine may come between two bodies.
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def post(
        self,
        peer: Peer,
        path: str,
        body: bytes | Path = b"",
        *,
        content_type: str = "application/octet-stream",
        meta: Mapping[str, Any] | None = None,
        message_id: str | None = None,
    ) -> Answer:
        """Send a message.

        A caller that may have to send again passes its own ``message_id``, so that the peer knows
        the message; the nonce is new each time. A large body in a file goes in pieces: sent again
        under its id after a break, it goes on where it stopped.

        Raises:
            PeerError: no connection, no answer in time, or the peer's own fault.
            UserError, Refusal, TamperError: as the peer said, with its code.
        """
        known = message_id or new_id(self._random)
        if isinstance(body, Path) and body.stat().st_size > self._piece_bytes:
            return self._in_pieces(peer, path, body, content_type, meta, known)
        return self._send("POST", peer, path, body, content_type, meta, known)

    def get(self, peer: Peer, path: str, *, meta: Mapping[str, Any] | None = None) -> Answer:
        """Ask for something; signed like a message. Errors as `post`."""
        return self._send("GET", peer, path, b"", "application/octet-stream", meta, None)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _in_pieces(
        self,
        peer: Peer,
        path: str,
        file: Path,
        content_type: str,
        meta: Mapping[str, Any] | None,
        message_id: str,
    ) -> Answer:
        """Send a file piece by piece, beginning where the peer stopped; return the last answer."""
        total, digest = file.stat().st_size, file_digest(file)
        data, start = b"", 0  # an empty piece asks how far the peer is
        with file.open("rb") as source:
            while True:
                said = described(meta, Piece(start, total, digest))
                answer = self._send("POST", peer, path, data, content_type, said, message_id)
                have = answer.json().get(HAVE)
                if have is None:
                    return answer
                if not isinstance(have, int) or (data and have <= start):
                    raise PeerError(
                        "peer.pieces",
                        f"{peer.id} does not take the pieces of a message.",
                        next_step="the message can be sent again; it goes on where it stopped",
                    )
                start = have
                source.seek(start)
                data = source.read(self._piece_bytes)

    def _send(
        self,
        method: str,
        peer: Peer,
        path: str,
        body: bytes | Path,
        content_type: str,
        meta: Mapping[str, Any] | None,
        message_id: str | None,
    ) -> Answer:
        if peer.url is None:
            raise UserError("peer.no-address", f"{peer.id} has no address to send to.")
        with ExitStack() as opened:
            data: bytes | BinaryIO = b""
            if isinstance(body, bytes):
                data = body
            elif body.stat().st_size:  # of an empty file the length would not be sent
                data = opened.enter_context(body.open("rb"))
            return self._sent(method, peer, path, body, data, content_type, meta, message_id)

    def _sent(
        self,
        method: str,
        peer: Peer,
        path: str,
        body: bytes | Path,
        data: bytes | BinaryIO,
        content_type: str,
        meta: Mapping[str, Any] | None,
        message_id: str | None,
    ) -> Answer:
        request = requests.Request(method, f"{peer.url}{path}", data=data or None)
        prepared = self._session.prepare_request(request)
        # The prepared URL is the spelling that goes on the wire, so it is the one to sign.
        signed = sign_request(
            method=method,
            url=str(prepared.url),
            body=body,
            sender=self.sender,
            recipient=peer.id,
            key=self._key,
            message_id=message_id or new_id(self._random),
            nonce=new_id(self._random),
            now=self._clock.now(),
            meta=meta,
            content_type=content_type,
        )
        prepared.headers.update(signed)
        try:
            response = self._session.send(prepared, timeout=self._timeout, allow_redirects=False)
        except requests.RequestException as error:
            raise PeerError(
                "peer.unreachable",
                f"{peer.id} does not answer ({type(error).__name__}).",
                next_step="see whether the body is up; the message can be sent again as it is",
            ) from error
        if not 200 <= response.status_code < 300:
            raise error_of(peer.id, response)
        kind = response.headers.get("Content-Type", "")
        return Answer(response.status_code, kind, response.content)


def error_of(peer: str, response: requests.Response) -> SekishoError:
    """Return a peer's refusal as our error: same code, same words, its name before them."""
    problem = _problem(response)
    status = response.status_code
    if problem is None:
        return PeerError("peer.failed", f"{peer} answered with status {status}.")
    code = str(problem.get("type", "")).removeprefix("urn:sekisho:problem:") or "peer.failed"
    return _CLASSES.get(status, PeerError)(
        code,
        f"{peer}: {str(problem.get('title', ''))[:500]}",
        rule=_text(problem.get("rule")),
        next_step=_text(problem.get("next")),
    )


def _problem(response: requests.Response) -> dict[str, Any] | None:
    if not response.headers.get("Content-Type", "").startswith("application/problem+json"):
        return None
    try:
        problem = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return None
    return problem if isinstance(problem, dict) else None


def _text(value: object) -> str | None:
    return value[:500] if isinstance(value, str) else None
