"""Lists between registry and holders, looked at once a day from both ends.

The registry holds every holder's acknowledgement against the list that it issued; a holder holds
what it has against the day. Each alarms on a gap, and asks for or sends again what is missing.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import orjson

from sekisho.body import duties
from sekisho.body.context import Body
from sekisho.body.flows import alarms, lists, taking
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.canonical import canonical_json
from sekisho.common.ids import BodyId
from sekisho.control.optout import Acknowledgement, ListHeader, gaps, read_rule
from sekisho.framework import list_recipients, registries_for

CODES = {
    "no answer": "opt-out.unacknowledged",
    "other list": "opt-out.other-list",
    "other count": "opt-out.other-count",
}


def acknowledged(body: Body, message: Incoming) -> Outcome:
    """Keep a holder's word that it applies a list; a word about another list alarms at once."""
    answer = Acknowledgement.from_payload(orjson.loads(message.read()))
    outcome = Outcome()
    key = f"{answer.number:08d}:{message.sender}"
    outcome.put.append(("acknowledgement", key, answer.payload()))
    issued = body.store.get("issued-list", f"{answer.number:08d}")
    alarms_of = f"acknowledgement:{message.sender}"
    if issued is None or (answer.registry, answer.digest) != (body.id, issued["digest"]):
        code = CODES["other list"]
        alarms.raise_(outcome, body, alarms_of, code, peer=message.sender, number=answer.number)
    elif answer.receiver == message.sender and answer.number >= _due(body):
        alarms.clear(outcome, body, alarms_of)
    return outcome


def _due(body: Body) -> int:
    """Return the number of the newest list that every holder must have acknowledged by now."""
    rule = read_rule(body.rules / "opt-out.toml")
    latest = body.now() - timedelta(hours=rule.answer_hours)
    due = 0
    for key, kept in body.store.find("issued-list"):
        if datetime.fromisoformat(kept["at"]) <= latest:
            due = int(key)
    return due


def daily(body: Body) -> Outcome:
    """Alarm on each holder that has not acknowledged the list, and send it again."""
    outcome = Outcome()
    number = _due(body)
    if not number:
        return outcome
    header = lists.header_of(body, number)
    answers = []
    for key, kept in body.store.find("acknowledgement"):
        if int(key[:8]) >= number:
            answers.append(Acknowledgement.from_payload(kept))
    readers = list_recipients(body.framework, BodyId(body.id))
    later = {one.receiver for one in answers if one.number > number}
    for gap in gaps(header, answers, set(readers) - later):
        code, peer = CODES[gap.what], gap.receiver
        alarms.raise_(outcome, body, f"acknowledgement:{peer}", code, peer=peer, number=number)
        outcome.add(lists.send_again(body, gap.receiver, number - 1))
    return outcome


def at_holder(body: Body) -> Outcome:
    """Alarm where no list of the last day is held, or one before it is missing, and ask for it."""
    outcome = Outcome()
    last = duties.last_cut_off(body)
    for registry in registries_for(body.framework, BodyId(body.id)):
        kept = body.store.get(taking.HELD, registry)
        header = None if kept is None else ListHeader.from_payload(kept["header"])
        number = 0 if header is None else header.number
        gap = taking.newest_known(body, registry) - number
        late = last is not None and (header is None or header.on < last)
        if gap or late:
            code = "opt-out.list-gap" if gap else "opt-out.list-missing"
            about: Json = {"peer": registry, "lists": gap} if gap else {"peer": registry}
            alarms.raise_(outcome, body, f"list:{registry}", code, **about)
            question = canonical_json({"since": number})
            outcome.send.append(Outgoing(registry, "opt_out/lists-since", question))
    return outcome
