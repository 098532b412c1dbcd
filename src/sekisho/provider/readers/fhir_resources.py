"""FHIR R4 (plain and JP Core) resources to rows, one entry of `MAPPINGS` per resource type.

Rules kept: the first usable coding is the source's code; no display, text, note or name is even
decoded; a value without a code or number is dropped and counted. Concepts: formats A9; class of
encounter v3-ActCode; type 32817 is OMOP's "EHR".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, TypeVar

from msgspec import Struct

from sekisho.provider.readers.checkup_items import CHECKUP, ITEMS, table_of
from sekisho.provider.readers.fhir_shapes import (
    AllergyIntolerance,
    Condition,
    Dispense,
    Drug,
    Encounter,
    ExplanationOfBenefit,
    Meta,
    Observation,
    Procedure,
    Timing,
    Valued,
)
from sekisho.provider.readers.fhir_values import (
    Concept,
    Names,
    Period,
    Quantity,
    code_of,
    decimal_text,
    first_day,
    has_code,
    optional_day,
    unit_of,
    visit_name,
)
from sekisho.provider.records import Row, SetAside, rows_of

EHR = 32817
_VISITS = {"IMP": 9201, "ACUTE": 9201, "NONAC": 9201, "AMB": 9202, "EMER": 9203}
_CURRENCIES = {"JPY": 44818592, "USD": 44818668}
_VISIT_TOTAL = 5031
_MEASURED = ("laboratory", "vital-signs")
LONGEST_SUPPLY = 180  # days; OHDSI ETL-LambdaBuilder, JMDC
_COMPARATORS = ("<", "<=", ">=", ">", "ad")
_NO_PERIOD, _NO_TIMING, _NO_DISPENSE, _NO_QUANTITY = Period(), Timing(), Dispense(), Quantity()


def _values_of(table: str) -> Callable[..., Row]:
    return rows_of(
        table,
        f"{table}_date",
        f"{table}_type_concept_id",
        f"{table}_source_value",
        f"{table}_source_system",
        "value_as_number",
        "value_source_value",
        "value_source_system",
        "unit_source_value",
    )


_VALUES = {table: _values_of(table) for table in ("measurement", "observation")}
_VISIT = rows_of(
    "visit_occurrence",
    "visit_concept_id",
    "visit_start_date",
    "visit_end_date",
    "visit_source_value",
    visit_type_concept_id=EHR,
)
_CONDITION = rows_of(
    "condition_occurrence",
    "condition_start_date",
    "condition_end_date",
    "condition_source_value",
    "condition_source_system",
    condition_concept_id=0,
    condition_type_concept_id=EHR,
    condition_status_concept_id=0,
)
_ALLERGY = rows_of(
    "observation",
    "observation_date",
    "observation_source_value",
    "observation_source_system",
    observation_concept_id=0,
    observation_type_concept_id=EHR,
)
_DRUG = rows_of(
    "drug_exposure",
    "drug_exposure_start_date",
    "drug_exposure_end_date",
    "quantity",
    "days_supply",
    "drug_source_value",
    "drug_source_system",
    drug_concept_id=0,
    drug_type_concept_id=EHR,
)
_PROCEDURE = rows_of(
    "procedure_occurrence",
    "procedure_date",
    "procedure_source_value",
    "procedure_source_system",
    procedure_concept_id=0,
    procedure_type_concept_id=EHR,
)
_COST = rows_of(
    "cost",
    "currency_concept_id",
    "total_charge",
    "incurred_date",
    "cost_source_value",
    cost_domain_id="Visit",
    cost_type_concept_id=_VISIT_TOTAL,
)

Result = tuple[tuple[Row, ...], int]
"""Rows of one resource, and how many of its values have no row."""


R = TypeVar("R", bound=Struct)


@dataclass(frozen=True)
class Mapping(Generic[R]):
    """How one resource type becomes rows.

    ``never`` are statuses that say it did not happen: such a resource is set aside.
    """

    shape: type[R]
    rows: Callable[[R, Names], Result]
    never: frozenset[str]


def encounter(it: Encounter, names: Names) -> Result:
    period = it.period or _NO_PERIOD
    start = first_day(period.start, period.end)
    code = it.class_.code if it.class_ else None
    concept, end = _VISITS.get(code or "", 0), optional_day(period.end) or start
    said = code if code and len(code) <= 20 else None
    return (_VISIT(None, concept, start, end, said),), 0  # named by itself, as `fhir` knows


def condition(it: Condition, names: Names) -> Result:
    code, system = _coded(it.code)
    _confirmed(it.verification_status)
    onset, end = it.onset_period or _NO_PERIOD, it.abatement_period or _NO_PERIOD
    began = first_day(it.onset_date_time, onset.start, it.recorded_date)
    ended = optional_day(it.abatement_date_time or end.end)
    return (_CONDITION(visit_name(it.encounter, names), began, ended, code, system),), 0


def allergy(it: AllergyIntolerance, names: Names) -> Result:
    code, system = _coded(it.code)
    _confirmed(it.verification_status)
    onset, meta = it.onset_period or _NO_PERIOD, it.meta or Meta()
    # JP-CLINS requires no date of an allergy; it is a standing fact, known when last updated.
    known = first_day(it.onset_date_time, onset.start, it.recorded_date, meta.last_updated)
    return (_ALLERGY(visit_name(it.encounter, names), known, code, system),), 0


def drug(it: Drug, names: Names) -> Result:
    if it.do_not_perform:
        raise SetAside("did-not-happen")
    code, system = _coded(it.vaccine_code or it.medication_codeable_concept or _contained(it))
    dispense, timing = it.dispense_request or _NO_DISPENSE, _timing(it)
    period = it.effective_period or _NO_PERIOD
    start = first_day(
        it.authored_on,
        it.occurrence_date_time,
        it.effective_date_time,
        period.start,
        *timing.event,
        it.date_asserted,
    )
    bounds = timing.repeat.bounds_duration if timing.repeat else None
    days = _days(dispense.expected_supply_duration) or _days(bounds)
    end = start + min(days, LONGEST_SUPPLY) - 1 if days else optional_day(period.end)
    quantity = dispense.quantity or it.dose_quantity or _NO_QUANTITY
    amount = None if quantity.value is None else decimal_text(quantity.value)
    visit = visit_name(it.encounter or it.context, names)
    return (_DRUG(visit, start, end, amount, days, code, system),), 0


def procedure(it: Procedure, names: Names) -> Result:
    code, system = _coded(it.code)
    period = it.performed_period or _NO_PERIOD
    done = first_day(it.performed_date_time, period.start)
    return (_PROCEDURE(visit_name(it.encounter, names), done, code, system),), 0


def observation(it: Observation, names: Names) -> Result:
    """One row per value: the resource's own and each component's."""
    dropped = int(it.value_string is not None)
    found = []
    value = _value(it)
    if value is not None:
        found.append((it.code, value))
    for component in it.component:
        value = _value(component)
        if value is None:
            dropped += 1
        else:
            found.append((component.code, value))
    if not found:
        raise SetAside("no-value" if not dropped else "only-free-text")
    measured = False
    for category in it.category:
        measured = measured or has_code(category, *_MEASURED)
    period = it.effective_period or _NO_PERIOD
    when = first_day(it.effective_date_time, it.effective_instant, period.start, it.issued)
    visit = visit_name(it.encounter, names)
    rows = []
    for concept, said in found:
        coded = code_of(concept)
        if coded is None:
            dropped += 1
            continue
        code, system = coded
        kind, table = EHR, "measurement" if measured else "observation"
        if system == ITEMS:
            kind, table = CHECKUP, table_of(code, coded=said[0] is None)
        rows.append(_VALUES[table](visit, when, kind, code, system, *said))
    if not rows:
        raise SetAside("no-code")
    return tuple(rows), dropped


def benefit(it: ExplanationOfBenefit, names: Names) -> Result:
    submitted = [t for t in it.total if has_code(t.category, "submitted")] or list(it.total)
    amount = next((t.amount for t in submitted if t.amount and t.amount.value is not None), None)
    if amount is None or amount.value is None:
        raise SetAside("no-value")
    period = it.billable_period or _NO_PERIOD
    visit = next((item.encounter[0] for item in it.item if item.encounter), it.encounter)
    kind = code_of(it.type)
    currency, charge = _CURRENCIES.get(amount.currency or "", 0), decimal_text(amount.value)
    day = first_day(period.start, it.created)
    return (_COST(visit_name(visit, names), currency, charge, day, kind and kind[0]),), 0


def _statuses(*more: str) -> frozenset[str]:
    return frozenset(("entered-in-error", *more))


MAPPINGS: dict[str, Mapping[Any]] = {
    "Encounter": Mapping(Encounter, encounter, _statuses("planned", "cancelled")),
    "Condition": Mapping(Condition, condition, _statuses()),
    "AllergyIntolerance": Mapping(AllergyIntolerance, allergy, _statuses()),
    "MedicationRequest": Mapping(Drug, drug, _statuses("cancelled", "draft")),
    "MedicationStatement": Mapping(Drug, drug, _statuses("not-taken", "intended")),
    "MedicationAdministration": Mapping(Drug, drug, _statuses("not-done")),
    "Immunization": Mapping(Drug, drug, _statuses("not-done")),
    "Procedure": Mapping(Procedure, procedure, _statuses("not-done", "preparation")),
    "Observation": Mapping(Observation, observation, _statuses("cancelled", "registered")),
    "ExplanationOfBenefit": Mapping(ExplanationOfBenefit, benefit, _statuses("cancelled", "draft")),
}
"""Patient is not here: it states an identity (`fhir_patient`). All other types are set aside."""


def _coded(concept: Concept | None) -> tuple[str, str | None]:
    coded = code_of(concept)
    if coded is None:
        raise SetAside("no-code")
    return coded


def _confirmed(status: Concept | None) -> None:
    if has_code(status, "refuted", "entered-in-error"):
        raise SetAside("did-not-happen")


def _contained(it: Drug) -> Concept | None:
    """Return the code of a medication inside the resource; one outside cannot be followed yet."""
    reference = it.medication_reference.reference if it.medication_reference else None
    if not reference or not reference.startswith("#"):
        return None
    return next((m.code for m in it.contained if m.id == reference[1:]), None)


def _timing(it: Drug) -> Timing:
    return next((d.timing for d in it.dosage_instruction if d.timing), _NO_TIMING)


def _days(duration: Quantity | None) -> int | None:
    if duration is None or duration.value is None or (duration.code or duration.unit) != "d":
        return None
    return int(duration.value) if 0 < duration.value < 10_000 else None


_Said = tuple[str | None, str | None, str | None, str | None]
"""A value: number, text, system, unit.

The text is a code, by the system where that names one, or a number with its bound.
"""


def _value(one: Valued) -> _Said | None:
    """Return None where there is no number or code."""
    quantity = one.value_quantity
    if quantity is not None:
        if quantity.value is None:
            return None
        number = decimal_text(quantity.value)
        bound = quantity.comparator if quantity.comparator in _COMPARATORS else None
        return number, bound and bound + number, None, unit_of(quantity)
    coded = code_of(one.value_codeable_concept)
    if coded is not None:
        return None, *coded, None
    if one.value_integer is not None:
        return decimal_text(Decimal(one.value_integer)), None, None, None
    if one.value_boolean is not None:
        return None, "true" if one.value_boolean else "false", None, None
    return None
