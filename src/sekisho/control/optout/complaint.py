"""A complaint (苦情) at a desk: whose it is, until when, and how far it has come."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Literal, get_args

import msgspec

from sekisho.common.errors import Refusal, UserError

Category = Literal["choice-not-kept", "handling", "notice", "other"]
State = Literal["received", "in-hand", "answered", "closed"]
Step = Literal["take", "answer", "refer", "close", "reopen"]

STEPS: dict[tuple[State, Step], State] = {
    ("received", "take"): "in-hand",
    ("in-hand", "refer"): "in-hand",
    ("in-hand", "answer"): "answered",
    ("answered", "close"): "closed",
    ("answered", "reopen"): "in-hand",
    ("closed", "reopen"): "in-hand",
}
"""(state, step) → state; what is not here is refused."""

WAITING: frozenset[State] = frozenset({"received", "in-hand"})
"""States in which the deadline runs."""


class Complaint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One complaint. Its text is sealed to the desk; ``about`` is a receipt's number, if any.

    ``owner`` answers it: an office of the desk, or, once referred, the body of the remedy.
    """

    id: str
    category: Category
    filed_on: date
    due: date
    owner: str
    about: str | None = None
    text: str = ""
    state: State = "received"

    def payload(self) -> dict[str, Any]:
        """Return the complaint as a JSON value."""
        kept: dict[str, Any] = msgspec.to_builtins(self)
        return kept

    @classmethod
    def from_payload(cls, payload: object) -> Complaint:
        """Read a complaint from a JSON value.

        Raises:
            UserError: it is none; the message says where, never what stood there.
        """
        try:
            return msgspec.convert(payload, cls)
        except msgspec.ValidationError as error:
            raise UserError("opt-out.complaint", f"This is not a complaint: {error}") from error

    def overdue(self, today: date) -> bool:
        """Return whether it waits longer than the rule allows."""
        return self.state in WAITING and today > self.due

    def after(self, step: str, *, owner: str | None = None) -> Complaint:
        """Return the complaint after a step.

        Raises:
            Refusal: the step does not follow from its state.
        """
        known: Any = (self.state, step)
        if known not in STEPS:
            able = [name for state, name in STEPS if state == self.state]
            raise Refusal(
                "opt-out.complaint-step",
                f"A complaint that is {self.state} cannot take this step.",
                next_step=f"possible now: {', '.join(able)}",
            )
        return msgspec.structs.replace(self, state=STEPS[known], owner=owner or self.owner)


def file_complaint(
    id: str, category: str, about: str | None, text: str, owner: str, today: date, days: int
) -> Complaint:
    """Return a new complaint.

    Raises:
        UserError: there is no such category.
    """
    if category not in get_args(Category):
        raise UserError(
            "opt-out.complaint-category",
            "There is no such kind of complaint.",
            next_step=f"kinds: {', '.join(get_args(Category))}",
        )
    return Complaint.from_payload(
        {
            "id": id,
            "category": category,
            "filed_on": today.isoformat(),
            "due": (today + timedelta(days=days)).isoformat(),
            "owner": owner,
            "about": about,
            "text": text,
        }
    )
