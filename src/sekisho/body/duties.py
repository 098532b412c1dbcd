"""What a body does once a day without being asked, as one table.

A duty is of a room, so that a body does what its framework gives it and no more; a room of "*" is
everywhere. All duties of a day are one outcome, in this order.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from sekisho.body.ports import Outcome

if TYPE_CHECKING:
    from sekisho.body.context import Body

EVERY_ROOM = "*"
CUT_OFF = ("cut-off", "last")
"""The record of the last day whose duties were done; what was due by then is late today."""


@dataclass(frozen=True)
class Duty:
    """One thing done at the cut-off of a day: ``module:function`` below `sekisho.body.flows`."""

    room: str
    flow: str


DUTIES: tuple[Duty, ...] = (
    Duty("opt_out", "accounts:daily"),
    Duty("opt_out", "reconcile:daily"),
    Duty("opt_out", "optout:daily"),
    Duty("opt_out", "desk:daily"),
    Duty("opt_out", "person:daily"),
    Duty("collection", "reconcile:at_holder"),
    Duty("collection", "submission:daily"),
    Duty("collection", "submission:reconcile"),
    Duty("collection", "recoding:daily"),
    Duty("collection", "duty:daily"),
    Duty("collection", "quarantine:daily"),
    Duty("analysis", "project:daily"),
    Duty("analysis", "countersign:daily"),
    Duty("oversight", "uses:daily"),
    Duty("oversight", "indexturn:daily"),
    Duty("conversion", "epochs:daily"),
    Duty("history", "histories:daily"),
    Duty("review", "casework:daily"),
    Duty(EVERY_ROOM, "transfer:daily"),
    Duty(EVERY_ROOM, "undelivered:daily"),
    Duty("converter", "witness:daily"),
    Duty("oversight", "witness:daily"),
    Duty("enclave", "enclave:daily"),
    Duty(EVERY_ROOM, "resending:forget_sent"),
    Duty(EVERY_ROOM, "exit:daily"),
)


def last_cut_off(body: Body) -> date | None:
    """Return the day before today on which duties were done; None on the first."""
    kept = body.store.get(*CUT_OFF)
    return None if kept is None else date.fromisoformat(kept["day"])


def of_the_day(body: Body) -> Outcome:
    """Do what is due in this body's rooms today."""
    outcome = Outcome()
    for duty in DUTIES:
        if duty.room == EVERY_ROOM or duty.room in body.rooms:
            module, _, name = duty.flow.partition(":")
            flows = importlib.import_module(f"sekisho.body.flows.{module}")
            do: Callable[[Body], Outcome] = getattr(flows, name)
            outcome.add(do(body))
    return outcome
