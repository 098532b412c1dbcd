"""What a body says of itself: figures without any value of a person, notices, and its queue."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import date

import orjson

from sekisho.body import delivery, duties
from sekisho.body.context import Body
from sekisho.body.flows import ending
from sekisho.body.flows import figures as collect
from sekisho.body.generations import generation
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.errors import UserError

LONGEST_WAIT = 5
PAUSE = (0.01, 0.1)
"""Seconds between two looks at the queue: at first, and after a while."""


def notice(body: Body, message: Incoming) -> Outcome:
    """Keep another body's word that it refused a message of ours, and why."""
    problem: Json = orjson.loads(message.read())
    return Outcome(put=[("notice", message.id, problem | {"sender": message.sender})])


def figures(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Return counts for a report."""
    return collect.figures(body)


def head(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Tell another body where this body's ledger stands."""
    tree = body.ledger.head()
    number = generation(body.folders)
    return {"size": tree.size, "root": tree.root.hex(), "generation": number}


def queue(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Return how much work waits (a rehearsal moves its clock when nothing does).

    Who asks may be answered later: when nothing waits, or after ``wait`` seconds. That costs less
    than to be asked again and again.
    """
    until = time.monotonic() + min(int(params.get("wait", "0")), LONGEST_WAIT)
    pause, longest = PAUSE
    while True:
        found: Json = body.store.queue()
        if not found["waiting"] or time.monotonic() >= until:
            return found
        time.sleep(pause)
        pause = min(pause * 1.3, longest)


def set_clock(body: Body, message: Incoming) -> Outcome:
    """Move a rehearsal's clock to a day; what is due at the day's cut-off is done then."""
    day = date.fromisoformat(orjson.loads(message.read())["day"])
    if day < body.today():
        raise UserError("rehearsal.backwards", "A rehearsal's clock does not go back.")
    outcome = Outcome(put=[("clock", "day", {"day": day.isoformat()})])
    outcome.send.append(_own(body, day))
    return outcome


def _own(body: Body, day: date) -> Outgoing:
    return Outgoing(body.id, "status/day", orjson.dumps({"day": day.isoformat()}))


def day_begins(body: Body, message: Incoming) -> Outcome:
    """The cut-off of a day: do what is due, once, whoever says how often that the day began."""
    day = date.fromisoformat(orjson.loads(message.read())["day"])
    last = duties.last_cut_off(body)
    if last is not None and last >= day:
        return Outcome()
    outcome = delivery.due(body)
    over = ending.is_over(body)
    outcome.add(ending.afterwards(body) if over else duties.of_the_day(body))
    outcome.put.append((*duties.CUT_OFF, {"day": day.isoformat()}))
    return outcome
