"""One submission: files → tables under tags for each body, identities apart, and a balance."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from sekisho.cdm import TABLES
from sekisho.common.errors import UserError
from sekisho.common.ids import BodyId, Tag, new_tag
from sekisho.common.randomness import RandomBytes, seeded
from sekisho.common.visible import visible
from sekisho.provider.balance import Line, lines_of
from sekisho.provider.batches import Batch
from sekisho.provider.columns import Rows, Tables
from sekisho.provider.findings import Finding
from sekisho.provider.gathering import Classify, Gathering
from sekisho.provider.objects import Leaving
from sekisho.provider.patients import Persons
from sekisho.provider.places import Places
from sekisho.provider.profile import Profile
from sekisho.provider.readers import format_of
from sekisho.provider.records import Note, Outcome, Record
from sekisho.provider.scratch import Scratch
from sekisho.provider.sources import Limits, keyed_digest
from sekisho.pseudonym.identifiers import PersonKey, nobody

Progress = Callable[[int, int], None]
"""(files read, records read); called now and then."""
_EVERY = 5_000


@dataclass(frozen=True)
class Withheld:
    """A data class has no recipient; ``cause`` is a code such as ``no-operator-contract``."""

    cause: str


@dataclass(frozen=True)
class Refused:
    """What a body learns of a finding: no file name (it may hold a person's), no value.

    ``file`` is the file's keyed digest; empty where the file could not be read at all.
    """

    file: str
    line: int
    code: str
    record_type: str
    count: int
    rule: str


@dataclass(frozen=True)
class Part:
    """What goes to one body.

    Args:
        tables: CDM table → rows in transit layout, each under a tag.
        identities: the tags' persons, for the converters alone; in order of tag.
        objects: what goes beside the rows, of those records that are in the tables then.
        withdrawn: class → names of units in it that are gone at the source, in order.
    """

    body: BodyId
    tables: Tables
    identities: tuple[tuple[Tag, PersonKey], ...]
    balance: tuple[Line, ...]
    refusals: tuple[Refused, ...]
    file_digests: tuple[str, ...]
    objects: tuple[Leaving, ...] = field(default=(), repr=False)
    withdrawn: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def declared(self) -> list[dict[str, str | int]]:
        """Return the counts that travel with the tables."""
        return [line.declared() for line in self.balance]


@dataclass(frozen=True)
class Prepared:
    """A submission, ready to be handed over. Nothing in it but ``parts`` leaves the provider.

    Its tables may lie on disk: they are gone when its block ends, or when it is forgotten.

    Args:
        read: record type → records in the files.
        set_aside: (record type, reason) → records without a place in the tables.
        dropped: record type → values of sent records without a row (free text, no value).
        file_digests: file name → keyed digest of its bytes.
        places: where the records stand in the files.
    """

    parts: dict[BodyId, Part]
    balance: tuple[Line, ...]
    read: dict[str, int]
    set_aside: dict[tuple[str, str], int]
    dropped: dict[str, int]
    findings: tuple[Finding, ...]
    file_digests: dict[str, str]
    places: Places = field(compare=False, repr=False)
    scratch: Scratch = field(compare=False, repr=False)

    def __enter__(self) -> Prepared:
        return self

    def __exit__(self, *error: object) -> None:
        self.scratch.close()


def read(
    format_id: str, files: Sequence[Path], limits: Limits | None = None
) -> Iterator[Record | Note]:
    """Yield the records of ``files``, streaming; what cannot be read comes as refused or a note.

    Raises:
        UserError: there is no such format.
    """
    reader = format_of(format_id)
    for path in reader.arrange(files):
        yield from reader.read(path, limits or Limits())


def repeatable(files: Sequence[Path], format_id: str, provider_key: bytes) -> RandomBytes:
    """Return randomness for tags that is the same for the same files, and known to nobody else.

    A submission that is sent again before its receipt came then has the tags of the first one, so
    that its halves fit together however they arrive.
    """
    arranged = format_of(format_id).arrange(files)
    digests = [keyed_digest(path, provider_key) or "" for path in arranged]
    return seeded(provider_key, "tags", format_id, *digests)


def prepare(
    files: Sequence[Path],
    format_id: str,
    classify: Classify,
    provider_key: bytes,
    recipients: Mapping[str, BodyId | Withheld],
    random: RandomBytes,
    progress: Progress | None = None,
    limits: Limits | None = None,
    profile: Profile | None = None,
    home: Path | None = None,
) -> Prepared:
    """Read ``files`` and take the identifiers out.

    Args:
        classify: (format, record type) → (kind, data class) pairs.
        provider_key: the provider's own secret, 32 bytes; names source records.
        recipients: data class → body, or why there is none. A class that is not named has none.
        random: makes the tags; another for every person and body.
        profile: which identifier ties records to persons, and what the provider's own mean.
        home: where a private folder is made for what is too large for memory.

    Raises:
        UserError: nothing at all can be read.
    """
    if len(provider_key) < 32:
        raise UserError("provider.weak-key", "The provider's key has fewer than 32 bytes.")
    limits = limits or Limits()
    scratch = Scratch(home)
    bodies = {c: to for c, to in recipients.items() if not isinstance(to, Withheld)}
    reader = format_of(format_id)
    gathering = Gathering(
        reader.id,
        reader.family,
        classify,
        provider_key,
        frozenset(bodies),
        profile or Profile(),
        scratch,
        limits.table_bytes,
    )
    try:
        arranged = reader.arrange(files)
        digests = _read_all(
            reader.batches or reader.read, arranged, gathering, provider_key, progress, limits
        )
        return _prepared(gathering, digests, recipients, bodies, random, scratch)
    except BaseException:
        scratch.close()
        raise


def _prepared(
    gathering: Gathering,
    digests: dict[str, str],
    recipients: Mapping[str, BodyId | Withheld],
    bodies: Mapping[str, BodyId],
    random: RandomBytes,
    scratch: Scratch,
) -> Prepared:
    persons = gathering.resolve()
    counts = gathering.records.counts()
    findings = gathering.findings.all()
    gone = {
        body: gathering.withdrawn([c for c, to in bodies.items() if to == body])
        for body in bodies.values()
    }
    if not any(gone.values()):
        _check_something_read(counts, findings)
    balance = _balance(gathering, counts, recipients)
    parts = {}
    for body in sorted(set(bodies.values())):
        classes = [c for c, to in bodies.items() if to == body]
        tags = _tags(gathering, classes, persons, random)
        identities = sorted(((tag, persons.keys[n]) for n, tag in tags.items()), key=lambda p: p[0])
        if gone[body] and not identities:
            identities = [(new_tag(random), nobody(random))]
        own = lines_of(balance, body)
        parts[body] = Part(
            body,
            _tables(gathering, classes, persons, tags),
            tuple(identities),
            own,
            _refusals(findings, {line.record_type for line in own}, digests),
            tuple(sorted(set(digests.values()))),
            gathering.objects_of(classes),
            gone[body],
        )
    return Prepared(
        parts,
        balance,
        {kind: sum(of.values()) for kind, of in sorted(counts.items())},
        gathering.records.reasons(),
        {kind: n for kind, n in sorted(gathering.dropped.items()) if n},
        findings,
        digests,
        gathering.records.places(),
        scratch,
    )


def _read_all(
    reader: Callable[[Path, Limits], Iterator[Record | Note | Batch]],
    files: Sequence[Path],
    gathering: Gathering,
    provider_key: bytes,
    progress: Progress | None,
    limits: Limits,
) -> dict[str, str]:
    file_key = hmac.digest(provider_key, b"file", "sha256")
    digests: dict[str, str] = {}
    done = told = 0
    for number, path in enumerate(files):
        name = visible(path.name)  # it is shown to a clerk, and may be anything
        gathering.open_file(name)
        for item in reader(path, limits):
            if isinstance(item, Record):
                gathering.add(item)
                done += 1
            elif isinstance(item, Batch):
                gathering.take(item)
                done += len(item)
            else:
                gathering.note(item)
            if progress and done >= told + _EVERY:
                told = done - done % _EVERY
                progress(number, done)
        digest = keyed_digest(path, file_key)
        if digest is not None:
            digests[name if name not in digests else visible(str(path))] = digest
        if progress:
            progress(number + 1, done)
    return digests


def _check_something_read(
    counts: Mapping[str, Mapping[Outcome, int]], findings: tuple[Finding, ...]
) -> None:
    useful = (Outcome.SENT, Outcome.SUPERSEDED)
    if any(of.get(outcome) for of in counts.values() for outcome in useful):
        return
    if counts and not findings:  # all is well, and all of it has no table
        return
    first = f" First: {findings[0]}" if findings else ""
    raise UserError(
        "submission.nothing-readable",
        f"Nothing in the files can be sent ({len(findings)} findings).{first}",
        rule=findings[0].rule if findings else None,
        next_step="check that the format named is the files' own, and mend them at the source",
    )


def _balance(
    gathering: Gathering,
    counts: Mapping[str, Mapping[Outcome, int]],
    recipients: Mapping[str, BodyId | Withheld],
) -> tuple[Line, ...]:
    lines = []
    for kind, of in counts.items():
        classes = sorted({c for _, c in gathering.kinds_of(kind)}) or [""]
        for data_class in classes:
            to = recipients.get(data_class, Withheld("no-recipient"))
            fit, gone = of.get(Outcome.SENT, 0), isinstance(to, Withheld)
            lines.append(
                Line(
                    kind,
                    data_class,
                    sum(of.values()),
                    0 if gone else fit,
                    of.get(Outcome.REFUSED, 0),
                    of.get(Outcome.SUPERSEDED, 0),
                    of.get(Outcome.SET_ASIDE, 0),
                    fit if gone else 0,
                    None if isinstance(to, Withheld) else to,
                    to.cause if isinstance(to, Withheld) and data_class else None,
                )
            )
    return tuple(sorted(lines, key=lambda x: (x.record_type, x.data_class)))


def _tags(
    gathering: Gathering, classes: Sequence[str], persons: Persons, random: RandomBytes
) -> dict[int, Tag]:
    """Return person number → fresh tag, for the persons of whom the body gets a record."""
    numbers = persons.numbers()
    wanted = [gathering.persons_of(one, numbers) for one in classes]
    found = pa.concat_arrays(wanted).unique().sort()
    return {number: new_tag(random) for number in found.to_pylist()}


def _tables(
    gathering: Gathering,
    classes: Sequence[str],
    persons: Persons,
    tags: Mapping[int, Tag],
) -> Tables:
    alive, numbers = gathering.records.sent, persons.numbers()
    by_person = pa.array(map(tags.get, range(len(persons.keys))), pa.string())
    made = {}
    for table in TABLES:
        stores = [gathering.stores.pop((c, table.name), None) for c in classes]
        found = [store for store in stores if store is not None]
        rows = Rows(table.name, found, alive, numbers, by_person)
        if found and rows:
            made[table.name] = rows
    return Tables(made)


def _refusals(
    findings: Sequence[Finding], record_types: set[str], digests: Mapping[str, str]
) -> tuple[Refused, ...]:
    return tuple(
        Refused(digests.get(f.file, ""), f.line, f.code, f.record_type, f.count, f.rule)
        for f in findings
        if not f.record_type or f.record_type in record_types
    )
