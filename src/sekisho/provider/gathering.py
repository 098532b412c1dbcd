"""Records of a whole submission: what becomes of each, and whose it is, once all are read."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby, repeat
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm.scalars import flag, int32, int64, null, uint8
from sekisho.provider.batch_taking import Fates, bytes_of, fates_of, named_rows
from sekisho.provider.batches import Batch, Who
from sekisho.provider.columns import Columns
from sekisho.provider.findings import Finding, Findings
from sekisho.provider.names import Name
from sekisho.provider.objects import Leaving
from sekisho.provider.places import Places, column
from sekisho.provider.profile import Profile
from sekisho.provider.readers.fhir_patient import USABLE, key_of
from sekisho.provider.records import (
    MY_NUMBER,
    NO_IDENTIFIER,
    UNREADABLE,
    Identity,
    Note,
    Outcome,
    Record,
)
from sekisho.provider.scratch import Scratch
from sekisho.provider.units import Units
from sekisho.pseudonym.identifiers import PersonKey, canonical

Classify = Callable[[str, str], Sequence[tuple[str, str]]]
"""(format, record type) → every (kind, data class) that it belongs to; none where unknown."""

_Told = tuple[Who, int]
"""Who says whose a unit of a batch is, and its place there."""

_AT_ONCE = 1 << 8
"""So many records and rows are taken together at most: more would not fit a core's cache."""

_SENT, _ASIDE = int(Outcome.SENT), int(Outcome.SET_ASIDE)
_REFUSED, _OVER = int(Outcome.REFUSED), int(Outcome.SUPERSEDED)


class Gathering:
    """Takes records one by one; afterwards says what became of them.

    Two units with one name: the last wins, as in a FHIR bulk export; a single record that
    is refused takes nothing's place.
    """

    def __init__(
        self,
        format_id: str,
        family: str,
        classify: Classify,
        provider_key: bytes,
        kept: frozenset[str],
        profile: Profile,
        scratch: Scratch,
        table_bytes: int,
    ) -> None:
        self._profile, self._scratch, self._table_bytes = profile, scratch, table_bytes
        self._format, self._classify, self._kept = format_id, classify, kept
        self._names: defaultdict[str, Name] = _Names(provider_key, family)
        self._kinds: dict[str, tuple[tuple[str, str], ...]] = {}
        self.findings = Findings()
        self.dropped: Counter[str] = Counter()
        self.stores: dict[tuple[str, str], Columns] = {}
        self.objects: defaultdict[str, list[tuple[int, Leaving]]] = defaultdict(list)
        self._types: dict[str, int] = {}
        self._codes: dict[str, int] = {"": 0}
        self._type, self._code = array("H"), array("H")
        self._outcome = bytearray()
        self._file, self._line = array("I"), array("I")
        self._patient = array("i")
        self._starts = bytearray()
        self._units = Units()
        self._withdrawing: list[tuple[int, str, str]] = []
        self._patients: dict[str, int] = {}
        self._identities: dict[str, Identity | _Told] = {}
        self.files: list[str] = []
        self._waiting: list[Record] = []
        self._load = 0

    def open_file(self, name: str) -> None:
        """Say that what follows is from the file called ``name``."""
        self._take_waiting()
        self.files.append(name)

    def note(self, note: Note) -> None:
        self.findings.add(
            Finding(self.files[-1], note.line, note.code, note.record_type, about="file")
        )

    def kinds_of(self, record_type: str) -> tuple[tuple[str, str], ...]:
        """Return the (kind, data class) pairs of a record type; none where it cannot be told."""
        if record_type not in self._kinds:
            known = record_type != UNREADABLE  # even a rule for all others must not claim it
            kinds = self._classify(self._format, record_type) if known else ()
            self._kinds[record_type] = tuple(kinds)
        return self._kinds[record_type]

    def add(self, record: Record) -> None:
        """Take one record; it may wait until some can be taken together, which is faster."""
        self._waiting.append(record)
        self._load += 1 + len(record.rows) + (len(record.unit) + len(record.patient or "") >> 8)
        if self._load >= _AT_ONCE:
            self._take_waiting()

    def _take_waiting(self) -> None:
        records, self._waiting, self._load = self._waiting, [], 0
        if records:
            self._take(records)

    def _take(self, records: Sequence[Record]) -> None:
        first, types = len(self._outcome), [record.record_type for record in records]
        kinds = {name: self.kinds_of(name) for name in set(types)}
        outcomes = bytearray([record.outcome for record in records])
        codes = [0] * len(records)
        for place, record in enumerate(records):
            if outcomes[place] or record.identity is not None or not kinds[record.record_type]:
                outcomes[place], codes[place] = self._settle(record, bool(kinds[types[place]]))
            if outcomes[place] == _ASIDE and record.withdraws:
                self._withdrawing.append((first + place, record.unit, record.record_type))
        begins = [record.part == 0 for record in records]
        named = [
            place
            for place, record in enumerate(records)
            if begins[place] and (outcomes[place] != _REFUSED or not record.whole)
        ]
        self._units.extend([records[p].unit for p in named], [first + place for place in named])
        numbers = self._patients
        patients = [
            numbers.setdefault(name, len(numbers)) if name else -1
            for name in [record.patient for record in records]
        ]
        self._outcome += outcomes
        self._type.extend([self._types.setdefault(name, len(self._types)) for name in types])
        self._code.extend(codes)
        self._file.extend([len(self.files) - 1] * len(records))
        self._line.extend([record.line for record in records])
        self._patient.extend(patients)
        self._starts += bytearray(begins)
        sent = [place for place, outcome in enumerate(outcomes) if outcome == _SENT]
        for place in sent:
            if records[place].dropped:
                self.dropped[types[place]] += records[place].dropped
        for data_class in sorted({of for pairs in kinds.values() for _, of in pairs} & self._kept):
            of_class = {
                name: [kind for kind, of in pairs if of == data_class]
                for name, pairs in kinds.items()
            }
            places = [place for place in sent if of_class[types[place]]]
            self._keep(data_class, of_class, [(records[p], first + p, patients[p]) for p in places])

    def _settle(self, record: Record, has_kind: bool) -> tuple[int, int]:
        """Return outcome and reason (its number) of a record; note whose it is and its findings."""
        outcome, code, identity = int(record.outcome), record.code, record.identity
        if identity is not None:
            identity = self._profile.settle(identity)
            if outcome == _SENT and identity.problem:
                outcome, code = _REFUSED, identity.problem
        if outcome == _SENT and not has_kind:
            outcome, code = _ASIDE, "no-kind"
        file, line, kind = self.files[-1], record.line, record.record_type
        if outcome == _REFUSED:
            self.findings.add(Finding(file, line, code, kind))
        if identity is not None:
            for name in identity.refs:
                self._identities[name] = identity
            for doubt in identity.doubts:
                self.findings.add(Finding(file, line, doubt, kind, about="doubt"))
        return outcome, self._codes.setdefault(code, len(self._codes))

    def take(self, batch: Batch) -> None:
        """Take many records, and in their place among them those that were read one by one."""
        self._take_waiting()
        number = pc.add(batch.places(), int64(len(self._outcome))).cast(pa.int32())
        fates = fates_of(batch, self._types, self._codes, lambda t: bool(self.kinds_of(t)))
        patients = list[int]()
        done = 0
        for until, records in (*batch.between, (len(batch.units), ())):
            patients += self._extend(batch, fates, done, until)
            self._take(records)
            done = until
        patient = pa.array(patients, pa.int32()).take(batch.unit)
        for data_class in sorted(self._kept):
            kinds = {
                record_type: [kind for kind, of in self.kinds_of(record_type) if of == data_class]
                for record_type in batch.record_types()
            }
            if any(kinds.values()):
                for one in named_rows(batch, data_class, kinds, self._names[data_class].all):
                    links = [patient.take(one.record), number.take(one.record), *one.origin]
                    self._store(data_class, one.table).extend(links, one.values)

    def resolve(self) -> list[PersonKey | None]:
        """Settle what every record becomes and whose it is; return the key by patient number.

        Records whose person cannot be told become refused, each with a finding.
        """
        self._take_waiting()
        self._supersede()
        keys: list[PersonKey | None] = []
        problems: list[str] = []
        for key, problem in self._persons():
            keys.append(key)
            problems.append(problem)
        kinds = list(self._types)
        known = pa.array([key is not None for key in keys], pa.bool_())
        patients = column(self._patient, pa.int32())
        there = pc.if_else(pc.less(patients, int32(0)), null(patients), patients)
        lost = pc.invert(pc.fill_null(pc.take(known, there), flag(False)))
        for number in pc.indices_nonzero(pc.and_(self.alive, lost)).to_pylist():
            patient = self._patient[number]
            code = problems[patient] if patient >= 0 else "person.no-subject"
            self._outcome[number] = _REFUSED
            file, kind = self.files[self._file[number]], kinds[self._type[number]]
            self.findings.add(Finding(file, self._line[number], code, kind))
        return keys

    @property
    def alive(self) -> pa.Array:
        """By record number: whether it is sent (or withheld)."""
        return pc.equal(self._outcomes(), uint8(_SENT))

    def is_sent(self, number: int) -> bool:
        """Return whether one record is sent (or withheld)."""
        return self._outcome[number] == _SENT

    def persons_of(self, data_class: str) -> set[int]:
        """Return the patient numbers that have a sent record in ``data_class``."""
        wanted = {
            number
            for kind, number in self._types.items()
            if any(c == data_class for _, c in self.kinds_of(kind))
        }
        mine = pc.is_in(self._type_numbers(), value_set=pa.array(sorted(wanted), pa.uint16()))
        patients = column(self._patient, pa.int32()).filter(pc.and_(mine, self.alive))
        return set(patients.unique().to_pylist())

    def withdrawn(self, classes: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return class → names of the units in it that are gone at the source, in order.

        A unit that comes again later in the same submission is not.
        """
        made: dict[str, set[str]] = {}
        for number, unit, record_type in self._withdrawing:
            if self._outcome[number] != _ASIDE:
                continue
            for _, data_class in self.kinds_of(record_type):
                if data_class in classes:
                    made.setdefault(data_class, set()).add(self._names[data_class]("unit", unit))
        return {data_class: tuple(sorted(names)) for data_class, names in sorted(made.items())}

    def counts(self) -> Mapping[str, Counter[Outcome]]:
        """Return record type → how many had each outcome."""
        names = list(self._types)
        made: dict[str, Counter[Outcome]] = {name: Counter() for name in names}
        for kind, outcome, n in _counted(self._type_numbers(), self._outcomes()):
            made[names[kind]][Outcome(outcome)] += n
        return made

    def reasons(self) -> dict[tuple[str, str], int]:
        """Return (record type, reason) → how many records were set aside for it."""
        names, codes = list(self._types), list(self._codes)
        aside = pc.equal(self._outcomes(), uint8(_ASIDE))
        found = _counted(
            self._type_numbers().filter(aside), column(self._code, pa.uint16()).filter(aside)
        )
        return {(names[kind], codes[code]): n for kind, code, n in found}

    def places(self) -> Places:
        """Return where the records stand; none is taken afterwards."""
        return Places(self.files, list(self._types), self._file, self._line, self._type)

    def _extend(self, batch: Batch, fates: Fates, first: int, end: int) -> list[int]:
        """Note the records of some units of a batch; return the numbers of their patients."""
        units, start, stop = batch.units[first:end], batch.begin(first), batch.begin(end)
        ahead = len(self._outcome) - start
        begins = bytearray(stop - start)
        for place in batch.starts[first:end]:
            begins[place - start] = 1
        told = zip(repeat(batch.who), range(first, end), strict=False)
        self._identities.update(zip(units, told, strict=True))
        self._units.extend(units, [ahead + n for n in batch.starts[first:end]])
        patients = [self._patient_number(unit) for unit in units]
        unit_of = pc.subtract(batch.unit.slice(start, stop - start), int32(first))
        self._outcome += bytes_of(fates.outcome, start, stop)
        self._starts += begins
        self._type.frombytes(bytes_of(fates.type, start, stop))
        self._code.frombytes(bytes_of(fates.code, start, stop))
        self._line.frombytes(bytes_of(fates.line, start, stop))
        self._file.extend([len(self.files) - 1] * (stop - start))
        self._patient.frombytes(bytes_of(pa.array(patients, pa.int32()).take(unit_of)))
        return patients

    def _store(self, data_class: str, table: str) -> Columns:
        store = self.stores.get((data_class, table))
        if store is None:
            store = Columns(table, self._scratch, self._table_bytes)
            self.stores[data_class, table] = store
        return store

    def _outcomes(self) -> pa.Array:
        return column(self._outcome, pa.uint8())

    def _type_numbers(self) -> pa.Array:
        return column(self._type, pa.uint16())

    def _keep(
        self,
        data_class: str,
        kinds: Mapping[str, Sequence[str]],
        records: Sequence[tuple[Record, int, int]],
    ) -> None:
        """Keep the rows that go with one class, of (record, its number, its patient's)."""
        name = self._names[data_class]
        sources = name.all("unit", [record.unit for record, _, _ in records])
        rows: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
        for (record, number, patient), source in zip(records, sources, strict=True):
            if not record.whole:
                # the unit's name, and the part's place: a unit sent again supersedes all its parts
                source = f"{source}.{record.part}"
            record_type = record.record_type
            for kind in kinds[record_type]:
                for one in record.objects:
                    leaving = Leaving(source, data_class, one, name)
                    self.objects[data_class].append((number, leaving))
                for table, visit, values in record.rows:
                    reference = name.visit(visit) if visit else None
                    origin = (patient, number, source, reference, kind, data_class, record_type)
                    rows[table].append((*origin, *values))
        for table, found in rows.items():
            self._store(data_class, table).add(found)

    def _supersede(self) -> None:
        """Mark the records of units that a later one took the place of."""
        for start in self._units.replaced():
            number = start
            while number < len(self._outcome) and (number == start or not self._starts[number]):
                if self._outcome[number] != _REFUSED:
                    self._outcome[number] = _OVER
                number += 1

    def _patient_number(self, name: str) -> int:
        return self._patients.setdefault(name, len(self._patients))

    def _persons(self) -> Iterator[tuple[PersonKey | None, str]]:
        """Yield the key of each patient, or why there is none; a batch is asked once for many."""
        known = ((name, self._identities.get(name)) for name in self._patients)
        settle, by_name = self._profile.settle, self._profile.by_name
        for who, group in groupby(known, lambda one: _who(one[1])):
            if who is None:
                yield from (self._person(name, said) for name, said in group)
                continue
            places = [said[1] for _, said in group if isinstance(said, tuple)]
            for identity in map(settle, who(places, by_name)):
                yield identity.key, identity.problem

    def _person(self, name: str, said: Identity | _Told | None) -> tuple[PersonKey | None, str]:
        if isinstance(said, Identity):
            return said.key, said.problem
        system, bar, value = name.partition("|")
        if bar and system in USABLE:
            return key_of(system, value)
        if bar and value:
            unknown = Identity((name,), None, NO_IDENTIFIER, ((system, value),))
            settled = self._profile.settle(unknown)
            if settled.key is not None or settled.problem == MY_NUMBER:
                return settled.key, settled.problem
        return None, "person.unknown"


class _Names(defaultdict[str, Name]):
    def __init__(self, provider_key: bytes, family: str) -> None:
        super().__init__()
        self._provider_key, self._family = provider_key, family

    def __missing__(self, data_class: str) -> Name:
        made = self[data_class] = Name.of(self._provider_key, self._family, data_class)
        return made


def _who(said: Identity | _Told | None) -> Who | None:
    return said[0] if isinstance(said, tuple) else None


def _counted(left: pa.Array, right: pa.Array) -> list[tuple[int, int, int]]:
    """Return each pair of values with how often it stands, in order."""
    pairs = pa.table([left, right], ["left", "right"]).group_by(["left", "right"])
    counted = pairs.aggregate([([], "count_all")])
    return sorted(zip(*(column.to_pylist() for column in counted.columns), strict=True))


def person_numbers(keys: Sequence[PersonKey | None]) -> tuple[list[int], list[PersonKey]]:
    """Number distinct persons: return patient number → person number (-1: none), and the keys."""
    numbers: dict[bytes, int] = {}
    distinct: list[PersonKey] = []
    made: list[int] = []
    for key in keys:
        if key is None:
            made.append(-1)
            continue
        name = canonical(key)
        if name not in numbers:
            numbers[name] = len(distinct)
            distinct.append(key)
        made.append(numbers[name])
    return made, distinct
