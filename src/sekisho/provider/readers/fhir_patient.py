"""Patient: whose records these are, a row of person, and one of death where a date is given."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Final, ParamSpec

from msgspec import Struct

from sekisho.common.errors import Refusal, UserError
from sekisho.provider.readers.fhir_resources import EHR
from sekisho.provider.readers.fhir_shapes import Named
from sekisho.provider.readers.fhir_values import Identifier, day, optional_day
from sekisho.provider.readers.persons import GENDERS
from sekisho.provider.records import MY_NUMBER, NO_IDENTIFIER, Identity, Row, Unreadable, row
from sekisho.pseudonym.identifiers import (
    JP_INSURED,
    JP_LOCAL,
    JP_PUBLIC_PAYER,
    US_SSN,
    PersonKey,
    doubts_of,
    identified,
    named,
)
from sekisho.pseudonym.numbers import is_my_number

_P = ParamSpec("_P")
USABLE: Final = (JP_INSURED, JP_PUBLIC_PAYER, US_SSN, "urn:oid:2.16.840.1.113883.4.1")
"""Systems whose values identify a person anywhere, the best first."""
PSEUDONYMISED: Final = "person.pseudonymised"
_MADE_UP: Final = "_Pseudonymized"
"""End of the systems whose values stand for a number instead of being one (JP-CLINS)."""
_HOSPITAL: Final = "http://jpfhir.jp/fhir/eCS/Idsystem/JP_Hospital_PatientID"
"""A hospital's own numbers, without saying which hospital's; `Profile` completes it."""
_REPRESENTATION = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"


class Extension(Struct, rename="camel", gc=False):
    url: str | None = None
    value_code: str | None = None


class HumanName(Struct, gc=False):
    text: str | None = None
    family: str | None = None
    given: tuple[str, ...] = ()
    extension: tuple[Extension, ...] = ()

    @property
    def kana(self) -> str:
        """The name as it sounds (JP Core: SYL); empty where this is another writing of it."""
        if not any(e.url == _REPRESENTATION and e.value_code == "SYL" for e in self.extension):
            return ""
        return self.text or "".join((self.family or "", *self.given))


class Patient(Named, rename="camel", gc=False):
    identifier: tuple[Identifier, ...] = ()
    name: tuple[HumanName, ...] = ()
    gender: str | None = None
    birth_date: str | None = None
    deceased_date_time: str | None = None


def identity_of(it: Patient, *names: str) -> Identity:
    """Return who the patient is, under its local ``names`` and its usable identifiers."""
    usable = sorted(
        (i for i in it.identifier if i.system in USABLE and i.value),
        key=lambda i: USABLE.index(str(i.system)),
    )
    refs = (*names, *(f"{i.system}|{i.value}" for i in it.identifier if i.system and i.value))
    birth = _birth_day(it.birth_date)
    others = tuple(
        (JP_LOCAL if i.system == _HOSPITAL else i.system or "", i.value)
        for i in it.identifier
        if i.value and i not in usable
    )
    key, problem = None, NO_IDENTIFIER
    for candidate in usable:
        key, problem = key_of(str(candidate.system), str(candidate.value), birth, it.gender)
        if key is not None or problem == MY_NUMBER:
            break
    if problem == NO_IDENTIFIER and key is None and _made_up(others):
        problem = PSEUDONYMISED
    if it.id and is_my_number(it.id):
        others = (*others, ("", it.id))
    kana = next((name.kana for name in it.name if name.kana), "")
    return Identity(
        refs, key, "" if key else problem, others, name_key(kana, birth, it.gender), doubts(key)
    )


def _made_up(others: tuple[tuple[str, str], ...]) -> bool:
    """Tell whether all there is to know a person by is a pseudonym that somebody else made."""
    systems = [system for system, _ in others]
    own = any(s.startswith(JP_LOCAL) and not s.endswith(_MADE_UP) for s in systems)
    return any(s.endswith(_MADE_UP) for s in systems) and not own


def name_key(kana: str, birth: date | None, sex: str | None) -> PersonKey | None:
    """Return the key by name, birth date and sex; None where one of them is missing."""
    if not kana or birth is None or not sex:
        return None
    try:
        return named(kana, birth, sex)
    except (Refusal, UserError):
        return None


def doubts(key: PersonKey | None) -> tuple[str, ...]:
    """Return codes of what a clerk should look at in a key that is used."""
    return () if key is None else doubts_of(key)


def key_of(
    system: str, value: str, birth: date | None = None, sex: str | None = None
) -> tuple[PersonKey | None, str]:
    """Return the key of a FHIR identifier, or None and the finding's code."""
    return made_key(identified, system, value, birth=birth, sex=sex)


def made_key(
    make: Callable[_P, PersonKey], *args: _P.args, **named: _P.kwargs
) -> tuple[PersonKey | None, str]:
    """Return the key that is made of some arguments, or None and the finding's code."""
    try:
        return make(*args, **named), ""
    except Refusal:
        return None, MY_NUMBER
    except UserError:
        return None, "person.identifier"


def patient_rows(it: Patient) -> tuple[Row, ...]:
    """Return the row of person, and of death where the day is known.

    Raises:
        Unreadable: no birth date, or an impossible one.
    """
    if not it.birth_date:
        raise Unreadable("person.no-birth-date")
    day(it.birth_date)
    month = int(it.birth_date[5:7]) if len(it.birth_date) >= 7 else None
    gender = it.gender if it.gender in ("male", "female", "other", "unknown") else None
    rows = [
        row(
            "person",
            gender_concept_id=GENDERS.get(gender or "", 0),
            year_of_birth=int(it.birth_date[:4]),
            month_of_birth=month,
            gender_source_value=gender,
        )
    ]
    died = optional_day(it.deceased_date_time)
    if died is not None:
        rows.append(row("death", death_date=died, death_type_concept_id=EHR))
    return tuple(rows)


def _birth_day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text and len(text) == 10 else None
    except ValueError:
        return None
