"""The shape of report.json, as `sekisho.rehearsal.report` composes it: the schema's source.

Nothing is read through these: they say what a run promises to write, and a test holds a real
report against them. Names of bodies, providers, applications and tables are keys of tables.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

from sekisho.reference.report_of_bodies import (
    AlarmSeen,
    AskedOfProviders,
    Compared,
    Count,
    Counts,
    Effects,
    EnclaveSeen,
    HeldRows,
    HistoriesOf,
    IncidentSeen,
    InQuarantine,
    JoinedDecisions,
    LandedSubmission,
    LaneSeen,
    LedgerSeen,
    ListsOf,
    MishapSeen,
    ProjectSeen,
    RefusedMessage,
    Strict,
    StudySeen,
    Traffic,
)


class BothLanguages(Strict, frozen=True):
    """One text in Japanese and English."""

    ja: str
    en: str


class Told(Strict, frozen=True):
    """What was rehearsed. ``persons`` is null where the scenario names files."""

    start: date
    seed: Count
    providers: Count
    persons: Count | None


class BodyDone(Strict, frozen=True):
    """One body, and what the framework makes it do."""

    body: str
    kind: Literal["public", "certified", "auxiliary"]
    roles: list[str]
    functions: list[str]


class Sent(Strict, frozen=True):
    """One delivery of a provider. ``error`` stands alone where it was refused whole.

    ``read`` counts records by type; ``withheld`` counts records by the cause for which no body
    could be given them; ``submissions`` counts those that were new. ``waited_days``: how long the
    records lay at the provider's server until they were pulled.
    """

    provider: str
    format: str
    error: str | None = None
    day: Count | None = None
    doors: list[str] | None = None
    bodies: list[str] | None = None
    submissions: Count | None = None
    messages: Count | None = None
    bytes: Count | None = None
    read: Counts | None = None
    withheld: Counts | None = None
    findings: Count | None = None
    waited_days: Count | None = None


class PulledExport(Strict, frozen=True):
    """An export that a provider's program asked of its own FHIR server.

    ``requests`` counts kick-off, looks, files and the word that they are fetched;
    ``waited_seconds`` is what the server asked for. ``problems``: codes of what was wrong with it.
    """

    provider: str
    day: Count
    requests: Count
    waited_seconds: float
    files: Count
    resources: Count
    deleted: Count
    problems: list[str]


class Chosen(Strict, frozen=True):
    """A choice that was stated at a desk; whose it was is not said."""

    desk: str
    scope: str
    day: Count


class Applied(Strict, frozen=True):
    """Where an application was handed in, and who decided on it."""

    application: str
    windows: list[str]
    lanes: list[str]


class Ran(Strict, frozen=True):
    """A study that was sent to a project's environment."""

    application: str
    day: Count
    environment: str


class Viewed(Strict, frozen=True):
    """A person who asked where their data were used: how many projects of each sort were shown.

    ``answered`` is 0 where no answer came. ``missing``: projects whose log is missing. ``choices``:
    scopes in force. Which projects these are, and who asked, only the asker knows.
    """

    day: Count
    answered: Count
    used: Count = 0
    not_used: Count = 0
    missing: Count = 0
    not_yet: Count = 0
    not_made: Count = 0
    choices: Count = 0


class UsesSeen(Strict, frozen=True):
    """How the index of one project stands at the oversight body. ``released`` counts files."""

    state: Literal["not_extracted", "due", "missing", "received", "not_made"]
    included: Count | None
    released: Count


class Step(Strict, frozen=True):
    """One step of the scenario as it was played, with its wall-clock seconds."""

    step: str
    seconds: float


class Measures(Strict, frozen=True):
    """The figures by which frameworks are compared.

    ``submissions_per_provider``: doors per delivery, by provider. ``pull_requests``: requests to
    providers' own FHIR servers. ``collection_delay_days``: the longest that records lay at a
    provider until its schedule came; 0 where they are pushed. ``fields_typed``: entries of the
    form, summed over windows. ``review_days``: days from submission to decision, the longest lane.
    ``opt_out_steps``: desks at which a person must speak so that every holder learns of it.
    ``records_stopped``: records that choices kept out when they landed. ``rows_erased`` and
    ``persons_erased``: rows of all versions, and persons, summed over holders; a person erased at
    two holders counts twice. ``records_held_max_share``: the largest body's part of all rows held.
    """

    submissions_per_provider: dict[str, float]
    provider_messages: Counts
    provider_bytes: Counts
    pull_requests: Count
    collection_delay_days: Count
    application_windows: Count
    fields_typed: Count
    review_lanes: Count
    review_days: Count
    opt_out_desks: Count
    opt_out_steps: Count
    opt_out_window_days: Count
    opt_out_unreached: Count
    opt_out_hops: Count
    used_after_opting_out: Count
    bodies_holding_records: Count
    records_held: Counts
    records_held_max_share: float
    records_stopped: Count
    rows_erased: Count
    persons_erased: Count
    bodies_that_hold_and_join: list[str]
    messages: Count
    bytes: Count


class LostOfProject(Strict, frozen=True):
    """Persons who did not reach a project. ``dropped_by_holders`` is by holder and data class."""

    dropped_by_holders: Counts
    opted_out_at_gate: Count
    outside_cohort: Count
    incidents: list[IncidentSeen]


class Lost(Strict, frozen=True):
    """What did not reach a project, by cause.

    ``records_withheld``: records that no body could be given, by cause. ``records_quarantined``:
    records that a body's landing rule kept out of its tables, by body and rule.
    """

    records_withheld: Counts
    records_quarantined: dict[str, Counts]
    projects: dict[str, LostOfProject]


class NoticeClock(Strict, frozen=True):
    """A provider's notice to its persons: when it was given, from when the body collects."""

    provider: str
    receiver: str
    given_on: date
    collects_from: date
    told: BothLanguages


class Unmeasured(Strict, frozen=True):
    """A key of the framework that was read and proved, and changes nothing yet."""

    key: str
    value: str
    why: str | BothLanguages


class LinksOf(Strict, frozen=True):
    """Persons whose links are missed or false, by age on the day of the extract, sex and cause."""

    persons: Count
    by_age: Counts
    by_sex: Counts
    by_cause: Counts


class Linkage(Strict, frozen=True):
    """Links measured against the truth of a made population, on the day of the last extract.

    ``persons``: people with records; ``several``: those who have them at several holders or under
    several identifiers, so that a link can be missed. ``methods``: persons by how they were
    identified, summed over holders. ``missed``: people whose records are not all found to be one
    person's. ``false``: people who are taken for somebody else. ``unknown``: persons at a holder
    who are nobody of the population.
    """

    identifier: Literal["history", "number_only", "kana_birth_sex"]
    on: date
    persons: Count
    several: Count
    methods: Counts
    conflicts: Count
    unknown: Count
    missed: LinksOf
    false: LinksOf


class Seconds(Strict, frozen=True):
    """Wall-clock seconds of the run's parts."""

    people: float
    bodies_up: float
    play: float
    total: float


class FailedMessage(Strict, frozen=True):
    """A message whose handling failed: a defect of the program."""

    body: str
    path: str


class Report(Strict, frozen=True):
    """What a run did. Tables named after bodies leave out bodies that have nothing to tell.

    ``undelivered``: by sender, how many messages still waited for each receiver at the end.
    """

    framework: str
    title: BothLanguages
    scenario: Told
    bodies: list[BodyDone]
    submissions: list[Sent]
    pulls: list[PulledExport]
    choices: list[Chosen]
    applications: list[Applied]
    jobs: list[Ran]
    views: list[Viewed]
    undelivered: dict[str, Counts]
    uses: dict[str, UsesSeen]
    notes: list[str]
    steps: list[Step]
    measures: Measures
    windows: dict[str, list[Count]]
    lost: Lost
    traffic: dict[str, Traffic]
    held: dict[str, list[HeldRows]]
    landed: dict[str, list[LandedSubmission]]
    lists: dict[str, ListsOf]
    notice: dict[str, list[NoticeClock]]
    effects: dict[str, Effects]
    histories: dict[str, HistoriesOf]
    lanes: dict[str, list[LaneSeen]]
    joined: dict[str, dict[str, JoinedDecisions]]
    projects: dict[str, ProjectSeen]
    enclaves: dict[str, dict[str, EnclaveSeen]]
    asked: dict[str, AskedOfProviders]
    quarantine: dict[str, InQuarantine]
    studies: dict[str, dict[str, StudySeen]]
    released: dict[str, list[str]]
    refused: dict[str, list[RefusedMessage]]
    countersigned: dict[str, Compared]
    mishaps: dict[str, list[MishapSeen]]
    alarms: dict[str, list[AlarmSeen]]
    ledgers: dict[str, LedgerSeen]
    not_measured_yet: list[Unmeasured]
    seconds: Seconds
    failed: list[FailedMessage]
    linkage: Linkage | None
