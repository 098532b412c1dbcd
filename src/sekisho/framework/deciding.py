"""Who decides on an application, how many forms it takes, and where one turns against decisions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sekisho.common.errors import UserError
from sekisho.common.ids import BodyId
from sekisho.framework.model import (
    CLASSES,
    DECIDER,
    USER_INPUT,
    DataClass,
    Decision,
    Framework,
    Function,
    Text,
)

DECIDES: dict[Decision, Function] = {
    "application": "review",
    "revocation": "review",
    "fee": "review",
    "release": "analysis",
    "opt_out": "opt_out",
    "submission": "collection",
}
"""Which function takes which type of decision."""


@dataclass(frozen=True)
class Lane:
    """A body that decides on an application, for the classes of data on which it does."""

    body: BodyId
    classes: tuple[DataClass, ...]


@dataclass(frozen=True)
class Window:
    """Where an application is handed in, and the lanes that it opens."""

    body: BodyId
    lanes: tuple[Lane, ...]


def lanes(fw: Framework, classes: Iterable[DataClass]) -> tuple[Lane, ...]:
    """Return a lane for every body that decides on data of ``classes``, in the file's order."""
    wanted = set(classes)
    asked = [c for c in CLASSES if c in wanted]
    found = []
    for body in fw.function_bodies:
        mine = tuple(c for c in asked if body in fw.assigned("review", c))
        if mine:
            found.append(Lane(body, mine))
    return tuple(found)


def windows(fw: Framework, classes: Iterable[DataClass]) -> tuple[Window, ...]:
    """Return where an application for data of ``classes`` is handed in.

    A shared door is one window, kept by the first lane's body; else every lane has its own.
    """
    opened = lanes(fw, classes)
    if not opened:
        return ()
    if fw.doors.application == "shared":
        return (Window(opened[0].body, opened),)
    return tuple(Window(lane.body, (lane,)) for lane in opened)


@dataclass(frozen=True)
class Redress:
    """Where one turns against a decision; ``body`` is None where the file leaves it to its user."""

    body: BodyId | None
    procedure: Text
    source: str


def remedy(fw: Framework, decision: Decision, decider: BodyId) -> Redress:
    """Return where one turns against a decision of ``decider``.

    Raises:
        UserError: the framework names none (one that only records what exists).
    """
    for one in fw.remedy.against(decision) if fw.remedy else ():
        if not one.of or decider in one.of:
            where = decider if one.body == DECIDER else one.body
            return Redress(None if where == USER_INPUT else where, one.procedure, one.source)
    raise UserError(
        "framework.no-remedy",
        f"The framework {fw.id!r} names no remedy against {decision} decisions of {decider!r}.",
        rule="frameworks: [remedy]",
        next_step="name one in the framework's file",
    )
