"""A scenario as values: who sends, opts out, asks and runs what. `scenario` reads and proves it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field
from msgspec.structs import replace

from sekisho.common.errors import UserError
from sekisho.control.catalogue import TableColumns, check_columns
from sekisho.control.optout.complaint import Category
from sekisho.control.optout.proxy import ProxyKind
from sekisho.framework.model import Identifier
from sekisho.pseudonym.identifiers import PersonKey, parse_spec
from sekisho.synthetic import Generated, Period, ProviderSpec, person_of
from sekisho.synthetic import Person as MadePerson

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
Clerk = Literal["same", "other", "away"]
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
    """One institution. Which operator it has a contract with, and what kind it is, if any.

    ``mapping``: its own file from local numbers to insured ones (CSV: local, insured, birth, sex).
    ``twelve_digits``: its own numbers have twelve digits, and none of them is an 個人番号.
    ``without_number``: per cent of its made patients of whom it knows no insured number.
    """

    code: Institution
    name: Name
    operator: Id | None = None
    function: Id | None = None
    mapping: str | None = None
    twelve_digits: bool = False
    without_number: Annotated[int, Meta(ge=0, le=100)] = 0


MadeFormat = Literal[
    "uke",
    "fhir-ndjson",
    "jp-clins",
    "ss-mix2",
    "checkup-cda",
    "dpc-ef",
    "omop-csv",
    "dicom",
    "vcf",
]
"""Formats that files are made in."""


class Population(Strict, frozen=True):
    """People and provider files made from the seed; every provider sends all ``formats``.

    Without ``from`` and ``to`` the records cover the six months that end a month before start.
    """

    persons: Annotated[int, Meta(ge=1, le=1_000_000)]
    formats: Annotated[tuple[MadeFormat, ...], Meta(min_length=1)] = ("uke", "fhir-ndjson")
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
    """A choice that a person makes, or with ``revoke`` undoes, on a day.

    ``desk``: at which body; where the framework has no desk there, at its first one.
    ``effective_from``: the day from which it counts, days after start; before ``day`` or after it.
    ``proxy``: who states it for the person, with an authority that ends on ``authority_until``;
    ``authority_checked = false`` is a proxy whose paper nobody looked at.
    """

    day: Day
    person: Person
    scope: str
    revoke: bool = False
    desk: Id | None = None
    effective_from: Annotated[int, Meta(ge=-36_500, le=36_500)] | None = None
    proxy: ProxyKind | None = None
    authority_checked: bool = True
    authority_until: Day | None = None


class Complaint(Strict, frozen=True):
    """What somebody complains about on a day; ``answered`` is the day of the answer, if any."""

    day: Day
    category: Category
    answered: Day | None = None

    def __post_init__(self) -> None:
        if self.answered is not None and self.answered < self.day:
            raise ValueError("a complaint is answered after it is filed")


class View(Strict, frozen=True):
    """A person who asks at a desk, on a day, where their data were used."""

    day: Day
    person: Person


class Cohort(Strict, frozen=True):
    """Whom a study is about: codes with their ICD-10 descendants, standard concepts with theirs.

    Concepts need a ``vocabulary`` with CONCEPT, and CONCEPT_ANCESTOR for what is below them.
    """

    codes: tuple[Name, ...] = ()
    concepts: tuple[Annotated[int, Meta(ge=1)], ...] = ()
    from_: date | None = field(name="from", default=None)
    to: date | None = None
    min_age: Age | None = None
    max_age: Age | None = None

    def __post_init__(self) -> None:
        if not self.codes and not self.concepts:
            raise ValueError("the cohort names neither codes nor concepts")
        if self.from_ and self.to and self.from_ > self.to:
            raise ValueError("the cohort's first day comes after its last")
        if (self.min_age or 0) > (150 if self.max_age is None else self.max_age):
            raise ValueError("the cohort's least age is above its greatest")


class NumberChange(Strict, frozen=True):
    """An insurer's word, said on a day, that one person has a new number; ``split`` unsays it.

    Changes of a made population are told by themselves. ``valid_from`` is the day if not given.
    """

    day: Day
    old: Person
    new: Person
    valid_from: date | None = None
    reason: Literal["insurer-change", "age-75", "household", "correction"] = "insurer-change"
    split: bool = False


class Application(Strict, frozen=True):
    """What a user asks for. ``votes`` is how reviewers vote, in all lanes or by body.

    ``clerk``: what the enclave's clerk says of each pair to decide on, or that nobody is there.
    """

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
    enclave: bool = False
    clerk: Clerk = "other"

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


class Rotation(Strict, frozen=True):
    """A new epoch of pseudonyms begins on this day, before anything else of the day but files."""

    day: Day


class ScenarioFile(Strict, frozen=True):
    """The TOML, key by key (design section 6)."""

    framework: Name
    start: date
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    provider: Annotated[tuple[Provider, ...], Meta(min_length=1)]
    population: Population | None = None
    submission: tuple[SubmissionFile, ...] = ()
    opt_out: tuple[OptOut, ...] = ()
    number_change: tuple[NumberChange, ...] = ()
    complaint: tuple[Complaint, ...] = ()
    application: tuple[Application, ...] = ()
    job: tuple[JobFile, ...] = ()
    view: tuple[View, ...] = ()
    rotation: tuple[Rotation, ...] = ()
    collection: Collection = Collection()
    vocabulary: tuple[str, ...] = ()
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
    number_change: tuple[NumberChange, ...]
    complaint: tuple[Complaint, ...]
    application: tuple[Application, ...]
    job: tuple[Job, ...]
    collection: Collection
    override: Override
    view: tuple[View, ...] = ()
    rotation: tuple[Rotation, ...] = ()
    vocabulary: tuple[Path, ...] = ()

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
        named = [one.person for one in self.opt_out] + [one.person for one in self.view]
        if persons < 1 or any(one.number is not None and one.number >= persons for one in named):
            raise UserError(
                "scenario.no-such-person",
                f"A person who opts out, or asks, is not among {persons} people.",
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
        return tuple(ProviderSpec(one.code, one.name, one.without_number) for one in self.provider)

    def period(self) -> Period:
        """Return the time that generated records cover."""
        chosen = self.population
        if chosen and chosen.from_ and chosen.to:
            return Period(chosen.from_, chosen.to)
        return Period.before(self.start)

    def spec_of(
        self, person: Person, day: int = 0, identifier: Identifier = "history"
    ) -> dict[str, Any]:
        """Return what the person writes into the form at a desk, as `parse_spec` takes it.

        Of a made person, what identifies them on that day by what the framework goes by.
        """
        if person.number is not None:
            on, made = self.start + timedelta(days=day), person_of(self.seed, person.number)
            if identifier == "kana_birth_sex":
                return {"kana": made.called(on).kana, "birth": made.birth, "sex": made.sex}
            return made.spec(on)
        return {
            name: value
            for name in person.__struct_fields__
            if (value := getattr(person, name)) is not None
        }

    def birth_of(self, person: Person) -> date | None:
        """Return a person's birthday, if the scenario knows it."""
        if person.number is not None:
            return person_of(self.seed, person.number).birth
        return person.birth

    def key_of(self, person: Person, day: int = 0) -> PersonKey:
        """Return the person's key on a day."""
        return parse_spec(self.spec_of(person, day))

    def people(self) -> tuple[MadePerson, ...]:
        """Return the made population; nobody where files are named."""
        size = 0 if self.population is None else self.population.persons
        return tuple(person_of(self.seed, number) for number in range(size))

    def provider_of(self, code: str) -> Provider:
        """Return the provider with ``code``; KeyError where there is none."""
        for one in self.provider:
            if one.code == code:
                return one
        raise KeyError(code)
