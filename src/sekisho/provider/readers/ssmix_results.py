"""Results and findings (OBX) and examinations done (OBR): measurement, observation, procedure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from decimal import Decimal
from functools import partial

from sekisho.provider.readers.fhir_resources import EHR
from sekisho.provider.readers.fhir_values import decimal_text
from sekisho.provider.readers.hl7_message import Segment
from sekisho.provider.readers.ssmix_message import Fact, Message, code_in, first_day
from sekisho.provider.records import Row, SetAside, row

_WITHDRAWN = ("D", "W", "X", "N", "O", "I")
"""HL7 0085: deleted, wrong, not obtainable, not asked, ordered only, still to come."""
_NUMBER = re.compile(r"(?P<bound>[<>]=?)?(?P<number>[+-]?\d{1,20}(?:\.\d{1,20})?)", re.ASCII)
_JAPANESE_BOUNDS = {"未満": "<", "以下": "<=", "以上": ">="}
_QUALITATIVE = frozenset(
    [
        "-",
        "+-",
        "±",
        "+",
        "++",
        "+++",
        "++++",
        "1+",
        "2+",
        "3+",
        "4+",
        "陰性",
        "陽性",
        "疑陽性",
        "擬陽性",
        "判定保留",
    ]
)
"""Words of a qualitative result; any other words are free text."""
Value = tuple[str | None, str | None, str | None]
"""Number; what the source says where it says more than a number; the system of a code."""


def laboratory(of: Message) -> Iterator[Fact]:
    """OML-11: every result is a measurement."""
    for result in of.all("OBX"):
        yield Fact(result, partial(_result, of, result, "measurement"))


def basics(of: Message) -> Iterator[Fact]:
    """ADT-00: height, weight, blood group."""
    for result in of.all("OBX"):
        yield Fact(result, partial(_result, of, result, "measurement"), "/OBX")


def examined(of: Message) -> Iterator[Fact]:
    """OMG-11, 12, 13: what was done, what was measured on the way, and findings by code.

    The order that holds the others (ORC-1 PA) is the first one told again.
    """
    for one in of.segments:
        if one.kind == "OBR":
            order = of.before(one, "ORC")
            if order is None or order.get(1) != "PA":
                yield Fact(one, partial(_done, of, one))
        elif one.kind == "OBX":
            table = "measurement" if one.get(2) == "NM" else "observation"
            yield Fact(one, partial(_result, of, one, table))


def _done(of: Message, one: Segment) -> tuple[Row, ...]:
    code, system = code_in(one, 4)
    return (
        row(
            "procedure_occurrence",
            of.visit,
            procedure_concept_id=0,
            procedure_date=first_day(one.day(7), one.day(22)),
            procedure_type_concept_id=EHR,
            procedure_source_value=code,
            procedure_source_system=system,
        ),
    )


def _result(of: Message, one: Segment, table: str) -> tuple[Row, ...]:
    if one.get(11) in _WITHDRAWN:
        raise SetAside("did-not-happen")
    number, text, by = _value(one)
    code, system = code_in(one, 3)
    sample, report = of.before(one, "SPM"), of.before(one, "OBR")
    when = first_day(
        one.day(14),
        sample.day(17) if sample else None,
        report.day(7) if report else None,
        of.told_on if report is None else None,
    )
    unit = one.get(6)
    values = {
        f"{table}_concept_id": 0,
        f"{table}_date": when,
        f"{table}_type_concept_id": EHR,
        f"{table}_source_value": code,
        f"{table}_source_system": system,
        "value_as_number": number,
        "value_source_value": text,
        "value_source_system": by,
        "unit_source_value": unit if unit and len(unit) <= 32 else None,
    }
    return (row(table, of.visit, **values),)


def _value(one: Segment) -> Value:
    """Return the value by its type (OBX-2).

    Raises:
        SetAside: there is none, or it is free text, a person or a time.
    """
    kind, text = one.get(2), one.get(5)
    if not text:
        raise SetAside("no-value")
    if kind == "NM":
        return one.number_in(5), None, None
    if kind in ("CWE", "CE", "CNE"):
        return None, *code_in(one, 5)
    if kind == "SN":
        return _spelled(f"{one.get(5, 1)}{one.get(5, 2)}")
    if kind == "ST":
        return _spelled(text)
    raise SetAside("only-free-text")


def _spelled(text: str) -> Value:
    folded = unicodedata.normalize("NFKC", text).replace(" ", "").replace("−", "-")
    for words, sign in _JAPANESE_BOUNDS.items():
        if folded.endswith(words):
            folded = sign + folded.removesuffix(words)
    match = _NUMBER.fullmatch(folded)
    if match:
        number = decimal_text(Decimal(match["number"]))
        return number, match["bound"] and match["bound"] + number, None
    bare = folded.removeprefix("(").removesuffix(")")
    if bare in _QUALITATIVE:
        return None, bare, None
    raise SetAside("only-free-text")
