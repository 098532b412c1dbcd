"""A message of SS-MIX2 as its facts see it: segments in order, what belongs to which, when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sekisho.provider.readers.fhir_values import day
from sekisho.provider.readers.hl7_message import Segment
from sekisho.provider.readers.ssmix_person import patient_name
from sekisho.provider.readers.ssmix_storage import MessageName
from sekisho.provider.records import Row, SetAside, Unreadable


@dataclass(frozen=True)
class Fact:
    """One thing that a message says: where, and the rows it gives.

    Args:
        rows: may raise `SetAside` or `Unreadable`.
        suffix: of the record type, where a message holds facts of several kinds.
    """

    segment: Segment
    rows: Callable[[], tuple[Row, ...]]
    suffix: str = ""


@dataclass(frozen=True)
class Message:
    """A message that counts, under the name of its file."""

    name: MessageName
    segments: tuple[Segment, ...]

    def all(self, kind: str) -> Iterator[Segment]:
        return (one for one in self.segments if one.kind == kind)

    def first(self, kind: str) -> Segment | None:
        return next(self.all(kind), None)

    def before(self, segment: Segment, kind: str) -> Segment | None:
        """Return the last ``kind`` before ``segment``: the order or report it belongs to."""
        found = (x for x in reversed(self.segments) if x.number < segment.number and x.kind == kind)
        return next(found, None)

    def after(self, segment: Segment, kind: str) -> Iterator[Segment]:
        """Yield each ``kind`` that follows ``segment``, up to the next of its own kind."""
        for one in self.segments:
            if one.number <= segment.number:
                continue
            if one.kind == segment.kind:
                return
            if one.kind == kind:
                yield one

    @property
    def told_on(self) -> int:
        """The day on which it was told: EVN-2, else the moment in the file's name."""
        event = self.first("EVN")
        told = event.day(2) if event else None
        moment = self.name.moment
        return day(f"{moment[:4]}-{moment[4:6]}-{moment[6:8]}") if told is None else told

    @property
    def visit(self) -> str | None:
        """The local name of the outpatient visit it belongs to; a stay's first day is not told."""
        visit = self.first("PV1")
        if visit is None or visit.get(2) != "O" or not self.name.day.isdigit():
            return None
        return visit_name(self.name.patient, "O", self.name.day)


def visit_name(patient: str, kind: str, start: str) -> str:
    """Return the local name of a visit: two messages about one visit give one name."""
    return f"{patient_name(patient)}/visit/{kind}/{start}"


def code_in(segment: Segment, field: int) -> tuple[str, str | None]:
    """Return (code, system).

    Raises:
        SetAside: there is none.
    """
    coded = segment.coded(field)
    if coded is None:
        raise SetAside("no-code")
    return coded


def first_day(*days: int | None) -> int:
    """Return the first that is there.

    Raises:
        Unreadable: none is.
    """
    for one in days:
        if one is not None:
            return one
    raise Unreadable("date.missing")
