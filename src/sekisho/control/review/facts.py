"""What a lane has to know from outside, and how it says no."""

from __future__ import annotations

from datetime import date
from typing import NoReturn

from sekisho.common.errors import Refusal
from sekisho.control.review.ballot import BallotRule
from sekisho.control.review.committee import Committee
from sekisho.control.review.forms import FormRule
from sekisho.control.review.values import Value

REASON_LENGTH = 4000
"""Characters of a written reason: a page, and no place to hide a file."""


class Facts(Value, frozen=True, kw_only=True):
    """What a lane has to know from outside.

    ``classes`` are the classes of data on which this body decides for the application (the
    framework says so). ``recognise_days`` is None unless the framework joins lanes by recognition.
    """

    today: date
    body: str
    classes: tuple[str, ...]
    committee: Committee
    form: FormRule
    ballot: BallotRule
    recognise_days: int | None = None


def refuse(code: str, message: str, rule: str, next_step: str) -> NoReturn:
    """Refuse a command, with all that a refusal owes its reader."""
    raise Refusal(f"review.{code}", message, rule=rule, next_step=next_step)


def written(reason: str, what: str) -> None:
    """Check that a reason is written where one is owed."""
    if not reason.strip() or len(reason) > REASON_LENGTH:
        refuse(
            "reason",
            f"There is no written reason, or it is longer than {REASON_LENGTH} characters.",
            f"{what} has a written reason",
            "write the reason in a few sentences",
        )
