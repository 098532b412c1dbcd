"""A provider's answer to a linkage enclave: who its patients are, and nothing of their records.

Only under a permit that names the enclave, verified here too. Identity fields are sealed to the
key that the enclave made for this one case; each patient's number stays here, and goes along as a
ciphertext that only both converters together can turn into a pseudonym of the project.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from sekisho.common.errors import Refusal
from sekisho.common.ids import BodyId, new_tag
from sekisho.exchange import jws, parcel, seal, tables
from sekisho.exchange.identities import CASE, FIELDS, RELIABLE, TABLE
from sekisho.exchange.transfer import encrypt_persons
from sekisho.provider.handover import Sender
from sekisho.provider.profile import Profile
from sekisho.provider.readers import format_of
from sekisho.provider.readers.fhir_identity import Fields, registrations
from sekisho.provider.records import Identity, Record
from sekisho.provider.sources import Limits
from sekisho.pseudonym.identifiers import PersonKey, canonical, element_of

PERMIT: Final = "sekisho-permit"
_ANYWHERE: Final = frozenset({"number", "direct"})
"""Methods by which a person is identified anywhere; others are candidates to be matched."""
FHIR: Final = "fhir"
"""The family of formats whose persons have names in kanji, addresses and telephones."""
Files = Sequence[tuple[str, Sequence[Path]]]
"""(format, files) of what this provider has sent."""


@dataclass(frozen=True)
class Patient:
    """One person as this provider knows them."""

    key: PersonKey
    fields: Fields = field(repr=False)


def patients(files: Files, profile: Profile, limits: Limits | None = None) -> list[Patient]:
    """Return the distinct persons in ``files``; a patient that is there twice, as last written.

    A FHIR source says all that it knows; of other sources (receipts, SS-MIX2) the name in kana,
    birth date and sex go. Records that lack one of the three add nobody.
    """
    found: dict[bytes, Patient] = {}
    for format_id, paths in files:
        for path in format_of(format_id).arrange(paths):
            for identity, fields in _known(format_id, path, limits or Limits()):
                key = profile.settle(identity).key
                if key is not None:
                    found[canonical(key)] = Patient(key, fields)
    return [found[key] for key in sorted(found)]


def _known(format_id: str, path: Path, limits: Limits) -> Iterator[tuple[Identity, Fields]]:
    """Yield who the persons of one file are, and by which fields."""
    reader = format_of(format_id)
    if reader.family == FHIR:
        yield from ((who, fields) for _, who, fields in registrations(format_id, path, limits))
        return
    for record in reader.read(path, limits):
        who = record.identity if isinstance(record, Record) else None
        if who is not None and who.named is not None and who.kana.strip():
            yield who, _spoken(who.kana, who.named)


def _spoken(kana: str, named: PersonKey) -> Fields:
    """Return the fields of a source that writes a whole name in kana.

    The first word is the family's; a name that is not divided counts as the family's, and is
    compared with no given name.
    """
    family, *given = kana.replace("　", " ").split()
    fields: Fields = dict.fromkeys(FIELDS)
    fields |= {"family_kana": family, "given_kana": "".join(given) or None}
    born = named.birth_date
    return fields | {"birth_date": born.isoformat() if born else None, "sex": named.sex}


def answer_enclave(sender: Sender, enclave: BodyId, files: Files, profile: Profile) -> list[str]:
    """Send identity fields to every case of the enclave that waits for this provider's.

    Returns:
        The applications that were answered.

    Raises:
        Refusal: a case's permit does not name this enclave, or its day is over.
        TamperError: a permit or a case is not signed by who must have signed it.
    """
    peer = sender.directory.find(enclave)
    asked = sender.client.get(peer, "/exchange/enclave/requests").json()["cases"]
    answered = []
    for one in asked:
        recipient = _recipient(sender, enclave, one)
        table = identities(sender, patients(files, profile))
        sealed = seal.seal(tables.pack({TABLE: table}), recipient)
        message = parcel.pack({"application": one["application"]}, [sealed])
        sender.client.post(
            peer, "/exchange/enclave/identities", message, content_type=parcel.MEDIA_TYPE
        )
        answered.append(str(one["application"]))
    return answered


def identities(sender: Sender, known: Iterable[Patient]) -> pa.Table:
    """Return the table that goes to an enclave: tags, ciphertexts and identity fields."""
    people = [(new_tag(sender.random), one) for one in known]
    persons = [(tag, element_of(one.key)) for tag, one in people]
    ciphers = dict(encrypt_persons(persons, sender.global_key, sender.random))
    columns: dict[str, pa.Array] = {
        "tag": pa.array([tag for tag, _ in people], pa.string()),
        "cipher": pa.array([ciphers[tag] for tag, _ in people], pa.binary()),
        RELIABLE: pa.array([one.key.method in _ANYWHERE for _, one in people], pa.bool_()),
    }
    for name in FIELDS:
        columns[name] = pa.array([one.fields[name] for _, one in people], pa.string())
    return pa.table(columns).sort_by("tag")


def _recipient(sender: Sender, enclave: BodyId, asked: Mapping[str, Any]) -> str:
    """Return the case's key, when the case and its permit hold."""
    case = jws.verify(asked["case"], sender.directory.resolve, CASE)
    permit = jws.verify_shared(asked["permit"], sender.directory.resolve, PERMIT)
    named = permit.payload.get("enclave") or {}
    today = sender.today.isoformat()
    fits = (
        case.signer == enclave
        and named.get("body") == enclave
        and case.payload["application"] == asked["application"] == permit.payload["application"]
        and set(permit.payload["granted_by"]) <= set(permit.signers)
        and case.payload["epoch"] == sender.epoch
        and today < date.fromisoformat(str(named.get("until", today))).isoformat()
    )
    if not fits:
        raise Refusal(
            "enclave.not-permitted",
            "The case rests on no permit that names this enclave today, or on another epoch.",
            rule="identity fields leave a provider only under a permit that names the enclave",
            next_step="ask the enclave for the permit, and the body that granted it",
        )
    return str(case.payload["recipient"])
