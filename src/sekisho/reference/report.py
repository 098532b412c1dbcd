"""The shape of report.json, as `sekisho.rehearsal.report` composes it: the schema's source.

Nothing is read through these: they say what a run promises to write, and a test holds a real
report against them. Names of bodies, providers, applications and tables are keys of tables.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0)]
Counts = dict[str, Count]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Strict(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the report: no key too many."""


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
    could be given them; ``submissions`` counts those that were new.
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


class Step(Strict, frozen=True):
    """One step of the scenario as it was played, with its wall-clock seconds."""

    step: str
    seconds: float


class Measures(Strict, frozen=True):
    """The figures by which frameworks are compared.

    ``submissions_per_provider``: doors per delivery, by provider. ``fields_typed``: entries of the
    form, summed over windows. ``review_days``: days from submission to decision, the longest lane.
    ``opt_out_steps``: desks at which a person must speak so that every holder learns of it.
    ``records_held_max_share``: the largest body's part of all rows held.
    """

    submissions_per_provider: dict[str, float]
    provider_messages: Counts
    provider_bytes: Counts
    application_windows: Count
    fields_typed: Count
    review_lanes: Count
    review_days: Count
    opt_out_desks: Count
    opt_out_steps: Count
    bodies_holding_records: Count
    records_held: Counts
    records_held_max_share: float
    bodies_that_hold_and_join: list[str]
    messages: Count
    bytes: Count


class LostOfProject(Strict, frozen=True):
    """Persons who did not reach a project. ``dropped_by_holders`` is by holder and data class."""

    dropped_by_holders: Counts
    opted_out_at_gate: Count
    outside_cohort: Count
    incidents: list[IncidentSeen]


class IncidentSeen(Strict, frozen=True):
    """Rows of opted-out persons that the gate found and dropped."""

    holder: str
    data_class: str
    rows: Count | Counts
    persons: Count


class Lost(Strict, frozen=True):
    """What did not reach a project, by cause.

    ``records_withheld``: records that no body could be given, by cause. ``records_quarantined``:
    records that a body's landing rule kept out of its tables, by body and rule.
    """

    records_withheld: Counts
    records_quarantined: dict[str, Counts]
    projects: dict[str, LostOfProject]


class Way(Strict, frozen=True):
    """Messages and their bytes in one direction."""

    messages: Count
    bytes: Count


class Traffic(Strict, frozen=True, rename={"into": "in"}):
    """What a body received and sent; ``paths`` counts messages by direction and door."""

    into: Way
    out: Way
    paths: Counts


class HeldRows(Strict, frozen=True):
    """What a body holds of one table, class and provider."""

    table: str
    data_class: str
    provider: str
    rows: Count
    persons: Count


class BalanceLine(Strict, frozen=True):
    """sent = landed + quarantined + refused + superseded + set aside, for one type of record."""

    record_type: str
    data_class: str
    sent: Count
    landed: Count
    quarantined: Count
    refused: Count
    superseded: Count
    set_aside: Count


class BrokenRule(Strict, frozen=True):
    """How often a landing rule was broken: rows that break it, records that hold such a row."""

    rule: str
    table: str
    record_type: str
    rows: Count
    records: Count


class LandedSubmission(Strict, frozen=True):
    """A submission as its collector landed it."""

    submission: str
    provider: str
    format: str
    balance: list[BalanceLine]
    totals: Counts
    rows: Counts
    breaches: list[BrokenRule]


class Issued(Strict, frozen=True):
    """A registry's newest list."""

    number: Count
    count: Count


class ListsOf(Strict, frozen=True):
    """Lists of one body: issued, acknowledged by holders, and in force here by registry."""

    issued: Issued | None
    acknowledged: Count
    held: Counts


class LaneSeen(Strict, frozen=True):
    """A lane and what it decided. ``days`` counts those that were the body's."""

    application: str
    stage: str
    outcome: str | None
    days: Count | None


class JoinedDecisions(Strict, frozen=True):
    """What the lanes' decisions came to."""

    state: str
    kind: str | None = None
    linkage: bool | None = None


class ListUsed(Strict, frozen=True):
    """The list on which an extract rests."""

    number: Count
    digest: Digest
    on: date | None = None


class PartSeen(Strict, frozen=True):
    """One holder's part of an extract, for one class of data."""

    application: str
    holder: str
    data_class: str
    processed: bool
    plan: Digest
    snapshot: Count
    lists: dict[str, ListUsed]
    rows: Counts
    persons: Count
    dropped: Count
    blanked: dict[str, Count | Counts]


class Gate(Strict, frozen=True):
    """Distinct persons at the gate: received = opted_out + outside_cohort + included.

    ``linked``: included persons of whom several holders sent records. ``repeated``: rows of a
    record that several holders sent.
    """

    received: Count
    opted_out: Count
    outside_cohort: Count
    included: Count
    linked: Count
    without_person_row: Count
    rows: Counts
    repeated: Counts


class Problem(Strict, frozen=True):
    """A refusal as a problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    rule: str | None = None
    next: str | None = None
    application: str | None = None
    holder: str | None = None


class ProjectSeen(Strict, frozen=True):
    """A project at its environment."""

    state: str
    environment: str
    permit: str | None = None
    counts: Gate | None = None
    digests: dict[str, Digest] | None = None
    incidents: list[IncidentSeen] | None = None
    parts: dict[str, PartSeen] | None = None
    lists: dict[str, ListUsed] | None = None
    problem: Problem | None = None


class OutputSeen(Strict, frozen=True):
    """A declared table and the verdict on it."""

    name: str
    verdict: str
    cells: Count
    masked: Count
    findings: list[str]
    rules: list[str]


class StudySeen(Strict, frozen=True):
    """A study at its environment; ``runs`` are its records (dummy, then real)."""

    state: str
    outputs: list[OutputSeen] | None = None
    runs: list[dict[str, Any]] | None = None
    problem: Problem | None = None


class RefusedMessage(Strict, frozen=True):
    """A message that a body refused, and why."""

    type: str | None
    title: str | None
    path: str | None
    sender: str | None
    rule: str | None
    next: str | None


class LedgerSeen(Strict, frozen=True):
    """A ledger's size, and its entries by kind."""

    size: Count
    kinds: Counts


class Unmeasured(Strict, frozen=True):
    """A key of the framework that was read and proved, and changes nothing yet."""

    key: str
    value: str
    why: str | BothLanguages


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
    """What a run did. Tables named after bodies leave out bodies that have nothing to tell."""

    framework: str
    title: BothLanguages
    scenario: Told
    bodies: list[BodyDone]
    submissions: list[Sent]
    choices: list[Chosen]
    applications: list[Applied]
    jobs: list[Ran]
    notes: list[str]
    steps: list[Step]
    measures: Measures
    windows: dict[str, list[Count]]
    lost: Lost
    traffic: dict[str, Traffic]
    held: dict[str, list[HeldRows]]
    landed: dict[str, list[LandedSubmission]]
    lists: dict[str, ListsOf]
    lanes: dict[str, list[LaneSeen]]
    joined: dict[str, dict[str, JoinedDecisions]]
    projects: dict[str, ProjectSeen]
    studies: dict[str, dict[str, StudySeen]]
    released: dict[str, list[str]]
    refused: dict[str, list[RefusedMessage]]
    ledgers: dict[str, LedgerSeen]
    not_measured_yet: list[Unmeasured]
    seconds: Seconds
    failed: list[FailedMessage]
