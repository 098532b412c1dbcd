"""Insured numbers that stand in a Coverage beside the Patient (JP Core, 健診結果報告書).

JP_Coverage keeps 記号, 番号 and 枝番 in extensions, or between quotes in an identifier, and the
insurer is an Organization of the same bundle. JP Core replaced many OIDs by URLs between 1.1 and
1.2; both are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct

from sekisho.provider.readers.fhir import decode
from sekisho.provider.readers.fhir_values import Identifier, Names, Reference, local_name
from sekisho.provider.records import Unreadable
from sekisho.pseudonym.identifiers import JP_INSURED

_INSURERS = (
    "http://jpfhir.jp/fhir/core/mhlw/IdSystem/InsurerNumber",
    "urn:oid:1.2.392.100495.20.3.61",
)
_QUOTED = re.compile(r'"([^":]*)","([^":]*)"(?:,"([^":]*)")?')
_PARTS = ("Symbol", "Number", "SubNumber")
_EXTENSION = "/JP_Coverage_InsuredPerson"


class _Extension(Struct, rename="camel", gc=False):
    url: str | None = None
    value_string: str | None = None


class Coverage(Struct, gc=False):
    """What of a Coverage names an insured person."""

    extension: tuple[_Extension, ...] = ()
    identifier: tuple[Identifier, ...] = ()
    beneficiary: Reference | None = None
    payor: tuple[Reference, ...] = ()


class Organization(Struct, gc=False):
    identifier: tuple[Identifier, ...] = ()


_COVERAGE = msgspec.json.Decoder(Coverage)
_ORGANIZATION = msgspec.json.Decoder(Organization)


def insured_numbers(
    entries: Iterable[tuple[str, str, msgspec.Raw]], names: Names
) -> Mapping[str, tuple[Identifier, ...]]:
    """Return local name of a patient → the insured numbers that coverages of the bundle give.

    Args:
        entries: (resource type, local name, bytes).
    """
    insurers: dict[str, str] = {}
    coverages: list[Coverage] = []
    for kind, name, raw in entries:
        try:
            if kind == "Organization":
                organization: Organization = decode(_ORGANIZATION, raw)
                number = _insurer(organization.identifier)
                if number:
                    insurers[name] = number
            elif kind == "Coverage":
                coverages.append(decode(_COVERAGE, raw))
        except Unreadable:
            continue  # the entry itself is told of where records are made
    made: dict[str, tuple[Identifier, ...]] = {}
    for coverage in coverages:
        whose = _named(coverage.beneficiary, names)
        payer = next((n for p in coverage.payor if (n := _payer(p, names, insurers))), "")
        symbol, number, branch = _insured(coverage)
        if whose and payer and number:
            value = f"{payer}:{symbol}:{number}:{branch}"
            made[whose] = (*made.get(whose, ()), Identifier(JP_INSURED, value))
    return made


def _insured(coverage: Coverage) -> tuple[str, str, str]:
    given = {e.url: e.value_string or "" for e in coverage.extension if e.url and e.value_string}
    parts = [
        next((text for url, text in given.items() if url.endswith(_EXTENSION + part)), "")
        for part in _PARTS
    ]
    if not parts[1]:
        texts = (i.value for i in coverage.identifier if i.value)
        match = next((m for text in texts if (m := _QUOTED.fullmatch(text))), None)
        parts = [part or "" for part in match.groups()] if match else parts
    return parts[0], parts[1], parts[2]


def _insurer(identifiers: Iterable[Identifier]) -> str:
    return next((i.value for i in identifiers if i.system in _INSURERS and i.value), "")


def _payer(reference: Reference, names: Names, insurers: Mapping[str, str]) -> str:
    if reference.identifier and (number := _insurer((reference.identifier,))):
        return number
    return insurers.get(_named(reference, names), "")


def _named(reference: Reference | None, names: Names) -> str:
    if reference is None or not reference.reference:
        return ""
    return local_name(reference.reference, names) or ""
