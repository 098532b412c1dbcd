"""Sending on what waits: jobs of a client together, each batch written down before it is sent.

A program that is ended anywhere sends the same batch again, which is then the same submission; the
outcome is written into the batch before the jobs, so that no job is sent twice or forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sekisho.common.atomicfile import write_atomically
from sekisho.common.errors import PeerError, SekishoError, StorageFull
from sekisho.common.ids import new_id
from sekisho.common.randomness import RandomBytes
from sekisho.provider.gateway.jobs import Job, Jobs, State

Submit = Callable[[Sequence[Path], str], dict[str, Any]]
"""(files, format) → the report of their submission."""


class Batch(Struct, frozen=True, forbid_unknown_fields=True):
    """Jobs that are submitted together, and what came of it."""

    id: str
    format: str
    jobs: tuple[str, ...]
    state: State = "waiting"
    report: dict[str, Any] | None = None


@dataclass(frozen=True)
class Forwarder:
    """Sends on the jobs of one gateway; only one runs at a time."""

    folder: Path
    jobs: Jobs
    submit: Submit
    random: RandomBytes

    def run(self) -> list[Batch]:
        """Send everything that waits; return the batches that were settled.

        What nobody answers to stays: it is tried again at the next run.
        """
        done = []
        for batch in [*self._open(), *self._new()]:
            settled = self._send(batch)
            if settled.state != "waiting":
                self._settle(settled)
                done.append(settled)
        return done

    def _open(self) -> list[Batch]:
        """Return the batches that an earlier run did not settle."""
        files = sorted((self.folder / "batches").glob("*.json"))
        return [msgspec.json.decode(file.read_bytes(), type=Batch) for file in files]

    def _new(self) -> list[Batch]:
        """Make batches of the jobs that are in none: of one client and format, as they arrived."""
        taken = {name for batch in self._open() for name in batch.jobs}
        waiting: dict[tuple[str, str], list[Job]] = {}
        for job in self.jobs.all():
            if job.state == "waiting" and job.id not in taken:
                waiting.setdefault((job.client, job.format), []).append(job)
        made = []
        for (_, format_id), jobs in waiting.items():
            batch = Batch(new_id(self.random), format_id, tuple(job.id for job in jobs))
            self._write(batch)
            made.append(batch)
        return made

    def _send(self, batch: Batch) -> Batch:
        if batch.state != "waiting":
            return batch  # the crash came after it was sent
        found = [self.jobs.find(name) for name in batch.jobs]
        files = [self.jobs.file(job) for job in found if job is not None]
        try:
            settled = replace(batch, state="sent", report=self.submit(files, batch.format))
        except (PeerError, StorageFull):
            return batch
        except SekishoError as refused:
            settled = replace(batch, state="failed", report=refused.as_problem())
        self._write(settled)
        return settled

    def _settle(self, batch: Batch) -> None:
        for name in batch.jobs:
            job = self.jobs.find(name)
            if job is not None and job.state == "waiting":
                self.jobs.finish(job, batch.state, _own(batch.report or {}, job))
        self._file(batch).unlink()

    def _file(self, batch: Batch) -> Path:
        return self.folder / "batches" / f"{batch.id}.json"

    def _write(self, batch: Batch) -> None:
        write_atomically(self._file(batch), msgspec.json.encode(batch))


def _own(report: dict[str, Any], job: Job) -> dict[str, Any]:
    """Return a batch's report with the findings of one job's file alone."""
    if "findings" not in report:
        return report
    mine = [one for one in report["findings"] if one["file"] in ("", job.id)]
    return {**report, "findings": mine}
