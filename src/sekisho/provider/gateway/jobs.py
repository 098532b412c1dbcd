"""What was taken and waits to be sent on: a line in a book each, on disk before it is answered.

A job's bytes lie in ``jobs/`` until it was sent. The book finds by an index what waits, so that a
gateway that has taken a million files sends the next as fast as the first.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, get_args

import msgspec
from msgspec import Struct

from sekisho.common.atomicfile import sync_folder
from sekisho.common.canonical import file_digest
from sekisho.common.errors import TamperError, UserError
from sekisho.common.storage import is_full, storage_full

State = Literal["waiting", "sent", "failed"]
STATES: Final[tuple[State, ...]] = get_args(State)

_SCHEMA: Final = (
    # A number is never given twice, also of a job that is gone.
    "CREATE TABLE IF NOT EXISTS job (number INTEGER PRIMARY KEY AUTOINCREMENT,"
    " id TEXT NOT NULL UNIQUE, client TEXT NOT NULL, format TEXT NOT NULL, digest TEXT NOT NULL,"
    " size INTEGER NOT NULL, taken_at TEXT NOT NULL, state TEXT NOT NULL, batch TEXT,"
    " settled_at TEXT, submissions TEXT NOT NULL DEFAULT '[]', report TEXT)",
    "CREATE INDEX IF NOT EXISTS of_state ON job (state, client, format, number)",
    "CREATE INDEX IF NOT EXISTS of_client ON job (client, number)",
    "CREATE INDEX IF NOT EXISTS settled ON job (settled_at) WHERE state = 'sent'",
    "CREATE INDEX IF NOT EXISTS told ON job (settled_at)"
    " WHERE state = 'sent' AND report IS NOT NULL",
)
_FORGET: Final = (
    "DELETE FROM job WHERE state = 'sent' AND settled_at < ? AND NOT EXISTS (SELECT 1 FROM job f"
    " WHERE f.state = 'failed' AND f.client = job.client AND f.format = job.format"
    " AND f.number < job.number)"
)
"""What a failed job would overtake stays known as long as that job is there."""


class NotNow(UserError):
    """The job is not in a state in which that can be done."""

    http_status = 409


class Job(Struct, frozen=True):
    """One file that a client sent.

    Attributes:
        id: says client, format and the client's own name for it (else its digest), and cannot be
            turned back: the same name, the same job.
        number: order of arrival: of one source record the last that came counts.
        batch: what it goes with, as long as it waits.
        settled_at: when it was sent, or failed.
        submissions: those in which it was sent; the journal has their receipts.
        report: what came of it, for the client; it stays at the provider.
    """

    id: str
    client: str
    format: str
    number: int
    digest: str
    size: int
    taken_at: str
    state: State
    batch: str | None
    settled_at: str | None
    submissions: tuple[str, ...]
    report: dict[str, Any] | None

    def shown(self) -> dict[str, Any]:
        """Return what a client is told of it; also that its report is no longer here."""
        told = {name: getattr(self, name) for name in self.__struct_fields__ if name != "batch"}
        return {**told, "report_removed": self.state == "sent" and self.report is None}


_JOB: Final = f"SELECT {', '.join(Job.__struct_fields__)} FROM job"  # noqa: S608 (no value in it)


@dataclass(frozen=True)
class Jobs:
    """The spool of one gateway. Folders and files are their owner's alone."""

    folder: Path

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
        with self._change() as book:
            known = _one(book, name)
            if known is None:
                self._link(file, name)
                book.execute(
                    "INSERT INTO job (id, client, format, digest, size, taken_at, state)"
                    " VALUES (?, ?, ?, ?, ?, ?, 'waiting')",
                    (name, client, format_id, digest, file.stat().st_size, now.isoformat()),
                )
            job = known or _required(book, name)
        if job.digest != digest:
            raise TamperError(
                "gateway.key-reused",
                "This Idempotency-Key was used for other bytes.",
                rule="one key, one content",
                next_step="send it under a new key",
            )
        return job, known is None

    def find(self, name: str) -> Job | None:
        """Return a job; None where there is none of that name."""
        if not name.isalnum():
            return None
        with self._open() as book:
            return _one(book, name)

    def all(
        self,
        *,
        client: str | None = None,
        state: State | None = None,
        after: int = 0,
        most: int | None = None,
    ) -> list[Job]:
        """Return jobs in order of arrival: all, or those of one client or in one state.

        Args:
            after: the number of the job behind which to begin.
            most: how many at most.
        """
        chosen = {"client": client, "state": state}
        given = {name: value for name, value in chosen.items() if value is not None}
        where = "".join(f"{name} = ? AND " for name in given)
        asked = f"{_JOB} WHERE {where}number > ? ORDER BY number LIMIT ?"
        with self._open() as book:
            told = book.execute(asked, (*given.values(), after, -1 if most is None else most))
            return [_job(row) for row in told]

    def counts(self) -> dict[State, int]:
        """Return how many jobs are in each state."""
        with self._open() as book:
            found = dict(book.execute("SELECT state, count(*) FROM job GROUP BY state"))
        return {state: found.get(state, 0) for state in STATES}

    def due(self) -> list[Job]:
        """Return the jobs that wait, in order of arrival; no other is read."""
        return self.all(state="waiting")

    def file(self, job: Job) -> Path:
        """Return where a job's bytes lie until it is sent."""
        return self.folder / "jobs" / job.id

    def join(self, batches: Mapping[str, Sequence[Job]]) -> None:
        """Write down which jobs go together, before they do: all batches or none."""
        with self._change() as book:
            for batch, jobs in batches.items():
                book.executemany(
                    "UPDATE job SET batch = ? WHERE id = ?", [(batch, job.id) for job in jobs]
                )

    def finish(
        self,
        state: State,
        reports: Mapping[str, dict[str, Any]],
        now: datetime,
        submissions: Sequence[str] = (),
    ) -> None:
        """Write what came of the jobs that went together (id → report), of all or of none.

        What was sent is then no longer needed here.
        """
        kept = msgspec.json.encode(submissions).decode()
        with self._change() as book:
            book.executemany(
                "UPDATE job SET state = ?, settled_at = ?, submissions = ?, report = ?,"
                " batch = NULL WHERE id = ?",
                [
                    (state, now.isoformat(), kept, msgspec.json.encode(report).decode(), name)
                    for name, report in reports.items()
                ],
            )
        if state == "sent":
            for name in reports:
                (self.folder / "jobs" / name).unlink(missing_ok=True)

    def retry(self, job: Job, *, overtake: bool = False) -> Job:
        """Let a failed job wait again, and return it as it is then.

        ``overtake``: also where later jobs of its client and format have gone. Bodies take what
        comes last for what counts, so that an old record would stand in the place of a newer one.

        Raises:
            NotNow: it has not failed, or would overtake others.
        """
        with self._change() as book:
            _require_failed(book, job)
            [later] = book.execute(
                "SELECT count(*) FROM job"
                " WHERE state = 'sent' AND client = ? AND format = ? AND number > ?",
                (job.client, job.format, job.number),
            ).fetchone()
            if later and not overtake:
                raise NotNow(
                    "gateway.overtakes",
                    f"{later} later jobs of this client and format have gone.",
                    rule="of one source record, what is sent last counts",
                    next_step="if none of them corrects what this one holds, try again with "
                    "overtake; otherwise drop it and send the records as they are now",
                )
            book.execute(
                "UPDATE job SET state = 'waiting', settled_at = NULL, report = NULL WHERE id = ?",
                (job.id,),
            )
            return _required(book, job.id)

    def drop(self, job: Job) -> None:
        """Forget a failed job and its bytes.

        Raises:
            NotNow: it has not failed.
        """
        with self._change() as book:
            _require_failed(book, job)
            book.execute("DELETE FROM job WHERE id = ?", (job.id,))
        self.file(job).unlink(missing_ok=True)

    def forget(self, now: datetime, job_days: int, key_days: int) -> None:
        """Remove the reports of jobs sent ``job_days`` ago, and after ``key_days`` more the jobs.

        In between the same key or content is still the same job. What failed stays until somebody
        tries it again or drops it: its bytes are nowhere else.
        """
        told, known = now - timedelta(days=job_days), now - timedelta(days=job_days + key_days)
        with self._change() as book:
            book.execute(
                "UPDATE job SET report = NULL"
                " WHERE state = 'sent' AND report IS NOT NULL AND settled_at < ?",
                (told.isoformat(),),
            )
            book.execute(_FORGET, (known.isoformat(),))

    def sweep(self) -> None:
        """Remove bytes that a crash left without a job. Only at the start, while nobody sends."""
        for file in (self.folder / "jobs").glob("*"):
            job = self.find(file.name)
            if job is None or job.state == "sent":
                file.unlink()

    def _link(self, file: Path, name: str) -> None:
        """Put a job's bytes into their place, durably. Bytes there are of a take that broke off."""
        folder = self.folder / "jobs"
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / name).unlink(missing_ok=True)
        os.link(file, folder / name)
        (folder / name).chmod(0o600)
        sync_folder(folder)

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """Change the book: all that the block does or nothing, and nobody else meanwhile."""
        with self._open() as book:
            book.execute("BEGIN IMMEDIATE")
            yield book
            book.execute("COMMIT")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        path = self.folder / "jobs.sqlite3"
        if not path.exists():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(0o600)
        try:
            # Nothing begins or ends but where it is said; what is not committed at the end is none.
            with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as book:
                book.execute("PRAGMA synchronous = EXTRA")
                for statement in _SCHEMA:
                    book.execute(statement)
                yield book
        except sqlite3.OperationalError as error:
            if is_full(error):
                raise storage_full() from error
            raise


def _one(book: sqlite3.Connection, name: str) -> Job | None:
    row = book.execute(f"{_JOB} WHERE id = ?", (name,)).fetchone()
    return None if row is None else _job(row)


def _required(book: sqlite3.Connection, name: str) -> Job:
    job = _one(book, name)
    if job is None:
        raise NotNow("gateway.no-job", "The job is gone: somebody has dropped it.")
    return job


def _job(row: tuple[Any, ...]) -> Job:
    told = dict(zip(Job.__struct_fields__, row, strict=True))
    for name in ("submissions", "report"):
        told[name] = None if told[name] is None else msgspec.json.decode(told[name])
    return msgspec.convert(told, Job)


def _require_failed(book: sqlite3.Connection, job: Job) -> None:
    state = _required(book, job.id).state
    if state != "failed":
        raise NotNow(
            "gateway.not-failed",
            f"The job has not failed: it is {state}.",
            rule="only a failed job is tried again, or dropped",
        )
