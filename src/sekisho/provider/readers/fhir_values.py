"""FHIR R4 data types as far as rows need them: what is not named here is never kept in memory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache

from msgspec import Struct

from sekisho.provider.records import Unreadable

_EPOCH = date(1970, 1, 1).toordinal()
_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T.*)?)?)?", re.ASCII)
_CODE = re.compile(r"[^\s\x00-\x1f]+(?: [^\s\x00-\x1f]+)*")
_YEARS = range(1900, 2101)
_LOCAL_SYSTEMS = ("/JP_CLINS_ObsLabResult_LocalCode_CS", "/CodeSystem/DrugCode/")
"""Parts of the names of code systems that one institution made for itself."""


class Coding(Struct, gc=False):
    system: str | None = None
    code: str | None = None


class Concept(Struct, gc=False):
    coding: tuple[Coding, ...] = ()


class Identifier(Struct, gc=False):
    system: str | None = None
    value: str | None = None


class Reference(Struct, gc=False):
    reference: str | None = None
    identifier: Identifier | None = None


class Period(Struct, gc=False):
    start: str | None = None
    end: str | None = None


class Quantity(Struct, gc=False):
    value: Decimal | None = None
    comparator: str | None = None
    unit: str | None = None
    code: str | None = None


def day(text: str) -> int:
    """Return a FHIR date or dateTime as days since 1970-01-01; of a partial date the first day.

    The day is the one that was written, in the writer's own time zone.

    Raises:
        Unreadable: no such date, or outside 1900–2100.
    """
    if text[10:11] == "T" and "\n" not in text:
        text = text[:10]  # many moments, few days
    return _day(text)


@lru_cache(maxsize=1 << 14)
def _day(text: str) -> int:
    match = _DATE.fullmatch(text)
    if not match or int(match[1]) not in _YEARS:
        raise Unreadable("date.impossible")
    try:
        return date(int(match[1]), int(match[2] or 1), int(match[3] or 1)).toordinal() - _EPOCH
    except ValueError:
        raise Unreadable("date.impossible") from None


def first_day(*texts: str | None) -> int:
    """Return the first of ``texts`` that is there as a day.

    Raises:
        Unreadable: none is there, or it is impossible.
    """
    for text in texts:
        if text:
            return day(text)
    raise Unreadable("date.missing")


def optional_day(text: str | None) -> int | None:
    """Return ``text`` as a day, or None where it is absent."""
    return day(text) if text else None


def decimal_text(value: Decimal) -> str:
    """Return the one spelling of a number: no exponent, no zeros at the end, no plus, no ``-0``.

    Raises:
        Unreadable: not finite, or beyond 10^30 or 10^-30.
    """
    text = str(value)
    if len(text) > 30 or not text.replace(".", "", 1).isdigit():
        text = _rare(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _rare(value: Decimal) -> str:
    """Spell a number that is negative, long, has an exponent, or is none."""
    if not value.is_finite():
        raise Unreadable("number.out-of-range")
    if not value:
        return "0"
    if abs(value.adjusted()) > 30 or len(value.as_tuple().digits) > 60:
        raise Unreadable("number.out-of-range")
    return format(value, "f")


def code_of(concept: Concept | None) -> tuple[str, str | None] | None:
    """Return (code, system) of the first coding that other institutions can read, else the first.

    Display texts are never looked at. None where there is no code.
    """
    if concept is None:
        return None
    codings, chosen = concept.coding, None
    for coding in codings:
        code = coding.code
        if code and len(code) <= 100 and _is_code(code):
            if len(codings) == 1 or not _local(coding.system):
                chosen = coding
                break
            chosen = chosen or coding
    if chosen is None:
        return None
    system = chosen.system if chosen.system and len(chosen.system) <= 200 else None
    return str(chosen.code), system


def has_code(concept: Concept | None, *codes: str) -> bool:
    """Tell whether any coding of ``concept`` is one of ``codes``."""
    if concept is not None:
        for coding in concept.coding:
            if coding.code in codes:
                return True
    return False


def unit_of(quantity: Quantity) -> str | None:
    """Return the unit's code, else its short text."""
    unit = quantity.code or quantity.unit
    return unit if unit and len(unit) <= 32 else None


Names = Mapping[str, str]
"""Names of resources inside one bundle → their local names."""


def local_name(reference: str, names: Names) -> str | None:
    """Return the local name ``Type/id`` of a reference; None for a contained resource.

    A conditional reference (``Patient?identifier=system|value``) gives ``system|value``.
    """
    if names and reference in names:
        return names[reference]
    name = _remembered(reference) if len(reference) <= 200 else _local_name(reference)
    return names.get(name, name) if names and name is not None else name


def _local_name(reference: str) -> str | None:
    if reference.startswith("#"):
        return None
    if reference.startswith("urn:"):
        return reference
    _, question, query = reference.partition("?")
    if question:
        return query.partition("identifier=")[2].partition("&")[0] or None
    parts = reference.split("/")
    if len(parts) > 3 and parts[-2] == "_history":
        parts = parts[:-2]
    return "/".join(parts[-2:])


_remembered = lru_cache(maxsize=1 << 14)(_local_name)


def patient_name(reference: Reference | None, names: Names) -> str:
    """Return the local name of the patient that a record is about.

    Raises:
        Unreadable: none is named, or it is no patient.
    """
    if reference is None:
        raise Unreadable("person.no-subject")
    if reference.reference:
        name = local_name(reference.reference, names)
        if name is not None:
            if not name.startswith("Patient/"):
                _check_patient(name)
            return name
    identifier = reference.identifier
    if identifier is None or not identifier.system or not identifier.value:
        raise Unreadable("person.no-subject")
    return f"{identifier.system}|{identifier.value}"


def _check_patient(name: str) -> None:
    kind, slash, _ = name.partition("/")
    if slash and "|" not in name and ":" not in kind and kind != "Patient":
        raise Unreadable("person.not-a-patient")


def visit_name(reference: Reference | None, names: Names) -> str | None:
    """Return the local name of an encounter; None where none is named or it is contained."""
    if reference is None or not reference.reference:
        return None
    return local_name(reference.reference, names)


def _local(system: str | None) -> bool:
    if system is not None:
        for part in _LOCAL_SYSTEMS:
            if part in system:
                return True
    return False


@lru_cache(maxsize=1 << 14)
def _is_code(text: str) -> bool:
    return _CODE.fullmatch(text) is not None
