"""The shape of what a body says of itself in a report: counts of many, never a value of one."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0)]
Counts = dict[str, Count]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Strict(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the report: no key too many."""


class IncidentSeen(Strict, frozen=True):
    """Rows of opted-out persons that the gate found and dropped."""

    holder: str
    data_class: str
    rows: Count | Counts
    persons: Count


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


class InQuarantine(Strict, frozen=True):
    """Records that wait in quarantine, were sent again by their provider, or were let out."""

    waiting: Count
    mended: Count
    released: Count


class OfFunction(Strict, frozen=True):
    """Providers of one function: how many there are, sent anything, and met what was asked.

    ``asked`` counts kinds of data of periods that are over.
    """

    providers: Count
    sent: Count
    asked: Count = 0
    met: Count = 0
    met_late: Count = 0
    overdue: Count = 0


class AskedOfProviders(Strict, frozen=True):
    """What a collector asks for: coverage by function, steps taken, money credited."""

    basis: str
    by_function: dict[str, OfFunction]
    steps: Counts
    yen: Count


class BrokenRule(Strict, frozen=True):
    """How often a landing rule was broken: rows that break it, records that hold such a row."""

    rule: str
    table: str
    record_type: str
    rows: Count
    records: Count


class Codes(Strict, frozen=True):
    """What became of a submission's codes: rows = standard + mapped + as_they_came + refused.

    ``rule``: the framework's ``nonstandard``. ``vocabulary``: the version by which they are read.
    """

    rule: str
    vocabulary: str | None
    rows: Count
    standard: Count
    mapped: Count
    as_they_came: Count
    refused: Count


class LandedSubmission(Strict, frozen=True):
    """A submission as its collector landed it."""

    submission: str
    provider: str
    format: str
    balance: list[BalanceLine]
    totals: Counts
    rows: Counts
    codes: Codes
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


class SetAside(Strict, frozen=True):
    """What choices kept out of one submission: records by class, persons."""

    records: Counts
    persons: Count


class ErasedRows(Strict, frozen=True):
    """What applying one list erased: rows of all versions by table, rows in quarantine, persons."""

    on: date
    persons: Count
    rows: Counts
    quarantined: Count


class Effects(Strict, frozen=True):
    """What choices did at a holder beside stopping provision (``opt_out.effect``)."""

    set_aside: list[SetAside]
    erased: list[ErasedRows]


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


class LinkageQuality(Strict, frozen=True):
    """How well the persons of one holder's part are identified, as they were sent.

    ``by_method``: persons by how the provider identified them (number, direct: number with birth
    date and sex, name: kana with both, local: a hospital's own number, other). ``aliases_used``:
    records' persons sent under an older number. ``merged``: persons made of several numbers'
    records. ``conflicts``: persons kept apart although a history calls them one.
    """

    persons: Count
    by_method: Counts
    aliases_used: Count
    merged: Count
    conflicts: Count


class KeptHistory(Strict, frozen=True):
    """Alias events at a receiver, in one domain: the last batch taken, and how many events."""

    batch: Count
    events: Count


class HistoriesOf(Strict, frozen=True):
    """Changes of numbers at one body: stated to it, kept by it, and cases left for a clerk."""

    changes: Count
    kept: dict[str, KeptHistory]
    conflicts: Count


class BiasRow(Strict, frozen=True):
    """One band of age, or sex: persons kept and opted out, and the standardised difference.

    Null is what may not be told: a small number, or one from which a small one would follow.
    """

    level: str
    kept: Count | None
    opted_out: Count | None
    difference: float | None


class Bias(Strict, frozen=True):
    """How the opted-out differ from the others of whom the holder has records of the class."""

    below: Count
    persons: Counts
    age: list[BiasRow]
    sex: list[BiasRow]


class PartSeen(Strict, frozen=True):
    """One holder's part of an extract, for one class of data.

    ``vocabularies``: the versions by which codes were read; without any, the same fact by several
    routes is known only where code and system are the same.
    """

    application: str
    holder: str
    data_class: str
    processed: bool
    plan: Digest
    snapshot: Count
    vocabularies: list[str]
    lists: dict[str, ListUsed]
    rows: Counts
    persons: Count
    dropped: Count
    linkage: LinkageQuality
    blanked: dict[str, Count | Counts]
    again: Count
    bias: Bias | None = None


class Gate(Strict, frozen=True):
    """Distinct persons at the gate: received = opted_out + outside_cohort + included.

    ``linked``: included persons of whom several holders sent records. ``repeated``: rows of a
    record that several holders sent. ``collapsed``: rows of a fact that came by a better route,
    and of periods that touch.
    """

    received: Count
    opted_out: Count
    outside_cohort: Count
    included: Count
    linked: Count
    without_person_row: Count
    rows: Counts
    repeated: Counts
    collapsed: Counts


class Problem(Strict, frozen=True):
    """A refusal as a problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    rule: str | None = None
    next: str | None = None
    application: str | None = None
    holder: str | None = None


class LinksSeen(Strict, frozen=True):
    """What an enclave's links did at the gate.

    ``pairs``: links received. ``persons``: included persons united of several registrations.
    ``conflicts``: links not followed, for they would have joined two reliable numbers. ``open``:
    pairs on which no clerk decided. ``opted_out``: persons kept out by a choice under a number
    that a link alone tells. Only ``pairs`` is known before the gate opens.
    """

    pairs: Count
    persons: Count | None = None
    conflicts: Count | None = None
    open: Count | None = None
    opted_out: Count | None = None


class Registrations(Strict, frozen=True):
    """A provider's identity fields at an enclave: persons, and those without a reliable number."""

    persons: Count
    without_number: Count


class EnclaveSeen(Strict, frozen=True):
    """A case of a linkage enclave. ``verdicts`` counts pairs; ``gone`` are those destroyed.

    ``state``: collecting, reviewing, sent or destroyed.
    """

    state: str
    received: dict[str, Registrations]
    verdicts: Counts


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
    links: LinksSeen | None = None
    problem: Problem | None = None
    countersigned: bool | None = None


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


class Compared(Strict, frozen=True):
    """What the oversight body found when it compared an extract's persons with the lists.

    In persons of the extract: ``out``: with records that a choice keeps out; ``partly``: without
    the part of their records that a choice keeps out; ``elsewhere``: with records that a choice
    made at a body whose registry does not serve the holder would keep out.
    """

    holds: bool
    out: Count
    partly: Count
    elsewhere: Count


class MishapSeen(Strict, frozen=True):
    """A message to which a planted fault happened, at its sender."""

    kind: str
    path: str
    to: str
    on: date


class AlarmSeen(Strict, frozen=True):
    """Something that a body noticed: since when, for how many days, until when, and who must act.

    ``about`` names bodies and kinds, and counts; ``cleared`` is null while the alarm stands.
    """

    alarm: str
    code: str
    owner: str
    since: date
    cleared: date | None
    days: Count
    about: dict[str, Count | str]


class LedgerSeen(Strict, frozen=True):
    """A ledger's size, and its entries by kind."""

    size: Count
    kinds: Counts
