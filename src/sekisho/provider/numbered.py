"""What becomes of each record of a submission, by its number: a column for each thing known."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm.scalars import flag, int32, null, uint8
from sekisho.provider.places import Places, column
from sekisho.provider.records import Outcome

SENT, ASIDE = int(Outcome.SENT), int(Outcome.SET_ASIDE)
REFUSED, OVER = int(Outcome.REFUSED), int(Outcome.SUPERSEDED)

Values: TypeAlias = "bytes | bytearray | memoryview | array[Any]"
"""The memory of some values."""


class Numbered:
    """Records are numbered from 0 in the order in which they are read.

    Attributes:
        types, codes: the number of each record type, and of each reason.
    """

    def __init__(self) -> None:
        self.files: list[str] = []
        self.types: dict[str, int] = {}
        self.codes: dict[str, int] = {"": 0}
        self._type, self._code = array("H"), array("H")
        self._outcome = bytearray()
        self._file, self._line = array("I"), array("I")
        self._patient = array("i")
        self._starts = bytearray()

    def __len__(self) -> int:
        return len(self._outcome)

    def extend(
        self,
        outcomes: Values,
        types: Values,
        codes: Values,
        lines: Values,
        patients: Values,
        starts: Values,
    ) -> None:
        """Add records of the latest file.

        Args:
            outcomes, starts: a byte each; the latter whether it begins a unit.
            types, codes: uint16, as numbered in ``types`` and ``codes``.
            lines: uint32.
            patients: int32, -1 where none is named.
        """
        before = len(self._outcome)
        self._outcome += outcomes
        self._starts += starts
        columns = (self._type, types), (self._code, codes), (self._line, lines)
        for column_, values in (*columns, (self._patient, patients)):
            column_.frombytes(memoryview(values).cast("B"))
        self._file.extend([len(self.files) - 1] * (len(self._outcome) - before))

    def type_number(self, record_type: str) -> int:
        return self.types.setdefault(record_type, len(self.types))

    def code_number(self, code: str) -> int:
        return self.codes.setdefault(code, len(self.codes))

    @property
    def sent(self) -> pa.Array:
        """Whether each is sent (or withheld)."""
        return pc.equal(self._outcomes(), uint8(SENT))

    def is_sent(self, number: int) -> bool:
        """Return whether one record is sent (or withheld)."""
        return self._outcome[number] == SENT

    def is_aside(self, number: int) -> bool:
        """Return whether one record is set aside."""
        return self._outcome[number] == ASIDE

    def supersede(self, beginnings: Iterable[int]) -> None:
        """Say that a later unit took the place of those that begin with these records."""
        for start in beginnings:
            number = start
            while number < len(self._outcome) and (number == start or not self._starts[number]):
                if self._outcome[number] != REFUSED:
                    self._outcome[number] = OVER
                number += 1

    def refuse_lost(self, known: pa.Array) -> Iterator[tuple[str, int, str, int]]:
        """Refuse what would be sent of patients that are not known, or of none.

        Args:
            known: by patient number.

        Yields:
            File, line, record type and patient number (-1: none) of each.
        """
        kinds = list(self.types)
        patients = column(self._patient, pa.int32())
        there = pc.if_else(pc.less(patients, int32(0)), null(patients), patients)
        lost = pc.invert(pc.fill_null(pc.take(known, there), flag(False)))
        for number in pc.indices_nonzero(pc.and_(self.sent, lost)).to_pylist():
            self._outcome[number] = REFUSED
            file, kind = self.files[self._file[number]], kinds[self._type[number]]
            yield file, self._line[number], kind, self._patient[number]

    def patients_of(self, wanted: Callable[[str], bool]) -> set[int]:
        """Return the patient numbers that have a sent record of a wanted type."""
        numbers = [number for kind, number in self.types.items() if wanted(kind)]
        mine = pc.is_in(self._type_numbers(), value_set=pa.array(numbers, pa.uint16()))
        patients = column(self._patient, pa.int32()).filter(pc.and_(mine, self.sent))
        return set(patients.unique().to_pylist())

    def counts(self) -> Mapping[str, Counter[Outcome]]:
        """Return record type → how many had each outcome."""
        names = list(self.types)
        made: dict[str, Counter[Outcome]] = {name: Counter() for name in names}
        for kind, outcome, n in _counted(self._type_numbers(), self._outcomes()):
            made[names[kind]][Outcome(outcome)] += n
        return made

    def reasons(self) -> dict[tuple[str, str], int]:
        """Return (record type, reason) → how many records were set aside for it."""
        names, codes = list(self.types), list(self.codes)
        aside = pc.equal(self._outcomes(), uint8(ASIDE))
        found = _counted(
            self._type_numbers().filter(aside), column(self._code, pa.uint16()).filter(aside)
        )
        return {(names[kind], codes[code]): n for kind, code, n in found}

    def places(self) -> Places:
        """Return where the records stand; none is added afterwards."""
        return Places(self.files, list(self.types), self._file, self._line, self._type)

    def _outcomes(self) -> pa.Array:
        return column(self._outcome, pa.uint8())

    def _type_numbers(self) -> pa.Array:
        return column(self._type, pa.uint16())


def _counted(left: pa.Array, right: pa.Array) -> list[tuple[int, int, int]]:
    """Return each pair of values with how often it stands, in order."""
    pairs = pa.table([left, right], ["left", "right"]).group_by(["left", "right"])
    counted = pairs.aggregate([([], "count_all")])
    return sorted(zip(*(column.to_pylist() for column in counted.columns), strict=True))
