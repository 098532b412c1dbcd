"""Receipts in columns, as far as they are plain.

What a receipt means is said in `uke_receipt`, for one at a time. A receipt is plain where nothing
in it can be refused and all that is read differently here gives the same: medical, of known record
types, with a key of its person that can be told without looking twice. A property test holds both
ways of reading against each other.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm.scalars import flag, int32, int64, text
from sekisho.provider.readers.uke_layouts import MEDICAL, RECEIPT_TYPES
from sekisho.provider.readers.uke_plain_persons import Persons, is_known
from sekisho.provider.readers.uke_receipt import (
    ADMITTED_KINDS,
    INSURED,
    LEAST_FIELDS,
    SEXES,
    Header,
)
from sekisho.provider.readers.uke_split import Split, each, first_of, mapped
from sekisho.provider.readers.uke_values import Month, uke_day, whole_number
from sekisho.pseudonym.identifiers import JP_LOCAL

KNOWN = ("RE", "HO", "KO", "SN", "SY", "SI", "IY", "TO")
NO_TABLE = ("CO", "JD", "MF", "SJ")


class Receipts:
    """The receipts of some lines, the first of which begins one.

    Attributes:
        rec: int32, the receipt of each line; `heads`: the line that begins each.
        bad: places of receipts that are not plain; what is said of them here means nothing.
    """

    def __init__(self, lines: Split, header: Header) -> None:
        self.lines, self.header = lines, header
        self.heads = lines.of("RE")
        self._heads = lines.fields(self.heads)
        begins = lines.by_kind(lambda kind: int(kind == "RE"), pa.int32())
        self.rec = pc.subtract(pc.cumulative_sum(begins), int32(1))
        self.bad: set[int] = set()
        self._check_lines()
        self._read_heads()
        self._read_payers()

    def __len__(self) -> int:
        return len(self.heads)

    def spoil(self, wrong: pa.Array, receipts: pa.Array | None = None) -> None:
        """Say which receipts are not plain: those where ``wrong`` is true, or null.

        Args:
            receipts: whose each entry of ``wrong`` is; None: one entry for each receipt.
        """
        found = pc.indices_nonzero(pc.fill_null(wrong, flag(True)))
        if len(found):
            self.bad.update((found if receipts is None else receipts.take(found)).to_pylist())

    def sizes(self) -> pa.Array:
        """Return how many lines each receipt has."""
        end = pa.array([len(self.lines)], pa.int32())
        return pc.subtract(pa.concat_arrays([self.heads[1:], end]), self.heads)

    def head(self, index: int) -> pa.Array:
        return self._heads.get(index)

    def _check_lines(self) -> None:
        lines = self.lines
        least = lines.by_kind(lambda kind: LEAST_FIELDS.get(kind, 0), pa.int32())
        strange = lines.by_kind(lambda kind: not _is_plain(kind), pa.bool_())
        self.spoil(pc.or_(strange, pc.less(lines.count, least)), self.rec)

    def _read_heads(self) -> None:
        places, months = each(self.head(3), Month)
        usable = [m if m is not None and m.first > 0 else None for m in months]
        self.spoil(pa.array([m is None for m in usable], pa.bool_()).take(places))

        def of_month(what: Callable[[Month], int | str], type_: pa.DataType) -> pa.Array:
            return pa.array([what(m or Month("197002")) for m in usable], type_).take(places)

        self.first_day = of_month(lambda m: m.first, pa.int32())
        self.last_day = of_month(lambda m: m.last, pa.int32())
        self.length = of_month(lambda m: m.length, pa.int32())
        self.month = of_month(lambda m: m.name, pa.string())
        self.birth = mapped(self.head(6), uke_day, pa.int32())
        self.spoil(pc.is_null(self.birth))
        self.birth = pc.fill_null(self.birth, int32(0))
        self.sex = mapped(self.head(5), lambda field: SEXES.get(field, "unknown"), pa.string())
        self.type = self.head(2)
        self.inpatient = mapped(self.type, lambda field: field[3:4] in ADMITTED_KINDS, pa.bool_())
        search, claim = self.head(MEDICAL.search), self.head(1)
        own = pc.if_else(
            pc.equal(search, text("")),
            joined(text(self.header.claimed), claim),
            joined(text("search"), search),
        )
        of = ("receipt", self.header.office, self.header.institution)
        self.unit = joined(text("/".join(of)), self.month, own)

    def _read_payers(self) -> None:
        lines, number = self.lines, len(self)
        insurers, public = (lines.of(kind) for kind in ("HO", "KO"))
        insurer = first_of(insurers, self.rec.take(insurers), number)
        self.insured = pc.is_valid(insurer)
        payer = pc.coalesce(insurer, first_of(public, self.rec.take(public), number))
        self.spoil(pc.is_null(payer))
        self.payer = pc.coalesce(payer, self.heads)  # a line of its own stands for none
        fields = lines.fields(self.payer)
        self.points = mapped(fields.get(5), _points, pa.int64())
        self.spoil(pc.is_null(self.points))
        unpaid = pc.and_(pc.less(self.points, int64(0)), pc.invert(self.insured))
        self.spoil(unpaid)  # a KO without points gives nothing
        plain = pc.match_substring_regex(fields.get(1), "^[0-9]+$")
        self.spoil(pc.and_(self.insured, pc.invert(plain)))  # else no law would be known
        own = lines.of("SN")
        told = lines.fields(own)
        branch = told.get(6)
        counts = pc.and_(pc.equal(told.get(1), text(INSURED)), pc.not_equal(branch, text("")))
        own = own.filter(counts)
        first = first_of(own, self.rec.take(own), number)
        there = pc.is_valid(first)
        found = lines.fields(pc.fill_null(first, int32(0))).get(6)
        self.persons = Persons(
            self.unit,
            self.insured,
            tuple(fields.get(index) for index in (1, 2, 3)),
            pc.if_else(there, found, text("")),
            f"{JP_LOCAL}{self.header.institution}",
            self.head(MEDICAL.chart),
            self._heads.rest(),
            self.birth,
            self.sex,
        )
        unsure = pc.indices_nonzero(pc.invert(self.persons.surely_known()))
        who = self.persons.who()
        said = zip(unsure.to_pylist(), who.ask(who.rows.take(unsure), False), strict=True)
        self.bad.update(place for place, one in said if not is_known(one))


def _points(field: str) -> int:
    """Return 合計点数; -1 where there is none."""
    return whole_number(field) if field else -1


def _is_plain(kind: str) -> bool:
    if kind in KNOWN or kind in NO_TABLE:
        return True
    strange = len(kind) == 2 and kind.isascii() and kind.isupper() and kind.isalpha()
    return strange and kind not in RECEIPT_TYPES


def joined(*columns: pa.Array | pa.Scalar) -> pa.Array:
    return pc.binary_join_element_wise(*columns, text("/"))
