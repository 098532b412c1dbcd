"""Two times: from when a choice counts, and from when the registry knew of it.

A registry notes with every choice on which day, and for which of its lists, it learned of it. So
any list that it ever issued can be made again from what it holds today, and for a person it can be
told what was in force on a day as far as it was known on another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sekisho.control.optout.choice import Choice, Scope, effective
from sekisho.control.optout.histories import of_persons
from sekisho.control.optout.registry import OptOutList, make_list


@dataclass(frozen=True)
class Learned:
    """A choice as a registry holds it. ``at_list``: the first list that could rest on it."""

    choice: Choice
    on: date
    at_list: int

    def __post_init__(self) -> None:
        if self.at_list < 1:
            raise ValueError("lists are numbered from 1")


def read_learned(record: Mapping[str, Any]) -> tuple[Learned, ...]:
    """Return the choices of a registry's record of one person."""
    return tuple(
        Learned(
            Choice.from_payload(one),
            date.fromisoformat(record["learned"][one["ref"]]["on"]),
            int(record["learned"][one["ref"]]["list"]),
        )
        for one in record["choices"]
    )


def in_force(held: Iterable[Learned], on: date, known: date) -> frozenset[Scope]:
    """Return what was opted out of on ``on``, as far as the registry knew on ``known``."""
    return effective((one.choice for one in held if one.on <= known), on)


def list_as_of(
    held: Mapping[str, Iterable[Learned]],
    number: int,
    previous: str,
    on: date,
    *,
    registry: str,
    roots: Mapping[str, str] | None = None,
) -> OptOutList:
    """Return list ``number`` as it was issued on ``on``, whatever was learned since.

    Args:
        held: pseudonym → everything that the registry holds of it now.
        number: of the list.
        previous: digest of the list before it.
        on: the day on which it was issued.
        registry: whose list it is.
        roots: pseudonym → the person's oldest one, as then known (`of_persons`).
    """
    choices = {
        pseudonym: [one.choice for one in choices if one.at_list <= number]
        for pseudonym, choices in held.items()
    }
    return make_list(of_persons(choices, roots or {}), number, previous, on, registry=registry)
