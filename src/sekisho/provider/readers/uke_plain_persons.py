"""Whose plain receipts are: told from the shape of the numbers, looked up when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import repeat
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm.scalars import text
from sekisho.provider.batches import Who
from sekisho.provider.readers.fhir_patient import doubts, made_key
from sekisho.provider.readers.uke_layouts import MEDICAL
from sekisho.provider.readers.uke_receipt import identity_of
from sekisho.provider.readers.uke_split import mapped, rest_of
from sekisho.provider.readers.uke_values import calendar_date
from sekisho.provider.records import Identity
from sekisho.pseudonym.identifiers import insured, public_payer
from sekisho.pseudonym.numbers import is_my_number

_SIMPLE = "^[!-9;-~！-９；-～ぁ-ゖァ-ヺー一-鿿]{0,11}$"
"""Characters that each stay one in a folded text, no colon; too short for an individual number."""
_CHART = "^[!-~]{0,11}$"
_KANA = MEDICAL.kana - rest_of("RE")
_NUMBERS = ("payer", "symbol", "number")


@dataclass(frozen=True, eq=False)
class Persons:
    """Whose each receipt is; what `identity_of` makes of it is made when it is asked for.

    ``rest``: the end of each RE line, where the name stands.
    """

    unit: pa.Array = field(repr=False)
    insured: pa.Array = field(repr=False)
    numbers: tuple[pa.Array, ...] = field(repr=False)
    branch: pa.Array = field(repr=False)
    chart_system: str = field(repr=False)
    chart: pa.Array = field(repr=False)
    rest: pa.Array = field(repr=False)
    birth: pa.Array = field(repr=False)
    sex: pa.Array = field(repr=False)

    def who(self) -> Who:
        """Return whose they are, for a batch."""
        columns = {
            "unit": self.unit,
            "insured": self.insured,
            **dict(zip(_NUMBERS, self.numbers, strict=True)),
            "branch": self.branch,
            "chart": self.chart,
            "rest": self.rest,
            "birth": self.birth,
            "sex": self.sex,
        }
        return Who(pa.table(columns), partial(_identities, self.chart_system))

    def filter(self, kept: pa.Array) -> Persons:
        """Return those that are kept."""
        return Persons(
            self.unit.filter(kept),
            self.insured.filter(kept),
            tuple(column.filter(kept) for column in self.numbers),
            self.branch.filter(kept),
            self.chart_system,
            self.chart.filter(kept),
            self.rest.filter(kept),
            self.birth.filter(kept),
            self.sex.filter(kept),
        )

    def surely_known(self) -> pa.Array:
        """Return which have, by the mere shape of their numbers, a key without a doubt."""
        payer, symbol, number = self.numbers
        matches = pc.match_substring_regex
        own, nobody = self.insured, text("")
        insurer = mapped(pc.if_else(own, payer, nobody), _is_insurer, pa.bool_())
        public = mapped(pc.if_else(own, nobody, payer), _is_public_payer, pa.bool_())
        simple = pc.and_(matches(symbol, _SIMPLE), matches(number, _SIMPLE))
        simple = pc.and_(simple, matches(self.branch, "^[0-9]{0,2}$"))
        simple = pc.and_(pc.and_(simple, pc.not_equal(number, text(""))), insurer)
        shared = pc.and_(public, matches(symbol, "^[0-9]{1,7}$"))
        return pc.and_(pc.if_else(self.insured, simple, shared), matches(self.chart, _CHART))


def _identities(chart_system: str, rows: pa.Table, by_name: bool) -> list[Identity]:
    """Return what `identity_of` makes of each receipt."""

    def column(name: str) -> list[Any]:
        found: list[Any] = rows.column(name).to_pylist()
        return found

    days = column("birth")
    dates = {day: calendar_date(day) for day in set(days)}
    return [
        identity_of(unit, kind, numbers, branch, (chart_system, chart), kana, birth, sex)
        for unit, kind, numbers, branch, chart, kana, birth, sex in zip(
            column("unit"),
            ("HO" if insured else "KO" for insured in column("insured")),
            zip(*map(column, _NUMBERS), strict=True),
            column("branch"),
            column("chart"),
            map(_kana, column("rest")) if by_name else repeat(""),
            map(dates.__getitem__, days),
            column("sex"),
            strict=False,
        )
    ]


def _kana(rest: str) -> str:
    fields = rest.split(",", _KANA + 1)
    return fields[_KANA].strip() if len(fields) > _KANA else ""


@lru_cache(maxsize=1 << 12)
def _is_insurer(field: str) -> bool:
    key, _ = made_key(insured, field, "", "1", "01")
    return key is not None and not doubts(key)


@lru_cache(maxsize=1 << 12)
def _is_public_payer(field: str) -> bool:
    key, _ = made_key(public_payer, field, "1")
    return key is not None and not doubts(key)


def is_known(identity: Identity) -> bool:
    """Tell whether somebody is known by a key that nobody needs to look at."""
    return (
        identity.key is not None
        and not identity.problem
        and not identity.doubts
        and not any(is_my_number(value) for _, value in identity.others)
    )
