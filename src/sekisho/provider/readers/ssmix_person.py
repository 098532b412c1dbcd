"""Who a patient of an SS-MIX2 storage is: insurance (IN1), else the hospital's own number (PID-3).

Source: JAMI SS-MIX2 仕様書 Ver.1.2 (IN1-3 保険者番号, IN1-10 記号, IN1-11 番号, IN1-12 from
when) and the map of ssmix2-to-fhir (IN1-10 also holds the 枝番; where in it is inferred: a second
repeat or component of two digits). The storage does not say whose it is: `Profile` adds the
institution.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

from sekisho.provider.readers.fhir_patient import doubts, key_of, name_key
from sekisho.provider.readers.hl7_message import Segment
from sekisho.provider.readers.persons import person_row
from sekisho.provider.readers.uke_values import calendar_date
from sekisho.provider.records import MY_NUMBER, NO_IDENTIFIER, Identity, Row, Unreadable
from sekisho.pseudonym.identifiers import JP_INSURED, JP_LOCAL, PersonKey

_SEXES = {"M": "male", "F": "female", "O": "other"}
_BRANCH = re.compile(r"\d\d", re.ASCII)
_KANA = "P"  # JHSD / HL7 0465: ideographic I, phonetic P


def patient_name(number: str) -> str:
    """Return the local name of the patient whom the hospital calls ``number``."""
    return f"{JP_LOCAL}|{number}"


def row_of(pid: Segment) -> Row:
    """Return the row of person.

    Raises:
        Unreadable: no birth date, or an impossible one.
    """
    born = _born(pid)
    if born is None:
        raise Unreadable("person.no-birth-date")
    return person_row(born, _sex(pid))


def identity_of(segments: Sequence[Segment], name: str) -> Identity:
    """Return who the patient is, by the insurance that began last and gives a key."""
    pid = next(one for one in segments if one.kind == "PID")
    try:
        born = _born(pid)
    except Unreadable:
        born = None
    sex = _sex(pid)
    others = ((JP_LOCAL, pid.get(3)),)
    insurances = [one for one in segments if one.kind == "IN1" and one.get(3) and one.get(11)]
    key: PersonKey | None = None
    problem = NO_IDENTIFIER
    doubted: tuple[str, ...] = ()
    for one in sorted(insurances, key=lambda s: (s.get(12), -s.number), reverse=True):
        value = ":".join((one.get(3), one.get(10), one.get(11), _branch(one)))
        key, found = key_of(JP_INSURED, value, born, sex)
        if key is not None or found == MY_NUMBER:
            problem = found
            break
        doubted = (found,)  # told to the clerk; the hospital's own number is left
    kana = _kana(pid)
    named = name_key(kana, born, sex)
    return Identity((name,), key, problem, others, named, doubts(key) or doubted, kana)


def _sex(pid: Segment) -> str:
    return _SEXES.get(pid.get(8), "unknown")


def _born(pid: Segment) -> date | None:
    days = pid.day(7) if len(pid.get(7)) >= 8 else None
    return None if days is None else calendar_date(days)


def _branch(insurance: Segment) -> str:
    return next((x for x in list(insurance.components(10))[1:] if _BRANCH.fullmatch(x)), "")


def _kana(pid: Segment) -> str:
    for repeat in (1, 2, 3):
        if pid.get(5, 8, repeat) == _KANA:
            return f"{pid.get(5, 1, repeat)} {pid.get(5, 2, repeat)}".strip()
    return ""
