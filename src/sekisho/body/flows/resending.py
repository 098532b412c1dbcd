"""What the others do for a restored body: deliver again what it may have lost.

Delivered messages are kept for so many days; after them no restored body can ask any more.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import orjson

from sekisho.body.context import Body
from sekisho.body.ports import Incoming, Outcome, Outgoing
from sekisho.body.recovery import RestoreRule, read_restore_rule
from sekisho.common.canonical import canonical_json
from sekisho.common.clock import SystemClock
from sekisho.exchange.messages import kept_as

RESENT = "resent"


def rule(body: Body) -> RestoreRule:
    """Return how long delivered messages are kept, and what else a restore rests on."""
    return read_restore_rule(body.rules / "restore.toml")


def resend(body: Body, message: Incoming) -> Outcome:
    """Deliver again to a restored body what it may have lost; tell it which messages these are."""
    asked = orjson.loads(message.read())
    since = datetime.fromisoformat(asked["since"])
    found = body.store.delivered(message.sender, since)
    oldest = SystemClock().now() - timedelta(days=rule(body).keep_sent_days)
    answer: dict[str, Any] = {
        "backup": asked["backup"],
        "complete": since >= oldest,
        "messages": [{"id": kept_as(body.id, one), "path": path} for one, path in found],
    }
    outcome = Outcome(again=[one for one, _ in found])
    outcome.send.append(Outgoing(message.sender, "status/resent", canonical_json(answer)))
    outcome.fact("message.resent", to=message.sender, count=len(found))
    return outcome


def resent(body: Body, message: Incoming) -> Outcome:
    """Keep what a body says it delivers again."""
    said = orjson.loads(message.read())
    key = f"{said['backup']}:{message.sender}"
    kept = {"complete": bool(said["complete"]), "messages": said["messages"]}
    return Outcome(put=[(RESENT, key, kept)])


def forget_sent(body: Body) -> Outcome:
    """Remove what was delivered so long ago that no restored body may ask for it."""
    before = SystemClock().now() - timedelta(days=rule(body).keep_sent_days)
    return Outcome(remove=body.store.delivered_before(before))
