"""The index of uses is brought into a new epoch project by project, at the oversight body.

By ratios, as every owner's pseudonyms: no converter needs the secret of an epoch that is over to
find a person in the index of an old project. Each project is one message and one outcome, so that
memory is bounded by the largest; until it has turned, whoever needs its index comes back later.
"""

from __future__ import annotations

from typing import Any

import orjson
from msgspec.structs import replace

from sekisho.body.context import Body
from sekisho.body.flows import epochs
from sekisho.body.flows.atrest import Turning
from sekisho.body.flows.countersign import LISTED
from sekisho.body.flows.uses import INDEX, PARTS, buckets_of, keep, log_of, logs
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.canonical import canonical_json, digest_of
from sekisho.common.ids import uses_domain
from sekisho.control.uses import UseLog


def behind(body: Body, epoch: int) -> list[str]:
    """Return the projects whose index is of an epoch before ``epoch``."""
    return [log.application for log in logs(body) if log.epoch < epoch]


def begin(body: Body, epoch: int) -> Outcome:
    """Ask ourselves to turn each project's index; where there is none, say that all has turned."""
    waiting = behind(body, epoch)
    outcome = Outcome(send=[_ask(body, one) for one in waiting])
    if not waiting:
        outcome.send.append(epochs.confirm(body, epoch))
    return outcome


def daily(body: Body) -> Outcome:
    """Ask again for what is still behind."""
    return Outcome(send=[_ask(body, one) for one in behind(body, body.epoch)])


def _ask(body: Body, application: str) -> Outgoing:
    said = canonical_json({"application": application})
    return Outgoing(body.id, "oversight/turn-index", said)


def turn(body: Body, message: Incoming) -> Outcome:
    """Turn one project's index; with the last one all that this body keeps has turned."""
    application = str(orjson.loads(message.read())["application"])
    log, outcome = log_of(body, application), Outcome()
    if log is not None and log.epoch < body.epoch:
        outcome = _turned(body, log)
    if not set(behind(body, body.epoch)) - {application}:
        outcome.send.append(epochs.confirm(body, body.epoch))
    return outcome


def _turned(body: Body, log: UseLog) -> Outcome:
    domain = uses_domain(log.application, body.id)
    ratio = epochs.ratio_of(body, domain, log.epoch, body.epoch)
    turning, prefix = Turning(body, {domain: ratio}), f"{log.application}:"
    outcome = Outcome()
    for key, kept in body.store.find(LISTED, prefix):
        outcome.put.append((LISTED, key, turning.all_in(domain, kept)))
    parts = dict(body.store.find(PARTS, prefix))
    _replace(outcome, PARTS, prefix, parts, _parts(turning.all_in(domain, parts)))
    index = dict(body.store.find(INDEX, prefix))
    whole = _is_whole(log, index, prefix)
    persons = [one for kept in index.values() for one in turning.all_in(domain, kept["persons"])]
    buckets = buckets_of(persons) if whole else {}
    _replace(outcome, INDEX, prefix, index, {n: {"persons": of} for n, of in buckets.items()})
    digests = {name: digest_of(of) for name, of in buckets.items()}
    new = replace(log, epoch=body.epoch, buckets=digests)
    if not whole:  # spread anew over all buckets, what was lost would look like "no use"
        new = replace(new, received_on=None, made_on=None, receipt=None, included=None)
    outcome.add(keep(new))
    if log.received_on is not None:
        outcome.fact(
            "use.turned",
            application=log.application,
            epoch=body.epoch,
            digest=digest_of(digests),
            whole=whole,
        )
    return outcome


def _is_whole(log: UseLog, index: Json, prefix: str) -> bool:
    kept = {key.removeprefix(prefix): digest_of(one["persons"]) for key, one in index.items()}
    return kept == log.buckets


def _parts(turned: Json) -> Json:
    """Return of which parts each person is, in buckets again; nothing where it was forgotten."""
    named: Any = next((kept["parts"] for kept in turned.values() if kept["persons"]), [])
    of = {one: marks for kept in turned.values() for one, marks in kept["persons"].items()}
    return {
        name: {"parts": named, "persons": {one: of[one] for one in persons}}
        for name, persons in buckets_of(of).items()
    }


def _replace(outcome: Outcome, kind: str, prefix: str, before: Json, after: Json) -> None:
    outcome.put += [(kind, prefix + name, data) for name, data in after.items()]
    outcome.drop += [(kind, key) for key in before if key.removeprefix(prefix) not in after]
