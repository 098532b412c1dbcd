"""Lines that only DPC receipts have: the group (BU) and what was done inside the flat fee (CD).

BU is as foreign programs write it. CD is known to us from memory (formats A1, [recall]); a line is
used only where its date, code and counts have the shape that they must have. KK, SK, GA, HH and GT
have no table here and are counted.
"""

from __future__ import annotations

from sekisho.provider.readers.uke_lines import Context, UkeLine, device, digits, drug, procedure
from sekisho.provider.readers.uke_values import DPC_GROUP, amount, uke_day, whole_number
from sekisho.provider.records import Row, SetAside, Unreadable, row

ADMITTED, DISCHARGED = 2, 3
_GROUP = 14
_DATE, _CODE, _AMOUNT, _UNIT, _COUNT = 1, 5, 6, 8, 9  # CD, unverified


def group_code(line: UkeLine) -> str:
    """Return 診断群分類番号.

    Raises:
        Unreadable: it is not 14 letters and digits.
    """
    code = line.get(1)
    if not (len(code) == _GROUP and code.isascii() and code.isalnum()):
        raise Unreadable("uke.field")
    return code


def group(line: UkeLine, of: Context) -> tuple[Row, ...]:
    """BU: the diagnosis procedure combination of the stay, from its first day on."""
    return (
        row(
            "observation",
            of.first_visit,
            observation_date=uke_day(line.get(ADMITTED)),
            observation_type_concept_id=of.claim_type,
            observation_source_value=group_code(line),
            observation_source_system=DPC_GROUP,
        ),
    )


def day_of(line: UkeLine) -> int | None:
    """Return the day of a CD line; None where it cannot be read."""
    try:
        return uke_day(line.get(_DATE))
    except Unreadable:
        return None


def coding(line: UkeLine, of: Context) -> tuple[Row, ...]:
    """CD: one row on its day, in the table that the code's first digit names; without points."""
    when, code = uke_day(line.get(_DATE)), digits(line.get(_CODE), 9)
    count = whole_number(line.get(_COUNT)) if line.get(_COUNT) else 1
    visit = of.visit_on(when)
    if code[0] == "6":
        return (drug(of, visit, code, when, amount(line.get(_AMOUNT), count), None),)
    if code[0] == "7":
        unit = line.get(_UNIT) or None
        return (device(of, visit, code, when, amount(line.get(_AMOUNT), count), unit),)
    if code[0] == "8":
        raise SetAside("no-table")  # a comment's code
    return (procedure(of, visit, code, when, count),)
