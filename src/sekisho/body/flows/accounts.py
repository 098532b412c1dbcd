"""Every choice taken at a desk is accounted for at its registry within a day, or both alarm.

Once a day a sender of choices states what it sent before today and does not know to be registered;
the registry answers which of it is there. What is not is sent again from the forms, which stay at
the desk for that. A registry that tells another of its choices gives account in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

import orjson

from sekisho.body import duties
from sekisho.body.context import Body
from sekisho.body.flows import alarms, optout
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.canonical import canonical_json
from sekisho.common.errors import Refusal
from sekisho.common.ids import BodyId, new_id
from sekisho.control.optout import (
    GENESIS,
    Sent,
    Statement,
    make_statement,
    place_of_statement,
    unaccounted,
)
from sekisho.exchange import jws
from sekisho.framework import desks, forwards, registries, registry_of

STATEMENT = "sekisho-choice-statement"
CHOICES, FORWARDED = "choice-batch", "forward-batch"


def accounts_to(body: Body) -> tuple[str, ...]:
    """Return the registries to which this body sends choices."""
    me, framework = BodyId(body.id), body.framework
    own = (registry_of(framework, me),) if me in desks(framework) else ()
    others = forwards(framework, me) if me in registries(framework) else ()
    return tuple(dict.fromkeys((*own, *others)))


def accounts_from(body: Body) -> tuple[str, ...]:
    """Return the bodies that send choices to the registry that this body keeps."""
    me, framework = BodyId(body.id), body.framework
    own = [desk for desk in desks(framework) if registry_of(framework, desk) == me]
    others = [one for one in registries(framework) if me in forwards(framework, one)]
    return tuple(dict.fromkeys((*own, *others)))


def daily(body: Body) -> Outcome:
    """State what was sent; notice who answered nothing, and who stated nothing."""
    outcome = Outcome()
    last = duties.last_cut_off(body)
    if last is not None:
        for registry in accounts_to(body):
            kept = body.store.get("statement", registry)
            alarms.settle(
                outcome,
                body,
                f"statement:{registry}",
                "opt-out.statement-unanswered",
                kept is not None and not kept["answered"],
                peer=registry,
            )
        for sender in accounts_from(body):
            taken = body.store.get("statement-taken", sender)
            alarms.settle(
                outcome,
                body,
                f"statement-of:{sender}",
                "opt-out.statement-missing",
                taken is None or date.fromisoformat(taken["on"]) < last,
                peer=sender,
            )
    for registry in accounts_to(body):
        outcome.add(_state(body, registry))
    return outcome


def _state(body: Body, registry: str) -> Outcome:
    kept = body.store.get("statement", registry) or {"number": 0, "digest": GENESIS}
    outcome = Outcome()
    batches: dict[str, Sent] = {}
    for kind, key, reason, refs in _open(body, registry):
        if refs:
            batches[reason] = Sent.of(refs)
        else:
            _close(outcome, body, kind, key)
    states = [one["state"] for _, one in body.store.find("choice")]
    made = make_statement(
        sender=body.id,
        registry=registry,
        number=kept["number"] + 1,
        previous=kept["digest"],
        on=body.today(),
        recorded=len(states),
        registered=states.count("registered"),
        unreadable=states.count("unreadable"),
        batches=batches,
    )
    token = jws.sign(made.payload(), body.keys.signing, body.id, STATEMENT)
    said = {"number": made.number, "digest": made.digest, "answered": False}
    outcome.put.append(("statement", registry, said))
    outcome.documents.append((f"statements/{registry}-{made.number:08d}.jws", token))
    outcome.fact(
        "optout.statement",
        registry=registry,
        number=made.number,
        digest=made.digest,
        previous=made.previous,
        batches=len(batches),
        choices=sum(one.count for one in batches.values()),
        counts={"recorded": made.recorded, "registered": made.registered}
        | {"unreadable": made.unreadable},
    )
    outcome.send.append(Outgoing(registry, "opt_out/account", token.encode()))
    return outcome


def _open(body: Body, registry: str) -> Iterator[tuple[str, str, str, list[str]]]:
    """Yield (kind, key, reason, references) of the batches that ought to be registered."""
    today = body.today().isoformat()
    if registry_of(body.framework, BodyId(body.id)) == registry:
        for key, kept in body.store.find(CHOICES):
            if kept["open"] and kept["on"] < today:
                known = ((ref, body.store.get("choice", ref) or {}) for ref in kept["refs"])
                refs = [ref for ref, one in known if one.get("state") != "unreadable"]
                yield CHOICES, key, f"choices:{key}", refs
    for key, kept in body.store.find(FORWARDED):
        if kept["to"] == registry and kept["open"] and kept["on"] < today:
            yield FORWARDED, key, key, list(kept["refs"])


def _close(outcome: Outcome, body: Body, kind: str, key: str, *, superseded: bool = False) -> None:
    """Close a batch: its choices are registered, or go in another one that supersedes it."""
    kept = body.store.get(kind, key) or {}
    outcome.put.append((kind, key, kept | {"open": False, "superseded": superseded}))


def stated(body: Body, message: Incoming) -> Outcome:
    """Hold a sender's statement against what this registry registered, and answer."""
    signed = jws.verify(message.read().decode(), body.directory.resolve, STATEMENT)
    statement = Statement.from_payload(signed.payload)
    if not signed.signer == statement.sender == message.sender or (
        statement.registry != body.id or message.sender not in accounts_from(body)
    ):
        raise Refusal("opt-out.not-your-registry", "The statement is not for this registry.")
    sender = statement.sender
    taken = body.store.get("statement-taken", sender) or {"number": 0, "digest": GENESIS}
    place = place_of_statement(taken["number"], taken["digest"], statement)
    outcome = Outcome()
    if place in {"gap", "changed"}:
        code = "opt-out.statement-lost" if place == "gap" else "opt-out.statement-changed"
        lost = max(0, statement.number - taken["number"] - 1)
        key = f"statement-chain:{sender}"
        alarms.raise_(outcome, body, key, code, peer=sender, statements=lost)
    elif place == "next":
        alarms.clear(outcome, body, f"statement-chain:{sender}")
    if place == "changed":
        return outcome
    registered = {
        key.removeprefix(f"{sender}/"): Sent(kept["count"], kept["digest"])
        for key, kept in body.store.find("registered-batch", f"{sender}/")
        if key.removeprefix(f"{sender}/") in statement.batches
    }
    missing = unaccounted(statement, registered)
    choices = sum(statement.batches[reason].count for reason in missing)
    if statement.number > taken["number"]:
        said = {"number": statement.number, "digest": statement.digest}
        on = {"on": statement.on.isoformat()}
        outcome.put.append(("statement-taken", sender, said | on))
        alarms.clear(outcome, body, f"statement-of:{sender}")
        alarms.settle(
            outcome,
            body,
            f"choices-of:{sender}",
            "opt-out.choices-missing",
            bool(missing),
            peer=sender,
            batches=len(missing),
            choices=choices,
        )
    answer = {
        "number": statement.number,
        "digest": statement.digest,
        "registered": sorted(set(statement.batches) - set(missing)),
        "missing": list(missing),
    }
    outcome.send.append(Outgoing(sender, "opt_out/accounted", canonical_json(answer)))
    return outcome


def accounted_to(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Tell a sender of choices which statement of its own was taken here last."""
    taken = body.store.get("statement-taken", sender) or {"number": 0, "digest": GENESIS}
    return {name: taken[name] for name in ("number", "digest")}


def answered(body: Body, message: Incoming) -> Outcome:
    """Take the registry's answer: what is registered is closed, what is missing is sent again."""
    answer: Json = orjson.loads(message.read())
    registry = message.sender
    kept = body.store.get("statement", registry)
    if registry not in accounts_to(body) or kept is None:
        raise Refusal("opt-out.not-our-registry", "We sent that body no statement.")
    outcome = Outcome()
    if (kept["number"], kept["digest"]) != (answer["number"], answer["digest"]) or kept["answered"]:
        return outcome  # an answer to an older statement, or one that came twice
    outcome.put.append(("statement", registry, kept | {"answered": True}))
    alarms.clear(outcome, body, f"statement:{registry}")
    missing = []
    for kind, key, reason, refs in list(_open(body, registry)):
        if reason in answer["registered"]:
            _close(outcome, body, kind, key)
            _settled(outcome, body, refs if kind == CHOICES else ())
        elif reason in answer["missing"]:
            missing.append(len(refs))
            _close(outcome, body, kind, key, superseded=True)
            outcome.add(_again(body, kind, registry, refs))
    alarms.settle(
        outcome,
        body,
        f"choices:{registry}",
        "opt-out.choices-missing",
        bool(missing),
        peer=registry,
        batches=len(missing),
        choices=sum(missing),
    )
    return outcome


def _settled(outcome: Outcome, body: Body, refs: list[str] | tuple[str, ...]) -> None:
    """Forget the forms of choices that are registered: nobody needs them any longer."""
    for ref in refs:
        kept = body.store.get("choice", ref) or {}
        outcome.put.append(("choice", ref, kept | {"state": "registered", "form": ""}))


def _again(body: Body, kind: str, registry: str, refs: list[str]) -> Outcome:
    if kind == CHOICES:
        kept = [(ref, body.store.get("choice", ref) or {}) for ref in refs]
        return optout.send_batch(body, kept)
    wanted = set(refs)
    known = [
        (body.keys.unwrap(wrapped), choice)
        for wrapped, data in body.store.find("registry")
        for choice in data["choices"]
        if choice["ref"] in wanted
    ]
    return optout.forward(body, registry, f"choices:{new_id(body.random)}:{registry}", known)
