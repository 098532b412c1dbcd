"""Prescriptions and what was given (OMP-01, 02, 11, 12): rows of drug_exposure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from sekisho.provider.readers.fhir_resources import LONGEST_SUPPLY
from sekisho.provider.readers.hl7_message import Segment
from sekisho.provider.readers.ssmix_message import Fact, Message, code_in, first_day
from sekisho.provider.records import Row, SetAside, row

PRESCRIBED, GIVEN = 32838, 32818
"""OMOP types: EHR prescription, EHR administration record."""
_DAYS = re.compile(r"\d{1,3}", re.ASCII)
_NOT_GIVEN = ("RE", "NA")  # HL7 0322, completion status: refused, not administered


def prescribed(of: Message) -> Iterator[Fact]:
    """RXE, or the parts of a mixture (RXC) where it has some; when and how long is in TQ1."""
    for order in of.all("RXE"):
        parts = list(of.after(order, "RXC"))
        if not parts:
            yield Fact(order, partial(_ordered, of, order, order, 10))
        for part in parts:
            yield Fact(part, partial(_ordered, of, order, part, 3))


def given(of: Message) -> Iterator[Fact]:
    """RXA: one exposure each."""
    for one in of.all("RXA"):
        yield Fact(one, partial(_given, of, one))


def _ordered(of: Message, order: Segment, drug: Segment, amount: int) -> tuple[Row, ...]:
    timing, request = next(of.after(order, "TQ1"), None), of.before(order, "ORC")
    code, system = code_in(drug, 2)
    start = first_day(
        timing.day(7) if timing else None,
        request.day(9) if request else None,
        of.told_on,
    )
    days = _days(timing) if timing else None
    end = timing.day(8) if timing else None
    return (
        row(
            "drug_exposure",
            of.visit,
            drug_concept_id=0,
            drug_exposure_start_date=start,
            drug_exposure_end_date=start + min(days, LONGEST_SUPPLY) - 1 if days else end,
            drug_type_concept_id=PRESCRIBED,
            quantity=drug.number_in(amount),
            days_supply=days,
            drug_source_value=code,
            drug_source_system=system,
        ),
    )


def _given(of: Message, one: Segment) -> tuple[Row, ...]:
    if one.get(20) in _NOT_GIVEN:
        raise SetAside("did-not-happen")
    code, system = code_in(one, 5)
    start = first_day(one.day(3))
    return (
        row(
            "drug_exposure",
            of.visit,
            drug_concept_id=0,
            drug_exposure_start_date=start,
            drug_exposure_end_date=first_day(one.day(4), start),
            drug_type_concept_id=GIVEN,
            quantity=one.number_in(6),
            drug_source_value=code,
            drug_source_system=system,
        ),
    )


def _days(timing: Segment) -> int | None:
    """TQ1-6, a quantity and its unit; other units than days say nothing about the supply."""
    text = timing.get(6)
    return int(text) if _DAYS.fullmatch(text) and timing.get(6, 2) == "d" and int(text) else None
