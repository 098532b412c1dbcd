"""How long a choice takes from the desk to every holder, measured from what the bodies recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from sekisho.common.ids import BodyId
from sekisho.framework import CLASSES, Framework, desks, forwards, holders, registries_for

Json = dict[str, Any]


def windows_of(framework: Framework, figures: Mapping[str, Json]) -> Json:
    """Return, over all choices, the days until the last holder applied one, and who never did.

    A choice reaches a holder with the first list, of a registry that binds the holder, made after
    the choice was registered there. ``unreached`` counts pairs of a choice and a holder of data
    that no such list came to; ``hops``: messages one after the other on the longest way.
    """
    days: list[int] = []
    unreached = 0
    for reason, recorded in _sent(figures):
        for holder in _holders(framework):
            reached = _reached(framework, figures, reason, holder)
            for day in recorded:
                if reached is None:
                    unreached += 1
                else:
                    days.append((reached - day).days)
    return {
        "opt_out_window_days": max(days, default=0),
        "opt_out_unreached": unreached,
        "opt_out_hops": hops(framework),
    }


def hops(framework: Framework) -> int:
    """Return the messages from the desk to the last holder: each waits for the one before it."""
    to_registry = 5  # history, desk, both converters, registry
    to_other = 3 if any(forwards(framework, desk) for desk in desks(framework)) else 0
    to_holder = 3  # both converters, holder
    return to_registry + to_other + to_holder if desks(framework) else 0


def _holders(framework: Framework) -> tuple[BodyId, ...]:
    return tuple(dict.fromkeys(body for one in CLASSES for body in holders(framework, one)))


def _sent(figures: Mapping[str, Json]) -> Iterator[tuple[str, list[date]]]:
    """Yield each batch of choices with the days on which they were recorded."""
    for body, one in figures.items():
        for reason, days in one["propagation"]["sent"].items():
            yield f"{body}/{reason}", [date.fromisoformat(day) for day in days]


def _reached(
    framework: Framework, figures: Mapping[str, Json], reason: str, holder: BodyId
) -> date | None:
    found = []
    for registry in registries_for(framework, holder):
        number = _list_of(figures, reason, registry)
        taken = figures[holder]["propagation"]["taken"].get(registry, {})
        found += [
            date.fromisoformat(day)
            for taken_number, day in taken.items()
            if number is not None and int(taken_number) >= number
        ]
    return min(found, default=None)


def _list_of(figures: Mapping[str, Json], reason: str, registry: str) -> int | None:
    """Return the first list of a registry with a batch: stated to it, or told it by another."""
    _, _, named = reason.partition("/")
    for came, number in figures[registry]["propagation"]["registered"].items():
        told = came.partition("/")[2] == f"{named}:{registry}"
        if came == reason or told:
            return int(number)
    return None
