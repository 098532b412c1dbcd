"""Every message about a case is accounted for within a day, or both ends alarm.

Applications, decisions, drafts, signatures and permits go from body to body once. Once a day a body
that reviews names to each other body what it delivered there and does not know to be kept; what
never came is delivered again, under its own id, so that nothing is done twice. A day without such
messages costs none.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import orjson

from sekisho.body.context import Body
from sekisho.body.flows import alarms
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.canonical import canonical_json
from sekisho.exchange.messages import kept_as

ACCOUNT: Final = "case-account"
"""Records by receiver: number of the last account, ids that it ``asked`` about, whether it was
answered, and ids that are ``known`` to be kept there."""
NOTHING: Final[Json] = {"number": 0, "asked": [], "answered": True, "known": []}
ALWAYS: Final = datetime(1970, 1, 1, tzinfo=UTC)


def daily(body: Body) -> Outcome:
    """Name to each other body what it ought to have; notice who answered nothing."""
    outcome = Outcome()
    for peer in sorted(one.id for one in body.directory if one.kind == "body"):
        if peer == body.id:
            continue
        kept = body.store.get(ACCOUNT, peer)
        alarms.settle(
            outcome,
            body,
            f"cases:{peer}",
            "review.account-unanswered",
            kept is not None and not kept["answered"],
            peer=peer,
        )
        outcome.add(_state(body, peer, kept or NOTHING))
    return outcome


def _state(body: Body, peer: str, kept: Json) -> Outcome:
    sent = _of_cases(body, peer)
    asked = sorted(sent - set(kept["known"]))
    if not asked:
        return Outcome()
    number = kept["number"] + 1
    said = {"number": number, "messages": [kept_as(body.id, one) for one in asked]}
    # What was delivered so long ago that its file is gone need not be known any longer.
    known = sorted(sent & set(kept["known"]))
    now = {"number": number, "asked": asked, "answered": False, "known": known}
    account = Outgoing(peer, "status/cases", canonical_json(said))
    return Outcome(send=[account], put=[(ACCOUNT, peer, now)])


def _of_cases(body: Body, peer: str) -> set[str]:
    """Return the ids of delivered messages about cases: all of the room, and permits."""
    found = body.store.delivered(peer, ALWAYS)
    return {one for one, path in found if path.startswith("review/") or path.endswith("/permit")}


def stated(body: Body, message: Incoming) -> Outcome:
    """Answer which of a sender's messages never came here."""
    said: Json = orjson.loads(message.read())
    missing = [one for one in said["messages"] if body.store.incoming_state(str(one)) is None]
    outcome = Outcome()
    _settle(outcome, body, f"cases-of:{message.sender}", message.sender, len(missing))
    answer = {"number": said["number"], "missing": missing}
    outcome.send.append(Outgoing(message.sender, "status/cases-kept", canonical_json(answer)))
    return outcome


def answered(body: Body, message: Incoming) -> Outcome:
    """Deliver again what never came; with nothing missing, the next account begins later."""
    answer: Json = orjson.loads(message.read())
    peer = message.sender
    kept = body.store.get(ACCOUNT, peer)
    if kept is None or kept["number"] != answer["number"] or kept["answered"]:
        return Outcome()  # an answer to an older account, or one that came twice
    missing = set(answer["missing"])
    again = [one for one in kept["asked"] if kept_as(body.id, one) in missing]
    known = sorted({*kept["known"], *kept["asked"]} - set(again))
    outcome = Outcome(again=again)
    outcome.put.append((ACCOUNT, peer, {**kept, "answered": True, "known": known}))
    alarms.clear(outcome, body, f"cases:{peer}")
    _settle(outcome, body, f"cases-to:{peer}", peer, len(again))
    return outcome


def _settle(outcome: Outcome, body: Body, key: str, peer: str, missing: int) -> None:
    code = "review.messages-missing"
    alarms.settle(outcome, body, key, code, missing > 0, peer=peer, messages=missing)
