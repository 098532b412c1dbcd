"""Sending on what waits: jobs of a client together, each batch written down before it is sent.

A program that is ended anywhere sends the same batch again, which is then the same submission; the
outcome of all its jobs is written down at once, so that no job is sent twice or forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sekisho.common.clock import Clock
from sekisho.common.errors import PeerError, SekishoError, StorageFull
from sekisho.common.ids import new_id
from sekisho.common.randomness import RandomBytes
from sekisho.provider.gateway.jobs import Job, Jobs, State

Submit = Callable[[Sequence[Path], str], dict[str, Any]]
"""(files, format) → the report of their submission."""


@dataclass(frozen=True)
class Batch:
    """Jobs of one client and format that are submitted together, and what came of it."""

    jobs: tuple[Job, ...]
    state: State = "waiting"
    report: dict[str, Any] | None = None


@dataclass(frozen=True)
class Forwarder:
    """Sends on the jobs of one gateway; only one runs at a time."""

    jobs: Jobs
    submit: Submit
    clock: Clock
    random: RandomBytes

    def run(self) -> list[Batch]:
        """Send everything that waits; return the batches that were settled.

        What nobody answers to stays: it is tried again at the next run.
        """
        done = []
        for batch in self._batches():
            settled = self._send(batch)
            if settled.state != "waiting":
                self._settle(settled)
                done.append(settled)
        return done

    def _batches(self) -> list[Batch]:
        """Return what waits: the batches of earlier runs, then what came since, as it came."""
        begun: dict[str, list[Job]] = {}
        since: dict[tuple[str, str], list[Job]] = {}
        for job in self.jobs.due():
            if job.batch is not None:
                begun.setdefault(job.batch, []).append(job)
            else:
                since.setdefault((job.client, job.format), []).append(job)
        made = {new_id(self.random): jobs for jobs in since.values()}
        if made:
            self.jobs.join(made)
        return [Batch(tuple(jobs)) for jobs in (*begun.values(), *made.values())]

    def _send(self, batch: Batch) -> Batch:
        files = [self.jobs.file(job) for job in batch.jobs]
        try:
            return replace(batch, state="sent", report=self.submit(files, batch.jobs[0].format))
        except (PeerError, StorageFull):
            return batch
        except SekishoError as refused:
            return replace(batch, state="failed", report=refused.as_problem())

    def _settle(self, batch: Batch) -> None:
        report = batch.report or {}
        self.jobs.finish(
            batch.state,
            {job.id: _own(report, job) for job in batch.jobs},
            self.clock.now(),
            [one["submission"] for one in report.get("handed", ())],
        )


def _own(report: dict[str, Any], job: Job) -> dict[str, Any]:
    """Return a batch's report with the findings of one job's file alone."""
    if "findings" not in report:
        return report
    mine = [one for one in report["findings"] if one["file"] in ("", job.id)]
    return {**report, "findings": mine}
