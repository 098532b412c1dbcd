"""Clerical work of a linkage enclave: pairs between the thresholds, shown and decided on."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from sekisho.body.context import Body
from sekisho.body.flows.enclave import PAIR, REVIEWING, SENT, pairs_of, registers_of, send
from sekisho.body.flows.permits import granted_permit
from sekisho.body.ports import Incoming, Json, Outcome
from sekisho.common.errors import Refusal, UserError
from sekisho.data.linkage import read_enclave_rule, settled
from sekisho.data.linkage.matched import OPEN, REVIEWED
from sekisho.exchange.identities import FIELDS


def work(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Show a clerk the pairs to decide on: identity fields of both sides, and no more."""
    shown = []
    for application, case in body.store.find("enclave"):
        if case["state"] != REVIEWING:
            continue
        fields = {
            row["tag"]: {name: row[name] for name in FIELDS}
            for rows in registers_of(body, application, case).values()
            for row in rows.to_pylist()
        }
        for number, pair in pairs_of(body, application).items():
            if pair["verdict"] == OPEN and sender not in pair["votes"]:
                shown.append(
                    {
                        "application": application,
                        "pair": number,
                        "weight": pair["weight"],
                        "probability": pair["probability"],
                        "a": fields[pair["a"]],
                        "b": fields[pair["b"]],
                    }
                )
    return {"pairs": shown}


def decide(body: Body, message: Incoming) -> Outcome:
    """Take a clerk's word on one pair; with the last open pair, send the links."""
    application, number, same = _word(message.read())
    case = body.store.get("enclave", application)
    pairs = pairs_of(body, application)
    pair = pairs.get(number)
    if case is None or case["state"] != REVIEWING or pair is None or pair["verdict"] != OPEN:
        raise Refusal(
            "enclave.nothing-to-decide",
            "No such pair waits for a decision.",
            next_step="ask enclave/work for the pairs that wait",
        )
    votes = {**pair["votes"], message.sender: same}
    reviewers = read_enclave_rule(body.rules / "linkage").reviewers
    found = settled(list(votes.values()), reviewers)
    verdict = OPEN if found is None else REVIEWED if found else "no"
    pairs[number] = {**pair, "votes": votes, "verdict": verdict}
    outcome = Outcome(put=[(PAIR, f"{application}:{number}", pairs[number])])
    if found is not None:
        outcome.fact("enclave.decided", application=application, pair=number, verdict=verdict)
    if not any(one["verdict"] == OPEN for one in pairs.values()):
        _check_epoch(body, case)
        granted = granted_permit(body, case["permit"])
        outcome.add(send(body, granted, pairs, registers_of(body, application, case)))
        outcome.put.append(("enclave", application, {**case, "state": SENT}))
    return outcome


def _word(data: bytes) -> tuple[str, str, bool]:
    try:
        said = orjson.loads(data)
        if type(said["same"]) is not bool:
            raise ValueError
        return str(said["application"]), str(said["pair"]), said["same"]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            "enclave.malformed", "A decision names application and pair, and says same or not."
        ) from error


def _check_epoch(body: Body, case: Json) -> None:
    if case["epoch"] != body.epoch:
        raise Refusal(
            "enclave.other-epoch",
            "A new epoch has begun; the case starts over at the next cut-off.",
            next_step="decide again when the providers have answered anew",
        )
