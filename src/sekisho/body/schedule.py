"""When a body's day begins by the real clock: once a day at the cut-off, whatever happened before.

A day begins with a message of the body to itself whose id follows from the body and the day, so
that it is handled once, however many workers say it and however often they start. After a body was
down, the day whose cut-off passed last begins at once; days before it begin no more, because no
list can be made for a day that is over, and what they left undone is due on this one.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path

import msgspec
import orjson

from sekisho.body import duties
from sekisho.body.context import Body
from sekisho.body.ports import Incoming
from sekisho.common.canonical import digest
from sekisho.common.clock import JST
from sekisho.common.toml import read_toml

DAY = "status/day"


class DayRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``rules/day.toml``: the cut-off of a day, ``HH:MM`` in Japan, and where it comes from."""

    id: str
    version: str
    cut_off: str
    source: dict[str, str]

    def __post_init__(self) -> None:
        time.fromisoformat(self.cut_off)
        if not self.source.get("cut_off"):
            raise ValueError("cut_off has no source")

    @property
    def at(self) -> time:
        return time.fromisoformat(self.cut_off)


def read_rule(rules: Path) -> DayRule:
    """Read the rule in the folder of rules."""
    return read_toml(rules / "day.toml", DayRule)


def last_day(now: datetime, rule: DayRule) -> date:
    """Return the day whose cut-off passed last."""
    local = now.astimezone(JST)
    return local.date() if local.time() >= rule.at else local.date() - timedelta(days=1)


def next_cut_off(now: datetime, rule: DayRule) -> datetime:
    """Return when the next day begins."""
    day = last_day(now, rule) + timedelta(days=1)
    return datetime.combine(day, rule.at, JST)


def begin(body: Body, now: datetime) -> bool:
    """Begin the day whose cut-off passed last, unless it began; return whether it begins now."""
    day = last_day(now, read_rule(body.rules))
    began = duties.last_cut_off(body)
    if began is not None and began >= day:
        return False
    own = digest(f"{body.id}/day/{day.isoformat()}".encode())[:32]
    if _is_kept(body, own):
        return False
    data = orjson.dumps({"day": day.isoformat()})
    file = body.store.write_spool("in", own, data)
    message = Incoming(own, body.id, DAY, {}, "application/json", file)
    return body.store.keep_incoming(message, len(data))


def _is_kept(body: Body, message_id: str) -> bool:
    """A message that waits keeps its body: nobody writes it a second time."""
    return body.store.file("in", message_id).exists()
