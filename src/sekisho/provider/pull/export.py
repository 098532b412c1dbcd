"""One export from kick-off to hand-over: each step is written down before the next is taken."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import requests
from msgspec import Struct
from msgspec.structs import replace

from sekisho.common.atomicfile import write_atomically
from sekisho.common.clock import Clock
from sekisho.common.errors import PeerError, UserError
from sekisho.provider.pull.config import Source
from sekisho.provider.pull.manifest import (
    Manifest,
    Problem,
    Sort,
    check_output,
    deletions,
    read_manifest,
    severities,
)
from sekisho.provider.pull.patients import Patients
from sekisho.provider.pull.web import Web, backoff, retry_after

FORMAT: Final = "fhir-ndjson"
NDJSON: Final = "application/fhir+ndjson"
_GONE: Final = frozenset({404, 410})
_FETCHES: Final = 2
"""How often a file whose lines do not fit its manifest is fetched before that is reported."""

Submit = Callable[[Sequence[Path], str], dict[str, Any]]


class State(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How far the pull from one source is.

    Attributes:
        since: ``transactionTime`` of the last export of which nothing was missing.
        job: the address at which the export under way is asked for; None where none is.
        begun: when it was asked for.
        manifest: what the server said when it was ready.
        done_at: when the last export was handed over.
    """

    since: str | None = None
    job: str | None = None
    begun: datetime | None = None
    manifest: Manifest | None = None
    submitted: bool = False
    done_at: datetime | None = None


@dataclass(frozen=True)
class Report:
    """What came of one export; it names no resource."""

    source: str
    resources: int
    files: int
    deleted: int
    problems: tuple[Problem, ...]
    since: str | None
    submitted: dict[str, Any] | None

    def shown(self) -> dict[str, Any]:
        said = msgspec.to_builtins(self)
        assert isinstance(said, dict)
        return said


@dataclass
class Export:
    """The pull from one source, in its folder below the provider's ``pull/``."""

    source: Source
    web: Web
    folder: Path
    submit: Submit
    clock: Clock

    def due(self, every_hours: int | None = None) -> bool:
        """Whether an export is under way, or its time has come.

        ``every_hours`` is what the collecting body wants, in the place of our own configuration.
        """
        state = self.state()
        if state.job is not None or state.done_at is None:
            return True
        return self.clock.now() >= state.done_at + timedelta(
            hours=every_hours or self.source.every_hours
        )

    def run(self) -> Report:
        """Go on from wherever the last run stopped, to the end.

        Raises:
            PeerError: the server is away or gave the export up; what was done stays done.
        """
        state = self.state()
        if state.job is None:
            state = self._kick_off(state)
        if state.manifest is None:
            state = self._wait(state)
        return self._finish(state, self._fetched(state))

    def state(self) -> State:
        file = self.folder / "state.json"
        return msgspec.json.decode(file.read_bytes(), type=State) if file.is_file() else State()

    # Steps

    def _kick_off(self, state: State) -> State:
        params = {"_outputFormat": NDJSON}
        if state.since:
            params["_since"] = state.since
        if self.source.types:
            params["_type"] = ",".join(self.source.types)
        if self.source.type_filter:
            params["_typeFilter"] = ",".join(self.source.type_filter)
        headers = {"Accept": "application/fhir+json", "Prefer": "respond-async"}
        answer = self.web.ask("GET", self.source.kick_off, params=params, headers=headers)
        where = answer.headers.get("Content-Location")
        if answer.status_code != 202 or not where:
            raise self._refused("kick-off", answer)
        shutil.rmtree(self._files, ignore_errors=True)
        return self._keep(replace(state, job=where, begun=self.clock.now()))

    def _wait(self, state: State) -> State:
        """Ask for the export until it is ready, as rarely as the server wants."""
        assert state.job is not None
        assert state.begun is not None
        asked = 0
        while True:
            answer = self.web.ask("GET", state.job, headers={"Accept": "application/json"})
            if answer.status_code == 200:
                return self._keep(replace(state, manifest=read_manifest(answer.content)))
            if answer.status_code != 202:
                self._forget(state)
                raise self._refused("status", answer)
            if self.clock.now() >= state.begun + timedelta(hours=self.source.patience_hours):
                self._release(state)
                self._forget(state)
                raise PeerError(
                    "pull.too-long",
                    f"{self.source.name}: the export was not ready in time, and was given up.",
                    next_step="run the pull again: a new export begins",
                )
            asked += 1
            wait = retry_after(answer.headers, self.clock.now())
            self.web.pause(backoff(min(asked, 10), None) if wait is None else wait)

    def _fetched(self, state: State) -> list[Problem]:
        """Fetch the files that are not here yet; return what is wrong with them."""
        manifest = state.manifest
        assert manifest is not None
        self._files.mkdir(mode=0o700, parents=True, exist_ok=True)
        problems: list[Problem] = []
        for number, (sort, entry) in enumerate(manifest.files()):
            target = self._file(number, sort)
            for fetch in range(1, _FETCHES + 1):
                status = 200
                if not target.exists():
                    status = self.web.fetch(
                        entry.url, target, signed_in=manifest.requires_access_token
                    )
                if status != 200:
                    problems.append(Problem("pull.file-missing", number, entry.type))
                    break
                wrong = check_output(number, entry, target) if sort == "output" else []
                if not wrong or fetch == _FETCHES:
                    problems += wrong
                    break
                target.unlink()
            if sort == "error" and target.exists():
                errors, _ = severities(target)
                if errors:
                    problems.append(Problem("pull.error-file", number, entry.type, errors))
        return problems

    def _finish(self, state: State, problems: list[Problem]) -> Report:
        """Hand over what came; move on in time only when nothing is missing."""
        manifest = state.manifest
        assert manifest is not None
        files = self._with_lines(manifest, "output")
        taken_back = self._with_lines(manifest, "deleted")
        gone = set[str]().union(*map(deletions, taken_back))
        self._patients.forget(gone)
        submitted = None
        if (files or taken_back) and not state.submitted:
            # What was deleted comes first: it may be there again.
            try:
                submitted = self.submit([*self._earlier(files), *taken_back, *files], FORMAT)
            except UserError as refused:
                submitted = refused.as_problem()
                problems = [*problems, Problem("pull.not-submitted", 0, "")]
            state = self._keep(replace(state, submitted=True))
        self._patients.learn(files)
        since = state.since if problems else manifest.transaction_time
        report = Report(
            self.source.name,
            sum(_lines(file) for file in files),
            len(files),
            len(gone),
            tuple(sorted(problems)),
            since,
            submitted,
        )
        write_atomically(self.folder / "report.json", msgspec.json.encode(report.shown()))
        self._release(state)
        self._keep(State(since=since, done_at=self.clock.now()))
        shutil.rmtree(self._files, ignore_errors=True)
        return report

    # Around them

    def _with_lines(self, manifest: Manifest, sort: Sort) -> list[Path]:
        """Return the files of one sort that came and are not empty."""
        named = (self._file(n, one) for n, (one, _) in enumerate(manifest.files()) if one == sort)
        return [file for file in named if _has_lines(file)]

    def _earlier(self, files: list[Path]) -> list[Path]:
        """Return the file of Patients of whom an export speaks, and whom an earlier one held."""
        target = self._files / "patients.ndjson"
        return [target] if self._patients.missing(files, target) else []

    @property
    def _patients(self) -> Patients:
        return Patients(self.folder / "patients.db")

    def _release(self, state: State) -> None:
        """Tell the server that its files are no longer needed; that it cannot hear is no matter."""
        assert state.job is not None
        try:
            self.web.ask("DELETE", state.job)
        except PeerError:
            return

    def _forget(self, state: State) -> None:
        self._keep(State(since=state.since, done_at=state.done_at))

    def _keep(self, state: State) -> State:
        write_atomically(self.folder / "state.json", msgspec.json.encode(state))
        return state

    def _refused(self, step: str, answer: requests.Response) -> PeerError:
        gone = answer.status_code in _GONE
        return PeerError(
            "pull.expired" if gone and step == "status" else "pull.refused",
            f"{self.source.name}: the server answered {answer.status_code} to the {step}.",
            rule="FHIR Bulk Data Access: 202 with Content-Location, then 202 until 200",
            next_step="run the pull again" if gone else "have the server's operator look at it",
        )

    @property
    def _files(self) -> Path:
        return self.folder / "files"

    def _file(self, number: int, sort: str) -> Path:
        return self._files / f"{number:05d}.{sort}.ndjson"


def _has_lines(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 0


def _lines(file: Path) -> int:
    with file.open("rb") as source:
        return sum(1 for line in source if line.strip())
