"""One receipt (レセプト) to records: who, which visits, and the rows of every line.

Source: formats A1 (semantics 1–6) and A9. Choices: one condition per SY line, from 診療開始日 on;
an outcome (転帰) is dated at the month's end, the only day that the receipt proves; a line that was
given on a day without a visit belongs to the latest visit before it, else to the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sekisho.provider.readers.fhir_patient import doubts, key_of, name_key
from sekisho.provider.readers.uke_lines import LINES, Context, unit_kinds
from sekisho.provider.readers.uke_values import Month, calendar_date, uke_day, used_on, whole_number
from sekisho.provider.records import (
    NO_IDENTIFIER,
    UNREADABLE,
    Identity,
    Outcome,
    Record,
    Row,
    SetAside,
    Unreadable,
    refused,
    row,
)
from sekisho.pseudonym.identifiers import JP_INSURED, JP_LOCAL, JP_PUBLIC_PAYER

_SEXES = {"1": (8507, "male"), "2": (8532, "female")}
_CHART, _KANA = 13, 36  # RE: カルテ番号等, カタカナ（氏名）
_VISITED = ("11", "12")  # 診療識別: 初診, 再診
_DAY_COLUMNS = {"SI": 13, "IY": 13, "TO": 17}
_LEAST_FIELDS = {"RE": 9, "HO": 6, "KO": 6, "SN": 7, "SY": 7, "SI": 7, "IY": 7, "TO": 7}
_CLAIM = 32810
_NO_ROWS = {"KO", "SN", "TO", "CO", "SJ"}


@dataclass(frozen=True)
class UkeLine:
    """One line, decoded and split. ``problem`` is a finding's code where it could not be."""

    number: int
    kind: str
    fields: list[str]
    problem: str = ""

    def get(self, index: int) -> str:
        return self.fields[index].strip() if index < len(self.fields) else ""


@dataclass(frozen=True)
class Header:
    """From IR: who examines and pays (審査支払機関), institution (10 digits), month of the claim.

    Receipts are numbered anew in each file, and an institution files one to each 審査支払機関.
    """

    office: str
    institution: str
    claimed: str


@dataclass(frozen=True)
class Receipt:
    """A receipt's lines, RE first, under the file's header."""

    header: Header | None
    lines: list[UkeLine]

    def first(self, kind: str) -> UkeLine | None:
        return next((x for x in self.lines if x.kind == kind and not x.problem), None)

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
        if len(head.fields) < _LEAST_FIELDS["RE"]:
            raise Unreadable("uke.short-line")
        if receipt.header is None:
            raise Unreadable("uke.no-institution")
        self.receipt = receipt
        self.month = Month(head.get(3))
        self.birth = uke_day(head.get(6))
        self.sex = _SEXES.get(head.get(5), (0, "unknown"))
        self.inpatient = head.get(2)[3:4] in ("1", "3", "5", "7", "9")
        self.kinds = unit_kinds(receipt.lines)
        header = receipt.header
        # A number is issued anew every month, and 検索番号 (18) tells apart what is sent again.
        self.unit = "/".join(
            (
                "receipt",
                header.office,
                header.institution,
                self.month.name,
                header.claimed,
                head.get(1),
                head.get(18),
            )
        )
        self.identity = self._identity()
        self.visits = self._visits(head)
        self.context = Context(
            self.month, self.inpatient, self.kinds, self._visit_on, self._first_visit()
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
        born = calendar_date(self.birth)
        person = row(
            "person",
            gender_concept_id=self.sex[0],
            year_of_birth=born.year,
            month_of_birth=born.month,
            gender_source_value=self.sex[1],
        )
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
        def fate(outcome: Outcome, code: str) -> Record:
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

        if line.problem or line.kind == UNREADABLE:
            return fate(Outcome.REFUSED, line.problem or "uke.short-line")
        if len(line.fields) < _LEAST_FIELDS.get(line.kind, 0):
            return fate(Outcome.REFUSED, "uke.short-line")
        try:
            rows = self._rows(line)
        except SetAside as reason:
            return fate(Outcome.SET_ASIDE, reason.code)
        except Unreadable as problem:
            return fate(Outcome.REFUSED, problem.code)
        return Record(line.kind, line.number, self.unit, rows, self.unit, part=part, whole=False)

    def _rows(self, line: UkeLine) -> tuple[Row, ...]:
        if line is self.receipt.payer:
            return self._cost(line)
        reader = LINES.get(line.kind)
        if reader is None:
            raise SetAside(
                "no-table" if line.kind in _NO_ROWS or line.kind == "HO" else "unknown-type"
            )
        return reader(line.get, line.fields, line.number, self.context)

    def _cost(self, line: UkeLine) -> tuple[Row, ...]:
        if not line.get(5):
            raise SetAside("no-value")
        only = next(iter(self.visits.values())) if len(self.visits) == 1 else None
        return (
            row(
                "cost",
                only,
                cost_domain_id="Visit",
                cost_type_concept_id=5031,
                currency_concept_id=44818592,
                total_charge=str(whole_number(line.get(5)) * 10),  # 1 point is 10 yen
                incurred_date=self.month.last,
                cost_source_value=line.kind,
            ),
        )

    def _identity(self) -> Identity:
        payer, head = self.receipt.payer, self.receipt.lines[0]
        birth, sex = calendar_date(self.birth), self.sex[1]
        chart = head.get(_CHART)
        institution = self.receipt.header.institution if self.receipt.header else ""
        others = ((f"{JP_LOCAL}{institution}", chart),) if chart else ()
        by_name = name_key(head.get(_KANA), birth, sex)
        if payer is None:
            return Identity((self.unit,), None, NO_IDENTIFIER)  # no receipt without a payer
        if payer.kind == "KO":
            key, problem = key_of(JP_PUBLIC_PAYER, f"{payer.get(1)}::{payer.get(2)}:")
        else:
            own = (x for x in self.receipt.lines if x.kind == "SN" and x.get(1) == "1")
            branch = next((x.get(6) for x in own if x.get(6)), "")
            value = ":".join((payer.get(1), payer.get(2), payer.get(3), branch))
            key, problem = key_of(JP_INSURED, value, birth, sex)
        return Identity((self.unit,), key, problem, others, by_name, doubts(key))

    def _visits(self, head: UkeLine) -> dict[int, str]:
        """Return start day → local name of the visits, in order."""
        days, visited = set[int](), set[int]()
        for line in self.receipt.lines:
            first = _DAY_COLUMNS.get(line.kind)
            if first is None or line.problem:
                continue
            try:
                used = {when for when, _ in used_on(line.fields, first, self.month)}
            except Unreadable:
                continue  # the line itself will be refused
            days |= used
            if line.kind == "SI" and self.kinds.get(line.number) in _VISITED:
                visited |= used
        if self.inpatient:
            starts = [uke_day(head.get(8))] if head.get(8) else sorted(days)[:1]
        else:
            starts = sorted(visited) or sorted(days)[:1]
        self.last_day = max(days, default=None)
        return {start: f"{self.unit}/visit/{start}" for start in starts}

    def _visit_rows(self, head: UkeLine) -> Iterator[Row]:
        for start, name in self.visits.items():
            end = max(start, self.last_day or start) if self.inpatient else start
            yield row(
                "visit_occurrence",
                name,
                visit_concept_id=9201 if self.inpatient else 9202,
                visit_start_date=start,
                visit_end_date=end,
                visit_type_concept_id=_CLAIM,
                visit_source_value=head.get(2) if head.get(2).isdigit() else None,
            )

    def _first_visit(self) -> str | None:
        return next(iter(self.visits.values()), None)

    def _visit_on(self, when: int) -> str | None:
        before = [start for start in self.visits if start <= when]
        return self.visits[before[-1]] if before else self._first_visit()
