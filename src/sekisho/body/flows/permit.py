"""From the lanes' decisions to a permit that each of them signs, and to everyone whom it binds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import orjson

from sekisho.body.context import Body
from sekisho.body.flows import exit
from sekisho.body.flows.links import ask_for_parts
from sekisho.body.flows.permits import PERMIT, Granted, decider, granted_permit
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.canonical import canonical_json, digest
from sekisho.common.errors import Refusal
from sekisho.common.ids import BodyId
from sekisho.control.review import (
    Application,
    Enclave,
    LaneDecision,
    LedgerHead,
    Part,
    Permit,
    PermitRule,
    join,
    most_persons,
    part_along,
    permit_payload,
    read_permit_rule,
)
from sekisho.data.linkage import read_enclave_rule
from sekisho.exchange import jws
from sekisho.exchange.transfer import key_digest
from sekisho.framework import alias_receivers, environment, extract_route, holders, registries_for


def draft(body: Body, application: Application, decisions: Sequence[LaneDecision]) -> Outcome:
    """Join the lanes' decisions; where they grant, ask each granting lane to sign the permit."""
    from sekisho.body.flows.review import lanes_of

    deciding = [lane.body for lane in lanes_of(body, application)]
    joined = join(
        body.framework.review.join, decisions, application, lanes=deciding, lead=deciding[0]
    )
    state: Json = {"kind": joined.kind, "linkage": joined.linkage}
    outcome = Outcome()
    linked_as_asked = joined.linkage or not application.linkage
    if not joined.grants or not linked_as_asked:
        cause = "refused" if not joined.grants else "no-linkage"
        reasons = [{"body": r.body, "text": r.text} for r in joined.reasons]
        refused = {**state, "state": cause, "reasons": reasons}
        outcome.put.append(("joined", application.id, refused))
        return outcome
    moving = _moving(body, application)
    if moving:
        outcome.put.append(("joined", application.id, {**state, "state": "moving", **moving}))
        return outcome
    rule = read_permit_rule(body.rules / "review" / "permit.toml")
    parts = _parts(body, application, rule)
    payload = permit_payload(
        application,
        joined,
        permit_id=f"permit-{application.id}",
        environment=parts[0].hops[-1],
        parts=parts,
        opt_out=_list_numbers(body, parts),
        ledger_heads=[_ledger_head(body, lane) for lane in deciding],
        starts=body.today(),
        rule=rule,
        receiver_keys={
            one: key_digest(body.directory.find(one).seal_recipient)
            for part in parts
            for one in part.hops
        },
        epoch=body.epoch,
        aliases=_alias_number(body),
        enclave=_enclave(body, application, parts),
    )
    signers = list(payload["granted_by"])
    outcome.put.append(
        (
            "joined",
            application.id,
            {**state, "state": "signing", "payload": payload, "signatures": {}},
        )
    )
    for lane in signers:
        outcome.send.append(Outgoing(lane, "review/draft", canonical_json(payload)))
    return outcome


def _moving(body: Body, application: Application) -> Json:
    """Return why no permit is drafted while data that it would name move to a successor."""
    from sekisho.body.flows.review import classes_asked

    named = {h for c in classes_asked(body, application) for h in holders(body.framework, c)}
    going = sorted(named & set(exit.leaving(body)))
    text = "its data are moving to its successor; apply again when it has left"
    return {"reasons": [{"body": one, "text": text} for one in going]} if going else {}


def _parts(body: Body, application: Application, rule: PermitRule) -> list[Part]:
    from sekisho.body.flows.review import classes_asked

    fw = body.framework
    classes = classes_asked(body, application)
    place = environment(fw, classes)
    parts = []
    held: dict[str, int] = {}
    for data_class in classes:
        for holder in holders(fw, data_class):
            if holder not in held:
                held[holder] = int(_ask(body, holder, "collection/persons")["persons"])
            hops = extract_route(fw, holder, data_class, place).hops
            parts.append(
                part_along(
                    hops,
                    data_class,
                    lane=decider(fw, holder, data_class),
                    application=application.id,
                    max_rows=most_persons(held[holder], rule),
                )
            )
    return parts


def _enclave(body: Body, application: Application, parts: Sequence[Part]) -> Enclave | None:
    """Return where persons without a number are matched, where that was asked for."""
    if not application.enclave:
        return None
    rule = read_enclave_rule(body.rules / "linkage")
    return Enclave(
        body=body.auxiliary("history"),
        until=body.today() + timedelta(days=rule.keep_days),
        max_rows=sum(part.max_rows for part in parts),
    )


def _list_numbers(body: Body, parts: Sequence[Part]) -> dict[str, int]:
    """Return the newest list of every registry that binds a holder: the permit's least."""
    needed = {
        registry
        for part in parts
        for registry in registries_for(body.framework, BodyId(part.holder))
    }
    return {registry: _ask(body, registry, "opt_out/head")["number"] for registry in needed}


def _alias_number(body: Body) -> int:
    """Return the newest batch of changed numbers; 0 where nobody is united by histories."""
    if not alias_receivers(body.framework):
        return 0
    return int(_ask(body, body.auxiliary("history"), "history/aliases")["number"])


def _ledger_head(body: Body, lane: str) -> LedgerHead:
    said = _ask(body, lane, "status/head")
    return LedgerHead(body=lane, **said)


def _ask(body: Body, other: str, path: str) -> Json:
    if other == body.id:
        from sekisho.body.flows import optout, status, submission

        own = {
            "opt_out/head": optout.head,
            "status/head": status.head,
            "collection/persons": submission.persons,
        }
        return own[path](body, body.id, {}, b"")
    answer: Json = body.client.get(body.directory.find(other), f"/exchange/{path}").json()
    return answer


def sign(body: Body, message: Incoming) -> Outcome:
    """Sign a drafted permit as a lane that granted it; refuse one that says more than that."""
    payload: Json = orjson.loads(message.read())
    permit = Permit.from_payload(payload)
    _check_granted(body, permit)
    signature = jws.sign_shared(payload, body.keys.signing, body.id, PERMIT)
    answer = {
        "application": permit.application,
        "protected": signature.protected,
        "signature": signature.signature,
    }
    outcome = Outcome(put=[("signed-permit", permit.application, {"payload": payload})])
    outcome.send.append(Outgoing(message.sender, "review/signature", canonical_json(answer)))
    outcome.fact(
        "permit.issued",
        permit=permit.id,
        application=permit.application,
        digest=digest(canonical_json(answer)),  # with the signature, which nobody guesses
        environment=permit.environment,
        linkage=permit.linkage,
    )
    return outcome


def _check_granted(body: Body, permit: Permit) -> None:
    from sekisho.body.flows.review import DECISION

    name = f"decisions/{permit.application}.jws"
    if not body.documents.exists(name):
        raise Refusal("permit.no-decision", "This lane has not decided on that application.")
    signed = jws.verify(body.documents.read(name), body.directory.resolve, DECISION)
    decision = LaneDecision.from_payload(signed.payload)
    leads = body.framework.review.join == "lead"
    mine = {part.data_class for part in permit.parts if leads or part.lane == body.id}
    fits = (
        decision.outcome == "grant"
        and decision.application_digest == permit.application_digest
        and mine <= set(decision.granted)
        and (decision.linkage or not permit.linkage)
        and set(decision.conditions) <= set(permit.conditions)
        and (permit.enclave is not None) == _asked_enclave(body, permit)
        and all(
            key.digest == key_digest(body.directory.find(key.body).seal_recipient)
            for key in permit.receiver_keys
        )
    )
    if not fits:
        raise Refusal(
            "permit.beyond-grant",
            "The draft says more than this lane granted.",
            rule="a lane signs what it granted, and no more",
            next_step="draft the permit again from the sealed decisions",
        )


def _asked_enclave(body: Body, permit: Permit) -> bool:
    """Whether the application on which this lane decided asked for the enclave."""
    from sekisho.body.flows.review import state_of

    application = state_of(body, permit.application).application
    return application is not None and application.enclave


def collect_signature(body: Body, message: Incoming) -> Outcome:
    """Keep a lane's signature; with the last one the permit is complete and goes out."""
    answer: Json = orjson.loads(message.read())
    application = answer["application"]
    state = body.store.get("joined", application)
    if state is None or state.get("state") != "signing":
        return Outcome()
    one = {"protected": answer["protected"], "signature": answer["signature"]}
    signatures = {**state["signatures"], message.sender: one}
    outcome = Outcome()
    if set(signatures) == set(state["payload"]["granted_by"]):
        text = jws.assemble(
            state["payload"], [jws.Signature(**each) for each in signatures.values()]
        )
        granted = granted_permit(body, text)
        outcome.add(_hand_out(body, granted))
        state = {**state, "state": "permitted"}
    outcome.put.append(("joined", application, {**state, "signatures": signatures}))
    return outcome


def _hand_out(body: Body, granted: Granted) -> Outcome:
    """Send the permit to its environment, and to its enclave, or its holders and registries."""
    outcome = Outcome()
    outcome.documents.append((f"permits/{granted.application}.json", granted.text))
    text = granted.text.encode()
    outcome.send.append(Outgoing(granted.environment, "analysis/permit", text))
    named = granted.permit.enclave
    if named is None:
        outcome.add(ask_for_parts(granted))
    else:  # the environment asks for the parts when it knows who is one person
        outcome.send.append(Outgoing(named.body, "enclave/permit", text))
    outcome.send.append(Outgoing(body.auxiliary("oversight"), "oversight/permit", text))
    return outcome
