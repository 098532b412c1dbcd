"""Several lanes, one case: what all their decisions together grant (a policy, as data)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from sekisho.common.errors import Refusal, TamperError
from sekisho.common.toml import read_toml
from sekisho.control.review.application import Application
from sekisho.control.review.decision import LaneDecision
from sekisho.control.review.values import Value, sourced

Policy = Literal["each_own", "all_or_nothing", "lead", "recognise_first"]


class JoiningRule(Value, frozen=True, kw_only=True):
    """``rules/review/joining.toml``: for how many days a decision can be recognised."""

    id: str
    version: str
    recognise_days: Annotated[int, msgspec.Meta(ge=0, le=366)]
    source: dict[str, str]

    def __post_init__(self) -> None:
        sourced(self, self.source)


class LaneClasses(Value, frozen=True, kw_only=True):
    """Classes of data on which one body's lane decides."""

    body: str
    classes: tuple[str, ...]


class Reason(Value, frozen=True, kw_only=True):
    """A reason, and the body whose lane gave it."""

    body: str
    text: str


class Outcome(Value, frozen=True, kw_only=True):
    """What the lanes together grant. ``signers`` are the bodies whose signature a permit needs."""

    kind: Literal["granted", "partial", "refused"]
    application: str
    application_digest: str
    grants: tuple[LaneClasses, ...]
    refused: tuple[LaneClasses, ...]
    linkage: bool
    conditions: tuple[str, ...]
    reasons: tuple[Reason, ...]
    signers: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of which anything is granted."""
        return tuple(sorted({name for grant in self.grants for name in grant.classes}))

    def granted_for(self, lane: str, data_class: str) -> bool:
        """Return whether the data of ``data_class`` that ``lane`` decides on are granted."""
        return any(g.body == lane and data_class in g.classes for g in self.grants)


def read_joining_rule(path: Path) -> JoiningRule:
    """Read the rule file."""
    return read_toml(path, JoiningRule)


def joining_schema() -> dict[str, Any]:
    """Return the JSON Schema of the rule file."""
    return msgspec.json.schema(JoiningRule)


def join(
    policy: Policy,
    lane_decisions: Iterable[LaneDecision],
    application: Application,
    *,
    lanes: Collection[str],
    lead: str | None = None,
) -> Outcome:
    """Return what the decisions of all lanes come to.

    Args:
        policy: how the framework joins lanes. ``each_own``: each grants its own data.
            ``all_or_nothing``: any refusal refuses, also of linkage that was asked for. ``lead``:
            the lead lane decides for the data of all, the others advise. ``recognise_first``: as
            ``each_own``, but a lane may have taken over a decision that was there first.
        lane_decisions: one decision of each lane.
        application: what was decided on.
        lanes: the bodies that decide on the data asked for, by the framework.
        lead: the lead lane's body, for that policy.

    Linkage is granted only where it was asked for and every lane says yes, advisers included
    (promise 4: no linked row without a grant from every body that decides on the data).

    Raises:
        Refusal: a lane has not decided, or decided on another text.
        TamperError: two decisions of one lane, or a recognition of what was not decided.
    """
    decisions = _complete(lane_decisions, application, lanes)
    if policy == "recognise_first":
        _check_recognised(decisions)
    granting = _granting(policy, decisions, lead)
    grants = [
        LaneClasses(body=lane.body, classes=tuple(sorted(set(lane.classes) & set(by.granted))))
        for lane, by in granting
    ]
    linkage = application.linkage and all(each.linkage for each in decisions)
    everything = all(
        set(grant.classes) == set(lane.classes)
        for grant, (lane, _) in zip(grants, granting, strict=True)
    )
    if policy == "all_or_nothing" and not (everything and linkage == application.linkage):
        grants = [LaneClasses(body=grant.body, classes=()) for grant in grants]
    given = tuple(grant for grant in grants if grant.classes)
    refused = tuple(
        LaneClasses(body=lane.body, classes=missing)
        for grant, (lane, _) in zip(grants, granting, strict=True)
        if (missing := tuple(sorted(set(lane.classes) - set(grant.classes))))
    )
    whole = not refused and linkage == application.linkage
    signers = {by.body for grant, (_, by) in zip(grants, granting, strict=True) if grant.classes}
    return Outcome(
        kind="refused" if not given else "granted" if whole else "partial",
        application=application.id,
        application_digest=application.fingerprint(),
        grants=given,
        refused=refused,
        linkage=linkage and bool(given),
        conditions=tuple(
            sorted({text for _, by in granting if by.body in signers for text in by.conditions})
        ),
        reasons=tuple(
            Reason(body=each.body, text=text)
            for each in decisions
            for text in (each.reasons or (("withdrawn",) if each.outcome == "withdrawn" else ()))
        ),
        signers=tuple(sorted(signers)),
    )


def _complete(
    lane_decisions: Iterable[LaneDecision], application: Application, lanes: Collection[str]
) -> tuple[LaneDecision, ...]:
    decisions = sorted(lane_decisions, key=lambda each: each.body)
    bodies = [each.body for each in decisions]
    if len(set(bodies)) < len(bodies):
        raise TamperError(
            "review.two-decisions",
            "One lane sent two decisions.",
            rule="a lane decides once",
            next_step="compare both with the ledger of that body",
        )
    if set(bodies) != set(lanes) or not bodies:
        missing = ", ".join(sorted(set(lanes) - set(bodies))) or "none"
        extra = ", ".join(sorted(set(bodies) - set(lanes))) or "none"
        raise Refusal(
            "review.lanes-incomplete",
            f"The decisions are not those of the lanes: missing {missing}, not competent {extra}.",
            rule="lanes are joined when every body that decides on the data has decided",
            next_step="wait for the decisions that are missing",
        )
    if any(each.application_digest != application.fingerprint() for each in decisions):
        raise Refusal(
            "review.other-text",
            "The lanes did not all decide on this text of the application.",
            rule="a permit rests on one application",
            next_step="hand the mended application in at every lane",
        )
    return tuple(decisions)


def _check_recognised(decisions: Sequence[LaneDecision]) -> None:
    by_body = {each.body: each for each in decisions if each.recognises is None}
    for each in decisions:
        if each.recognises is None:
            continue
        source = by_body.get(each.recognises)
        if (
            source is None
            or source.decided_on > each.decided_on
            or set(each.granted) - set(source.granted)
            or (each.linkage and not source.linkage)
        ):
            raise TamperError(
                "review.recognition",
                f"{each.body!r} recognised what {each.recognises!r} did not decide.",
                rule="a decision is taken over as it stands, and after it was made",
                next_step="compare both decisions with the ledgers",
            )


def _granting(
    policy: Policy, decisions: Sequence[LaneDecision], lead: str | None
) -> list[tuple[LaneDecision, LaneDecision]]:
    """Pair each lane with the decision that counts for its data."""
    if policy != "lead":
        return [(each, each) for each in decisions]
    leading = [each for each in decisions if each.body == lead]
    if not leading:
        raise Refusal(
            "review.no-lead",
            "No lane is the lead.",
            rule="the lead lane decides for all",
            next_step="name the body that leads, among those that decide on the data",
        )
    return [(each, leading[0]) for each in decisions]
