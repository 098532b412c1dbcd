"""What was taken and waits to be sent on: one folder a job, on disk before it is answered."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any, Final, Literal, get_args

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sekisho.common.atomicfile import sync_folder, write_atomically
from sekisho.common.canonical import file_digest
from sekisho.common.errors import TamperError, UserError
from sekisho.common.ids import new_id
from sekisho.common.randomness import RandomBytes

State = Literal["waiting", "sent", "failed"]
STATES: Final[tuple[State, ...]] = get_args(State)


class NotNow(UserError):
    """The job is not in a state in which that can be done."""

    http_status = 409


class Job(Struct, frozen=True, forbid_unknown_fields=True):
    """One file that a client sent.

    Attributes:
        number: order of arrival: of one source record the last that came counts.
        key: the client's own name for it, or its digest: the same key, the same job.
        report: what came of it, for the client; it stays at the provider.
    """

    id: str
    client: str
    format: str
    number: int
    key: str
    digest: str
    size: int
    taken_at: str
    state: State = "waiting"
    report: dict[str, Any] | None = None

    def shown(self) -> dict[str, Any]:
        """Return what a client is told of it."""
        return {name: getattr(self, name) for name in self.__struct_fields__ if name != "key"}


@dataclass(frozen=True)
class Jobs:
    """The spool of one gateway. Folders and files are their owner's alone."""

    folder: Path
    random: RandomBytes

    def take(
        self, client: str, format_id: str, file: Path, key: str | None, now: datetime
    ) -> tuple[Job, bool]:
        """Take a file into the spool; return its job, and whether it is new.

        ``file`` lies on the same disk and is linked, not moved: a crash before the answer leaves it
        where it was, and taking it again finds the same job.

        Raises:
            TamperError: the client used this key for other bytes.
        """
        digest = file_digest(file)
        name = hashlib.sha256(
            "\0".join((client, format_id, key or digest)).encode("utf-8", "surrogatepass")
        ).hexdigest()[:32]
        known = self.find(name)
        if known is None:
            known = self._add(client, format_id, file, key or digest, digest, name, now)
            if known is not None:
                return known, True
            known = self.find(name)  # another request was faster
            assert known is not None
        if known.digest != digest:
            raise TamperError(
                "gateway.key-reused",
                "This Idempotency-Key was used for other bytes.",
                rule="one key, one content",
                next_step="send it under a new key",
            )
        return known, False

    def _add(
        self, client: str, format_id: str, file: Path, key: str, digest: str, name: str,
        now: datetime,
    ) -> Job | None:  # fmt: skip
        job = Job(
            name, client, format_id, self._next(), key, digest, file.stat().st_size, now.isoformat()
        )
        made = self.folder / "new" / new_id(self.random)
        made.mkdir(mode=0o700, parents=True)
        os.link(file, made / name)
        (made / name).chmod(0o600)
        self._write(made, job)
        (self.folder / "jobs").mkdir(mode=0o700, exist_ok=True)
        try:
            made.rename(self.folder / "jobs" / name)
        except OSError:
            shutil.rmtree(made)
            return None
        sync_folder(self.folder / "jobs")
        return job

    def find(self, name: str) -> Job | None:
        """Return a job; None where there is none of that name."""
        file = self.folder / "jobs" / name / "job.json"
        if not name.isalnum() or not file.is_file():
            return None
        return msgspec.json.decode(file.read_bytes(), type=Job)

    def all(self) -> Iterator[Job]:
        """Yield the jobs in order of arrival."""
        found = [self.find(one.name) for one in (self.folder / "jobs").glob("*")]
        yield from sorted((job for job in found if job), key=lambda job: (job.number, job.id))

    def file(self, job: Job) -> Path:
        """Return where a job's bytes lie while it waits."""
        return self.folder / "jobs" / job.id / job.id

    def finish(self, job: Job, state: State, report: dict[str, Any]) -> None:
        """Write what came of a job; its bytes are then no longer needed here."""
        self._write(self.folder / "jobs" / job.id, replace(job, state=state, report=report))
        if state == "sent":
            self.file(job).unlink(missing_ok=True)

    def retry(self, job: Job, *, overtake: bool = False) -> Job:
        """Let a failed job wait again, and return it as it is then.

        ``overtake``: also where later jobs of its client and format have gone. Bodies take what
        comes last for what counts, so that an old record would stand in the place of a newer one.

        Raises:
            NotNow: it has not failed, or would overtake others.
        """
        _require_failed(job)
        later = sum(
            1
            for one in self.all()
            if (one.client, one.format) == (job.client, job.format)
            and one.state == "sent"
            and one.number > job.number
        )
        if later and not overtake:
            raise NotNow(
                "gateway.overtakes",
                f"{later} later jobs of this client and format have gone.",
                rule="of one source record, what is sent last counts",
                next_step="if none of them corrects what this one holds, try again with "
                "overtake; otherwise drop it and send the records as they are now",
            )
        again = replace(job, state="waiting", report=None)
        self._write(self.folder / "jobs" / job.id, again)
        return again

    def drop(self, job: Job) -> None:
        """Forget a failed job and its bytes.

        Raises:
            NotNow: it has not failed.
        """
        _require_failed(job)
        gone = self.folder / "new" / new_id(self.random)
        gone.parent.mkdir(mode=0o700, exist_ok=True)
        (self.folder / "jobs" / job.id).rename(gone)  # at once: a crash leaves it whole or gone
        shutil.rmtree(gone)

    def sweep(self) -> None:
        """Remove what a crash left half made. Only at the start, while nobody sends."""
        shutil.rmtree(self.folder / "new", ignore_errors=True)

    def _next(self) -> int:
        """Return the next number. The last one is kept: to look for it reads all jobs there are."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = self.folder / "last"
        with (self.folder / "last.lock").open("w") as lock:
            flock(lock, LOCK_EX)
            if kept.exists():
                last = int(kept.read_text("ascii"))
            else:
                last = max((job.number for job in self.all()), default=0)
            write_atomically(kept, str(last + 1).encode())
        return last + 1

    @staticmethod
    def _write(folder: Path, job: Job) -> None:
        write_atomically(folder / "job.json", msgspec.json.encode(job))


def _require_failed(job: Job) -> None:
    if job.state != "failed":
        raise NotNow(
            "gateway.not-failed",
            f"The job has not failed: it is {job.state}.",
            rule="only a failed job is tried again, or dropped",
        )
