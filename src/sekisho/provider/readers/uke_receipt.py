"""One receipt (レセプト) to records: who, which visits, and the rows of every line.

Source: formats A1 (semantics 1–6) and A9. Choices: one condition per line of a disease, from
診療開始日 on; an outcome (転帰) is dated at the month's end, the only day that the receipt proves;
a line that was given on a day without a visit belongs to the latest visit before it, else to the
first. A pharmacy's receipt is no visit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

from sekisho.provider.readers import uke_dispensing, uke_dpc
from sekisho.provider.readers.fhir_patient import doubts, made_key, name_key
from sekisho.provider.readers.persons import person_row
from sekisho.provider.readers.uke_layouts import RECEIPT_TYPES, Layout, layout_of
from sekisho.provider.readers.uke_lines import Context, UkeLine, disease, item, unit_kinds
from sekisho.provider.readers.uke_payer import payer_rows
from sekisho.provider.readers.uke_values import Month, calendar_date, uke_day, used_on, whole_number
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
from sekisho.pseudonym.identifiers import JP_LOCAL, insured, public_payer

SEXES = {"1": "male", "2": "female"}
VISITED = ("11", "12")  # 診療識別: 初診, 再診
INSURED = "1"  # SN, JD 負担者種別: 医療保険
COUNTED_DAY = "1"  # JD: a day of care that counts
LEAST_FIELDS = {"RE": 9, "HO": 6, "KO": 6, "SN": 7, "SY": 7, "HS": 5, "SB": 6, "BU": 3, "CD": 6}
LEAST_FIELDS |= {"SI": 7, "SS": 7, "IY": 4, "TO": 4, "CZ": 6, "KI": 6}
CLAIM = 32810
ADMITTED_KINDS = ("1", "3", "5", "7", "9")  # last digit of レセプト種別: an inpatient's

_READERS: dict[str, Callable[[UkeLine, Context], tuple[Row, ...]]] = {
    "BU": uke_dpc.group,
    "CD": uke_dpc.coding,
    "CZ": uke_dispensing.dispensing,
    "KI": uke_dispensing.basics,
}


@dataclass(frozen=True)
class Header:
    """From IR or YK: 審査支払機関, 点数表, institution (10 digits), month of the claim.

    Receipts are numbered anew in each file, and an institution files one to each 審査支払機関.
    """

    office: str
    table: str
    institution: str
    claimed: str


@dataclass(frozen=True)
class Receipt:
    """A receipt's lines, RE first, under the file's header."""

    header: Header | None
    lines: list[UkeLine]

    def first(self, kind: str) -> UkeLine | None:
        for line in self.lines:
            if line.kind == kind and not line.problem:
                return line
        return None

    @property
    def payer(self) -> UkeLine | None:
        """HO, else the first KO: a receipt of public assistance alone has no HO."""
        return self.first("HO") or self.first("KO")

    @property
    def points(self) -> int | None:
        payer = self.payer
        try:
            return whole_number(payer.get(5)) if payer and payer.get(5) else None
        except Unreadable:
            return None


def receipt_records(receipt: Receipt) -> Iterator[Record]:
    """Yield one record per line of the receipt, RE first."""
    head = receipt.lines[0]
    try:
        if head.problem:
            raise Unreadable(head.problem)
        made = _Made(receipt)
    except Unreadable as problem:
        unit = f"receipt/{head.number}"
        yield refused("RE", head.number, unit, problem.code, whole=False)
        for part, line in enumerate(receipt.lines[1:], 1):
            code = line.problem or "uke.receipt-refused"
            yield refused(line.kind, line.number, unit, code, part=part, whole=False)
        return
    yield made.head()
    for part, line in enumerate(receipt.lines[1:], 1):
        yield made.line(line, part)


class _Made:
    """What the lines of a receipt share.

    Raises:
        Unreadable: RE, or the file's header, cannot be used: nothing of the receipt can.
    """

    def __init__(self, receipt: Receipt) -> None:
        head = receipt.lines[0]
        if len(head.fields) < LEAST_FIELDS["RE"]:
            raise Unreadable("uke.short-line")
        if receipt.header is None:
            raise Unreadable("uke.no-institution")
        layout = layout_of(receipt.header.table, frozenset(x.kind for x in receipt.lines))
        if layout is None:
            raise Unreadable("uke.family")
        self.receipt, self.layout, self.payer = receipt, layout, receipt.payer
        self.month = Month(head.get(3))
        self.birth = uke_day(head.get(6))
        self.sex = SEXES.get(head.get(5), "unknown")
        self.inpatient = layout.care and head.get(2)[3:4] in ADMITTED_KINDS
        self.kinds = unit_kinds(receipt.lines)
        self.prescriptions = {} if layout.care else uke_dispensing.prescriptions(receipt.lines)
        self.group = receipt.first("BU")
        self.unit = _unit(receipt.header, self.month, head, layout)
        self.identity = self._identity(receipt.header.institution)
        self.visits = self._visits(head) if layout.care else {}
        first = next(iter(self.visits), None)
        own = head.get(layout.start) if layout.start else ""
        self.context = Context(
            layout,
            self.month,
            self.inpatient,
            self.kinds,
            self._visit_on,
            self._first_visit(),
            uke_day(own) if own else self.month.first if first is None else first,
            head.get(layout.outcome),
        )

    def head(self) -> Record:
        head = self.receipt.lines[0]
        if self.identity.hopeless:
            return refused(
                "RE",
                head.number,
                self.unit,
                self.identity.hopeless,
                patient=self.unit,
                identity=self.identity,
                whole=False,
            )
        person = person_row(calendar_date(self.birth), self.sex)
        return Record(
            "RE",
            head.number,
            self.unit,
            (person, *self._visit_rows(head)),
            self.unit,
            identity=self.identity,
            whole=False,
        )

    def line(self, line: UkeLine, part: int) -> Record:
        if not line.usable:
            return self._fate(line, part, Outcome.REFUSED, line.problem or "uke.short-line")
        if len(line.fields) < LEAST_FIELDS.get(line.kind, 0):
            return self._fate(line, part, Outcome.REFUSED, "uke.short-line")
        try:
            rows = self._rows(line)
        except SetAside as reason:
            return self._fate(line, part, Outcome.SET_ASIDE, reason.code)
        except Unreadable as problem:
            return self._fate(line, part, Outcome.REFUSED, problem.code)
        return Record(line.kind, line.number, self.unit, rows, self.unit, part=part, whole=False)

    def _fate(self, line: UkeLine, part: int, outcome: Outcome, code: str) -> Record:
        return Record(
            line.kind,
            line.number,
            self.unit,
            patient=self.unit,
            outcome=outcome,
            code=code,
            part=part,
            whole=False,
        )

    def _rows(self, line: UkeLine) -> tuple[Row, ...]:
        kind, layout = line.kind, self.layout
        if line is self.payer:
            only = self._first_visit() if len(self.visits) == 1 else None
            group = uke_dpc.group_code(self.group) if self.group else None
            return payer_rows(line, self.month, only, layout, group)
        if kind in layout.items:
            return item(line, self.context, layout.items[kind])
        if kind in layout.diseases:
            return disease(line, self.context, layout.diseases[kind])
        if not layout.care and kind in ("IY", "TO"):
            return uke_dispensing.dispensed(line, self.context, self.prescriptions.get(line.number))
        reader = _READERS.get(kind)
        if reader is not None:
            return reader(line, self.context)
        raise SetAside("no-table" if kind in RECEIPT_TYPES else "unknown-type")

    def _identity(self, institution: str) -> Identity:
        payer, head = self.payer, self.receipt.lines[0]
        if payer is None:
            return Identity((self.unit,), None, NO_IDENTIFIER)  # no receipt without a payer
        own = (x for x in self.receipt.lines if x.kind == "SN" and x.get(1) == INSURED)
        return identity_of(
            self.unit,
            payer.kind,
            (payer.get(1), payer.get(2), payer.get(3)),
            next((x.get(6) for x in own if x.get(6)), ""),
            (f"{JP_LOCAL}{institution}", head.get(self.layout.chart)),
            head.get(self.layout.kana),
            calendar_date(self.birth),
            self.sex,
        )

    def _visits(self, head: UkeLine) -> dict[int, str]:
        """Return start day → local name of the visits, in order.

        An outpatient's visits are the days that JD counts, else those of 初診 and 再診.
        """
        days, visited, counted = set[int](), set[int](), set[int]()
        for line in self.receipt.lines:
            if not line.usable:
                continue
            if line.kind == "JD" and line.get(1) == INSURED:
                counted |= self._counted(line)
            used = self._used(line)
            days |= used
            if line.kind in ("SI", "SS") and self.kinds.get(line.number) in VISITED:
                visited |= used
        self.last_day = max(days, default=None)
        if self.inpatient:
            group = self.group
            admitted = (group.get(uke_dpc.ADMITTED) if group else "") or head.get(8)
            left = group.get(uke_dpc.DISCHARGED) if group else ""
            if left:
                self.last_day = uke_day(left)
            starts = [uke_day(admitted)] if admitted else sorted(days)[:1]
        else:
            starts = sorted(counted) or sorted(visited) or sorted(days)[:1]
        return {start: f"{self.unit}/visit/{start}" for start in starts}

    def _used(self, line: UkeLine) -> set[int]:
        """Return the days of a line; none where the line itself will be refused."""
        items = self.layout.items.get(line.kind)
        try:
            if items is not None:
                return {when for when, _ in used_on(line.fields, items.days, self.month)}
        except Unreadable:
            return set()
        day = uke_dpc.day_of(line) if line.kind == "CD" else None
        return set() if day is None else {day}

    def _counted(self, line: UkeLine) -> set[int]:
        marks = line.fields[2 : 2 + self.month.length]
        return {self.month.at(n) for n, mark in enumerate(marks, 1) if mark.strip() == COUNTED_DAY}

    def _visit_rows(self, head: UkeLine) -> Iterator[Row]:
        for start, name in self.visits.items():
            end = max(start, self.last_day or start) if self.inpatient else start
            yield row(
                "visit_occurrence",
                name,
                visit_concept_id=9201 if self.inpatient else 9202,
                visit_start_date=start,
                visit_end_date=end,
                visit_type_concept_id=CLAIM,
                visit_source_value=head.get(2) if head.get(2).isdigit() else None,
            )

    def _first_visit(self) -> str | None:
        return next(iter(self.visits.values()), None)

    def _visit_on(self, when: int) -> str | None:
        before = [start for start in self.visits if start <= when]
        return self.visits[before[-1]] if before else self._first_visit()


def identity_of(
    unit: str,
    kind: str,
    numbers: tuple[str, str, str],
    branch: str,
    chart: tuple[str, str],
    kana: str,
    birth: date,
    sex: str,
) -> Identity:
    """Return whose a receipt is.

    Args:
        kind: HO, or KO where public assistance alone pays; ``numbers`` are its first fields.
        chart: the institution's own number, under its system.
    """
    if kind == "KO":
        key, problem = made_key(public_payer, *numbers[:2])
    else:
        key, problem = made_key(insured, *numbers, branch, birth=birth, sex=sex)
    others = (chart,) if chart[1] else ()
    by_name = name_key(kana, birth, sex)
    return Identity((unit,), key, problem, others, by_name, doubts(key), kana)


def _unit(header: Header, month: Month, head: UkeLine, layout: Layout) -> str:
    """Name the receipt, so that the same one sent again supersedes it.

    A number is issued anew every month of claims. What comes back (返戻) and is claimed again
    carries the 検索番号 that the payer gave it, in another month and under another number.
    """
    search = head.get(layout.search)
    own = f"search/{search}" if search else f"{header.claimed}/{head.get(1)}"
    return "/".join(("receipt", header.office, header.institution, month.name, own))
