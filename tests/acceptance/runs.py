"""Rehearsals for acceptance tests: each scenario runs once in each framework and is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq

from sekisho.body.keyring import converter_files, read_converter
from sekisho.common.errors import UserError
from sekisho.common.ids import Domain, project_domain
from sekisho.exchange import jws
from sekisho.exchange.directory import Directory
from sekisho.framework import framework_files
from sekisho.pseudonym.group import multiply
from sekisho.pseudonym.identifiers import PersonKey, element_of
from sekisho.pseudonym.keys import ConverterKeys
from sekisho.reference.schemas import all_schemas
from sekisho.rehearsal import run as rehearsal
from sekisho.rehearsal.play import Play
from sekisho.rehearsal.scenario import OptOut, Person, Scenario, Submission, read_scenario

ROOT = Path(__file__).resolve().parents[2]
FRAMEWORKS = tuple(path.stem for path in framework_files(ROOT))
"""Whatever is in frameworks/: a new file is tested without a new line here."""
PERSONS = 200
Json = dict[str, Any]


def first_study(persons: int = PERSONS) -> Scenario:
    """Return the main job with fewer people."""
    return read_scenario(ROOT / "scenarios" / "first-study.toml").with_population(persons)


@dataclass(frozen=True)
class Run:
    """One rehearsal that is over: its folder and its report."""

    scenario: Scenario
    folder: Path
    report: Json

    def released(self, application: str) -> dict[str, bytes]:
        """Return what left for an application."""
        home = self.folder / "released" / application
        return {file.name: file.read_bytes() for file in sorted(home.iterdir()) if file.is_file()}

    def environment(self, application: str) -> str:
        return str(self.report["projects"][application]["environment"])

    def table(self, application: str, name: str) -> pa.Table:
        """Return a table as the study saw it."""
        return pq.read_table(self.folder / "projects" / application / "data" / f"{name}.parquet")

    def numbers(self, persons: int) -> list[PersonKey]:
        """Return the insured numbers of the first people; some have none."""
        found = []
        for number in range(persons):
            try:
                found.append(self.scenario.key_of(Person(number=number)))
            except UserError:
                continue
        return found

    def pseudonym(self, application: str, key: PersonKey) -> bytes:
        """Return a person's pseudonym in a project."""
        return self.pseudonym_in(project_domain(application, self.environment(application)), key)

    def pseudonym_in(self, domain: Domain, key: PersonKey) -> bytes:
        """Return a person's pseudonym in a domain, from both converters' secrets: N = f1·f2·H(x).

        Nobody in the system can do this: no body has both secrets.
        """
        element = element_of(key)
        for secret in self._converters():
            element = multiply(secret.factor(domain, 0), element)
        return bytes(element)

    def _converters(self) -> Iterator[ConverterKeys]:
        for keys in sorted((self.folder / "bodies").glob("*/keys")):
            if converter_files(keys):
                yield read_converter(keys)

    def receipts(self) -> Iterator[Json]:
        """Yield the payloads of all landing receipts, their signatures verified."""
        directory = Directory.read(self.folder / "directory.json")
        for file in sorted((self.folder / "bodies").glob("*/documents/receipts/*.jws")):
            if not file.name.startswith(("extract-", "release-")):
                kind = "sekisho-landing-receipt"
                yield dict(jws.verify(file.read_bytes(), directory.resolve, kind).payload)

    def entries(self, kind: str) -> int:
        """Return how many entries of a kind all ledgers have."""
        return sum(one["kinds"].get(kind, 0) for one in self.report["ledgers"].values())


class Resending(Play):
    """Sends all files a second time; what the bodies signed must stay as it is, byte for byte."""

    def submit(self, sent: Submission) -> None:
        super().submit(sent)
        self.stage.settle()
        before = self._signed()
        assert before
        super().submit(sent)
        self.stage.settle()
        assert self._signed() == before

    def _signed(self) -> dict[Path, bytes]:
        found = (self.folder / "bodies").glob("*/documents/receipts/*")
        return {file: file.read_bytes() for file in found}


@dataclass
class Rehearsals:
    """Runs by name, each made when it is first asked for."""

    folder: Path
    kept: dict[str, Run | Exception] = field(default_factory=dict)

    def get(self, name: str, make: Callable[[], Scenario], **options: Any) -> Run:
        """Return the run called ``name``; one that failed fails again, without running again."""
        if name not in self.kept:
            try:
                self.kept[name] = run(make(), self.folder / name, **options)
            except Exception as error:
                self.kept[name] = error
        found = self.kept[name]
        if isinstance(found, Exception):
            raise found
        return found


def run(scenario: Scenario, folder: Path, **options: Any) -> Run:
    """Rehearse ``scenario`` below ``folder``; `play` is another class to play it."""
    with playing(options.pop("play", Play)):
        report = rehearsal.run(scenario, folder, root=ROOT, **options)
    return Run(scenario, folder, report)


@contextmanager
def playing(play: type[Play]) -> Iterator[None]:
    """Let rehearsals be played by ``play``, a class that does something more (drills)."""
    before, rehearsal.Play = rehearsal.Play, play
    try:
        yield
    finally:
        rehearsal.Play = before


def documented(run: Run) -> None:
    """Assert that a run's report is what docs/reference says that a report is."""
    report = json.loads((run.folder / "report.json").read_bytes())
    check = jsonschema.Draft202012Validator(all_schemas()["report"])
    assert [f"{error.json_path}: {error.message}" for error in check.iter_errors(report)] == []


def standing(scenario: Scenario, on: date) -> dict[PersonKey, set[str]]:
    """Return each person's scopes in force on a day: the last word of each scope counts."""
    found: dict[PersonKey, set[str]] = {}
    choices: list[OptOut] = [c for c in scenario.opt_out if (on - scenario.start).days >= c.day]
    for choice in sorted(choices, key=lambda c: c.day):
        scopes = found.setdefault(scenario.key_of(choice.person, choice.day), set())
        (scopes.discard if choice.revoke else scopes.add)(choice.scope)
    return found


def same_books(run: Run, sound: Run) -> None:
    """Assert that what is held, confirmed and recorded is the same, whatever the order."""
    assert run.report["held"] == sound.report["held"]
    books = [_receipts(one) for one in (run, sound)]
    assert books[0] == books[1]
    for kind in (
        "submission.landed",
        "optout.choice",
        "lane.decided",
        "permit.issued",
        "extract.sent",
        "extract.made",
        "release.made",
        "message.refused",
    ):
        assert run.entries(kind) == sound.entries(kind), kind


def _receipts(run: Run) -> list[tuple[str, str, str, str]]:
    """Return what bodies confirmed, but for the submissions' ids (their HMAC keys are drawn)."""
    return sorted(
        (one["body"], one["provider"], one["format"], repr(one["balance"]))
        for one in run.receipts()
    )
