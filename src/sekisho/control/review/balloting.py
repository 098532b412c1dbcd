"""A ballot: called with papers and a fixed roster, voted on once per seat, counted."""

from __future__ import annotations

from datetime import timedelta

from sekisho.control.review import commands as c
from sekisho.control.review import events as e
from sekisho.control.review.actors import eligible
from sekisho.control.review.ballot import Vote, lacking, tally
from sekisho.control.review.facts import Facts, refuse, written
from sekisho.control.review.opening import found
from sekisho.control.review.state import LaneState, application_of, ballot_of
from sekisho.control.review.values import check_digest


def call_ballot(state: LaneState, command: c.CallBallot, facts: Facts) -> list[e.Event]:
    """Put a motion to those who may vote today."""
    unknown = sorted(set(command.motion.classes) - set(state.classes))
    if unknown:
        refuse(
            "motion-too-wide",
            f"This lane does not decide on: {', '.join(unknown)}.",
            "a lane grants only data on which its body decides",
            f"move to grant some of: {', '.join(state.classes)}",
        )
    if not command.papers:
        refuse(
            "no-papers",
            "The ballot names no papers.",
            "members see the application and the plan of the extract before they vote",
            "give the digests of the papers that were sent to them",
        )
    for paper in command.papers:
        check_digest(paper)
    roster = eligible(state, facts.committee)
    missing = lacking(facts.ballot, roster, len(roster))
    if missing:
        refuse(
            "no-quorum-possible",
            f"Not even all {len(roster)} eligible members are a quorum; lacking: "
            f"{', '.join(missing)}.",
            f"{facts.ballot.id} {facts.ballot.version}: quorum and composition",
            "call substitutes from the pool",
        )
    return [
        *found(state, facts),
        e.BallotCalled(
            seq=0,
            on=facts.today,
            by=command.by,
            round=(state.ballot.round if state.ballot else 0) + 1,
            motion=command.motion,
            roster=roster,
            rule=facts.ballot,
            papers=command.papers,
            application_digest=application_of(state).fingerprint(),
            closes_on=facts.today + timedelta(days=facts.ballot.window_days),
        ),
    ]


def cast_vote(state: LaneState, command: c.CastVote, facts: Facts) -> list[e.Event]:
    """Record one seat's vote."""
    ballot = ballot_of(state)
    if command.by not in {seat.member for seat in ballot.roster}:
        refuse(
            "not-on-roster",
            "This seat was not on the roster when the ballot was called.",
            "the roster of a ballot is fixed when it is called",
            "vote in the next ballot",
        )
    if ballot.voted(command.by):
        refuse(
            "voted",
            "This seat has voted; a vote cannot be changed.",
            "one vote per seat, and it stands",
            "if the vote rested on a conflict of interest, declare that",
        )
    if facts.today > ballot.closes_on:
        refuse(
            "window-closed",
            f"Votes could be cast until {ballot.closes_on}.",
            f"{ballot.rule.id} {ballot.rule.version}: window of {ballot.rule.window_days} days",
            "the chair closes the ballot",
        )
    asked = application_of(state).linkage
    if asked != (command.linkage is not None):
        refuse(
            "linkage-question",
            "Linkage is voted on exactly where the application asks for it.",
            "no linked row without a linkage grant",
            "vote on linkage" if asked else "leave the vote on linkage out",
        )
    if "no" in (command.data, command.linkage):
        written(command.reason, "a vote against")
    vote = Vote(
        member=command.by,
        data=command.data,
        linkage=command.linkage,
        reason=command.reason.strip(),
    )
    return [e.VoteCast(seq=0, on=facts.today, by=command.by, round=ballot.round, vote=vote)]


def close_ballot(state: LaneState, command: c.CloseBallot, facts: Facts) -> list[e.Event]:
    """Count the votes, once all are in or the window has passed."""
    ballot = ballot_of(state)
    roster = [seat for seat in ballot.roster if seat.member not in state.recused]
    if facts.today <= ballot.closes_on and not all(ballot.voted(s.member) for s in roster):
        refuse(
            "window-open",
            f"Not all members have voted, and votes can be cast until {ballot.closes_on}.",
            f"{ballot.rule.id} {ballot.rule.version}: window of {ballot.rule.window_days} days",
            "wait for the votes or for the end of the window",
        )
    result = tally(ballot.rule, ballot.motion, roster, ballot.votes)
    return [e.BallotClosed(seq=0, on=facts.today, by=command.by, round=ballot.round, tally=result)]
