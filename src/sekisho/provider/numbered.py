"""What becomes of each record of a submission, by its number: a column for each thing known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm.scalars import flag, int32, null, uint8
from sekisho.provider.long_columns import LongColumn, Values
from sekisho.provider.places import Places
from sekisho.provider.records import Outcome

SENT, ASIDE = int(Outcome.SENT), int(Outcome.SET_ASIDE)
REFUSED, OVER = int(Outcome.REFUSED), int(Outcome.SUPERSEDED)


class Numbered:
    """Records are numbered from 0 in the order in which they are read.

    Args:
        new_file: names files for what is too long for memory.

    Attributes:
        types, codes: the number of each record type, and of each reason.
    """

    def __init__(self, new_file: Callable[[], Path]) -> None:
        self.files: list[str] = []
        self.types: dict[str, int] = {}
        self.codes: dict[str, int] = {"": 0}
        self._outcome = bytearray()  # the only one that changes afterwards
        self._type, self._code = LongColumn("H", new_file), LongColumn("H", new_file)
        self._file, self._line = LongColumn("I", new_file), LongColumn("I", new_file)
        self._patient = LongColumn("i", new_file)
        self._starts = LongColumn("B", new_file)

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
        self._starts.extend(starts)
        self._type.extend(types)
        self._code.extend(codes)
        self._line.extend(lines)
        self._patient.extend(patients)
        self._file.append_all([len(self.files) - 1] * (len(self._outcome) - before))

    def type_number(self, record_type: str) -> int:
        return self.types.setdefault(record_type, len(self.types))

    def code_number(self, code: str) -> int:
        return self.codes.setdefault(code, len(self.codes))

    @property
    def sent(self) -> pa.Array:
        """Whether each is sent (or withheld)."""
        return pc.equal(self._outcomes(0, len(self)), uint8(SENT))

    def is_sent(self, number: int) -> bool:
        """Return whether one record is sent (or withheld)."""
        return self._outcome[number] == SENT

    def is_aside(self, number: int) -> bool:
        """Return whether one record is set aside."""
        return self._outcome[number] == ASIDE

    def supersede(self, beginnings: Iterable[int]) -> None:
        """Say that a later unit took the place of those that begin with these records."""
        replaced = pa.array(beginnings, pa.int64())
        if not len(replaced):
            return
        last = pa.array([False])  # whether the unit that goes on from the piece before is one
        for first, (starts,) in self._pieces(self._starts):
            places = pc.indices_nonzero(starts)
            begun = pc.is_in(pc.add(places.cast(pa.int64()), first), value_set=replaced)
            ours = pa.concat_arrays([last, begun])
            over = ours.take(pc.cumulative_sum(starts.cast(pa.int32())))
            outcomes = self._outcomes(first, len(starts))
            over = pc.and_(over, pc.not_equal(outcomes, uint8(REFUSED)))
            made = pc.if_else(over, uint8(OVER), outcomes)
            self._outcome[first : first + len(made)] = memoryview(made.buffers()[1])[: len(made)]
            last = ours[-1:]

    def refuse_lost(self, known: pa.Array) -> Iterator[tuple[str, int, str, int]]:
        """Refuse what would be sent of patients that are not known, or of none.

        Args:
            known: by patient number.

        Yields:
            File, line, record type and patient number (-1: none) of each.
        """
        kinds = list(self.types)
        columns = self._patient, self._file, self._line, self._type
        for first, (patients, *others) in self._pieces(*columns):
            there = pc.if_else(pc.less(patients, int32(0)), null(patients), patients)
            lost = pc.invert(pc.fill_null(pc.take(known, there), flag(False)))
            sent = pc.equal(self._outcomes(first, len(patients)), uint8(SENT))
            places = pc.indices_nonzero(pc.and_(sent, lost))
            found = (column.take(places).to_pylist() for column in (*others, patients))
            for place, file, line, kind, patient in zip(places.to_pylist(), *found, strict=True):
                self._outcome[first + place] = REFUSED
                yield self.files[file], line, kinds[kind], patient

    def persons_of(self, wanted: Callable[[str], bool], persons: pa.Array) -> pa.Array:
        """Return the persons that have a sent record of a wanted type.

        Args:
            persons: by patient number, that of the person.
        """
        numbers = pa.array([number for kind, number in self.types.items() if wanted(kind)])
        found = [pa.array([], pa.int32())]
        for first, (types, patients) in self._pieces(self._type, self._patient):
            mine = pc.is_in(types, value_set=numbers.cast(pa.uint16()))
            sent = pc.equal(self._outcomes(first, len(types)), uint8(SENT))
            here = patients.filter(pc.and_(mine, sent))
            found.append(persons.take(here).unique())  # of many records, some thousand persons
        return pa.concat_arrays(found).unique()

    def counts(self) -> Mapping[str, Counter[Outcome]]:
        """Return record type → how many had each outcome."""
        names = list(self.types)
        made: dict[str, Counter[Outcome]] = {name: Counter() for name in names}
        for first, (types,) in self._pieces(self._type):
            for kind, outcome, n in _counted(types, self._outcomes(first, len(types))):
                made[names[kind]][Outcome(outcome)] += n
        return made

    def reasons(self) -> dict[tuple[str, str], int]:
        """Return (record type, reason) → how many records were set aside for it."""
        found = Counter[tuple[int, int]]()
        for first, (types, codes) in self._pieces(self._type, self._code):
            aside = pc.equal(self._outcomes(first, len(types)), uint8(ASIDE))
            for kind, code, n in _counted(types.filter(aside), codes.filter(aside)):
                found[kind, code] += n
        names, codes_ = list(self.types), list(self.codes)
        return {(names[kind], codes_[code]): found[kind, code] for kind, code in sorted(found)}

    def places(self) -> Places:
        """Return where the records stand; none is added afterwards."""
        return Places(self.files, list(self.types), self._file, self._line, self._type)

    def _pieces(self, *columns: LongColumn) -> Iterator[tuple[int, tuple[pa.Array, ...]]]:
        """Yield the number of the first record of each piece, and the piece of each column."""
        first = 0
        for pieces in zip(*(column.pieces() for column in columns), strict=True):
            yield first, pieces
            first += len(pieces[0])

    def _outcomes(self, first: int, size: int) -> pa.Array:
        """Return outcomes over the same memory: gone before records are added."""
        data = pa.py_buffer(self._outcome)
        return pa.Array.from_buffers(pa.uint8(), size, [None, data], offset=first)


def _counted(left: pa.Array, right: pa.Array) -> list[tuple[int, int, int]]:
    """Return each pair of values with how often it stands, in order."""
    pairs = pa.table([left, right], ["left", "right"]).group_by(["left", "right"])
    counted = pairs.aggregate([([], "count_all")])
    return sorted(zip(*(column.to_pylist() for column in counted.columns), strict=True))
