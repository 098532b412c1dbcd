"""Rows of plain receipts, table by table; `uke_lines` and `uke_payer` say what they mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm.scalars import flag, int32, int64, null, text
from sekisho.provider.batches import BatchRows
from sekisho.provider.readers.fhir_resources import LONGEST_SUPPLY
from sekisho.provider.readers.persons import GENDERS
from sekisho.provider.readers.uke_layouts import MEDICAL
from sekisho.provider.readers.uke_lines import (
    DIED,
    ENDED,
    ITEM_COST,
    PRIMARY,
    SECONDARY,
    SUSPECTED,
    YEN,
    YEN_A_POINT,
    digits,
    domain_of,
    is_suspected,
    service_system,
)
from sekisho.provider.readers.uke_payer import VISIT_COST, concept_of, law_of
from sekisho.provider.readers.uke_plain import Receipts
from sekisho.provider.readers.uke_plain_days import MOST, Days
from sekisho.provider.readers.uke_receipt import CLAIM
from sekisho.provider.readers.uke_split import each, mapped
from sekisho.provider.readers.uke_values import (
    DEVICE,
    DISEASE,
    MEDICINE,
    MODIFIER,
    amount,
    uke_day,
    whole_number,
)
from sekisho.provider.records import Unreadable

_INT, _DAY, _TEXT = pa.int64(), pa.int32(), pa.string()


def head_rows(of: Receipts, days: Days) -> Iterator[BatchRows]:
    """RE: the person, and the visits."""
    nobody = pa.nulls(len(of), pa.int32())
    born = of.birth.cast(pa.date32())
    yield BatchRows(
        "person",
        of.heads,
        nobody,
        {
            "gender_concept_id": mapped(of.sex, lambda sex: GENDERS.get(sex, 0), _INT),
            "year_of_birth": pc.year(born),
            "month_of_birth": pc.month(born),
            "gender_source_value": of.sex,
        },
    )
    rec, start = days.visit_rec, days.visit_start
    number = len(rec)
    inside = of.inpatient.take(rec)
    end = pc.if_else(inside, pc.max_element_wise(start, days.last.take(rec)), start)
    yield BatchRows(
        "visit_occurrence",
        of.heads.take(rec),
        pa.arange(0, number).cast(pa.int32()),
        {
            "visit_concept_id": pc.if_else(inside, int64(9201), int64(9202)),
            "visit_start_date": start,
            "visit_end_date": end,
            "visit_type_concept_id": CLAIM,
            "visit_source_value": mapped(
                of.type.take(rec), lambda kind: kind if kind.isdigit() else None, _TEXT
            ),
        },
    )


def payer_rows(of: Receipts, days: Days) -> Iterator[BatchRows]:
    """HO, or the first KO: what the receipt cost, and the month in which its person was insured."""
    paid = pc.indices_nonzero(pc.greater_equal(of.points, int64(0)))
    charge = pc.multiply(of.points.take(paid), int64(YEN_A_POINT))
    yield BatchRows(
        "cost",
        of.payer.take(paid),
        days.only_visit.take(paid),
        {
            "cost_domain_id": "Visit",
            "cost_type_concept_id": VISIT_COST,
            "currency_concept_id": YEN,
            "total_charge": charge.cast(_TEXT),
            "incurred_date": of.last_day.take(paid),
            "cost_source_value": pc.if_else(of.insured.take(paid), text("HO"), text("KO")),
        },
    )
    insured = pc.indices_nonzero(of.insured)
    law = mapped(of.persons.numbers[0].take(insured), law_of, _TEXT)
    line, none = of.payer.take(insured), pa.nulls(len(insured), pa.int32())
    first, last = of.first_day.take(insured), of.last_day.take(insured)
    yield BatchRows(
        "payer_plan_period",
        line,
        none,
        {
            "payer_plan_period_start_date": first,
            "payer_plan_period_end_date": last,
            "payer_concept_id": mapped(law, concept_of, _INT),
            "payer_source_value": law,
        },
    )
    yield BatchRows(
        "observation_period",
        line,
        none,
        {
            "observation_period_start_date": first,
            "observation_period_end_date": last,
            "period_type_concept_id": CLAIM,
        },
    )


def disease_rows(of: Receipts, days: Days) -> Iterator[BatchRows]:
    """SY: conditions, observations of what is suspected, and deaths."""
    at, lines = MEDICAL.diseases["SY"], of.lines
    line = lines.of("SY")
    rec, fields = of.rec.take(line), lines.fields(line)
    code = _read(of, fields.at(at.code), lambda field: digits(field.strip(), 7), _TEXT, rec)
    start = _read(of, fields.at(at.start), lambda field: uke_day(field.strip()), _DAY, rec)
    outcome = fields.get(at.outcome)
    modifiers = fields.at(at.modifiers)
    suspected = mapped(modifiers, lambda field: is_suspected(field.strip()), pa.bool_())
    claim = pc.if_else(of.inpatient.take(rec), int64(32853), int64(32859))
    last = of.last_day.take(rec)
    ended = pc.is_in(outcome, value_set=pa.array(ENDED, pa.string()))
    main = pc.equal(fields.get(at.main), text("01"))
    visit = days.first_visit.take(rec)
    number = len(line)
    condition = BatchRows(
        "condition_occurrence",
        line,
        visit,
        {
            "condition_start_date": start,
            "condition_end_date": pc.if_else(ended, pc.max_element_wise(start, last), null(start)),
            "condition_type_concept_id": claim,
            "condition_status_concept_id": pc.if_else(main, int64(PRIMARY), int64(SECONDARY)),
            "condition_source_value": code,
            "condition_source_system": DISEASE,
        },
    )
    yield condition.filter(pc.invert(suspected))
    observation = BatchRows(
        "observation",
        line,
        visit,
        {
            "observation_date": start,
            "observation_type_concept_id": claim,
            "value_source_value": SUSPECTED,
            "value_source_system": MODIFIER,
            "observation_source_value": code,
            "observation_source_system": DISEASE,
        },
    )
    yield observation.filter(suspected)
    death = BatchRows(
        "death",
        line,
        pa.nulls(number, pa.int32()),
        {"death_date": last, "death_type_concept_id": 32812},
    )
    yield death.filter(pc.equal(outcome, text(DIED)))


def item_rows(of: Receipts, days: Days) -> Iterator[BatchRows]:
    """SI, IY, TO: a row for each day, and its cost where the line has the unit's points."""
    lines, at = of.lines, MEDICAL.items["SI"]  # code, amount and points stand alike in all three
    owner, fields = of.rec.take(days.items), lines.fields(days.items)
    places, codes = each(fields.at(at.code), lambda field: digits(field.strip(), 9))
    of.spoil(pa.array([code is None for code in codes], pa.bool_()).take(places), owner)
    points = _read(of, fields.at(at.points), _points, _INT, owner)
    of.spoil(pc.greater(points, int64(MOST)), owner)
    kind = lines.kind.take(days.items).take(days.item)
    drugs, devices = (
        pa.array([one == which for one in lines.kinds], pa.bool_()).take(kind)
        for which in ("IY", "TO")
    )
    of_code = places.take(days.item)
    charged = pc.fill_null(pc.greater(points.take(days.item), int64(0)), flag(False))

    def by_code(what: Callable[[str], str], where: pa.Array) -> pa.Array:
        return pa.array([what(code or "0") for code in codes], _TEXT).take(of_code.take(where))

    claim = pc.if_else(of.inpatient.take(days.rec), int64(32853), int64(32859))
    where = pc.indices_nonzero(pc.invert(pc.or_(drugs, devices)))
    yield BatchRows(
        "procedure_occurrence",
        days.items.take(days.item.take(where)),
        days.visit.take(where),
        {
            "procedure_date": days.date.take(where),
            "procedure_type_concept_id": claim.take(where),
            "quantity": days.count.take(where),
            "procedure_source_value": by_code(str, where),
            "procedure_source_system": by_code(service_system, where),
        },
    )
    where = pc.indices_nonzero(drugs)
    item, date, count = (of_day.take(where) for of_day in (days.item, days.date, days.count))
    oral = days.oral.take(item)
    longer = pc.min_element_wise(count, int64(LONGEST_SUPPLY)).cast(_DAY)
    end = pc.add(date, pc.subtract(longer, int32(1)))
    yield BatchRows(
        "drug_exposure",
        days.items.take(item),
        days.visit.take(where),
        {
            "drug_exposure_start_date": date,
            "drug_exposure_end_date": pc.if_else(oral, end, date),
            "drug_type_concept_id": pc.if_else(
                of.inpatient.take(days.rec.take(where)), int64(32818), int64(32869)
            ),
            "quantity": _amounts(of, days, where, at.amount),
            "days_supply": pc.if_else(oral, count, null(count)),
            "drug_source_value": by_code(str, where),
            "drug_source_system": MEDICINE,
        },
    )
    where = pc.indices_nonzero(devices)
    line, date = days.items.take(days.item.take(where)), days.date.take(where)
    unit = lines.fields(line).get(MEDICAL.items["TO"].unit)
    yield BatchRows(
        "device_exposure",
        line,
        days.visit.take(where),
        {
            "device_exposure_start_date": date,
            "device_exposure_end_date": date,
            "device_type_concept_id": claim.take(where),
            "quantity": _amounts(of, days, where, at.amount),
            "unit_source_value": pc.if_else(pc.equal(unit, text("")), null(unit), unit),
            "device_source_value": by_code(str, where),
            "device_source_system": DEVICE,
        },
    )
    where = pc.indices_nonzero(charged)
    item = days.item.take(where)
    yen = pc.multiply(pc.multiply(points.take(item), days.count.take(where)), int64(YEN_A_POINT))
    yield BatchRows(
        "cost",
        days.items.take(item),
        days.visit.take(where),
        {
            "cost_domain_id": by_code(domain_of, where),
            "cost_type_concept_id": ITEM_COST,
            "currency_concept_id": YEN,
            "total_charge": yen.cast(_TEXT),
            "incurred_date": days.date.take(where),
            "cost_source_value": by_code(str, where),
        },
    )


def _amounts(of: Receipts, days: Days, where: pa.Array, index: int) -> pa.Array:
    """Return the used amount times the count of some days; null where there is none."""
    texts = of.lines.fields(days.items.take(days.item.take(where))).at(index).dictionary_encode()
    pairs = pc.add(pc.multiply(texts.indices.cast(_INT), int64(MOST + 1)), days.count.take(where))
    found = pairs.dictionary_encode()
    spelt = texts.dictionary.to_pylist()
    made, wrong = list[str | None](), list[bool]()
    for pair in found.dictionary.to_pylist():
        place, count = divmod(pair, MOST + 1)
        try:
            made.append(amount(spelt[place].strip(), count))
        except Unreadable:
            made.append(None)
        wrong.append(made[-1] is None and bool(spelt[place].strip()))
    of.spoil(pa.array(wrong, pa.bool_()).take(found.indices), days.rec.take(where))
    return pa.array(made, _TEXT).take(found.indices)


def _read(
    of: Receipts,
    column: pa.Array,
    read: Callable[[str], Any],
    type_: pa.DataType,
    owner: pa.Array,
) -> pa.Array:
    """Read a column; where a text cannot be read, its receipt is spoilt."""
    made = mapped(column, read, type_)
    of.spoil(pc.is_null(made), owner)
    return made


def _points(field: str) -> int:
    return whole_number(field.strip()) if field.strip() else 0
