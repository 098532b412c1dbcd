"""JP-CLINS: the rules of a report's bundle and of a document, for whoever reads or takes one.

Rules kept (https://jpfhir.jp/fhir/clins/igv1/, Bundle): a report's bundle holds one Patient first
and then one type of resource, all of them about that Patient; a document has its Composition first.
Every entry has a ``fullUrl`` of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from sekisho.provider.readers.fhir import decode, type_name
from sekisho.provider.readers.fhir_bundle import Bundle, Item, insured_in, item_of, names_in
from sekisho.provider.readers.fhir_values import (
    Coding,
    Concept,
    Identifier,
    Names,
    Reference,
    local_name,
)
from sekisho.provider.records import UNREADABLE, Unreadable

COLLECTION, DOCUMENT = "collection", "document"
REPORTED = ("AllergyIntolerance", "Condition", "Observation", "MedicationRequest")
"""One of them a report; 処方 (MedicationRequest) is one of the first policy's 6情報."""
_BUNDLES = "http://jpfhir.jp/fhir/clins/bundle-identifier"
_BUNDLE_ID = re.compile(r"\d{10}\^\d{4}\^[0-9A-Za-z\-]{1,36}", re.ASCII)
_TYPE_TAG = "http://jpfhir.jp/fhir/clins/CodeSystem/BundleResourceType_CS"
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


class Broken(Exception):
    """A rule is broken at ``entry`` (0-based; None: by the bundle as a whole)."""

    def __init__(self, code: str, entry: int | None = None) -> None:
        super().__init__(code)
        self.code, self.entry = code, entry


@dataclass(frozen=True)
class Opened:
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


def open_bundle(data: bytes, file: str) -> Opened:
    """Open a bundle.

    Args:
        file: tells apart what has no name of its own from that of other files.

    Raises:
        Unreadable: it is no JSON object of a bundle's shape.
    """
    bundle: Bundle = decode(_BUNDLE, data)
    # Names of one bundle only: what stands in another is never meant.
    items = [item_of(bundle, entry, f"clins/{file}") for entry in bundle.entry]
    names = names_in(bundle, items)
    return Opened(bundle, items, names, insured_in(items, names), tags_of(data))


def tags_of(data: bytes | msgspec.Raw) -> tuple[Coding, ...]:
    """Return the tags of a bundle or of a resource."""
    report: _Report = decode(_REPORT, data)
    return report.meta.tag if report.meta else ()


def check(of: Opened) -> None:
    """Check the rules of a report or a document.

    Raises:
        Broken: it breaks one.
    """
    if of.bundle.type not in (COLLECTION, DOCUMENT):
        raise Broken("clins.type")
    identifier = of.bundle.identifier
    if identifier is None or not identifier.system or not identifier.value:
        raise Broken("clins.identifier")
    for number, item in enumerate(of.items):
        if item.problem:
            raise Broken(item.problem, number)
    urls = [entry.full_url or "" for entry in of.bundle.entry]
    for number, url in enumerate(urls):
        if not url or url in urls[:number]:
            raise Broken("clins.full-url", number)
    if of.bundle.type == DOCUMENT:
        if of.kinds[:1] != ["Composition"]:
            raise Broken("clins.composition")
        if of.kinds.count("Patient") != 1:
            raise Broken("clins.patient", 0)
        return
    if identifier.system != _BUNDLES or not _BUNDLE_ID.fullmatch(identifier.value):
        raise Broken("clins.identifier")
    _check_report(of)


def _check_report(of: Opened) -> None:
    if of.kinds[:1] != ["Patient"]:
        raise Broken("clins.patient", 0)
    whose = of.items[0].name
    said = next((tag.code for tag in of.tags if tag.system == _TYPE_TAG), None)
    told = said if said in REPORTED else None
    for number, kind in enumerate(of.kinds[1:], 1):
        if kind == "Patient":
            raise Broken("clins.patient", number)
        if kind not in REPORTED:
            continue
        if told is not None and kind != told:
            raise Broken("clins.mixed", number)
        told = kind
        _check_entry(of, number, kind, whose)


def _check_entry(of: Opened, number: int, kind: str, whose: str) -> None:
    decoder = _RESULT if kind == "Observation" else _SUBJECT
    try:
        it: _Subject = decode(decoder, of.items[number].raw)
    except Unreadable as problem:
        raise Broken(problem.code, number) from None
    if _named(it.subject or it.patient, of.names) != whose:
        raise Broken("clins.subject", number)
    if isinstance(it, _Result) and _laboratory(it) and not _has_local_code(it.code):
        raise Broken("clins.local-code", number)


def _laboratory(it: _Result) -> bool:
    return any(c.code == "laboratory" for concept in it.category for c in concept.coding)


def _has_local_code(code: Concept | None) -> bool:
    return code is not None and any(c.system == _LOCAL and c.code for c in code.coding)


def _named(reference: Reference | None, names: Names) -> str | None:
    if reference is None or not reference.reference:
        return None
    return local_name(reference.reference, names)
