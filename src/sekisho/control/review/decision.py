"""What one lane decided: the value that bodies sign and send to whoever joins the lanes."""

from __future__ import annotations

from datetime import date
from typing import Literal

from sekisho.control.review.values import Value, check_digest, check_id, read_value


class LaneDecision(Value, frozen=True, kw_only=True):
    """A lane's end. ``classes`` are those on which the lane decides, ``granted`` those it granted.

    ``application_digest`` says which text was decided on. ``recognises`` names the body whose
    decision was taken over. Reasons carry no member's name.
    """

    body: str
    application: str
    application_digest: str
    outcome: Literal["grant", "refuse", "withdrawn"]
    classes: tuple[str, ...]
    granted: tuple[str, ...]
    linkage: bool
    conditions: tuple[str, ...]
    reasons: tuple[str, ...]
    decided_on: date
    recognises: str | None = None

    def __post_init__(self) -> None:
        check_id(self.body)
        check_id(self.application)
        check_digest(self.application_digest)
        if set(self.granted) - set(self.classes):
            raise ValueError("a lane grants only data that it decides on")
        if (self.outcome == "grant") != bool(self.granted):
            raise ValueError("a grant names data, and only a grant does")
        if self.linkage and self.outcome != "grant":
            raise ValueError("linkage is granted only together with data")
        if self.outcome == "refuse" and not any(reason.strip() for reason in self.reasons):
            raise ValueError("a refusal has reasons")
        if self.recognises == self.body:
            raise ValueError("a body does not recognise its own decision")

    @classmethod
    def from_payload(cls, payload: object) -> LaneDecision:
        """Read a decision from a JSON value.

        Raises:
            UserError: it is not one.
        """
        return read_value(cls, payload, "review.decision", "a decision of a lane")
