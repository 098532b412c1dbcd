"""The records of a whole submission, and their rows, until all of them are read."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm.scalars import int32, int64
from sekisho.provider.batch_taking import Fates, bytes_of, fates_of, named_rows
from sekisho.provider.batches import Batch
from sekisho.provider.columns import Columns
from sekisho.provider.findings import Finding, Findings
from sekisho.provider.names import Name
from sekisho.provider.numbered import ASIDE, REFUSED, SENT, Numbered
from sekisho.provider.objects import Leaving
from sekisho.provider.patients import Patients, Persons
from sekisho.provider.profile import Profile
from sekisho.provider.records import UNREADABLE, Note, Record, Shape
from sekisho.provider.scratch import Scratch
from sekisho.provider.units import Units

Classify = Callable[[str, str], Sequence[tuple[str, str]]]
"""(format, record type) → every (kind, data class) that it belongs to; none where unknown."""

_AT_ONCE = 1 << 8
"""So many records and rows are taken together at most: more would not fit a core's cache."""


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
        self.records, self._patients = Numbered(scratch.file), Patients(profile, scratch.file)
        self._format, self._classify, self._kept = format_id, classify, kept
        self._names: defaultdict[str, Name] = _Names(provider_key, family)
        self._kinds: dict[str, tuple[tuple[str, str], ...]] = {}
        self.findings = Findings()
        self.dropped: Counter[str] = Counter()
        self.stores: dict[tuple[str, str], Columns] = {}
        self._objects: defaultdict[str, list[tuple[int, Leaving]]] = defaultdict(list)
        self._units = Units(scratch.file)
        self._withdrawing: list[tuple[int, str, str]] = []
        self._waiting: list[Record] = []
        self._load = 0

    def open_file(self, name: str) -> None:
        """Say that what follows is from the file called ``name``."""
        self._take_waiting()
        self.records.files.append(name)

    def note(self, note: Note) -> None:
        file = self.records.files[-1]
        self.findings.add(Finding(file, note.line, note.code, note.record_type, about="file"))

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
        first, types = len(self.records), [record.record_type for record in records]
        kinds = {name: self.kinds_of(name) for name in set(types)}
        outcomes = bytearray([record.outcome for record in records])
        codes = array("H", bytes(2 * len(records)))
        for place, record in enumerate(records):
            if outcomes[place] or record.identity is not None or not kinds[record.record_type]:
                outcomes[place], codes[place] = self._settle(record, bool(kinds[types[place]]))
            if outcomes[place] == ASIDE and record.withdraws:
                self._withdrawing.append((first + place, record.unit, record.record_type))
        starts = bytearray([record.part == 0 for record in records])
        named = [
            place
            for place, record in enumerate(records)
            if starts[place] and (outcomes[place] != REFUSED or not record.whole)
        ]
        self._units.extend([records[p].unit for p in named], [first + place for place in named])
        patients = self._patients.numbers([record.patient for record in records])
        self.records.extend(
            outcomes,
            array("H", [self.records.type_number(name) for name in types]),
            codes,
            array("I", [record.line for record in records]),
            array("i", patients),
            starts,
        )
        sent = [place for place, outcome in enumerate(outcomes) if outcome == SENT]
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
            if outcome == SENT and identity.problem:
                outcome, code = REFUSED, identity.problem
        if outcome == SENT and not has_kind:
            outcome, code = ASIDE, "no-kind"
        file, line, kind = self.records.files[-1], record.line, record.record_type
        if outcome == REFUSED:
            self.findings.add(Finding(file, line, code, kind))
        if identity is not None:
            self._patients.identify(identity.refs, identity)
            for doubt in identity.doubts:
                self.findings.add(Finding(file, line, doubt, kind, about="doubt"))
        return outcome, self.records.code_number(code)

    def take(self, batch: Batch) -> None:
        """Take many records, and in their place among them those that were read one by one."""
        self._take_waiting()
        number = pc.add(batch.places(), int64(len(self.records))).cast(pa.int32())
        types, codes = self.records.types, self.records.codes
        fates = fates_of(batch, types, codes, lambda kind: bool(self.kinds_of(kind)))
        patient = pc.add(batch.unit, int32(self._patients.of_batch(batch.who)))
        done = 0
        for until, records in (*batch.between, (len(batch.units), ())):
            self._extend(batch, fates, patient, done, until)
            self._take(records)
            done = until
        for data_class in sorted(self._kept):
            kinds = {
                record_type: [kind for kind, of in self.kinds_of(record_type) if of == data_class]
                for record_type in batch.record_types()
            }
            if any(kinds.values()):
                for one in named_rows(batch, data_class, kinds, self._names[data_class].all):
                    links = [patient.take(one.record), number.take(one.record), *one.origin]
                    self._store(data_class, one.table).extend(links, one.values)

    def resolve(self) -> Persons:
        """Settle what every record becomes and whose it is.

        Records whose person cannot be told become refused, each with a finding.
        """
        self._take_waiting()
        self.records.supersede(self._units.replaced())
        persons = self._patients.persons()
        for file, line, kind, patient in self.records.refuse_lost(persons.numbers().is_valid()):
            code = persons.lost[patient] if patient >= 0 else "person.no-subject"
            self.findings.add(Finding(file, line, code, kind))
        return persons

    def persons_of(self, data_class: str, persons: pa.Array) -> pa.Array:
        """Return those of ``persons``, by patient number, with a sent record in ``data_class``."""

        def wanted(kind: str) -> bool:
            return any(of == data_class for _, of in self.kinds_of(kind))

        return self.records.persons_of(wanted, persons)

    def objects_of(self, classes: Sequence[str]) -> tuple[Leaving, ...]:
        """Return what leaves beside the rows, of the records that are sent."""
        found = (pair for data_class in classes for pair in self._objects[data_class])
        return tuple(one for number, one in found if self.records.is_sent(number))

    def withdrawn(self, classes: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return class → names of the units in it that are gone at the source, in order.

        A unit that comes again later in the same submission is not.
        """
        made: dict[str, set[str]] = {}
        for number, unit, record_type in self._withdrawing:
            if not self.records.is_aside(number):
                continue
            for _, data_class in self.kinds_of(record_type):
                if data_class in classes:
                    made.setdefault(data_class, set()).add(self._names[data_class]("unit", unit))
        return {data_class: tuple(sorted(names)) for data_class, names in sorted(made.items())}

    def _extend(self, batch: Batch, fates: Fates, patient: pa.Array, first: int, end: int) -> None:
        """Note the records of some units of a batch."""
        start, stop = batch.begin(first), batch.begin(end)
        ahead = len(self.records) - start
        starts = bytearray(stop - start)
        for place in batch.starts[first:end]:
            starts[place - start] = 1
        self._units.extend(batch.units[first:end], [ahead + n for n in batch.starts[first:end]])
        self.records.extend(
            bytes_of(fates.outcome, start, stop),
            bytes_of(fates.type, start, stop),
            bytes_of(fates.code, start, stop),
            bytes_of(fates.line, start, stop),
            bytes_of(patient, start, stop),
            starts,
        )

    def _store(self, data_class: str, table: str) -> Columns:
        store = self.stores.get((data_class, table))
        if store is None:
            store = Columns(table, self._scratch, self._table_bytes)
            self.stores[data_class, table] = store
        return store

    def _keep(
        self,
        data_class: str,
        kinds: Mapping[str, Sequence[str]],
        records: Sequence[tuple[Record, int, int]],
    ) -> None:
        """Keep the rows that go with one class, of (record, its number, its patient's)."""
        name = self._names[data_class]
        sources = name.all("unit", [record.unit for record, _, _ in records])
        rows: defaultdict[Shape, list[tuple[Any, ...]]] = defaultdict(list)
        for (record, number, patient), source in zip(records, sources, strict=True):
            if not record.whole:
                # the unit's name, and the part's place: a unit sent again supersedes all its parts
                source = f"{source}.{record.part}"
            record_type = record.record_type
            for kind in kinds[record_type]:
                for one in record.objects:
                    leaving = Leaving(source, data_class, one, name)
                    self._objects[data_class].append((number, leaving))
                for shape, visit, values in record.rows:
                    reference = name.visit(visit) if visit else None
                    origin = (patient, number, source, reference, kind, data_class, record_type)
                    rows[shape].append(origin + values)
        for shape, found in rows.items():
            self._store(data_class, shape.table).add(shape, found)


class _Names(defaultdict[str, Name]):
    def __init__(self, provider_key: bytes, family: str) -> None:
        super().__init__()
        self._provider_key, self._family = provider_key, family

    def __missing__(self, data_class: str) -> Name:
        made = self[data_class] = Name.of(self._provider_key, self._family, data_class)
        return made
