"""Who waits for whom: messages of this body that a receiver has not taken, and since when.

A body that is down or full loses nothing: its peers keep what they have for it and try again. That
it is away for longer than a rule allows is an alarm at each of them.
"""

from __future__ import annotations

from datetime import date

from sekisho.body.context import Body
from sekisho.body.flows import alarms
from sekisho.body.ports import Json, Outcome
from sekisho.exchange.overdue import Waiting, looked_at, read_rule

UNDELIVERED = "undelivered"


def daily(body: Body) -> Outcome:
    """Look at the day's cut-off who has not taken what; raise and clear alarms."""
    outcome = Outcome()
    today, allowed = body.today(), read_rule(body.rules / "exchange.toml").undelivered_days
    waiting = body.store.undelivered()
    known = dict(body.store.find(UNDELIVERED))
    for peer in sorted({*waiting, *known}):
        now = looked_at(_read(known.get(peer)), waiting.get(peer, ()), today)
        if now is None:
            outcome.drop.append((UNDELIVERED, peer))
        else:
            outcome.put.append((UNDELIVERED, peer, _kept(now)))
        overdue = now is not None and now.days(today) >= allowed
        about: dict[str, int | str] = {"peer": peer, "messages": len(waiting.get(peer, ()))}
        alarms.settle(outcome, body, f"peer/{peer}", "exchange.undelivered", overdue, **about)
    return outcome


def shown(body: Body) -> Json:
    """Return for each receiver how many messages wait for it now: counts only."""
    return {peer: len(messages) for peer, messages in sorted(body.store.undelivered().items())}


def _kept(waiting: Waiting) -> Json:
    return {"messages": list(waiting.messages), "since": waiting.since.isoformat()}


def _read(kept: Json | None) -> Waiting | None:
    if kept is None:
        return None
    return Waiting(tuple(kept["messages"]), date.fromisoformat(kept["since"]))
