"""What one framework builds, keeps, moves and retires against another, or against today.

Files name their bodies freely, so functions are compared by kind of body: a function for a class
of data is *kept* where the same kind performed it before, *moved* where another kind takes it
over, *built* where nobody performed it, *retired* where nobody does any more. A kind that comes
in beside another builds; one of two that leaves retires. How many bodies share it before and
after stands beside, since nine committees that become one keep the kind and still change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from sekisho.common.ids import BodyId
from sekisho.framework.describe import rules
from sekisho.framework.labels import DATA_CLASS, FUNCTION, names
from sekisho.framework.model import (
    CLASSES,
    FUNCTIONS,
    BodyKind,
    DataClass,
    Framework,
    Function,
    Text,
)

Change = Literal["build", "keep", "move", "retire", "open"]

CHANGE: dict[Change, Text] = {
    "build": Text(ja="新設", en="build"),
    "keep": Text(ja="維持", en="keep"),
    "move": Text(ja="移管", en="move"),
    "retire": Text(ja="廃止", en="retire"),
    "open": Text(ja="未定", en="open"),
}


@dataclass(frozen=True)
class Cell:
    """What becomes of one function for one class of data; bodies before and after."""

    function: Function
    data_class: DataClass
    change: Change
    before: tuple[BodyId, ...]
    after: tuple[BodyId, ...]


def cells(before: Framework, after: Framework) -> tuple[Cell, ...]:
    """Return what becomes of every function and class of data.

    Where one of the two leaves the function open, so does the comparison. A function that a
    second kind of body joins is ``build``, one that a kind leaves is ``retire``.
    """
    return tuple(
        _cell(before, after, function, data_class)
        for function in FUNCTIONS
        for data_class in CLASSES
    )


def difference(before: Framework, after: Framework) -> dict[str, Any]:
    """Return what ``after`` builds, keeps, moves and retires against ``before``, as plain data.

    ``summary`` counts cells by change; ``bodies_to_build`` counts bodies of ``after`` that must
    set up at least one function that their kind did not perform, without and with the auxiliary
    bodies that ``before`` lacks; ``functions_moved`` counts cells that change hands.
    """
    found = cells(before, after)
    building = bodies_to_build(before, after)
    auxiliary = len(_auxiliary(after)) if not _auxiliary(before) else 0
    return {
        "from": before.id,
        "to": after.id,
        "cells": [
            {
                "function": one.function,
                "data": one.data_class,
                "change": one.change,
                "before": list(one.before),
                "after": list(one.after),
                "label": {
                    "function": _text(FUNCTION[one.function]),
                    "data": _text(DATA_CLASS[one.data_class]),
                    "change": _text(CHANGE[one.change]),
                    "before": _text(names(before, one.before)),
                    "after": _text(names(after, one.after)),
                },
            }
            for one in found
        ],
        "summary": {change: sum(1 for one in found if one.change == change) for change in CHANGE},
        "bodies_to_build": len(building),
        "bodies_to_build_with_auxiliary": len(building) + auxiliary,
        "functions_moved": sum(1 for one in found if one.change == "move"),
        "bodies_building": list(building),
        "rules": list(_rules(before, after)),
    }


def bodies_to_build(before: Framework, after: Framework) -> tuple[BodyId, ...]:
    """Return the bodies that must set up a function that their kind did not perform before."""
    return tuple(
        body
        for body in after.function_bodies
        if any(
            body in one.after and after.find_body(body).kind not in _kinds(before, one.before)
            for one in cells(before, after)
            if one.change != "open"
        )
    )


def _cell(before: Framework, after: Framework, function: Function, data_class: DataClass) -> Cell:
    old, new = before.assigned(function, data_class), after.assigned(function, data_class)
    was, becomes = _kinds(before, old), _kinds(after, new)
    change: Change
    if before.given(function, data_class) is None or after.given(function, data_class) is None:
        change = "open"
    elif not was and not becomes:
        change = "keep"
    elif not was:
        change = "build"
    elif not becomes:
        change = "retire"
    elif not was & becomes:
        change = "move"
    elif becomes - was:
        change = "build"
    else:
        change = "retire" if was - becomes else "keep"
    return Cell(function, data_class, change, old, new)


def _kinds(fw: Framework, bodies: tuple[BodyId, ...]) -> frozenset[BodyKind]:
    return frozenset(fw.find_body(body).kind for body in bodies)


def _auxiliary(fw: Framework) -> tuple[BodyId, ...]:
    return tuple(one.id for one in fw.body if one.kind == "auxiliary")


def _rules(before: Framework, after: Framework) -> Iterator[dict[str, Any]]:
    old, new = rules(before), rules(after)
    for key in dict.fromkeys((*old, *new)):
        if old.get(key) != new.get(key):
            yield {"key": key, "before": old.get(key), "after": new.get(key)}


def _text(text: Text) -> dict[str, str]:
    return {"ja": text.ja, "en": text.en}
