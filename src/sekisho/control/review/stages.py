"""The stages of a lane as tables: what may be asked where, where it leads, whose clock it is.

Whatever is not in a table is refused.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal

Role = Literal["applicant", "handler", "chair", "member"]
Owner = Literal["applicant", "body"]


class Stage(Enum):
    """Where a lane stands."""

    NEW = "new"
    SUBMITTED = "submitted"
    INFO_NEEDED = "info_needed"
    CONFLICT_CHECK = "conflict_check"
    BALLOTING = "balloting"
    BALLOT_CLOSED = "ballot_closed"
    """A valid ballot was counted; the decision is not yet sealed."""
    RECALL = "recall"
    """A ballot was not quorate or tied; it can be called once more."""
    ESCALATED = "escalated"
    """That failed too: only with a substitute member does it go on."""
    DECIDED = "decided"
    WITHDRAWN = "withdrawn"


S = Stage

TRANSITIONS: dict[tuple[Stage, str], frozenset[Stage]] = {
    (S.NEW, "submit"): frozenset({S.SUBMITTED}),
    (S.INFO_NEEDED, "submit"): frozenset({S.SUBMITTED}),
    (S.SUBMITTED, "check_completeness"): frozenset({S.CONFLICT_CHECK, S.INFO_NEEDED}),
    (S.CONFLICT_CHECK, "declare_conflict"): frozenset({S.CONFLICT_CHECK}),
    (S.BALLOTING, "declare_conflict"): frozenset({S.BALLOTING}),
    (S.BALLOT_CLOSED, "declare_conflict"): frozenset({S.BALLOT_CLOSED, S.RECALL}),
    (S.RECALL, "declare_conflict"): frozenset({S.RECALL}),
    (S.ESCALATED, "declare_conflict"): frozenset({S.ESCALATED}),
    (S.CONFLICT_CHECK, "substitute"): frozenset({S.CONFLICT_CHECK}),
    (S.RECALL, "substitute"): frozenset({S.RECALL}),
    (S.ESCALATED, "substitute"): frozenset({S.CONFLICT_CHECK}),
    (S.CONFLICT_CHECK, "call_ballot"): frozenset({S.BALLOTING}),
    (S.RECALL, "call_ballot"): frozenset({S.BALLOTING}),
    (S.BALLOTING, "cast_vote"): frozenset({S.BALLOTING}),
    (S.BALLOTING, "close_ballot"): frozenset({S.BALLOT_CLOSED, S.RECALL, S.ESCALATED}),
    (S.BALLOT_CLOSED, "seal_decision"): frozenset({S.DECIDED}),
    (S.CONFLICT_CHECK, "recognise"): frozenset({S.DECIDED}),
    **{
        (stage, "withdraw"): frozenset({S.WITHDRAWN})
        for stage in Stage
        if stage not in (S.NEW, S.DECIDED, S.WITHDRAWN)
    },
}
"""Per stage and command, the stages in which it may leave the lane."""

TERMINAL = frozenset({S.DECIDED, S.WITHDRAWN})

COMMAND_ROLES: dict[str, frozenset[Role]] = {
    "submit": frozenset({"applicant"}),
    "withdraw": frozenset({"applicant"}),
    "check_completeness": frozenset({"handler"}),
    "declare_conflict": frozenset({"member", "chair"}),
    "substitute": frozenset({"chair"}),
    "call_ballot": frozenset({"chair"}),
    "cast_vote": frozenset({"member"}),
    "close_ballot": frozenset({"chair"}),
    "seal_decision": frozenset({"chair"}),
    "recognise": frozenset({"chair"}),
}
"""Who may ask what. A deputy stands in for the chair."""

STAGE_OWNERS: dict[Stage, Owner | None] = {
    S.NEW: None,
    S.SUBMITTED: "body",
    S.INFO_NEEDED: "applicant",
    S.CONFLICT_CHECK: "body",
    S.BALLOTING: "body",
    S.BALLOT_CLOSED: "body",
    S.RECALL: "body",
    S.ESCALATED: "body",
    S.DECIDED: None,
    S.WITHDRAWN: None,
}
"""Whose days are spent in a stage; None where none are."""


def stage_diagram() -> str:
    """Return the stages as a Mermaid state diagram, for the documentation."""
    lines = ["stateDiagram-v2", "    [*] --> new"]
    for (stage, command), targets in TRANSITIONS.items():
        lines += [
            f"    {stage.value} --> {target.value}: {command}"
            for target in sorted(targets, key=lambda each: each.value)
        ]
    lines += [f"    {stage.value} --> [*]" for stage in sorted(TERMINAL, key=lambda s: s.value)]
    return "\n".join(lines) + "\n"
