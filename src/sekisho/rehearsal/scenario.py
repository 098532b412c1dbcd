"""A scenario is read from TOML and proved on reading.

Paths in the file are relative to it and become absolute; globs are expanded. Whatever can be known
to be wrong before anything runs is refused here, with file and line. A person's identifier is
never part of a message.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from sekisho.common.errors import SekishoError, UserError
from sekisho.common.toml import locate, parse_toml
from sekisho.control.optout import Scope
from sekisho.provider import FORMATS, read_mapping
from sekisho.pseudonym.identifiers import parse_spec
from sekisho.rehearsal.model import (
    Application,
    Cohort,
    Job,
    JobFile,
    NumberChange,
    OptOut,
    Override,
    Person,
    Population,
    Provider,
    Scenario,
    ScenarioFile,
    Submission,
    View,
    Vote,
)

__all__ = [
    "Application",
    "Cohort",
    "Job",
    "NumberChange",
    "OptOut",
    "Override",
    "Person",
    "Population",
    "Provider",
    "Scenario",
    "Submission",
    "View",
    "Vote",
    "read_scenario",
    "schema",
]


def read_scenario(path: Path) -> Scenario:
    """Read and prove the scenario in ``path``.

    Raises:
        UserError: with file and line, and what is wrong.
    """
    if path.is_dir():
        raise UserError(
            "scenario.folder", f"{path}: is a folder.", next_step="name the scenario's TOML file"
        )
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            "file.unreadable", f"{path}: cannot be read as UTF-8 text: {error}"
        ) from error
    return _Reader(path, text).scenario(parse_toml(text, ScenarioFile, str(path)))


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "scenario: a rehearsal",
        **msgspec.json.schema(ScenarioFile),
    }


class _Reader:
    """Proves what the structure alone does not say, and knows the line of each fault."""

    def __init__(self, path: Path, text: str) -> None:
        self.path, self.text, self.base = path, text, path.resolve().parent

    def scenario(self, raw: ScenarioFile) -> Scenario:
        self._once("provider", "code", (one.code for one in raw.provider))
        self._once("application", "id", (one.id for one in raw.application))
        codes = {one.code for one in raw.provider}
        submissions = []
        for n, one in enumerate(raw.submission):
            if one.provider not in codes:
                raise self._wrong(
                    ("submission", n, "provider"),
                    "scenario.no-provider",
                    f"there is no provider {one.provider}",
                    "add a [[provider]] with this code",
                )
            known = FORMATS.get(one.format)
            folders = known is not None and known.of_folders
            files = self._files(("submission", n, "files"), one.files, folders=folders)
            submissions.append(Submission(one.provider, one.day, one.format, files))
        for n, choice in enumerate(raw.opt_out):
            self._choice(n, choice, raw.population)
        for n, view in enumerate(raw.view):
            self._person(("view", n, "person"), view.person, raw.population)
        for n, change in enumerate(raw.number_change):
            for name, person in (("old", change.old), ("new", change.new)):
                self._person(("number_change", n, name), person, raw.population)
        for n, asked in enumerate(raw.application):
            self._located(("application", n, "tables"), asked.asked)
        return Scenario(
            framework=self._framework(raw.framework),
            start=raw.start,
            seed=raw.seed,
            provider=tuple(self._provider(n, one) for n, one in enumerate(raw.provider)),
            population=raw.population,
            submission=tuple(submissions),
            opt_out=raw.opt_out,
            number_change=raw.number_change,
            complaint=raw.complaint,
            application=raw.application,
            job=tuple(self._job(n, one, raw.application) for n, one in enumerate(raw.job)),
            collection=raw.collection,
            override=raw.override,
            view=raw.view,
            rotation=raw.rotation,
            vocabulary=self._files(("vocabulary",), raw.vocabulary) if raw.vocabulary else (),
        )

    def _provider(self, n: int, one: Provider) -> Provider:
        if one.mapping is None:
            return one
        place = ("provider", n, "mapping")
        file = self._files(place, (one.mapping,))[0]
        self._located(place, lambda: read_mapping(file))
        return msgspec.structs.replace(one, mapping=str(file))

    def _framework(self, name: str) -> str:
        if not name.endswith(".toml"):
            return name
        return str(self._files(("framework",), (name,))[0])

    def _choice(self, n: int, choice: OptOut, population: Population | None) -> None:
        self._located(("opt_out", n, "scope"), lambda: Scope.parse(choice.scope))
        unborn = choice.person.number is None and choice.person.birth is None
        if choice.proxy == "guardian" and unborn:
            raise self._wrong(
                ("opt_out", n, "person"),
                "scenario.no-birth",
                "a guardian's choice needs the person's birthday: it is asked again at an age",
                "add birth to the person",
            )
        self._person(("opt_out", n, "person"), choice.person, population)

    def _person(
        self, place: tuple[str | int, ...], person: Person, population: Population | None
    ) -> None:
        if person.number is None:
            spec = {k: getattr(person, k) for k in person.__struct_fields__}
            given = {k: v for k, v in spec.items() if v is not None}
            self._located(place, lambda: parse_spec(given))
        elif population is None or person.number >= population.persons:
            raise self._wrong(
                place,
                "scenario.no-such-person",
                "no person of the population has this number",
                "numbers run from 0 to persons - 1 of [population]",
            )

    def _job(self, n: int, job: JobFile, applications: Iterable[Application]) -> Job:
        if job.application not in {one.id for one in applications}:
            raise self._wrong(
                ("job", n, "application"),
                "scenario.no-application",
                f"there is no application {job.application!r}",
                "add an [[application]] with this id",
            )
        study = (self.base / job.study).resolve()
        if not (study / "study.toml").is_file():
            raise self._wrong(
                ("job", n, "study"),
                "scenario.no-study",
                f"{job.study} is not a folder with a study.toml",
                "name the folder of a study, relative to the scenario",
            )
        return Job(job.application, job.day, study)

    def _files(
        self, place: tuple[str | int, ...], names: tuple[str, ...], *, folders: bool = False
    ) -> tuple[Path, ...]:
        found: dict[Path, None] = {}  # a dict keeps the order and each file once
        for name in names:
            pattern = name if Path(name).is_absolute() else f"{glob.escape(str(self.base))}/{name}"
            matches = (
                sorted(glob.glob(pattern, recursive=True))
                if glob.has_magic(name)
                else [str(self.base / name)]
            )
            paths = [Path(match).resolve() for match in matches]
            files = [path for path in paths if path.is_file() or (folders and path.is_dir())]
            folder = any(path.is_dir() for path in paths) and not folders
            if not files or folder:
                raise self._wrong(
                    place,
                    "scenario.folder" if folder else "scenario.no-file",
                    f"{name} is, or matches, a folder" if folder else f"no file {name}",
                    "name files, with a glob where there are several, relative to the scenario",
                )
            found.update(dict.fromkeys(files))
        return tuple(found)

    def _once(self, table: str, key: str, values: Iterable[str]) -> None:
        seen: set[str] = set()
        for n, value in enumerate(values):
            if value in seen:
                raise self._wrong(
                    (table, n, key),
                    "scenario.named-twice",
                    f"the {table} {value!r} is there twice",
                    f"give each [[{table}]] its own {key}",
                )
            seen.add(value)

    def _located(self, place: tuple[str | int, ...], check: Callable[[], object]) -> None:
        try:
            check()
        except SekishoError as error:
            raise UserError(
                error.code,
                f"{self._at(place)}: {error.message}",
                rule=error.rule,
                next_step=error.next_step,
            ) from error

    def _wrong(
        self, place: tuple[str | int, ...], code: str, message: str, next_step: str
    ) -> UserError:
        return UserError(code, f"{self._at(place)}: {message}", next_step=next_step)

    def _at(self, place: tuple[str | int, ...]) -> str:
        return f"{self.path}:{locate(self.text, list(place))}"
