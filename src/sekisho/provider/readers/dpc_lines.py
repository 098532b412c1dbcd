"""A line of a DPC survey file: whose it is, of which stay, and its fields by name.

Source: formats A2 (columns as four public programs have them). Columns are counted from 0 here.
"""

from __future__ import annotations

from dataclasses import dataclass

from sekisho.provider.readers.uke_values import uke_day
from sekisho.provider.records import Unreadable
from sekisho.pseudonym.identifiers import JP_LOCAL

COLUMNS = {31: "EF", 30: "D", 17: "FF1"}
"""How many columns → which file."""
_NO_DAY = "00000000"
_FACILITY, _PERSON = 9, 10
_STAY = {"EF": (3, 2), "D": (3, 2), "FF1": (2, None)}  # columns of admission and discharge
_DONE = {"EF": 23, "D": 17}  # column of 実施年月日


@dataclass(frozen=True)
class SurveyLine:
    """One line.

    Args:
        admitted, discharged, done: days since 1970-01-01; None where the line has none.
        group: what lines that replace one another as a whole have in common.
    """

    kind: str
    number: int
    fields: list[str]
    facility: str
    person: str
    admitted: int | None
    discharged: int | None
    done: int | None
    group: str

    @classmethod
    def of(cls, kind: str, number: int, fields: list[str]) -> SurveyLine:
        """Read what every line has.

        Raises:
            Unreadable: the facility, the person or a date is malformed.
        """
        facility, person = fields[0].strip(), fields[1].strip()
        if not (_digits(facility) and len(facility) == _FACILITY):
            raise Unreadable("dpc.facility")
        if not (_digits(person) and len(person) <= _PERSON):
            raise Unreadable("dpc.person")
        admission, discharge = _STAY[kind]
        admitted = _day(fields[admission])
        left = None if discharge is None else _day(fields[discharge])
        done = _day(fields[_DONE[kind]]) if kind in _DONE else None
        if kind in _DONE and done is None:
            raise Unreadable("date.missing")
        if kind == "FF1" and admitted is None:
            raise Unreadable("date.missing")
        of_month = fields[_DONE[kind]].strip()[:6] if kind in _DONE else "/".join(fields[3:5])
        group = f"dpc/{kind}/{facility}/{person}/{fields[admission].strip()}/{of_month}"
        return cls(kind, number, fields, facility, person, admitted, left, done, group)

    def get(self, column: int) -> str:
        return self.fields[column].strip()

    @property
    def patient(self) -> str:
        """The person's local name: system and number, as the provider's profile knows them."""
        # 医療機関コード has 10 digits elsewhere: 都道府県, 点数表 (医科), 医療機関
        return f"{JP_LOCAL}{self.facility[:2]}1{self.facility[2:]}|{self.person}"

    @property
    def month_of_stay(self) -> str:
        """What EF and D of one stay and month have in common."""
        return self.group.replace("/D/", "/EF/", 1)


@dataclass
class Group:
    """Lines that stand together and replace, as ``unit``, what had that name before."""

    name: str
    unit: str
    lines: list[SurveyLine]


def _day(text: str) -> int | None:
    text = text.strip()
    return None if text in ("", _NO_DAY) else uke_day(text)


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()
