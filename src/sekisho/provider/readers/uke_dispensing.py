"""Lines of a pharmacy's receipt: prescriptions (SH), their dispensing (CZ), drugs, fees (KI).

Everything between one SH and the next is one prescription: each CZ in it is one day on which all
its drugs were dispensed, so many times (調剤数量: days for 内服, doses otherwise). A line gives an
exposure per day of dispensing. Source: 記録条件仕様（調剤用）, as others have written it down.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sekisho.provider.readers.uke_lines import (
    Context,
    UkeLine,
    cost,
    device,
    digits,
    drug,
    procedure,
)
from sekisho.provider.readers.uke_values import amount, uke_day, whole_number
from sekisho.provider.records import Row, SetAside, Unreadable

_FORM, _ORAL = 2, "1"  # SH 剤形: 内服
_DAY, _QUANTITY, _DRUG_POINTS = 3, 5, 13  # CZ
_FEES = ((9, 10), *((code, code + 1) for code in range(16, 46, 3)), (55, 56), (60, 61), (63, 64))
"""CZ: (code, points) of 薬剤調製料, ten additions, 外来服薬支援料２, 調剤管理料, its addition."""
_KI_DAY = 1
_BASIC = (4, 5)  # KI: (code, points) of 調剤基本料
_COUNTED = (*range(8, 55, 4), *range(56, 67, 4), *range(70, 109, 4))
"""KI: places of the codes that a count and points follow."""
_ITEM = {"IY": (2, 3, 0), "TO": (2, 3, 4)}  # code, amount, unit


@dataclass
class Prescription:
    """``given`` is (day, quantity) of each CZ that can be read."""

    oral: bool
    given: list[tuple[int, int]] = field(default_factory=list)


def prescriptions(lines: Sequence[UkeLine]) -> dict[int, Prescription]:
    """Return line number → its prescription, wherever in it the CZ lines stand."""
    made: dict[int, Prescription] = {}
    current: Prescription | None = None
    for line in lines:
        if line.kind == "SH":
            current = Prescription(line.get(_FORM) == _ORAL)
        elif line.kind == "KI":
            current = None
        if current is None:
            continue
        made[line.number] = current
        if line.kind == "CZ" and line.usable:
            try:
                current.given.append((uke_day(line.get(_DAY)), whole_number(line.get(_QUANTITY))))
            except Unreadable:
                continue  # the line itself will be refused
    return made


def dispensed(line: UkeLine, of: Context, prescription: Prescription | None) -> tuple[Row, ...]:
    """IY, TO: one exposure for each day on which the prescription was dispensed."""
    code_at, amount_at, unit_at = _ITEM[line.kind]
    code = digits(line.get(code_at), 9)
    if prescription is None or not prescription.given:
        raise SetAside("no-day")
    made = []
    for when, quantity in prescription.given:
        used = amount(line.get(amount_at), quantity)
        if line.kind == "IY":
            made.append(drug(of, None, code, when, used, quantity if prescription.oral else None))
        else:
            made.append(device(of, None, code, when, used, line.get(unit_at) or None))
    return tuple(made)


def dispensing(line: UkeLine, of: Context) -> tuple[Row, ...]:
    """CZ: the fees of one dispensing, and what its drugs cost."""
    when = uke_day(line.get(_DAY))
    whole_number(line.get(_QUANTITY))
    made = list(_fees(line, of, when, ((code, points, 0) for code, points in _FEES)))
    if line.get(_DRUG_POINTS) and (points := whole_number(line.get(_DRUG_POINTS))):
        made.append(cost(None, None, when, points))
    if not made:
        raise SetAside("no-value")
    return tuple(made)


def basics(line: UkeLine, of: Context) -> tuple[Row, ...]:
    """KI: 調剤基本料 and 薬学管理料 of a day."""
    when = uke_day(line.get(_KI_DAY))
    places = ((*_BASIC, 0), *((code, code + 2, code + 1) for code in _COUNTED))
    made = tuple(_fees(line, of, when, places))
    if not made:
        raise SetAside("no-value")
    return made


def _fees(
    line: UkeLine, of: Context, when: int, places: Iterable[tuple[int, int, int]]
) -> Iterable[Row]:
    for code_at, points_at, count_at in places:
        if not line.get(code_at):
            continue
        code = digits(line.get(code_at), 9)
        count = whole_number(line.get(count_at)) if line.get(count_at) else 1
        yield procedure(of, None, code, when, count)
        if line.get(points_at) and (points := whole_number(line.get(points_at))):
            yield cost(None, code, when, points * count)
