"""How a lane ends: the decision its ballot came to, another's taken over, or withdrawal."""

from __future__ import annotations

from sekisho.control.review import commands as c
from sekisho.control.review import events as e
from sekisho.control.review.decision import LaneDecision
from sekisho.control.review.facts import Facts, refuse
from sekisho.control.review.stages import Stage
from sekisho.control.review.state import LaneState, application_of, ballot_of


def sealed(state: LaneState, facts: Facts) -> LaneDecision:
    """Return what a counted ballot decided; the written reasons carry no names."""
    ballot, application = ballot_of(state), application_of(state)
    assert ballot.tally is not None, "only a counted ballot leads to this stage"
    assert state.body is not None, "a lane has a body from its first event on"
    granted = ballot.tally.granted
    question = "linkage" if granted else "data"
    against = {
        vote.reason
        for vote in ballot.votes
        if getattr(vote, question) == "no" and vote.member not in state.recused
    }
    if granted and (ballot.tally.linkage or not application.linkage):
        against = set()
    elif not against:
        against = {f"no majority for {question}"}
    return LaneDecision(
        body=state.body,
        application=application.id,
        application_digest=application.fingerprint(),
        outcome="grant" if granted else "refuse",
        classes=state.classes,
        granted=ballot.motion.classes if granted else (),
        linkage=ballot.tally.linkage,
        conditions=ballot.motion.conditions if granted else (),
        reasons=tuple(sorted(against)),
        decided_on=facts.today,
    )


def recognise(state: LaneState, command: c.Recognise, facts: Facts) -> list[e.Event]:
    """Take over another body's decision, for the data that this lane decides on."""
    other, application = command.decision, application_of(state)
    assert state.body is not None, "a lane has a body from its first event on"
    age = (facts.today - other.decided_on).days
    reason = None
    if facts.recognise_days is None:
        reason = "lanes of this framework are not joined by recognition"
    elif (
        other.application_digest != application.fingerprint() or other.application != application.id
    ):
        reason = "the other decision is about another text of the application"
    elif other.outcome == "withdrawn" or other.recognises is not None or other.body == state.body:
        reason = "only another body's decision by its own ballot can be recognised"
    elif set(state.classes) - set(other.classes):
        reason = "the other body did not decide on all data that this lane decides on"
    elif not 0 <= age <= facts.recognise_days:
        reason = f"a decision can be recognised for {facts.recognise_days} days"
    if reason:
        refuse(
            "not-recognisable",
            "This decision cannot be taken over.",
            f"recognition: {reason}",
            "call a ballot of this lane's own",
        )
    granted = tuple(sorted(set(state.classes) & set(other.granted)))
    decision = LaneDecision(
        body=state.body,
        application=application.id,
        application_digest=application.fingerprint(),
        outcome="grant" if granted else "refuse",
        classes=state.classes,
        granted=granted,
        linkage=other.linkage and bool(granted),
        conditions=other.conditions if granted else (),
        reasons=other.reasons
        or (() if granted else ("the recognised decision grants other data",)),
        decided_on=facts.today,
        recognises=other.body,
    )
    return [
        e.DecisionRecognised(
            seq=0,
            on=facts.today,
            by=command.by,
            decision=decision,
            recognised=other.fingerprint(),
        )
    ]


def decision_of(state: LaneState) -> LaneDecision:
    """Return how a lane ended, for the body to sign and send.

    Raises:
        Refusal: it has not ended.
    """
    if state.decision is not None:
        return state.decision
    if state.stage is not Stage.WITHDRAWN or state.body is None or state.last_on is None:
        refuse(
            "not-decided",
            f"The lane has not ended: it is {state.stage.value}.",
            "lanes are joined when all have ended",
            "wait for the decision",
        )
    application = application_of(state)
    return LaneDecision(
        body=state.body,
        application=application.id,
        application_digest=application.fingerprint(),
        outcome="withdrawn",
        classes=state.classes,
        granted=(),
        linkage=False,
        conditions=(),
        reasons=(),
        decided_on=state.last_on,
    )
