"""JP-CLINS (電子カルテ情報共有サービス): bundles of one report each, and documents (3文書6情報).

Rules kept (https://jpfhir.jp/fhir/clins/igv1/, Bundle): a report's bundle holds one Patient first
and then one type of resource; it is taken whole or refused whole, with the bad entry named by its
number; it replaces the one with the same insured person, identifier system and identifier value;
with a Patient alone it takes that one back. A document has its Composition first and is otherwise
read like a report. Types that the service does not handle are set aside, not refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sekisho.provider.readers.fhir import (
    check_text,
    decode,
    head_of,
    read_resource,
    type_name,
)
from sekisho.provider.readers.fhir_bundle import Bundle, Item, insured_in, item_of, names_in
from sekisho.provider.readers.fhir_values import (
    Coding,
    Concept,
    Identifier,
    Names,
    Reference,
    local_name,
)
from sekisho.provider.records import UNREADABLE, Note, Outcome, Record, Unreadable, refused
from sekisho.provider.sources import Limits, SourceProblem, whole
from sekisho.pseudonym.identifiers import canonical

COLLECTION, DOCUMENT = "collection", "document"
REPORTED = ("AllergyIntolerance", "Condition", "Observation", "MedicationRequest")
"""One of them a report; 処方 (MedicationRequest) is one of the first policy's 6情報."""
_BUNDLES = "http://jpfhir.jp/fhir/clins/bundle-identifier"
_BUNDLE_ID = re.compile(r"\d{10}\^\d{4}\^[0-9A-Za-z\-]{1,36}", re.ASCII)
_TYPE_TAG = "http://jpfhir.jp/fhir/clins/CodeSystem/BundleResourceType_CS"
_INDICATION = "http://jpfhir.jp/fhir/clins/CodeSystem/JP_ehrshrs_indication"
_HELD_BACK = "UNDELIVERED"
"""未提供病名: neither other institutions nor the patient shall see it."""
_LACKING = {
    "date.missing": "no-date",
    "person.no-birth-date": "no-birth-date",
    "person.no-subject": "no-subject",
}
"""What the guide allows to be absent and a table needs: such an entry is set aside, not wrong."""
_LOCAL = "http://jpfhir.jp/fhir/clins/CodeSystem/JP_CLINS_ObsLabResult_LocalCode_CS"


class _Meta(Struct, gc=False):
    tag: tuple[Coding, ...] = ()


class _Report(Struct, gc=False):
    meta: _Meta | None = None


class _Subject(Struct, gc=False):
    subject: Reference | None = None
    patient: Reference | None = None


class _Result(_Subject, gc=False):
    """An Observation, as far as the rules of a report look at it."""

    category: tuple[Concept, ...] = ()
    code: Concept | None = None


_REPORT = msgspec.json.Decoder(_Report)
_BUNDLE = msgspec.json.Decoder(Bundle)
_SUBJECT = msgspec.json.Decoder(_Subject)
_RESULT = msgspec.json.Decoder(_Result)


class _Broken(Exception):
    """A rule is broken at ``entry`` (0-based; None: by the bundle as a whole)."""

    def __init__(self, code: str, entry: int | None = None) -> None:
        super().__init__(code)
        self.code, self.entry = code, entry


@dataclass(frozen=True)
class _Opened:
    """A bundle with the names of its entries."""

    bundle: Bundle
    items: list[Item]
    names: dict[str, str]
    insured: Mapping[str, tuple[Identifier, ...]]
    tags: tuple[Coding, ...]

    def kind(self, number: int) -> str:
        head = self.items[number].head
        return UNREADABLE if head is None else type_name(head)

    @property
    def kinds(self) -> list[str]:
        return [self.kind(number) for number in range(len(self.items))]


def read(path: Path, limits: Limits) -> Iterator[Record | Note]:
    """Yield one record per entry, with the entry's number as the line."""
    try:
        data = whole(path, limits)
        check_text(data)
        head = head_of(data)
        if head.resource_type != "Bundle":
            yield read_resource(data, 1, head=head)
            return
        opened = _open(data, str(path))
    except SourceProblem as problem:
        yield Note(problem.line, problem.code)
        return
    except Unreadable as problem:
        yield refused(UNREADABLE, 1, f"file/{path}", problem.code)
        return
    yield from _records(opened, str(path))


def _open(data: bytes, file: str) -> _Opened:
    bundle: Bundle = decode(_BUNDLE, data)
    report: _Report = decode(_REPORT, data)
    # Names of one bundle only: what stands in another is never meant.
    items = [item_of(bundle, entry, f"clins/{file}") for entry in bundle.entry]
    names = names_in(bundle, items)
    tags = report.meta.tag if report.meta else ()
    return _Opened(bundle, items, names, insured_in(items, names), tags)


def _records(of: _Opened, file: str) -> Iterator[Record]:
    try:
        _check(of)
        made = [_record(of, number) for number in range(len(of.items))]
        bad = next((n for n, one in enumerate(made) if one.outcome == Outcome.REFUSED), None)
        if bad is not None:
            raise _Broken(made[bad].code, bad)
    except _Broken as problem:
        yield from _refused(of, file, problem)
        return
    unit = _unit(of, made)
    if of.bundle.type == COLLECTION and len(made) == 1:
        gone = replace(made[0], rows=(), outcome=Outcome.SET_ASIDE, code="withdrawn")
        made = [replace(gone, withdraws=True)]
    for part, one in enumerate(made):
        yield replace(one, unit=unit, part=part)


def _refused(of: _Opened, file: str, problem: _Broken) -> Iterator[Record]:
    """Refuse every entry: the bad one for its own reason, the others because of it."""
    named = problem.entry if problem.entry is not None else 0
    unit = f"refused/{file}"
    if not of.items:
        yield refused(UNREADABLE, 1, unit, problem.code)
    for number, kind in enumerate(of.kinds):
        code = problem.code if number == named else "clins.bundle-refused"
        yield refused(kind, number + 1, unit, code, part=number, whole=False)


def _check(of: _Opened) -> None:
    if of.bundle.type not in (COLLECTION, DOCUMENT):
        raise _Broken("clins.type")
    identifier = of.bundle.identifier
    if identifier is None or not identifier.system or not identifier.value:
        raise _Broken("clins.identifier")
    for number, item in enumerate(of.items):
        if item.problem:
            raise _Broken(item.problem, number)
    urls = [entry.full_url or "" for entry in of.bundle.entry]
    for number, url in enumerate(urls):
        if not url or url in urls[:number]:
            raise _Broken("clins.full-url", number)
    if of.bundle.type == DOCUMENT:
        if of.kinds[:1] != ["Composition"]:
            raise _Broken("clins.composition")
        if of.kinds.count("Patient") != 1:
            raise _Broken("clins.patient", 0)
        return
    if identifier.system != _BUNDLES or not _BUNDLE_ID.fullmatch(identifier.value):
        raise _Broken("clins.identifier")
    _check_report(of)


def _check_report(of: _Opened) -> None:
    if of.kinds[:1] != ["Patient"]:
        raise _Broken("clins.patient", 0)
    whose = of.items[0].name
    said = next((tag.code for tag in of.tags if tag.system == _TYPE_TAG), None)
    told = said if said in REPORTED else None
    for number, kind in enumerate(of.kinds[1:], 1):
        if kind == "Patient":
            raise _Broken("clins.patient", number)
        if kind not in REPORTED:
            continue
        if told is not None and kind != told:
            raise _Broken("clins.mixed", number)
        told = kind
        _check_entry(of, number, kind, whose)


def _check_entry(of: _Opened, number: int, kind: str, whose: str) -> None:
    decoder = _RESULT if kind == "Observation" else _SUBJECT
    try:
        it: _Subject = decode(decoder, of.items[number].raw)
    except Unreadable as problem:
        raise _Broken(problem.code, number) from None
    if _named(it.subject or it.patient, of.names) != whose:
        raise _Broken("clins.subject", number)
    if isinstance(it, _Result) and _laboratory(it) and not _has_local_code(it.code):
        raise _Broken("clins.local-code", number)


def _laboratory(it: _Result) -> bool:
    return any(c.code == "laboratory" for concept in it.category for c in concept.coding)


def _has_local_code(code: Concept | None) -> bool:
    return code is not None and any(c.system == _LOCAL and c.code for c in code.coding)


def _named(reference: Reference | None, names: Names) -> str | None:
    if reference is None or not reference.reference:
        return None
    return local_name(reference.reference, names)


def _record(of: _Opened, number: int) -> Record:
    item, line = of.items[number], number + 1
    made = read_resource(
        item.raw,
        line,
        head=item.head,
        names=of.names,
        own_name=item.name,
        unit="",
        part=number,
        whole=False,
        insured=of.insured.get(item.name, ()),
    )
    if made.outcome == Outcome.REFUSED and made.code in _LACKING:
        return replace(made, outcome=Outcome.SET_ASIDE, code=_LACKING[made.code])
    if made.outcome == Outcome.SENT and made.record_type == "Condition" and _held_back(item.raw):
        return replace(made, rows=(), outcome=Outcome.SET_ASIDE, code="held-back")
    return made


def _held_back(raw: msgspec.Raw) -> bool:
    report: _Report = decode(_REPORT, raw)
    tags = report.meta.tag if report.meta else ()
    return any(tag.system == _INDICATION and tag.code == _HELD_BACK for tag in tags)


def _unit(of: _Opened, made: list[Record]) -> str:
    """Return the triple by which a later bundle replaces this one."""
    identity = next((one.identity for one in made if one.identity is not None), None)
    key = identity.key if identity else None
    own = next((value for _, value in identity.others), "") if identity else ""
    whose = canonical(key).decode() if key else own
    identifier = of.bundle.identifier or Identifier()
    return f"clins/{whose}|{identifier.system}|{identifier.value}"
