"""What can be asked of a lane. A command is a wish; `sekisho.control.review.lane` answers it."""

from __future__ import annotations

from sekisho.control.review.application import Application
from sekisho.control.review.ballot import Motion, Opinion
from sekisho.control.review.decision import LaneDecision
from sekisho.control.review.values import Value, read_value


class _Command(Value, frozen=True, kw_only=True, tag_field="command"):
    by: str
    """The account that asks."""


class Submit(_Command, frozen=True, kw_only=True, tag="submit"):
    """Hand in an application; also its mended form, after information was asked for."""

    application: Application


class CheckCompleteness(_Command, frozen=True, kw_only=True, tag="check_completeness"):
    """Say whether the form is complete (its form only, not its merit) or what is missing."""

    missing: tuple[str, ...] = ()


class DeclareConflict(_Command, frozen=True, kw_only=True, tag="declare_conflict"):
    """Recuse oneself or, by the chair, another member."""

    member: str
    reason: str


class Substitute(_Command, frozen=True, kw_only=True, tag="substitute"):
    """Call a member of the pool into the lane."""

    member: str


class CallBallot(_Command, frozen=True, kw_only=True, tag="call_ballot"):
    """Put a motion to the vote. ``papers``: digests of what the members were given to read."""

    motion: Motion
    papers: tuple[str, ...]


class CastVote(_Command, frozen=True, kw_only=True, tag="cast_vote"):
    """Vote on the motion; on linkage too where the application asks for it."""

    data: Opinion
    linkage: Opinion | None = None
    reason: str = ""


class CloseBallot(_Command, frozen=True, kw_only=True, tag="close_ballot"):
    """Count the votes."""


class SealDecision(_Command, frozen=True, kw_only=True, tag="seal_decision"):
    """Make the decision that the ballot came to."""


class Recognise(_Command, frozen=True, kw_only=True, tag="recognise"):
    """Take over another body's decision, where the framework joins lanes so."""

    decision: LaneDecision


class Withdraw(_Command, frozen=True, kw_only=True, tag="withdraw"):
    """Take the application back."""


Command = (
    Submit
    | CheckCompleteness
    | DeclareConflict
    | Substitute
    | CallBallot
    | CastVote
    | CloseBallot
    | SealDecision
    | Recognise
    | Withdraw
)


def read_command(payload: object) -> Command:
    """Read a command from a JSON value, its kind under the key ``command``.

    Raises:
        UserError: it is not one.
    """
    command: Command = read_value(Command, payload, "review.command", "a command")  # type: ignore[arg-type]  # a union is no class
    return command
