"""The oversight body's own look at an extract: is anyone in it who must not be?

The environment tells the oversight body whom the gate let in (the index of uses), each registry
sends it the same list as the gate, and both come through the converters into one domain of the
project that only the oversight body has. It compares them part by part (holder and class), and
countersigns the extract's receipt if no part holds records of anybody whose choice keeps them out,
whether it covers everything, a class, a body or a purpose. It sees pseudonyms that mean nothing
elsewhere; what it signs has counts only. Then it forgets the list and who was in which part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from sekisho.body.context import Body
from sekisho.body.flows import alarms, transfer, uses
from sekisho.body.flows.permits import Granted, read_permit, way
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.canonical import canonical_json, digest
from sekisho.common.errors import Refusal
from sekisho.common.ids import BodyId
from sekisho.control.optout import ListHeader, Scope, drops
from sekisho.exchange import jws
from sekisho.framework import registries_for

COUNTERSIGNATURE = "sekisho-extract-countersignature"
RECEIPT, LISTED = "receipt-to-check", "list-to-check"
ALARM = "extract.opted-out-included"


@dataclass(frozen=True)
class Found:
    """What a comparison found, in persons. ``out``: in the extract with records that a choice
    keeps out. ``partly``: in the extract without the part of their records that a choice keeps
    out. ``elsewhere``: in it with records that a choice would keep out, if a choice counted also
    at bodies that its registry does not serve."""

    listed: int
    out: int
    partly: int
    elsewhere: int


def list_arrived(
    body: Body, arrival: transfer.Arrived, header: ListHeader, rows: Mapping[Any, tuple[str, ...]]
) -> Outcome:
    """Keep a registry's list in the project's domain here, wrapped, until it was compared."""
    granted = read_permit(body, arrival.reason.permit or "")
    outcome = uses.begin(body, granted)
    if (log := uses.log_of(body, granted.application)) is not None:
        uses.check_turned(body, log)
    here = arrival.pseudonyms.take(rows)
    entries = {body.keys.wrap(here[tag]): list(s) for tag, s in rows.items()}
    key = f"{granted.application}:{header.registry}:{header.number}"
    outcome.put.append((LISTED, key, {"digest": header.digest, "entries": entries}))
    return _look(outcome, body, granted.application)


def receipt_came(body: Body, message: Incoming) -> Outcome:
    """Keep an extract's receipt until all is here that it is held against."""
    from sekisho.body.flows import project

    said = orjson.loads(message.read())
    granted = read_permit(body, said["permit"])
    signed = jws.verify(said["receipt"], body.directory.resolve, project.RECEIPT)
    fits = (
        signed.signer == message.sender == granted.environment
        and signed.payload["permit"] == granted.digest
        and signed.payload["application"] == granted.application
    )
    if not fits:
        raise Refusal(
            "extract.other-receipt",
            "The receipt is not that of the permit's environment.",
            rule="an extract's receipt is countersigned under the permit that it names",
        )
    kept = {"token": said["receipt"], "permit": granted.text}
    return _look(Outcome(put=[(RECEIPT, granted.application, kept)]), body, granted.application)


def _receipt(body: Body, token: str) -> Json:
    from sekisho.body.flows import project

    return dict(jws.verify(token, body.directory.resolve, project.RECEIPT).payload)


def _look(outcome: Outcome, body: Body, application: str) -> Outcome:
    """Compare as soon as this is committed; what is still missing will ask again."""
    outcome.send.append(uses.look_at(body, application))
    return outcome


def compare(body: Body, message: Incoming) -> Outcome:
    """Hold a receipt against index and lists when all are here; countersign it, or alarm."""
    application = orjson.loads(message.read())["application"]
    kept = body.store.get(RECEIPT, application)
    if kept is None:
        return Outcome()
    granted = read_permit(body, kept["permit"])
    receipt = _receipt(body, kept["token"])
    index = uses.index_of(body, application, digest(kept["token"].encode()))
    lists = _lists(body, application, receipt)
    if index is None or lists is None or index.count != receipt["counts"]["included"]:
        return Outcome()
    found = _found(body, granted, receipt, index.persons, lists)
    if found.out:
        return _contradicted(body, granted, kept["token"], found)
    return _countersigned(body, granted, kept["token"], receipt, found)


def _lists(body: Body, application: str, receipt: Json) -> dict[str, Json] | None:
    """Return the entries of each list on which the receipt rests; None while one is missing."""
    found = {}
    for registry, said in receipt["lists"].items():
        kept = body.store.get(LISTED, f"{application}:{registry}:{said['number']}")
        if kept is None or kept["digest"] != said["digest"]:
            return None
        found[registry] = kept["entries"]
    return found


def _found(
    body: Body,
    granted: Granted,
    receipt: Json,
    persons: Mapping[str, frozenset[uses.Part]],
    lists: Mapping[str, Mapping[str, Sequence[str]]],
) -> Found:
    """Compare. A choice keeps out either all or nothing of what a holder sent of one class."""
    parts = [tuple(name.split(":")) for name in receipt["parts"]]
    listed = {person for entries in lists.values() for person in entries}
    out = partly = elsewhere = 0
    for person in persons.keys() & listed:
        bound, anywhere = set[uses.Part](), set[uses.Part]()
        for holder, data_class in parts:
            hops = set(way(body.framework, granted, holder, data_class).hops)
            serving = registries_for(body.framework, BodyId(holder))
            here, all_of_them = (
                [Scope.parse(text) for name in names for text in lists[name].get(person, ())]
                for names in ([r for r in lists if r in serving], list(lists))
            )
            purpose = granted.permit.purpose
            if drops(here, data_class, hops, purpose):
                bound.add((holder, data_class))
            if drops(all_of_them, data_class, hops, purpose):
                anywhere.add((holder, data_class))
        is_in = persons[person]
        out += bool(is_in & bound)
        partly += bool(bound) and not is_in & bound
        elsewhere += bool(is_in & anywhere) and not is_in & bound
    return Found(len(listed), out, partly, elsewhere)


def _countersigned(
    body: Body, granted: Granted, token: str, receipt: Json, found: Found
) -> Outcome:
    payload = {
        "application": granted.application,
        "permit": granted.digest,
        "receipt": digest(token.encode()),
        "on": body.today().isoformat(),
        "lists": {
            registry: {"number": said["number"], "digest": said["digest"]}
            for registry, said in sorted(receipt["lists"].items())
        },
        "included": receipt["counts"]["included"],
        "listed": found.listed,
        "opted_out_included": found.out,
        "partly": found.partly,
        "opted_out_elsewhere": found.elsewhere,
    }
    signed = jws.sign(payload, body.keys.signing, body.id, COUNTERSIGNATURE)
    outcome = Outcome()
    outcome.documents.append((f"countersignatures/{granted.application}.jws", signed))
    outcome.fact(
        "extract.countersigned",
        application=granted.application,
        permit=granted.id,
        receipt=payload["receipt"],
        digest=digest(signed.encode()),
        persons=payload["included"],
        counts={"partly": found.partly, "opted_out_elsewhere": found.elsewhere},
    )
    return _end(outcome, body, granted, found, holds=True)


def _contradicted(body: Body, granted: Granted, token: str, found: Found) -> Outcome:
    outcome = Outcome()
    key = f"extract:{granted.application}"
    alarms.raise_(outcome, body, key, ALARM, peer=granted.environment, persons=found.out)
    outcome.fact(
        "extract.contradicted",
        application=granted.application,
        permit=granted.id,
        receipt=digest(token.encode()),
        persons=found.out,
    )
    return _end(outcome, body, granted, found, holds=False)


def _end(outcome: Outcome, body: Body, granted: Granted, found: Found, *, holds: bool) -> Outcome:
    """Tell the environment, and forget what was only here to be compared."""
    kept = body.store.get(RECEIPT, granted.application) or {}
    told = {"receipt": digest(kept["token"].encode()), "application": granted.application}
    answer = canonical_json({**told, "holds": holds})
    outcome.send.append(Outgoing(granted.environment, "analysis/countersigned", answer))
    for key, _ in body.store.find(LISTED, f"{granted.application}:"):
        outcome.put.append((LISTED, key, {"digest": "", "entries": {}}))
    outcome.add(uses.forget_parts(body, granted.application))
    seen = {"out": found.out, "partly": found.partly, "elsewhere": found.elsewhere}
    outcome.put.append(("countersigned", granted.application, {"holds": holds, **seen}))
    return outcome


def figures(body: Body) -> Json:
    """Return what each comparison found, in counts."""
    return dict(body.store.find("countersigned"))


def answered(body: Body, message: Incoming) -> Outcome:
    """At the environment: keep the oversight body's word; shut a project that it contradicts."""
    from sekisho.body.flows import project

    said = orjson.loads(message.read())
    application = said["application"]
    state = body.store.get("project", application)
    if message.sender != body.auxiliary("oversight") or state is None:
        raise Refusal("extract.not-oversight", "Only the oversight body countersigns a receipt.")
    outcome = Outcome()
    if state["state"] != "ready" or said["receipt"] != _receipt_of(body, application):
        return outcome
    alarms.clear(outcome, body, f"countersignature:{application}")
    if said["holds"]:
        outcome.put.append(("project", application, state | {"countersigned": True}))
        return outcome
    problem = Refusal(
        ALARM,
        "The oversight body found records in the extract that their persons' choices keep out.",
        rule="promise 1: enforced by the holder and by the gate, and compared by a third body",
        next_step="find out why both filters let them pass; then make the extract again",
    )
    shut = {"state": "stopped", "problem": problem.as_problem()}
    outcome.put.append(("project", application, state | shut))
    outcome.remove.append(project.folder(body, application) / "data")
    alarms.raise_(outcome, body, f"extract:{application}", ALARM, peer=message.sender)
    return outcome


def send_receipt(body: Body, granted: Granted, receipt: str) -> Outgoing:
    """Return the message with which an environment asks for the countersignature."""
    said = canonical_json({"receipt": receipt, "permit": granted.text})
    return Outgoing(body.auxiliary("oversight"), "oversight/receipt", said)


def _receipt_of(body: Body, application: str) -> str:
    return digest(body.documents.read(f"receipts/extract-{application}.jws").encode())


def waiting(body: Body) -> Iterator[tuple[str, Json]]:
    """Yield the projects of this environment whose receipt is not countersigned yet."""
    for application, state in body.store.find("project"):
        if state["state"] == "ready" and not state.get("countersigned"):
            yield application, state


def daily(body: Body) -> Outcome:
    """Alarm on every extract of an earlier day without a countersignature, and ask again."""
    outcome = Outcome()
    today = body.today().isoformat()
    for application, state in waiting(body):
        if state.get("made_on", today) < today:
            key = f"countersignature:{application}"
            alarms.raise_(outcome, body, key, "extract.not-countersigned")
            receipt = body.documents.read(f"receipts/extract-{application}.jws")
            granted = read_permit(body, state["permit"])
            outcome.send.append(send_receipt(body, granted, receipt))
    return outcome
