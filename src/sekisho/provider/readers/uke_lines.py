"""The lines of a receipt that give rows: SY, SI, IY. One function a record type, in `LINES`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sekisho.provider.readers.fhir_resources import LONGEST_SUPPLY
from sekisho.provider.readers.uke_values import (
    DISEASE,
    MEDICINE,
    SERVICE,
    Month,
    amount,
    uke_day,
    used_on,
)
from sekisho.provider.records import Row, SetAside, Unreadable, row

_SUSPECTED = "8002"  # 修飾語 「の疑い」
_ENDED = ("2", "3", "4")  # 転帰: cured, died, stopped
_DIED = "3"
_ORAL = "21"  # 診療識別 内服: the count is the days supplied


@dataclass(frozen=True)
class Context:
    """What a line needs of its receipt.

    Args:
        kinds: line number → 診療識別 of its unit of account (算定単位).
        visit_on: day → local name of the visit it belongs to.
    """

    month: Month
    inpatient: bool
    kinds: dict[int, str]
    visit_on: Callable[[int], str | None]
    first_visit: str | None

    @property
    def claim_type(self) -> int:
        return 32853 if self.inpatient else 32859


class _Line(Protocol):
    @property
    def number(self) -> int: ...
    @property
    def kind(self) -> str: ...
    def get(self, index: int) -> str: ...


def unit_kinds(lines: Sequence[_Line]) -> dict[int, str]:
    """Return line number → 診療識別: a unit runs from a line that has one to the next that has."""
    kinds: dict[int, str] = {}
    current = ""
    for line in lines:
        if line.kind in ("SI", "IY", "TO", "CO"):
            current = line.get(1) or current
            kinds[line.number] = current
    return kinds


Get = Callable[[int], str]


def disease(get: Get, fields: list[str], number: int, of: Context) -> tuple[Row, ...]:
    """SY: a condition; under suspicion an observation; a death where the outcome says so."""
    del fields, number
    code = _code(get(1), 7)
    start, outcome = uke_day(get(2)), get(3)
    modifiers = re.findall(r"\d{4}", get(4)) if get(4).isascii() else []
    if _SUSPECTED in modifiers:
        made = row(
            "observation",
            of.first_visit,
            observation_concept_id=0,
            observation_date=start,
            observation_type_concept_id=of.claim_type,
            value_source_value=_SUSPECTED,
            observation_source_value=code,
            observation_source_system=DISEASE,
        )
    else:
        made = row(
            "condition_occurrence",
            of.first_visit,
            condition_concept_id=0,
            condition_start_date=start,
            condition_end_date=max(start, of.month.last) if outcome in _ENDED else None,
            condition_type_concept_id=of.claim_type,
            condition_status_concept_id=32902 if get(6) == "01" else 32908,
            condition_source_value=code,
            condition_source_system=DISEASE,
        )
    if outcome != _DIED:
        return (made,)
    return made, row("death", death_date=of.month.last, death_type_concept_id=32812)


def service(get: Get, fields: list[str], number: int, of: Context) -> tuple[Row, ...]:
    """SI: one procedure per day on which it was done."""
    del number
    code = _code(get(3), 9)
    return tuple(
        row(
            "procedure_occurrence",
            of.visit_on(when),
            procedure_concept_id=0,
            procedure_date=when,
            procedure_type_concept_id=of.claim_type,
            quantity=count,
            procedure_source_value=code,
            procedure_source_system=SERVICE,
        )
        for when, count in _days(fields, of)
    )


def medicine(get: Get, fields: list[str], number: int, of: Context) -> tuple[Row, ...]:
    """IY: one exposure per day on which it was given or prescribed."""
    code = _code(get(3), 9)
    oral = of.kinds.get(number) == _ORAL
    return tuple(
        row(
            "drug_exposure",
            of.visit_on(when),
            drug_concept_id=0,
            drug_exposure_start_date=when,
            drug_exposure_end_date=when + (min(count, LONGEST_SUPPLY) - 1 if oral else 0),
            drug_type_concept_id=32818 if of.inpatient else 32869,
            quantity=amount(get(4), count),
            days_supply=count if oral else None,
            drug_source_value=code,
            drug_source_system=MEDICINE,
        )
        for when, count in _days(fields, of)
    )


LINES: dict[str, Callable[[Get, list[str], int, Context], tuple[Row, ...]]] = {
    "SY": disease,
    "SI": service,
    "IY": medicine,
}


def _days(fields: list[str], of: Context) -> list[tuple[int, int]]:
    days = used_on(fields, 13, of.month)
    if not days:
        raise SetAside("no-day")  # layouts before the day columns: the day cannot be known
    return days


def _code(text: str, length: int) -> str:
    if not (len(text) == length and text.isascii() and text.isdigit()):
        raise Unreadable("uke.field")
    return text
