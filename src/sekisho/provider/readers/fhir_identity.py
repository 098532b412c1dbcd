"""Who patients are, as a FHIR source says it: for a linkage enclave, and for nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from sekisho.provider.readers.fhir import decode, head_of
from sekisho.provider.readers.fhir_bundle import Bundle
from sekisho.provider.readers.fhir_patient import HumanName, Patient, identity_of
from sekisho.provider.records import Identity, Unreadable
from sekisho.provider.sources import Limits, SourceProblem, lines, whole


class Address(Struct, rename="camel", gc=False):
    text: str | None = None
    line: tuple[str, ...] = ()
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None

    @property
    def whole(self) -> str | None:
        return self.text or "".join((self.state or "", self.city or "", *self.line)) or None


class ContactPoint(Struct, gc=False):
    system: str | None = None
    value: str | None = None


class Registered(Patient, rename="camel", gc=False):
    """A patient with what tells who it is."""

    address: tuple[Address, ...] = ()
    telecom: tuple[ContactPoint, ...] = ()


_REGISTERED = msgspec.json.Decoder(Registered)
_BUNDLE = msgspec.json.Decoder(Bundle)
Fields = dict[str, str | None]


def registrations(
    format_id: str, path: Path, limits: Limits
) -> Iterator[tuple[str, Identity, Fields]]:
    """Yield (local id, identity, identity fields) of each patient that can be read."""
    for data in _resources(format_id, path, limits):
        try:
            if head_of(data).resource_type != "Patient":
                continue
            it: Registered = decode(_REGISTERED, data)
        except Unreadable:
            continue  # the submission has told of it
        yield it.id or "", identity_of(it, it.id or ""), fields_of(it)


def fields_of(it: Registered) -> Fields:
    """Return the identity fields; a name is in kanji unless the source says it is kana."""
    read = next((name for name in it.name if not name.kana), HumanName())
    heard = next((name for name in it.name if name.kana), HumanName())
    home = it.address[0] if it.address else Address()
    phone = next((t.value for t in it.telecom if t.system == "phone" and t.value), None)
    family, given = _parts(read)
    family_kana, given_kana = _parts(heard)
    return {
        "family": family,
        "given": given,
        "family_kana": family_kana,
        "given_kana": given_kana,
        "birth_date": it.birth_date,
        "sex": it.gender,
        "postcode": home.postal_code,
        "address": home.whole,
        "phone": phone,
    }


def _parts(name: HumanName) -> tuple[str | None, str | None]:
    if name.family or name.given:
        return name.family, "".join(name.given) or None
    family, _, given = (name.text or "").replace("　", " ").partition(" ")
    return family or None, given or None


def _resources(format_id: str, path: Path, limits: Limits) -> Iterator[bytes | msgspec.Raw]:
    try:
        if format_id == "fhir-ndjson":
            for line in lines(path, limits):
                if line.data:
                    yield line.data
        elif format_id == "fhir-bundle":
            data = whole(path, limits)
            bundle = head_of(data).resource_type == "Bundle"
            entries: Bundle | None = decode(_BUNDLE, data) if bundle else None
            yield from (one.resource for one in entries.entry) if entries else (data,)
    except (SourceProblem, Unreadable):
        return  # the submission has told of it
