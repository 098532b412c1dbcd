"""Alarms: what a body noticed and somebody must look into; raised once, shown until it is cleared.

An alarm has a key of its own, so that what is noticed again every day stands once, with the day on
which it began. It names bodies, kinds and counts, never a person, a reference or a digest of one.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from sekisho.body.context import Body
from sekisho.body.ports import Json, Outcome

ALARM: Final = "alarm"

OWNERS: Final = {
    "opt-out": "opt-out-officer",
    "transfer": "exchange-officer",
    "submission": "collection-officer",
    "alias": "linkage-officer",
    "project": "environment-officer",
    "extract": "environment-officer",
    "uses": "environment-officer",
    "review": "review-office",
    "exchange": "exchange-officer",
    "ledger": "auditor",
}
"""Who must act, by the first part of an alarm's code."""
OPERATOR: Final = "operator"
"""Who must act where nobody else is named: the operator of the body."""


def raise_(outcome: Outcome, body: Body, key: str, code: str, **about: int | str) -> None:
    """Raise the alarm ``key``; one that stands already keeps its first day.

    Args:
        outcome: of the message that is handled; record and entry are committed with it.
        body: who noticed.
        key: what the alarm is about: the same words for the same thing.
        code: what is wrong, ``room.what``, as with errors.
        about: counts and names of bodies or kinds; no value of a person.
    """
    if _standing(outcome, body, key) is not None:
        return
    owner = OWNERS.get(code.partition(".")[0], OPERATOR)
    since = body.today().isoformat()
    kept = {"code": code, "owner": owner, "since": since, "cleared": None, "about": about}
    outcome.put.append((ALARM, key, kept))
    outcome.fact("alarm.raised", alarm=key, code=code, owner=owner, **_said(about))


def clear(outcome: Outcome, body: Body, key: str) -> None:
    """Clear the alarm ``key`` if it stands: what it was about is in order again."""
    kept = _standing(outcome, body, key)
    if kept is None:
        return
    today = body.today()
    outcome.put.append((ALARM, key, kept | {"cleared": today.isoformat()}))
    days = (today - date.fromisoformat(kept["since"])).days
    outcome.fact("alarm.cleared", alarm=key, code=kept["code"], days=days)


def settle(
    outcome: Outcome, body: Body, key: str, code: str, wrong: bool, **about: int | str
) -> None:
    """Raise the alarm ``key`` where something is wrong, else clear it."""
    if wrong:
        raise_(outcome, body, key, code, **about)
    else:
        clear(outcome, body, key)


def stands(body: Body, key: str) -> bool:
    """Return whether the alarm ``key`` is raised and not cleared."""
    return _standing(Outcome(), body, key) is not None


def shown(body: Body) -> list[Json]:
    """Return every alarm that there was: what, whose, since when, how old; the standing first."""
    today = body.today()
    found = [
        {**kept, "alarm": key, "days": (_end(kept, today) - date.fromisoformat(kept["since"])).days}
        for key, kept in body.store.find(ALARM)
    ]
    return sorted(found, key=lambda one: (one["cleared"] is not None, one["since"], one["alarm"]))


def _end(kept: Json, today: date) -> date:
    return today if kept["cleared"] is None else date.fromisoformat(kept["cleared"])


def _standing(outcome: Outcome, body: Body, key: str) -> Json | None:
    """Return the alarm as it stands, also when this same outcome changes it."""
    changed = [data for kind, name, data in outcome.put if (kind, name) == (ALARM, key)]
    kept = changed[-1] if changed else body.store.get(ALARM, key)
    return None if kept is None or kept["cleared"] is not None else kept


def _said(about: dict[str, int | str]) -> dict[str, Any]:
    """Return what an alarm is about as a ledger entry can say it."""
    counts = {name: value for name, value in about.items() if isinstance(value, int)}
    words = [f"{name}={value}" for name, value in about.items() if isinstance(value, str)]
    return {
        **({"counts": counts} if counts else {}),
        **({"about": words} if words else {}),
    }
