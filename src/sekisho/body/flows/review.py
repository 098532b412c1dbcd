"""From an application at a window to a sealed decision of every lane, and their joining.

A lane is event-sourced: its events are the stream ``lane/<application>``. The body whose lane comes
first joins the decisions and drafts the permit.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from sekisho.body.context import Body
from sekisho.body.flows import payloads
from sekisho.body.flows import permit as permits
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.canonical import canonical_json, digest
from sekisho.common.errors import Refusal, UserError
from sekisho.control.review import (
    Application,
    Facts,
    LaneDecision,
    LaneState,
    Stage,
    Submit,
    command_name,
    decide,
    fields_typed,
    read_ballot_rule,
    read_command,
    read_committee,
    read_events,
    read_form_rule,
    read_joining_rule,
    replay,
)
from sekisho.exchange import jws
from sekisho.framework import DataClass, Lane, holders, kinds_of, lanes, windows

DECISION = "sekisho-lane-decision"


def stream(application: str) -> str:
    """Return the name of a lane's stream of events."""
    return f"lane/{application}"


def classes_asked(body: Body, application: Application) -> tuple[DataClass, ...]:
    """Return the classes of data that the tables asked for can belong to."""
    kinds = kinds_of(body.framework, body.folders.base / body.config.framework)
    return kinds.classes_of_tables(application.tables)


def lanes_of(body: Body, application: Application) -> tuple[Lane, ...]:
    """Return every lane that decides on an application, by the framework."""
    return lanes(body.framework, classes_asked(body, application))


def apply(body: Body, message: Incoming) -> Outcome:
    """Take an application at this window and open the lanes that belong to it."""
    application = Application.from_payload(orjson.loads(message.read()))
    if message.sender not in application.team:
        raise Refusal("review.not-applicant", "An application is handed in by one of its team.")
    asked = classes_asked(body, application)
    mine = [w for w in windows(body.framework, asked) if w.body == body.id]
    if not mine:
        raise UserError(
            "review.other-window",
            "This body is not a window for the data asked for.",
            next_step="windows: " + ", ".join(w.body for w in windows(body.framework, asked)),
        )
    _check_one_holder_unless_linked(body, application, asked)
    outcome = Outcome()
    outcome.fact(
        "application.submitted",
        application=application.id,
        purpose=application.purpose,
        payload=payloads.keep(outcome, body, application.id, application.payload()),
        tables=list(application.tables),
        fields=fields_typed(application),
        linkage=application.linkage,
        form=application.form,
        lanes=[lane.body for lane in mine[0].lanes],
    )
    outcome.put.append(("window", application.id, {"fields": fields_typed(application)}))
    for lane in mine[0].lanes:
        outcome.send.append(
            Outgoing(lane.body, "review/lane", canonical_json(application.payload()))
        )
    return outcome


def _check_one_holder_unless_linked(
    body: Body, application: Application, asked: tuple[DataClass, ...]
) -> None:
    """Refuse data of several holders without linkage: in one environment they could be joined."""
    found = {holder for data_class in asked for holder in holders(body.framework, data_class)}
    if not application.linkage and len(found) > 1:
        raise UserError(
            "review.several-holders-unlinked",
            f"The data asked for are held by {', '.join(sorted(found))}, and linkage is not asked.",
            rule="promise 4: no linked row without a linkage grant",
            next_step="ask for linkage, or apply for the data of one holder at a time",
        )


def open_lane(body: Body, message: Incoming) -> Outcome:
    """Open this body's lane for an application that came in at a window."""
    application = Application.from_payload(orjson.loads(message.read()))
    if body.store.events(stream(application.id)):
        return Outcome()
    submit = Submit(by=application.team[0], application=application)
    outcome = _run(body, application, submit)
    outcome.fact(
        "lane.opened",
        application=application.id,
        lane=body.id,
        data_classes=list(_facts(body, application).classes),
        payload=payloads.keep(outcome, body, application.id, application.payload()),
    )
    return outcome


def command(body: Body, message: Incoming) -> Outcome:
    """Ask something of a lane here: completeness, a ballot, a vote, the decision."""
    asked: Json = orjson.loads(message.read())
    wish = read_command(asked["command"])
    if wish.by != message.sender:
        raise Refusal("review.other-account", "A command is asked by the account that signs it.")
    state = state_of(body, asked["application"])
    if state.application is None:
        raise UserError("review.no-case", "This body has no lane for that application.")
    outcome = _run(body, state.application, wish)
    after = replay(read_events([e for _, _, events in outcome.append for e in events]), state)
    name = command_name(wish)
    if name == "close_ballot" and after.ballot is not None and after.ballot.tally is not None:
        tally = after.ballot.tally
        outcome.fact(
            "ballot.closed",
            application=state.application.id,
            lane=body.id,
            ballot=str(after.ballot.round),
            votes={"yes": tally.yes, "no": tally.no, "abstain": tally.abstain},
            quorum=tally.present,
            outcome=tally.validity,
        )
    if after.stage is Stage.DECIDED and after.decision is not None:
        outcome.add(announce(body, state.application, after.decision))
    return outcome


def announce(body: Body, application: Application, decision: LaneDecision) -> Outcome:
    """Sign a decision and send it to the body that joins."""
    token = jws.sign(decision.payload(), body.keys.signing, body.id, DECISION)
    joiner = lanes_of(body, application)[0].body
    outcome = Outcome()
    outcome.documents.append((f"decisions/{application.id}.jws", token))
    outcome.fact(
        "lane.decided",
        application=application.id,
        lane=body.id,
        decision=decision.outcome,
        digest=digest(token.encode()),  # of the signed text: nobody guesses a signature
        linkage=decision.linkage,
    )
    told = {"decision": token, "application": application.payload()}
    outcome.send.append(Outgoing(joiner, "review/decision", canonical_json(told)))
    return outcome


def collect_decision(body: Body, message: Incoming) -> Outcome:
    """Keep a lane's decision; when all lanes have decided, draft the permit."""
    told: Json = orjson.loads(message.read())
    application = Application.from_payload(told["application"])
    signed = jws.verify(told["decision"], body.directory.resolve, DECISION)
    decision = LaneDecision.from_payload(signed.payload)
    if signed.signer != decision.body:
        raise Refusal("review.not-the-lane", "A decision is signed by the body that made it.")
    key = f"{application.id}:{decision.body}"
    outcome = Outcome(put=[("decision", key, {"token": told["decision"]})])
    kept = dict(body.store.find("decision", f"{application.id}:")) | {
        key: {"token": told["decision"]}
    }
    if {lane.body for lane in lanes_of(body, application)} == {
        name.rpartition(":")[2] for name in kept
    }:
        decisions = [
            LaneDecision.from_payload(
                jws.verify(one["token"], body.directory.resolve, DECISION).payload
            )
            for one in kept.values()
        ]
        outcome.add(permits.draft(body, application, decisions))
    return outcome


def _run(body: Body, application: Application, wish: object) -> Outcome:
    before = body.store.events(stream(application.id))
    state = replay(read_events(before))
    events = decide(state, wish, _facts(body, application))  # type: ignore[arg-type]  # a Command
    return Outcome(
        append=[(stream(application.id), len(before), [event.payload() for event in events])]
    )


def state_of(body: Body, application: str) -> LaneState:
    """Return how this body's lane of an application stands."""
    return replay(read_events(body.store.events(stream(application))))


def _facts(body: Body, application: Application) -> Facts:
    asked = classes_asked(body, application)
    mine = [lane for lane in lanes(body.framework, asked) if lane.body == body.id]
    rules = body.rules / "review"
    return Facts(
        today=body.today(),
        body=body.id,
        classes=tuple(sorted(mine[0].classes)) if mine else (),
        committee=read_committee(body.folders.base / "committee.toml"),
        form=read_form_rule(rules / "application.toml"),
        ballot=read_ballot_rule(rules / "ballot.toml"),
        recognise_days=_recognise_days(body),
    )


def _recognise_days(body: Body) -> int | None:
    """Return for how long a lane may take over another's decision, where lanes are joined so."""
    if body.framework.review.join != "recognise_first":
        return None
    return read_joining_rule(body.rules / "review" / "joining.toml").recognise_days


def cases(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """List the lanes of this body for who sits on its committee: stage, classes, linkage."""
    found: list[Json] = []
    for name in body.store.streams("lane/"):
        state = replay(read_events(body.store.events(name)))
        application = state.application
        if application is None:
            continue
        found.append(
            {
                "application": application.payload(),
                "stage": state.stage.value,
                "classes": list(state.classes),
                "roster": [s.member for s in state.ballot.roster] if state.ballot else [],
                "voted": [v.member for v in state.ballot.votes] if state.ballot else [],
            }
        )
    return {"cases": found}


def status(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Tell a member of the team how the lane of this body stands."""
    state = state_of(body, params.get("application", ""))
    if state.application is None or sender not in state.application.team:
        return {"stage": "unknown"}
    decision = None if state.decision is None else state.decision.payload()
    ended = body.store.get("case-ended", state.application.id)
    return {"stage": state.stage.value, "decision": decision, "ended": ended}
