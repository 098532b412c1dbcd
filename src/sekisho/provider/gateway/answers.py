"""What each door of the gateway does with a request it has let in."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import falcon
import orjson

from sekisho.common.clock import Clock
from sekisho.common.errors import UserError
from sekisho.common.ids import new_id
from sekisho.common.randomness import RandomBytes
from sekisho.common.storage import has_room, require_room
from sekisho.provider.gateway import clins, outcome
from sekisho.provider.gateway.clients import Client
from sekisho.provider.gateway.config import GatewayConfig
from sekisho.provider.gateway.jobs import Job, Jobs
from sekisho.provider.gateway.openapi import document
from sekisho.provider.gateway.uploads import Upload, Uploads, read_metadata
from sekisho.provider.readers import format_of

log = logging.getLogger("sekisho.gateway")
TUS: Final = "1.0.0"
PUSHED: Final = "jp-clins"
_PIECE: Final = 1 << 18
_KEY_LENGTH: Final = 200


JOBS_AT_ONCE: Final = 1_000
"""Jobs that one answer tells of."""
_LAST: Final = 2**63 - 1


class NotFound(UserError):
    """Nothing of that name is this client's."""

    http_status = 404


class TooLarge(UserError):
    """The body is longer than this gateway takes."""

    http_status = 413


class OtherType(UserError):
    """The body has another content type than the door takes."""

    http_status = 415


@dataclass(frozen=True)
class Answers:
    """The gateway's work, behind its doors.

    ``wake`` tells the forwarder that something came; ``send_on`` has it send what waits.
    """

    folder: Path
    config: GatewayConfig
    jobs_kept: Jobs
    uploads: Uploads
    clock: Clock
    random: RandomBytes
    wake: Callable[[], None]
    send_on: Callable[[], None]

    # Files

    def push(self, req: falcon.Request, resp: falcon.Response, client: Client) -> None:
        with self._received(req) as file:
            clins.check(file.read_bytes())
            # A correction has the name of what it corrects: the content is the key.
            job, new = self._take(client, PUSHED, file, None)
        resp.data = orjson.dumps(outcome.taken(job.id))
        resp.content_type = outcome.MEDIA_TYPE
        self._accepted(resp, job, new)

    def take(self, req: falcon.Request, resp: falcon.Response, client: Client, format: str) -> None:
        format_id = format_of(format, own_layouts=False).id
        key = _key(req.get_header("Idempotency-Key"))
        with self._received(req) as file:
            job, new = self._take(client, format_id, file, key)
        resp.media = job.shown()
        self._accepted(resp, job, new)

    # Uploads

    def abilities(self, req: falcon.Request, resp: falcon.Response, client: Client) -> None:
        resp.set_header("Tus-Version", TUS)
        resp.set_header("Tus-Extension", "creation,checksum,expiration,termination")
        resp.set_header("Tus-Checksum-Algorithm", "sha256,sha1")
        resp.set_header("Tus-Max-Size", str(self.config.upload_bytes))
        self._tus(resp, 204)

    def begin(self, req: falcon.Request, resp: falcon.Response, client: Client) -> None:
        length = _number(req, "Upload-Length")
        if length > self.config.upload_bytes:
            raise TooLarge("upload.too-large", "The upload is longer than this gateway takes.")
        if not length:
            raise UserError("upload.empty", "The upload is empty.")
        require_room(self.folder, length)
        said = read_metadata(req.get_header("Upload-Metadata") or "")
        format_id = format_of(said.get("format", ""), own_layouts=False).id
        made = self.uploads.begin(
            client.name,
            format_id,
            length,
            _key(said.get("key")),
            self.clock.now(),
            self.config.upload_days,
        )
        resp.set_header("Location", f"/uploads/{made.id}")
        self._of(resp, made)
        self._tus(resp, 201)

    def offset(self, req: falcon.Request, resp: falcon.Response, client: Client, name: str) -> None:
        found = self._upload(client, name)
        resp.set_header("Upload-Length", str(found.length))
        resp.set_header("Cache-Control", "no-store")
        self._of(resp, found)
        self._tus(resp, 200)

    def append(self, req: falcon.Request, resp: falcon.Response, client: Client, name: str) -> None:
        if req.content_type != "application/offset+octet-stream":
            raise OtherType("upload.content-type", "A piece is application/offset+octet-stream.")
        found = self._upload(client, name)
        moved = self.uploads.append(
            found,
            _number(req, "Upload-Offset"),
            _pieces(req),
            req.get_header("Upload-Checksum"),
            self.clock.now(),
        )
        if moved.job is not None:
            self.wake()
        self._of(resp, moved)
        self._tus(resp, 204)

    def drop(self, req: falcon.Request, resp: falcon.Response, client: Client, name: str) -> None:
        self.uploads.drop(self._upload(client, name))
        self._tus(resp, 204)

    # Jobs

    def jobs(self, req: falcon.Request, resp: falcon.Response, client: Client) -> None:
        own = None if client.role == "operate" else client.name
        after = req.get_param_as_int("after", min_value=0, max_value=_LAST, default=0)
        found = self.jobs_kept.all(client=own, after=after, most=JOBS_AT_ONCE + 1)
        told = [job.shown() for job in found[:JOBS_AT_ONCE]]
        for one in told:
            del one["report"]  # long, and told by the job's own door
        resp.media = {"jobs": told, "next": None}
        if len(found) > JOBS_AT_ONCE:
            resp.media["next"] = f"/jobs?after={told[-1]['number']}"
            resp.append_link(resp.media["next"], "next")

    def job(self, req: falcon.Request, resp: falcon.Response, client: Client, name: str) -> None:
        resp.media = self._job(client, name).shown()

    def retry(self, req: falcon.Request, resp: falcon.Response, client: Client, name: str) -> None:
        overtake = req.get_param_as_bool("overtake", default=False)
        again = self.jobs_kept.retry(self._job(client, name), overtake=overtake)
        log.info("job %s of %s: %s tries it again", again.id, again.client, client.name)
        resp.media = again.shown()
        resp.status = 202
        self.wake()

    def discard(
        self, req: falcon.Request, resp: falcon.Response, client: Client, name: str
    ) -> None:
        found = self._job(client, name)
        self.jobs_kept.drop(found)
        log.info("job %s of %s: %s dropped it", found.id, found.client, client.name)
        resp.status = 204

    def counts(self, req: falcon.Request, resp: falcon.Response, client: Client) -> None:
        resp.media = self.jobs_kept.counts()

    def send(self, req: falcon.Request, resp: falcon.Response, client: Client) -> None:
        self.send_on()
        resp.status = 202

    # About

    def health(self, req: falcon.Request, resp: falcon.Response) -> None:
        room = has_room(self.folder)
        resp.media = {"status": "ok" if room else "full"}
        resp.status = 200 if room else 507

    def describe(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = document(version("sekisho"))

    @contextmanager
    def _received(self, req: falcon.Request) -> Iterator[Path]:
        """Write a request's body to the disk; the file is there while the block lasts."""
        length = req.content_length or 0
        if length > self.config.request_bytes:
            raise TooLarge(
                "gateway.too-large",
                "The body is longer than one request may be.",
                next_step="send it in pieces: POST /uploads",
            )
        if not length:
            raise UserError("gateway.empty", "The body is empty.")
        require_room(self.folder, length)
        inbox = self.folder / "inbox"
        inbox.mkdir(mode=0o700, exist_ok=True)
        file = inbox / new_id(self.random)
        try:
            with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as out:
                for piece in _pieces(req):
                    out.write(piece)
                out.flush()
                os.fsync(out.fileno())
            yield file
        finally:
            file.unlink(missing_ok=True)

    def _take(
        self, client: Client, format_id: str, file: Path, key: str | None
    ) -> tuple[Job, bool]:
        return self.jobs_kept.take(client.name, format_id, file, key, self.clock.now())

    def _accepted(self, resp: falcon.Response, job: Job, new: bool) -> None:
        resp.status = 202 if new else 200
        resp.set_header("Location", f"/jobs/{job.id}")
        self.wake()

    def _job(self, client: Client, name: str) -> Job:
        found = self.jobs_kept.find(name)
        if found is None or not _sees(client, found):
            raise _not_found()
        return found

    def _upload(self, client: Client, name: str) -> Upload:
        found = self.uploads.find(name, client.name, self.clock.now())
        if found is None:
            raise _not_found()
        return found

    @staticmethod
    def _of(resp: falcon.Response, upload: Upload) -> None:
        resp.set_header("Upload-Offset", str(upload.offset))
        resp.set_header("Upload-Expires", upload.expires)
        if upload.job is not None:
            resp.set_header("Sekisho-Job", upload.job)

    @staticmethod
    def _tus(resp: falcon.Response, status: int) -> None:
        resp.set_header("Tus-Resumable", TUS)
        resp.status = status


def _sees(client: Client, job: Job) -> bool:
    return client.role == "operate" or job.client == client.name


def _not_found() -> NotFound:
    return NotFound("gateway.not-found", "Nothing of that name is yours.")


def _key(text: str | None) -> str | None:
    if text is not None and not 0 < len(text) <= _KEY_LENGTH:
        raise UserError("gateway.key", f"An Idempotency-Key has 1 to {_KEY_LENGTH} characters.")
    return text


def _number(req: falcon.Request, header: str) -> int:
    text = req.get_header(header) or ""
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise UserError("upload.header", f"{header} is missing or no number.")
    return int(text)


def _pieces(req: falcon.Request) -> Iterator[bytes]:
    stream = req.bounded_stream
    while piece := stream.read(_PIECE):
        yield piece
