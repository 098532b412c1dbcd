"""One FHIR resource as bytes → one record: what NDJSON files and bundles have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Union

import msgspec
from msgspec import Struct

from sekisho.provider.readers.fhir_patient import Patient, identity_of, patient_rows
from sekisho.provider.readers.fhir_resources import MAPPINGS
from sekisho.provider.readers.fhir_shapes import Head, Named
from sekisho.provider.readers.fhir_types import RESOURCE_TYPES
from sekisho.provider.readers.fhir_values import Identifier, patient_name
from sekisho.provider.records import (
    OTHER,
    UNREADABLE,
    Outcome,
    Record,
    SetAside,
    Unreadable,
    refused,
)

_HEAD = msgspec.json.Decoder(Head)
_SHAPES: dict[str, type[Struct]] = {
    "Patient": Patient,
    **{name: mapping.shape for name, mapping in MAPPINGS.items()},
}
_TAGGED: dict[str, type[Struct]] = {
    name: msgspec.defstruct(
        name, (), bases=(_SHAPES.get(name, Named),), tag_field="resourceType", tag=name, gc=False
    )
    for name in sorted(RESOURCE_TYPES)
}
BUNDLE = _TAGGED["Bundle"]
_NAMES = {shape: name for name, shape in _TAGGED.items()}
_DECODERS = {name: msgspec.json.Decoder(_TAGGED[name]) for name in _SHAPES}
_ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
    Union[tuple(_TAGGED.values())]  # noqa: UP007 (there is no other way to write a made one)
)
_WRONG = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
NO_NAMES: Mapping[str, str] = {}


def check_text(data: bytes) -> None:
    """Refuse bytes that are no UTF-8 text.

    Raises:
        Unreadable: NUL, or not UTF-8 (msgspec checks only the texts that it keeps).
    """
    if is_text(data):
        return
    raise Unreadable("line.nul" if b"\0" in data else "line.encoding")


def is_text(data: bytes) -> bool:
    """Return whether bytes are UTF-8 text without NUL."""
    if not data.isascii():
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            return False
    return b"\0" not in data


def head_of(data: bytes | msgspec.Raw) -> Head:
    """Return type and id of a resource.

    Raises:
        Unreadable: no JSON object, nested beyond the interpreter's bound, without a type.
    """
    head: Head = decode(_HEAD, data)
    if not head.resource_type:
        raise Unreadable("fhir.no-type")
    return head


def opened(data: bytes) -> Struct:
    """Return a resource as its type says, or its head where that cannot be.

    Raises:
        Unreadable: as `head_of`.
    """
    try:
        it: Struct = _ANY.decode(data)
    except _WRONG:
        return head_of(data)  # what is wrong is found when it is read as its head says
    return it


def all_opened(data: bytes, number: int) -> Sequence[Any] | None:
    """Return what `opened` says of some lines; None where they must be opened one by one.

    Args:
        number: of lines, each of which begins with ``{`` and ends with ``}``: as a text has no
            raw end of line in it, so many resources are one on each line.
    """
    try:
        found: list[Any] = _ANY.decode_lines(data)
    except _WRONG:
        return None
    return found if len(found) == number else None


def decode(decoder: msgspec.json.Decoder[Any], data: bytes | msgspec.Raw) -> Any:
    """Decode; messages of the decoder go nowhere, for they may quote the data."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        raise Unreadable("fhir.shape") from None
    except RecursionError:
        raise Unreadable("json.too-deep") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreadable("json.malformed") from None


def type_name(it: Struct) -> str:
    """Return the record type: a type of FHIR R4, or `OTHER` (a made-up one is anyone's text)."""
    name = _NAMES.get(type(it))
    if name is not None:
        return name
    name = it.resource_type if isinstance(it, Head) else None
    return name if name in RESOURCE_TYPES else OTHER


def unit_name(kind: str, identifier: str | None, data: bytes | msgspec.Raw) -> str:
    """Return the local name; a resource without an id is named by its bytes."""
    return f"{kind}/{identifier or hashlib.sha256(bytes(data)).hexdigest()}"


def read_resource(
    data: bytes | msgspec.Raw,
    line: int,
    *,
    head: Any = None,
    names: Mapping[str, str] = NO_NAMES,
    own_name: str | None = None,
    unit: str | None = None,
    part: int = 0,
    whole: bool = True,
    insured: Sequence[Identifier] = (),
) -> Record:
    """Read one resource.

    Args:
        head: what `opened` or `head_of` says of it.
        names: names inside the bundle → local names.
        own_name: the local name that references to this resource resolve to.
        unit: what it supersedes; without, resources of its own name.
        part: its place in the unit, where it is not the ``whole`` of it.
        insured: identifiers of a patient that stand elsewhere in the bundle.
    """
    kind = UNREADABLE
    try:
        it: Any = opened(bytes(data)) if head is None else head
        kind = type_name(it)
        own = own_name or unit_name(kind, it.id, data)
        unit = unit or own
        if kind not in _SHAPES:
            aside = Outcome.SET_ASIDE
            return Record(kind, line, unit, outcome=aside, code="no-table", part=part, whole=whole)
        if type(it) is Head:
            it = decode(_DECODERS[kind], data)
        if isinstance(it, Patient):
            return _patient(it, line, own, unit, insured, part, whole)
        return _mapped(it, line, kind, own, unit, names, part, whole)
    except Unreadable as problem:
        return refused(kind, line, unit or f"{kind}/{line}", problem.code, part=part, whole=whole)


def _patient(
    it: Patient,
    line: int,
    own: str,
    unit: str,
    insured: Sequence[Identifier],
    part: int,
    whole: bool,
) -> Record:
    if insured:
        it = msgspec.structs.replace(it, identifier=(*it.identifier, *insured))
    identity = identity_of(it, own)
    more: dict[str, Any] = {"patient": own, "identity": identity, "part": part, "whole": whole}
    code = identity.hopeless
    if not code:
        try:
            return Record("Patient", line, unit, patient_rows(it), **more)
        except Unreadable as problem:
            code = problem.code
    return refused("Patient", line, unit, code, **more)


def _mapped(
    it: Any,
    line: int,
    kind: str,
    own: str,
    unit: str,
    names: Mapping[str, str],
    part: int,
    whole: bool,
) -> Record:
    mapping = MAPPINGS[kind]
    try:
        if it.status in mapping.never:
            raise SetAside("did-not-happen")
        rows, dropped = mapping.rows(it, names)
    except SetAside as reason:
        return Record(
            kind,
            line,
            unit,
            outcome=Outcome.SET_ASIDE,
            code=reason.code,
            part=part,
            whole=whole,
            withdraws=reason.code == "did-not-happen" and whole,  # perhaps it was sent before
        )
    patient = patient_name(it.subject or it.patient, names)
    if kind == "Encounter":
        rows = tuple((table, own, values) for table, _, values in rows)
    return Record(kind, line, unit, rows, patient, part=part, whole=whole, dropped=dropped)
