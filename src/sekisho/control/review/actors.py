"""Who may do what in a lane: roles, conflicts of interest, recusal. Unknown people may nothing."""

from __future__ import annotations

import unicodedata
from typing import Literal

from sekisho.common.errors import Refusal
from sekisho.control.review.application import Application
from sekisho.control.review.committee import Committee, Seat
from sekisho.control.review.stages import COMMAND_ROLES, Role
from sekisho.control.review.state import LaneState


def seats_of(state: LaneState, committee: Committee) -> tuple[Seat, ...]:
    """Return the seats that exist for this lane: the committee's, substitutes, an open roster's."""
    roster = state.ballot.roster if state.ballot else ()
    found = {seat.member: seat for seat in (*roster, *state.substitutes, *committee.seats)}
    return tuple(found[member] for member in sorted(found))


def eligible(state: LaneState, committee: Committee) -> tuple[Seat, ...]:
    """Return the seats that may vote in a ballot called now: neither recused nor in conflict."""
    seats = {seat.member: seat for seat in (*state.substitutes, *committee.seats)}
    return tuple(
        seats[member]
        for member in sorted(seats)
        if member not in state.recused
        and (state.application is None or conflict(state.application, seats[member]) is None)
    )


def conflict(application: Application, seat: Seat) -> Literal["team", "organisation"] | None:
    """Return why a seat cannot judge an application, as far as a rule can tell; else None."""
    if seat.member in application.team:
        return "team"
    if _same(seat.organisation, application.applicant):
        return "organisation"
    return None


def roles(
    state: LaneState, committee: Committee, application: Application | None, actor: str
) -> frozenset[Role]:
    """Return the roles of ``actor``. Who is of the team has no other role on the case."""
    if application is not None and actor in application.team:
        return frozenset({"applicant"})
    found: set[Role] = set()
    if actor in committee.handlers:
        found.add("handler")
    for seat in seats_of(state, committee):
        if seat.member == actor:
            found.add("member")
            if seat.office != "member":
                found.add("chair")
    return frozenset(found)


def check_actor_may(
    state: LaneState,
    committee: Committee,
    application: Application | None,
    actor: str,
    command: str,
) -> None:
    """Check that ``actor`` may ask for ``command``.

    Raises:
        Refusal: recused, in conflict, or without a role that may.
    """
    if actor in state.recused:
        raise Refusal(
            "review.recused",
            "Who is recused takes no further part in the case.",
            rule="conflict of interest: recusal ends every right in the lane",
        )
    allowed = COMMAND_ROLES[command]
    found = roles(state, committee, application, actor)
    if not allowed & found:
        raise Refusal(
            "review.not-allowed",
            f"This account may not ask for {command}.",
            rule=f"{command} is open to: {', '.join(sorted(allowed))}",
            next_step="sign in with an account that has the role",
        )
    if application is not None and "applicant" not in found:
        seats = [s for s in seats_of(state, committee) if s.member == actor]
        if command != "declare_conflict" and any(conflict(application, s) for s in seats):
            raise Refusal(
                "review.conflicted",
                "This seat belongs to the applicant's organisation.",
                rule="conflict of interest: nobody judges their own organisation's application",
                next_step="let the deputy or another member act",
            )


def _same(one: str, other: str) -> bool:
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())
