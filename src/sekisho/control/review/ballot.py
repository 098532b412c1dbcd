"""When a ballot is valid, and what it decided (by a rule file; nothing here has a memory)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from sekisho.common.toml import read_toml
from sekisho.control.review.committee import Seat
from sekisho.control.review.values import Value, sourced

Opinion = Literal["yes", "no", "abstain"]
Validity = Literal["valid", "inquorate", "tied"]
Majority = Literal["simple", "two_thirds"]
Share = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,3}/[1-9][0-9]{0,2}$")]
Count = Annotated[int, msgspec.Meta(ge=0, le=100)]


class BallotRule(Value, frozen=True, kw_only=True):
    """``rules/review/ballot.toml``; ``source`` names a source for each of the other fields.

    Present is who voted, abstentions included. A majority is counted among yes and no alone.
    """

    id: str
    version: str
    quorum_over: Share
    """More than this share of the eligible seats must be present."""
    quorum_least: Count
    outside_share: Share
    """At least this share of those present come from outside the body."""
    lay_least: Count
    method_least: Count
    legal_least: Count
    chair_present: bool
    """The chair or a deputy must be among those present."""
    majority: Majority
    majority_hard: Majority
    """For motions that grant data which are hard to process."""
    tie: Literal["recall", "refuse", "chair"]
    window_days: Annotated[int, msgspec.Meta(ge=1, le=366)]
    """Days for which votes can be cast, the day of the call not counted."""
    source: dict[str, str]

    def __post_init__(self) -> None:
        sourced(self, self.source)


class Motion(Value, frozen=True, kw_only=True):
    """What is voted on: which classes of data are granted, on which conditions."""

    classes: tuple[str, ...]
    conditions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.classes or list(self.classes) != sorted(set(self.classes)):
            raise ValueError("a motion names classes of data, sorted, each once")


class Vote(Value, frozen=True, kw_only=True):
    """One seat's vote: on the data and, where linkage is asked for, on linkage. Never changed."""

    member: str
    data: Opinion
    linkage: Opinion | None
    reason: str


class Tally(Value, frozen=True, kw_only=True):
    """What a closed ballot came to. ``lacking`` says why it is not quorate."""

    validity: Validity
    eligible: int
    present: int
    yes: int
    no: int
    abstain: int
    linkage_yes: int
    linkage_no: int
    lacking: tuple[str, ...]
    granted: bool
    linkage: bool


def read_ballot_rule(path: Path) -> BallotRule:
    """Read the rule file."""
    return read_toml(path, BallotRule)


def ballot_schema() -> dict[str, Any]:
    """Return the JSON Schema of the rule file."""
    return msgspec.json.schema(BallotRule)


def lacking(rule: BallotRule, present: Sequence[Seat], eligible: int) -> tuple[str, ...]:
    """Return what those present lack to be a quorum; empty where they are one."""
    found = []
    if len(present) <= Fraction(rule.quorum_over) * eligible or len(present) < rule.quorum_least:
        found.append("quorum")
    outside = sum(seat.outside for seat in present)
    if outside < Fraction(rule.outside_share) * len(present):
        found.append("outside")
    for kind, least in (
        ("lay", rule.lay_least),
        ("method", rule.method_least),
        ("legal", rule.legal_least),
    ):
        if sum(seat.kind == kind for seat in present) < least:
            found.append(kind)
    if rule.chair_present and not any(seat.office != "member" for seat in present):
        found.append("chair")
    return tuple(found)


def tally(
    rule: BallotRule, motion: Motion, roster: Sequence[Seat], votes: Collection[Vote]
) -> Tally:
    """Count a ballot.

    Args:
        rule: the rule that was in force when the ballot was called.
        motion: what was voted on.
        roster: the seats that may vote, recused ones already taken out.
        votes: what they cast; at most one per seat.

    Linkage is granted only where the data are and its own majority says yes; a tie on it does not.
    """
    seats = {seat.member: seat for seat in roster}
    counted = [vote for vote in votes if vote.member in seats]
    yes, no = _count(counted, "data", "yes"), _count(counted, "data", "no")
    linkage_yes, linkage_no = _count(counted, "linkage", "yes"), _count(counted, "linkage", "no")
    missing = lacking(rule, [seats[vote.member] for vote in counted], len(roster))
    majority = rule.majority_hard if "hard" in motion.classes else rule.majority
    tied = majority == "simple" and yes == no
    granted = _carried(majority, yes, no)
    if tied and rule.tie == "chair":
        granted = any(
            vote.data == "yes" and seats[vote.member].office == "chair" for vote in counted
        )
    validity: Validity = "valid"
    if missing:
        validity = "inquorate"
    elif tied and rule.tie == "recall":
        validity = "tied"
    granted = granted and validity == "valid"
    return Tally(
        validity=validity,
        eligible=len(roster),
        present=len(counted),
        yes=yes,
        no=no,
        abstain=len(counted) - yes - no,
        linkage_yes=linkage_yes,
        linkage_no=linkage_no,
        lacking=missing,
        granted=granted,
        linkage=granted and _carried(majority, linkage_yes, linkage_no),
    )


def _carried(majority: Majority, yes: int, no: int) -> bool:
    return yes > no if majority == "simple" else yes > 0 and 3 * yes >= 2 * (yes + no)


def _count(votes: Collection[Vote], question: Literal["data", "linkage"], opinion: str) -> int:
    return sum(getattr(vote, question) == opinion for vote in votes)
