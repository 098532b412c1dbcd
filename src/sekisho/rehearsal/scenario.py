"""A scenario: who sends, opts out, asks and runs what, read from TOML and proved on reading.

Paths in the file are relative to it and become absolute; globs are expanded. Whatever can be known
to be wrong before anything runs is refused here, with file and line. A person's identifier is
never part of a message.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field
from msgspec.structs import replace

from sekisho.common.errors import SekishoError, UserError
from sekisho.common.toml import locate, parse_toml
from sekisho.control.catalogue import TableColumns, check_columns
from sekisho.control.optout import Scope
from sekisho.pseudonym.identifiers import PersonKey, parse_spec
from sekisho.synthetic import Generated, Period, ProviderSpec, person_of

Format = Literal[
    "fhir-ndjson",
    "fhir-bundle",
    "jp-clins",
    "uke",
    "dpc-ef",
    "checkup-cda",
    "ss-mix2",
    "omop-csv",
    "dicom",
    "vcf",
]
Vote = Literal["approve", "reject", "abstain"]
Door = Literal["per_body", "shared"]

Day = Annotated[int, Meta(ge=0, le=36_500, description="days after start")]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Id = Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]
Age = Annotated[int, Meta(ge=0, le=150)]
Institution = Annotated[
    str, Meta(pattern=r"^[0-9]{10}$", description="institution code, 10 digits")
]


class Strict(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a scenario: cannot change, nor be read with a key too many."""


class Provider(Strict, frozen=True):
    """One institution. Which operator it has a contract with, and what kind it is, if any."""

    code: Institution
    name: Name
    operator: Id | None = None
    function: Id | None = None


class Population(Strict, frozen=True):
    """People and provider files made from the seed; every provider sends all ``formats``.

    Without ``from`` and ``to`` the records cover the six months that end a month before start.
    """

    persons: Annotated[int, Meta(ge=1, le=1_000_000)]
    formats: Annotated[tuple[Literal["uke", "fhir-ndjson"], ...], Meta(min_length=1)] = (
        "uke",
        "fhir-ndjson",
    )
    day: Day = 0
    from_: date | None = field(name="from", default=None)
    to: date | None = None

    def __post_init__(self) -> None:
        if (self.from_ is None) != (self.to is None):
            raise ValueError("a population has both from and to, or neither")
        if len(set(self.formats)) < len(self.formats):
            raise ValueError("a format is named twice")


class SubmissionFile(Strict, frozen=True):
    """One delivery of a provider, as the file names it."""

    provider: Institution
    day: Day
    format: Format
    files: Annotated[tuple[str, ...], Meta(min_length=1)]


class Submission(Strict, frozen=True):
    """One delivery of a provider; ``files`` exist and are absolute, in the order to be read."""

    provider: str
    day: int
    format: str
    files: tuple[Path, ...]


class Person(Strict, frozen=True):
    """Whose choice it is: an identifier, an insured number, or an index in the population."""

    system: str | None = None
    value: str | None = None
    insured: str | None = None
    birth: date | None = None
    sex: str | None = None
    number: Annotated[int, Meta(ge=0)] | None = None

    def __post_init__(self) -> None:
        given = {name for name in self.__struct_fields__ if getattr(self, name) is not None}
        if given != {"number"} and given - {"birth", "sex"} not in (
            {"system", "value"},
            {"insured"},
        ):
            raise ValueError(
                "a person is named by system and value, or by insured, or by number"
                " (birth and sex complete a number without 枝番)"
            )


class OptOut(Strict, frozen=True):
    """A choice that a person makes, or with ``revoke`` undoes, on a day."""

    day: Day
    person: Person
    scope: str
    revoke: bool = False


class Cohort(Strict, frozen=True):
    """Whom a study is about; a code stands for itself and its ICD-10 descendants."""

    codes: Annotated[tuple[Name, ...], Meta(min_length=1)]
    from_: date | None = field(name="from", default=None)
    to: date | None = None
    min_age: Age | None = None
    max_age: Age | None = None

    def __post_init__(self) -> None:
        if self.from_ and self.to and self.from_ > self.to:
            raise ValueError("the cohort's first day comes after its last")
        if (self.min_age or 0) > (150 if self.max_age is None else self.max_age):
            raise ValueError("the cohort's least age is above its greatest")


class Application(Strict, frozen=True):
    """What a user asks for. ``votes`` is how reviewers vote, in all lanes or by body."""

    id: Id
    day: Day
    applicant: Name
    purpose: Id
    tables: Annotated[tuple[str, ...], Meta(min_length=1)]
    cohort: Cohort
    linkage: bool = False
    form: Literal["pseudonymised", "anonymised", "table"] = "pseudonymised"
    columns: dict[str, tuple[str, ...]] = {}
    votes: Vote | dict[str, Vote] = "approve"

    def vote_at(self, body: str) -> Vote:
        """Return how the reviewers of ``body`` vote; ``default`` stands for all not named."""
        if isinstance(self.votes, str):
            return self.votes
        return self.votes.get(body, self.votes.get("default", "approve"))

    def asked(self) -> tuple[TableColumns, ...]:
        """Return the content columns asked for, per table."""
        chosen = tuple(TableColumns(table, names) for table, names in self.columns.items())
        return check_columns(self.tables, chosen)


class JobFile(Strict, frozen=True):
    """One run of a study, as the file names it."""

    application: Id
    day: Day
    study: str


class Job(Strict, frozen=True):
    """One run of a study; ``study`` is an absolute folder with a study.toml."""

    application: str
    day: int
    study: Path


class Collection(Strict, frozen=True):
    """``notice_from``: day from which persons are given notice, instead of the framework's."""

    notice_from: date | None = None


class Doors(Strict, frozen=True):
    """Doors other than the framework's."""

    submission: Door | None = None
    application: Door | None = None


class Override(Strict, frozen=True):
    """Keys of the framework that this run sets otherwise; the framework's proof judges them."""

    doors: Doors = Doors()
    review: dict[str, Any] = {}
    opt_out: dict[str, Any] = {}
    collection: dict[str, Any] = {}
    holding: dict[str, Any] = {}
    linkage: dict[str, Any] = {}
    open: dict[str, Any] = {}

    def values(self) -> dict[str, dict[str, Any]]:
        """Return section → key → value of what is set, and nothing else."""
        doors = {key: value for key, value in msgspec.to_builtins(self.doors).items() if value}
        parts = {name: getattr(self, name) for name in self.__struct_fields__ if name != "doors"}
        return {name: dict(part) for name, part in {"doors": doors, **parts}.items() if part}

    def applied_to(self, framework: Mapping[str, Any]) -> dict[str, Any]:
        """Return a framework file, as parsed from TOML, with these keys set otherwise."""
        made = dict(framework)
        for section, keys in self.values().items():
            made[section] = {**made.get(section, {}), **keys}
        return made


class ScenarioFile(Strict, frozen=True):
    """The TOML, key by key (design section 6)."""

    framework: Name
    start: date
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    provider: Annotated[tuple[Provider, ...], Meta(min_length=1)]
    population: Population | None = None
    submission: tuple[SubmissionFile, ...] = ()
    opt_out: tuple[OptOut, ...] = ()
    application: tuple[Application, ...] = ()
    job: tuple[JobFile, ...] = ()
    collection: Collection = Collection()
    override: Override = Override()


class Scenario(Strict, frozen=True):
    """A scenario that was proved: every path exists, every reference resolves."""

    framework: str
    start: date
    seed: int
    provider: tuple[Provider, ...]
    population: Population | None
    submission: tuple[Submission, ...]
    opt_out: tuple[OptOut, ...]
    application: tuple[Application, ...]
    job: tuple[Job, ...]
    collection: Collection
    override: Override

    def with_framework(self, framework: str) -> Scenario:
        """Return the same scenario under another framework."""
        return replace(self, framework=framework)

    def with_population(self, persons: int) -> Scenario:
        """Return the same scenario with another number of people; the first ones are the same.

        Raises:
            UserError: it makes no people, or a choice is made by one who would not be there.
        """
        if self.population is None:
            raise UserError("scenario.no-population", "This scenario makes no people.")
        if persons < 1 or any(
            one.person.number is not None and one.person.number >= persons for one in self.opt_out
        ):
            raise UserError(
                "scenario.no-such-person",
                f"A person who opts out is not among {persons} people.",
                next_step="take more people, or persons with smaller numbers",
            )
        return replace(self, population=replace(self.population, persons=persons))

    def with_override(self, section: str, key: str, value: object) -> Scenario:
        """Return the same scenario with one key of the framework set otherwise."""
        values = self.override.values()
        values.setdefault(section, {})[key] = value
        return replace(self, override=msgspec.convert(values, Override))

    def with_files(self, generated: Generated) -> Scenario:
        """Return the scenario with submissions of the files made for its population."""
        day = self.population.day if self.population else 0
        made = tuple(
            Submission(code, day, kind, paths)
            for code, formats in generated.files.items()
            for kind, paths in formats.items()
            if paths
        )
        return replace(self, submission=made + self.submission)

    def provider_specs(self) -> tuple[ProviderSpec, ...]:
        """Return the providers as the generator takes them."""
        return tuple(ProviderSpec(one.code, one.name) for one in self.provider)

    def period(self) -> Period:
        """Return the time that generated records cover."""
        chosen = self.population
        if chosen and chosen.from_ and chosen.to:
            return Period(chosen.from_, chosen.to)
        return Period.before(self.start)

    def spec_of(self, person: Person) -> dict[str, Any]:
        """Return what the person writes into the form at a desk, as `parse_spec` takes it."""
        if person.number is not None:
            return person_of(self.seed, person.number).spec()
        return {
            name: value
            for name in person.__struct_fields__
            if (value := getattr(person, name)) is not None
        }

    def key_of(self, person: Person) -> PersonKey:
        """Return the person's key."""
        return parse_spec(self.spec_of(person))

    def provider_of(self, code: str) -> Provider:
        """Return the provider with ``code``; KeyError where there is none."""
        for one in self.provider:
            if one.code == code:
                return one
        raise KeyError(code)


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
            files = self._files(("submission", n, "files"), one.files)
            submissions.append(Submission(one.provider, one.day, one.format, files))
        for n, choice in enumerate(raw.opt_out):
            self._choice(n, choice, raw.population)
        for n, asked in enumerate(raw.application):
            self._located(("application", n, "tables"), asked.asked)
        return Scenario(
            framework=self._framework(raw.framework),
            start=raw.start,
            seed=raw.seed,
            provider=raw.provider,
            population=raw.population,
            submission=tuple(submissions),
            opt_out=raw.opt_out,
            application=raw.application,
            job=tuple(self._job(n, one, raw.application) for n, one in enumerate(raw.job)),
            collection=raw.collection,
            override=raw.override,
        )

    def _framework(self, name: str) -> str:
        if not name.endswith(".toml"):
            return name
        return str(self._files(("framework",), (name,))[0])

    def _choice(self, n: int, choice: OptOut, population: Population | None) -> None:
        self._located(("opt_out", n, "scope"), lambda: Scope.parse(choice.scope))
        person = choice.person
        if person.number is None:
            spec = {k: getattr(person, k) for k in person.__struct_fields__}
            given = {k: v for k, v in spec.items() if v is not None}
            self._located(("opt_out", n, "person"), lambda: parse_spec(given))
        elif population is None or person.number >= population.persons:
            raise self._wrong(
                ("opt_out", n, "person"),
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

    def _files(self, place: tuple[str | int, ...], names: tuple[str, ...]) -> tuple[Path, ...]:
        found: dict[Path, None] = {}  # a dict keeps the order and each file once
        for name in names:
            pattern = name if Path(name).is_absolute() else f"{glob.escape(str(self.base))}/{name}"
            matches = (
                sorted(glob.glob(pattern, recursive=True))
                if glob.has_magic(name)
                else [str(self.base / name)]
            )
            paths = [Path(match).resolve() for match in matches]
            files = [path for path in paths if path.is_file()]
            if not files:
                folder = any(path.is_dir() for path in paths)
                raise self._wrong(
                    place,
                    "scenario.folder" if folder else "scenario.no-file",
                    f"{name} is a folder, not a file" if folder else f"no file {name}",
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

    def _located(self, place: tuple[str | int, ...], check: Any) -> None:
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
