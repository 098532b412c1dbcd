"""One check-up (特定健診, CDA R2) → records: the person, and one for each item.

Source: 特定健診情報ファイル仕様説明書; formats A3 and A9. Rules kept: item codes (17 characters,
JLAC10) stay as the source's codes, under the same system as in the check-up's FHIR form, so that
one fact is the same by either way; the method (methodCode) is not kept, since the code's last five
characters say it; a value outside the range that can be entered is flagged ``PINF`` or ``NINF``;
words (ST) never leave.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from sekisho.provider.readers.checkup_items import CHECKUP, table_of
from sekisho.provider.readers.fhir_patient import doubts, key_of, name_key
from sekisho.provider.readers.fhir_values import day, decimal_text
from sekisho.provider.readers.persons import person_row
from sekisho.provider.readers.uke_values import calendar_date
from sekisho.provider.readers.xml_document import attributes, local_type
from sekisho.provider.records import (
    NO_IDENTIFIER,
    Identity,
    Outcome,
    Record,
    Row,
    SetAside,
    Unreadable,
    refused,
    row,
)
from sekisho.pseudonym.identifiers import JP_INSURED

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

SPECIFIC = "10"
"""報告区分 of a 特定健診. 40–44: other check-ups; 19, 49: a deletion is asked for; 2x: guidance."""
HEAD, ITEM = "Checkup", "Item"
_V3 = {"h": "urn:hl7-org:v3"}
_ROOT = "{urn:hl7-org:v3}ClinicalDocument"
_OIDS = "1.2.392.200119.6."
_INSURER, _INSTITUTION, _SYMBOL, _NUMBER, _BRANCH = "101", "102", "204", "205", "211"
_DELETIONS = ("19", "49")
_SEXES = {"1": "male", "2": "female"}
_ITEM_CODE = re.compile(r"[0-9A-Z]{17}", re.ASCII)
_VALUE_CODE = re.compile(r"[0-9A-Za-z+\-]{1,20}", re.ASCII)
_DAY = re.compile(r"(\d{4})(\d\d)(\d\d)\d*", re.ASCII)


@dataclass(frozen=True)
class _Head:
    """Who was examined, where and when; ``name`` is local."""

    name: str
    unit: str
    identity: Identity
    born: int | None
    sex: str
    day: int | None


def report_of(root: Element) -> str:
    """Return the kind of report (報告区分).

    Raises:
        Unreadable: the document is no check-up's.
    """
    if root.tag != _ROOT:
        raise Unreadable("checkup.root")
    path = f"h:code[@codeSystem='{_OIDS}1001']"
    code = next(attributes(root, path, "code", _V3), "")
    if not re.fullmatch(r"\d\d", code, re.ASCII):
        raise Unreadable("checkup.report")
    return code


def checkup_records(root: Element, report: str, number: int, file: str) -> Iterator[Record]:
    """Yield the person's record, then one per item; a later one of the same day replaces it."""
    try:
        head = _head(root, report)
    except Unreadable as problem:
        yield refused(HEAD, number, file, problem.code)
        return
    if report in _DELETIONS or report.startswith("2"):
        why = "cancelled" if report in _DELETIONS else "no-table"
        unit = head.unit if report in _DELETIONS else file
        yield Record(
            HEAD,
            number,
            unit,
            (),
            head.name,
            Outcome.SET_ASIDE,
            why,
            whole=False,
            withdraws=report in _DELETIONS,
        )
        return
    yield _person(head, number)
    items = root.iterfind("h:component/h:structuredBody//h:observation", _V3)
    for part, item in enumerate(items, 1):
        yield _item(item, head, number, part)


def _head(root: Element, report: str) -> _Head:
    role = root.find("h:recordTarget/h:patientRole", _V3)
    if role is None:
        raise Unreadable("person.no-subject")
    patient = role.find("h:patient", _V3)
    born, code, kana = None, "", ""
    if patient is not None:
        born = _day(next(attributes(patient, "h:birthTime", "value", _V3), ""))
        code = next(attributes(patient, "h:administrativeGenderCode", "code", _V3), "")
        kana = "".join(patient.findtext("h:name", "", _V3).split())
    sex = _SEXES.get(code, "unknown")
    value = ":".join(_id(role, oid) for oid in (_INSURER, _SYMBOL, _NUMBER, _BRANCH))
    birth = None if born is None else calendar_date(born)
    key, problem = None, NO_IDENTIFIER
    if _id(role, _INSURER) and _id(role, _NUMBER):
        key, problem = key_of(JP_INSURED, value, birth, sex)
    name = f"checkup/{value}/{birth}/{sex}"
    named = name_key(kana, birth, sex)
    identity = Identity((name,), key, problem, (), named, doubts(key), kana)
    event = root.find("h:documentationOf/h:serviceEvent", _V3)
    when, where = None, ""
    if event is not None:
        when = _day(
            next(attributes(event, "h:effectiveTime", "value", _V3), "")
            or next(attributes(event, "h:effectiveTime/h:low", "value", _V3), "")
        )
        where = next(
            attributes(event, f".//h:id[@root='{_OIDS}{_INSTITUTION}']", "extension", _V3), ""
        )
    scheme = "specific" if report in (SPECIFIC, "19") else "other"
    return _Head(name, f"{name}/{where}/{when}/{scheme}", identity, born, sex, when)


def _id(role: Element, oid: str) -> str:
    return next(attributes(role, f"h:id[@root='{_OIDS}{oid}']", "extension", _V3), "")


def _person(head: _Head, number: int) -> Record:
    code = head.identity.hopeless or ("person.no-birth-date" if head.born is None else "")
    if code or head.born is None:
        return refused(
            HEAD,
            number,
            head.unit,
            code,
            patient=head.name,
            identity=head.identity,
            whole=False,
        )
    made = person_row(calendar_date(head.born), head.sex)
    return Record(HEAD, number, head.unit, (made,), head.name, identity=head.identity, whole=False)


def _item(item: Element, head: _Head, number: int, part: int) -> Record:
    code, outcome = "", Outcome.SENT
    rows: tuple[Row, ...] = ()
    try:
        rows = (_row(item, head),)
    except SetAside as reason:
        code, outcome = reason.code, Outcome.SET_ASIDE
    except Unreadable as problem:
        code, outcome = problem.code, Outcome.REFUSED
    return Record(ITEM, number, head.unit, rows, head.name, outcome, code, part=part, whole=False)


def _row(item: Element, head: _Head) -> Row:
    if item.get("negationInd") == "true":
        raise SetAside("did-not-happen")
    coded = item.find("h:code", _V3)
    code = "" if coded is None else coded.get("code", "")
    if coded is None or not _ITEM_CODE.fullmatch(code):
        raise SetAside("no-code")
    value = item.find("h:value", _V3)
    if value is None:
        raise SetAside("no-value")  # the frame of a series: its parts have the values
    kind = local_type(value)
    if kind == "ST":
        raise SetAside("only-free-text")
    number, text, unit = _value(value, kind)
    own = _day(next(attributes(item, "h:effectiveTime", "value", _V3), ""))
    when = head.day if own is None else own
    if when is None:
        raise Unreadable("date.missing")
    table = table_of(code, coded=kind in ("CD", "CO"))
    values = {
        f"{table}_concept_id": 0,
        f"{table}_date": when,
        f"{table}_type_concept_id": CHECKUP,
        f"{table}_source_value": code,
        f"{table}_source_system": _system(coded),
        "value_as_number": number,
        "value_source_value": text,
        "value_source_system": _system(value) if kind in ("CD", "CO") else None,
        "unit_source_value": unit,
    }
    return row(table, None, **values)


def _value(value: Element, kind: str) -> tuple[str | None, str | None, str | None]:
    """Return (number, flag or code, unit)."""
    flavour = value.get("nullFlavor", "")
    flag = flavour if flavour in ("PINF", "NINF") else None
    unit = value.get("unit") or None
    unit = unit if unit and len(unit) <= 32 else None
    if kind in ("CD", "CO"):
        code = value.get("code", "")
        if not _VALUE_CODE.fullmatch(code):
            raise SetAside("no-value")
        return None, code, None
    if kind not in ("PQ", "INT", "REAL"):
        raise SetAside("unknown-type")
    text = value.get("value", "").strip()
    if not text:
        if flag is None:
            raise SetAside("no-value")
        return None, flag, unit
    try:
        return decimal_text(Decimal(text)), flag, unit
    except InvalidOperation:
        raise Unreadable("checkup.number") from None


def _system(coded: Element) -> str | None:
    oid = coded.get("codeSystem", "")
    return f"urn:oid:{oid}" if re.fullmatch(r"[0-9.]{3,64}", oid, re.ASCII) else None


def _day(text: str) -> int | None:
    if not text:
        return None
    match = _DAY.fullmatch(text)
    if match is None:
        raise Unreadable("date.impossible")
    return day("-".join(match.groups()))
