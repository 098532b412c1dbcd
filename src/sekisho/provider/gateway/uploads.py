"""Large files in pieces, resumable: the tus protocol 1.0.0 (https://tus.io/protocols/resumable-upload).

What an upload's file holds up to its recorded offset was checked and is on the disk; bytes beyond
it are what a crash cut off, and are dropped. A whole upload is a job before it is answered.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sekisho.common.atomicfile import write_atomically
from sekisho.common.errors import TamperError, UserError
from sekisho.common.ids import new_id
from sekisho.common.randomness import RandomBytes
from sekisho.provider.gateway.jobs import Jobs

CHECKSUMS: Final = ("sha256", "sha1")
"""The extension `checksum` asks for sha1; sha256 is ours."""


class OffsetDiffers(UserError):
    """The piece does not begin where the upload stopped."""

    http_status = 409


class ChecksumDiffers(TamperError):
    """The piece is not what its checksum says (460, a number of tus)."""

    http_status = 460


class Upload(Struct, frozen=True, forbid_unknown_fields=True):
    """One upload: whose, how long it will be, how far it is, and its job once it is whole."""

    id: str
    client: str
    format: str
    length: int
    expires: str
    key: str | None = None
    offset: int = 0
    job: str | None = None


@dataclass(frozen=True)
class Uploads:
    """The uploads of one gateway."""

    folder: Path
    jobs: Jobs
    random: RandomBytes

    def begin(
        self, client: str, format_id: str, length: int, key: str | None, now: datetime, days: int
    ) -> Upload:
        """Make an empty upload."""
        expires = (now + timedelta(days=days)).isoformat()
        made = Upload(new_id(self.random), client, format_id, length, expires, key)
        place = self.folder / made.id
        place.mkdir(mode=0o700, parents=True)
        os.close(os.open(place / "data", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        self._write(made)
        return self._finished(made, now)

    def find(self, name: str, client: str, now: datetime) -> Upload | None:
        """Return a client's own upload; None where it has none of that name any more."""
        file = self.folder / name / "upload.json"
        if not name.isalnum() or not file.is_file():
            return None
        found = msgspec.json.decode(file.read_bytes(), type=Upload)
        if found.client != client or found.expires <= now.isoformat():
            return None
        return self._finished(found, now)

    def append(
        self,
        upload: Upload,
        offset: int,
        pieces: Iterable[bytes],
        checksum: str | None,
        now: datetime,
    ) -> Upload:
        """Add a piece; it counts when its checksum holds and it is on the disk.

        Raises:
            OffsetDiffers: it does not begin where the upload stopped.
            ChecksumDiffers: it is not what was said; nothing of it is kept.
            UserError: it is longer than the upload, or its checksum cannot be read.
        """
        with self._alone(upload) as current:
            if offset != current.offset:
                raise OffsetDiffers(
                    "upload.offset",
                    f"The upload stopped at {current.offset}.",
                    rule="tus 1.0.0: Upload-Offset of a PATCH is the offset of the upload",
                    next_step="ask with HEAD where it stopped, and go on there",
                )
            state, wanted = _checksum(checksum)
            end = self._append(current, pieces, state)
            if wanted is not None and state.digest() != wanted:
                raise ChecksumDiffers(
                    "upload.checksum",
                    "The piece is not what its checksum says; nothing of it was kept.",
                    rule="tus 1.0.0, extension checksum",
                    next_step="send the piece again",
                )
            moved = replace(current, offset=end)
            self._write(moved)
            return self._finished(moved, now)

    def drop(self, upload: Upload) -> None:
        """Forget an upload. Its job, if it became one, stays."""
        shutil.rmtree(self.folder / upload.id)

    def sweep(self, now: datetime) -> int:
        """Remove expired uploads and make jobs of whole ones; return how many were removed."""
        gone = 0
        for file in list(self.folder.glob("*/upload.json")):
            upload = msgspec.json.decode(file.read_bytes(), type=Upload)
            if upload.expires <= now.isoformat():
                self.drop(upload)
                gone += 1
            else:
                self._finished(upload, now)
        return gone

    def _append(self, upload: Upload, pieces: Iterable[bytes], state: hashlib._Hash) -> int:
        end = upload.offset
        with (self.folder / upload.id / "data").open("r+b") as file:
            file.truncate(upload.offset)
            file.seek(upload.offset)
            for piece in pieces:
                end += len(piece)
                if end > upload.length:
                    raise UserError(
                        "upload.too-long",
                        f"The piece ends beyond the upload's {upload.length} bytes.",
                        rule="tus 1.0.0: an upload has the length that was said when it began",
                    )
                state.update(piece)
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        return end

    def _finished(self, upload: Upload, now: datetime) -> Upload:
        """Make a job of an upload that is whole; doing it again finds the same job."""
        if upload.job is not None or upload.offset < upload.length or not upload.length:
            return upload
        data = self.folder / upload.id / "data"
        job, _ = self.jobs.take(upload.client, upload.format, data, upload.key, now)
        done = replace(upload, job=job.id)
        self._write(done)
        data.unlink()
        return done

    @contextmanager
    def _alone(self, upload: Upload) -> Iterator[Upload]:
        """Hold an upload against other requests; yield it as it is now."""
        place = self.folder / upload.id
        with (place / "lock").open("w") as lock:
            flock(lock, LOCK_EX)
            yield msgspec.json.decode((place / "upload.json").read_bytes(), type=Upload)

    def _write(self, upload: Upload) -> None:
        write_atomically(self.folder / upload.id / "upload.json", msgspec.json.encode(upload))


def read_metadata(text: str) -> dict[str, str]:
    """Read ``Upload-Metadata``: names with values in base64, by commas."""
    found = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = item.partition(" ")
        try:
            found[name] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise UserError("upload.metadata", "Upload-Metadata cannot be read.") from None
    return found


def _checksum(text: str | None) -> tuple[hashlib._Hash, bytes | None]:
    if text is None:
        return hashlib.sha256(), None
    name, _, value = text.strip().partition(" ")
    try:
        if name not in CHECKSUMS:
            raise ValueError(name)
        return hashlib.new(name, usedforsecurity=False), base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        raise UserError(
            "upload.checksum-unknown",
            "Upload-Checksum cannot be read.",
            next_step=f"algorithms: {', '.join(CHECKSUMS)}; the value in base64",
        ) from None
