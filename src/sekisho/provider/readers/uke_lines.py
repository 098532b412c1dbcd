"""The lines of a receipt that give rows: diseases, and what was done, given or used on a day."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from sekisho.provider.readers.fhir_resources import LONGEST_SUPPLY
from sekisho.provider.readers.uke_layouts import Diseases, Items, Layout
from sekisho.provider.readers.uke_values import (
    DENTAL_SERVICE,
    DEVICE,
    DISEASE,
    DISPENSING_SERVICE,
    ICD10,
    MEDICINE,
    MODIFIER,
    SERVICE,
    Month,
    amount,
    uke_day,
    used_on,
    whole_number,
)
from sekisho.provider.records import UNREADABLE, Row, SetAside, Unreadable, row

YEN_A_POINT = 10
SUSPECTED = "8002"  # 修飾語 「の疑い」
UNCODED = "0000999"
ENDED = ("2", "3", "4")  # 転帰: cured, died, stopped
DIED = "3"
ORAL = "21"  # 診療識別 内服: the count is the days supplied
_ADMITTED_FOR, PRIMARY, SECONDARY = 32890, 32902, 32908
_RANKS = {"11": PRIMARY, "21": _ADMITTED_FOR}  # SB 傷病名区分: main, cause of admission
ITEM_COST = 5032
YEN = 44818592
DOMAINS = {"1": "Procedure", "3": "Procedure", "4": "Procedure", "6": "Drug", "7": "Device"}
"""First digit of a レセプト電算コード → what it is of."""


class UkeLine(Struct, frozen=True, gc=False):
    """One line, decoded and split. ``problem`` is a finding's code where it could not be."""

    number: int
    kind: str
    fields: list[str]
    problem: str = ""

    def get(self, index: int) -> str:
        return self.fields[index].strip() if 0 < index < len(self.fields) else ""

    @property
    def usable(self) -> bool:
        return not self.problem and self.kind != UNREADABLE


class Context(Struct, frozen=True, gc=False):
    """What a line needs of its receipt.

    Args:
        kinds: line number → 診療識別 of its unit of account (算定単位).
        visit_on: day → local name of the visit it belongs to.
        care_start: when a disease began that has no date of its own.
        outcome: 転帰 of diseases that have none of their own.
    """

    layout: Layout
    month: Month
    inpatient: bool
    kinds: Mapping[int, str]
    visit_on: Callable[[int], str | None]
    first_visit: str | None
    care_start: int
    outcome: str = ""

    @property
    def claim_type(self) -> int:
        return 32853 if self.inpatient else 32859

    @property
    def drug_type(self) -> int:
        return 32818 if self.inpatient else 32869


def unit_kinds(lines: Sequence[UkeLine]) -> dict[int, str]:
    """Return line number → 診療識別: a unit runs from a line that has one to the next that has."""
    kinds: dict[int, str] = {}
    current = ""
    for line in lines:
        if line.kind in ("SI", "SS", "IY", "TO", "CO"):
            current = line.get(1) or current
            kinds[line.number] = current
    return kinds


def disease(line: UkeLine, of: Context, at: Diseases) -> tuple[Row, ...]:
    """SY, HS, SB: a condition; under suspicion an observation; a death where the outcome says."""
    code = digits(line.get(at.code), 7)
    own_start = at.start and not of.layout.start  # else the receipt's start of care stands in
    start = uke_day(line.get(at.start)) if own_start or line.get(at.start) else of.care_start
    outcome = line.get(at.outcome) or of.outcome
    system = DISEASE
    if code == UNCODED and at.icd and line.get(at.icd):
        code, system = line.get(at.icd), ICD10
    if is_suspected(line.get(at.modifiers)):
        made = row(
            "observation",
            of.first_visit,
            observation_date=start,
            observation_type_concept_id=of.claim_type,
            value_source_value=SUSPECTED,
            value_source_system=MODIFIER,
            observation_source_value=code,
            observation_source_system=system,
        )
    else:
        main = PRIMARY if line.get(at.main) == "01" else SECONDARY
        made = row(
            "condition_occurrence",
            of.first_visit,
            condition_start_date=start,
            condition_end_date=max(start, of.month.last) if outcome in ENDED else None,
            condition_type_concept_id=of.claim_type,
            condition_status_concept_id=_RANKS.get(line.get(at.rank), main),
            condition_source_value=code,
            condition_source_system=system,
        )
    if outcome != DIED:
        return (made,)
    return made, row("death", death_date=of.month.last, death_type_concept_id=32812)


def item(line: UkeLine, of: Context, at: Items) -> tuple[Row, ...]:
    """SI, SS, IY, TO: a row for each day, and its cost where the line has the unit's points."""
    code = digits(line.get(at.code), 9)
    days = used_on(line.fields, at.days, of.month)
    if not days:
        raise SetAside("no-day")  # layouts before the day columns: the day cannot be known
    points = whole_number(line.get(at.points)) if line.get(at.points) else 0
    oral = line.kind == "IY" and of.kinds.get(line.number) == ORAL
    made = []
    for when, count in days:
        visit = of.visit_on(when)
        if line.kind == "IY":
            used = amount(line.get(at.amount), count)
            made.append(drug(of, visit, code, when, used, count if oral else None))
        elif line.kind == "TO":
            used = amount(line.get(at.amount), count)
            made.append(device(of, visit, code, when, used, line.get(at.unit) or None))
        else:
            made.append(procedure(of, visit, code, when, count))
        if points:
            made.append(cost(visit, code, when, points * count))
    return tuple(made)


def drug(
    of: Context, visit: str | None, code: str, when: int, used: str | None, supply: int | None
) -> Row:
    """Return an exposure; ``supply`` is the days that it is meant for, where they are known."""
    return row(
        "drug_exposure",
        visit,
        drug_exposure_start_date=when,
        drug_exposure_end_date=when + (min(supply, LONGEST_SUPPLY) - 1 if supply else 0),
        drug_type_concept_id=of.drug_type,
        quantity=used,
        days_supply=supply,
        drug_source_value=code,
        drug_source_system=MEDICINE,
    )


def device(
    of: Context, visit: str | None, code: str, when: int, used: str | None, unit: str | None
) -> Row:
    return row(
        "device_exposure",
        visit,
        device_exposure_start_date=when,
        device_exposure_end_date=when,
        device_type_concept_id=of.claim_type,
        quantity=used,
        unit_source_value=unit,
        device_source_value=code,
        device_source_system=DEVICE,
    )


def procedure(of: Context, visit: str | None, code: str, when: int, count: int) -> Row:
    return row(
        "procedure_occurrence",
        visit,
        procedure_date=when,
        procedure_type_concept_id=of.claim_type,
        quantity=count,
        procedure_source_value=code,
        procedure_source_system=service_system(code),
    )


def cost(visit: str | None, code: str | None, when: int, points: int) -> Row:
    """Return what a unit of account cost on a day; its code is that of the unit's last line.

    Drugs of a prescription are charged together: their cost has no code.
    """
    return row(
        "cost",
        visit,
        cost_domain_id=domain_of(code) if code else "Drug",
        cost_type_concept_id=ITEM_COST,
        currency_concept_id=YEN,
        total_charge=str(points * YEN_A_POINT),
        incurred_date=when,
        cost_source_value=code,
    )


def is_suspected(modifiers: str) -> bool:
    """Tell whether 修飾語コード, run together, hold that of a suspicion."""
    return modifiers.isascii() and SUSPECTED in re.findall(r"\d{4}", modifiers)


def service_system(code: str) -> str:
    """Return the system of a code of what was done."""
    return {"3": DENTAL_SERVICE, "4": DISPENSING_SERVICE}.get(code[0], SERVICE)


def domain_of(code: str) -> str:
    """Return what a レセプト電算コード is of."""
    return DOMAINS.get(code[0], "Observation")


def digits(text: str, length: int) -> str:
    """Return a code of digits.

    Raises:
        Unreadable: anything else.
    """
    if not (len(text) == length and text.isascii() and text.isdigit()):
        raise Unreadable("uke.field")
    return text
