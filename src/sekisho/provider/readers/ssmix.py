"""SS-MIX2 標準化ストレージ: one message file → records, one for each fact in it.

Rules kept: the folder, the file's name and PID-3 must name the same patient, else the file stays
here (nobody guesses whose it is); of one order the latest file counts; a file of diagnoses (PPR-01)
replaces the one before as a whole; a file that says "deleted" leaves nothing; names and free text
are never rows. Which fact gives which row is in `ssmix_facts`. A storage may come as an archive.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePath, PurePosixPath

from msgspec.structs import replace

from sekisho.provider.archives import is_archive, unpacked
from sekisho.provider.readers.hl7_message import Segment, parse
from sekisho.provider.readers.ssmix_facts import KINDS, UNKNOWN
from sekisho.provider.readers.ssmix_message import Fact, Message
from sekisho.provider.readers.ssmix_person import identity_of, patient_name, row_of
from sekisho.provider.readers.ssmix_storage import DELETED, PENDING, MessageName, place_of
from sekisho.provider.records import (
    UNREADABLE,
    Note,
    Outcome,
    Record,
    SetAside,
    Unreadable,
    refused,
)
from sekisho.provider.sources import Limits, SourceProblem, whole

_GONE = ("cancelled", "did-not-happen", "no-value")
"""Why a fact is set aside that an earlier file may have told."""
BASIC = "ADT-00"
"""The kind that tells who a patient is."""


def read(path: Path, limits: Limits) -> Iterator[Record | Note]:
    """Yield the records of one message file, with the segment's number as the line.

    Of an archive of a storage: of all files in it, in their order, with the member's number as the
    line.
    """
    try:
        if path.is_symlink():
            raise SourceProblem("file.link")
        if not is_archive(path):
            yield from _file(path, path, limits)
            return
        with unpacked(path, limits) as members:
            named = [(PurePosixPath(member.name), member.path) for member in members]
            named.sort(key=lambda one: place_of(one[0]))
            for number, (where, file) in enumerate(named, 1):
                for one in _file(where, file, limits):
                    yield replace(one, line=number)
    except SourceProblem as problem:
        yield Note(problem.line, problem.code)


def _file(where: PurePath, path: Path, limits: Limits) -> Iterator[Record | Note]:
    """Yield the records of the message file that lies at ``where`` in its storage."""
    kind = UNREADABLE
    try:
        name = MessageName.of(where)
        kind = name.record_type
        segments = parse(whole(path, limits))
        _check(name, segments)
    except SourceProblem as problem:
        yield Note(problem.line, problem.code)
        return
    except Unreadable as problem:
        yield refused(kind, 1, f"file/{where}", problem.code)
        return
    yield from _records(name, segments)


def _check(name: MessageName, segments: tuple[Segment, ...]) -> None:
    expected = KINDS.get(name.kind)
    if expected and segments[0].get(9) not in expected.messages:
        raise Unreadable("ssmix.kind")
    patients = {one.get(3) for one in segments if one.kind == "PID"}
    if patients != {name.patient}:
        raise Unreadable("ssmix.patient")


def _records(name: MessageName, segments: tuple[Segment, ...]) -> Iterator[Record]:
    kind, patient = name.record_type, patient_name(name.patient)
    if name.condition == PENDING:
        # it neither counts nor takes the place of what counted
        unit = f"{name.unit}/{name.moment}"
        yield Record(kind, 1, unit, outcome=Outcome.SET_ASIDE, code="pending")
        return
    message, known = Message(name, segments), KINDS.get(name.kind, UNKNOWN)
    deleted = name.condition == DELETED
    tell = known.undone if deleted else known.facts
    try:
        unit = (known.unit and known.unit(message)) or name.unit
        facts = list(tell(message)) if tell else []
        basic = name.kind == BASIC and not deleted
        head = [_basic(segments, unit, patient)] if basic else []
    except Unreadable as problem:
        yield refused(kind, 1, name.unit, problem.code)
        return
    told = [
        _fact(fact, f"{kind}{fact.suffix}", unit, patient, part)
        for part, fact in enumerate(facts, len(head))
    ]
    if not (head or told):
        reason = "cancelled" if deleted else known.otherwise
        told = [Record(kind, 1, unit, (), patient, Outcome.SET_ASIDE, reason, whole=False)]
    if not head and known.tables and all(one.code in _GONE for one in told):
        # nothing is left of what an earlier file said
        told[0] = replace(told[0], withdraws=True)
    yield from head
    yield from told


def _basic(segments: tuple[Segment, ...], unit: str, patient: str) -> Record:
    pid = next(one for one in segments if one.kind == "PID")
    identity = identity_of(segments, patient)
    try:
        rows = (row_of(pid),)
    except Unreadable as problem:
        return refused(
            BASIC, pid.number, unit, problem.code, patient=patient, identity=identity, whole=False
        )
    return Record(BASIC, pid.number, unit, rows, patient, identity=identity, whole=False)


def _fact(fact: Fact, kind: str, unit: str, patient: str, part: int) -> Record:
    line, code = fact.segment.number, ""
    try:
        return Record(kind, line, unit, fact.rows(), patient, part=part, whole=False)
    except SetAside as reason:
        outcome, code = Outcome.SET_ASIDE, reason.code
    except Unreadable as problem:
        outcome, code = Outcome.REFUSED, problem.code
    return Record(kind, line, unit, (), patient, outcome, code, part=part, whole=False)
