"""Histories of numbers: who is who as of a day, from alias events that are only ever added.

An event says that ``old`` and ``new`` are one person's numbers from ``valid_from`` on; a later
event that ``revokes`` it takes that back. Numbers are opaque strings here: a body's own wrapped
pseudonyms, or the history service's references. Both wings resolve with this one function, so
that a holder and a registry never disagree on who a person is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from sekisho.common.errors import UserError


@dataclass(frozen=True)
class AliasEvent:
    """One event. The repr shows no number.

    Args:
        ref: names the event; another at every receiver, so that two cannot compare theirs.
        old: the earlier number (opaque).
        new: the later number (opaque).
        valid_from: the day on which the new number came into force.
        recorded_on: the day on which the history service knew.
        reason: a code, such as ``insurer-change``.
        revokes: the event that this one takes back; ``old`` and ``new`` are then that one's.
    """

    ref: str
    old: str = field(repr=False)
    new: str = field(repr=False)
    valid_from: date
    recorded_on: date
    reason: str
    revokes: str | None = None

    def __post_init__(self) -> None:
        if not self.ref or not self.old or not self.new or self.ref == self.revokes:
            raise UserError("alias.malformed", "An alias event has a name and two numbers.")
        if self.old == self.new:
            raise UserError("alias.same", "A number is no alias of itself.")


def resolve(events: Iterable[AliasEvent], on: date, known: date) -> dict[str, str]:
    """Return number → root, for every number that an event in force speaks of.

    In force on the day ``on`` with the knowledge held on the day ``known``. The root of a class
    is its oldest number: the earlier one of the event that came into force first. The order in
    which events arrive does not matter, nor how numbers are spelled, unless two events of one
    class have the same two days.
    """
    united = _Classes()
    edges = [event for event in in_force(events, on, known) if event.revokes is None]
    for event in edges:
        united.join(event.old, event.new)
    news = {event.new for event in edges}
    first: dict[str, AliasEvent] = {}
    for event in edges:
        name = united.find(event.old)
        if name not in first or _age(event, news) < _age(first[name], news):
            first[name] = event
    return {number: first[united.find(number)].old for number in united.parent}


def in_force(events: Iterable[AliasEvent], on: date, known: date) -> tuple[AliasEvent, ...]:
    """Return the events that count, in order of their recording.

    An event is taken back by a later one that is itself in force, so that taking back a
    revocation restores what it revoked, and events that name each other come to an end.
    """
    counting = {
        event.ref: event
        for event in events
        if event.recorded_on <= known and event.valid_from <= on
    }
    revoked: set[str] = set()
    standing: list[AliasEvent] = []
    for event in sorted(counting.values(), key=_recorded, reverse=True):
        if event.ref in revoked:
            continue
        standing.append(event)
        target = counting.get(event.revokes or "")
        if target is not None and _recorded(target) < _recorded(event):
            revoked.add(target.ref)
    return tuple(reversed(standing))


def classes(roots: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """Return root → all numbers of its class, from what `resolve` returned."""
    made: dict[str, set[str]] = {}
    for number, root in roots.items():
        made.setdefault(root, set()).add(number)
    return {root: frozenset(numbers) for root, numbers in made.items()}


def with_aliases(numbers: Collection[str], roots: Mapping[str, str]) -> frozenset[str]:
    """Return ``numbers`` and every other number of the same persons."""
    wanted = {roots.get(number, number) for number in numbers}
    return frozenset(numbers) | {number for number, root in roots.items() if root in wanted}


def _recorded(event: AliasEvent) -> tuple[date, bool, str]:
    # On one day a revocation comes after what it revokes, whatever their names are.
    return event.recorded_on, event.revokes is not None, event.ref


def _age(event: AliasEvent, news: Collection[str]) -> tuple[date, date, bool, str]:
    return event.valid_from, event.recorded_on, event.old in news, event.old


class _Classes:
    """Union-find with path halving; which number stands for a class is decided elsewhere."""

    def __init__(self) -> None:
        self.parent: dict[str, str] = {}

    def find(self, number: str) -> str:
        parent = self.parent
        parent.setdefault(number, number)
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    def join(self, one: str, other: str) -> None:
        self.parent[self.find(one)] = self.find(other)
