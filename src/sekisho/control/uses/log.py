"""What the oversight body knows of one project's uses, and how that stands on a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

import msgspec

from sekisho.common.errors import UserError

State = Literal["not_extracted", "due", "missing", "received", "not_made"]
"""``not_extracted``: permitted, no data moved yet. ``due``: data move, the index may still come.
``missing``: it did not come in time, or is not whole. ``received``: persons can be looked up.
``not_made``: the environment says that the project was given nothing."""


@dataclass(frozen=True)
class Standing:
    """A state and since when it holds."""

    state: State
    since: date


class UseLog(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One project in the index: the permit's words, and the days on which something was known.

    Args:
        permit: digest of the permit.
        body: the environment.
        known_on: when the permit came to be known here.
        moved_on: when persons were first converted under the permit.
        received_on: when the index arrived; ``made_on`` is the receipt's day.
        receipt: digest of the extract receipt that the index goes with.
        buckets: part of the index → digest, so that a part that was lost is not taken for "no".
        not_made_on: when the environment said that there will be no extract.
        released: what left the project, with the day.
        epoch: in which the index's pseudonyms are.
    """

    application: str
    permit: str
    applicant: str
    purpose: str
    form: str
    classes: tuple[str, ...]
    body: str
    starts: date
    expires: date
    known_on: date
    moved_on: date | None = None
    received_on: date | None = None
    made_on: date | None = None
    receipt: str | None = None
    included: int | None = None
    buckets: dict[str, str] = {}
    not_made_on: date | None = None
    released: tuple[dict[str, str], ...] = ()
    epoch: int = 0

    def standing(self, today: date, index_days: int) -> Standing:
        """Return how the index stands on a day, if it may come until ``index_days`` later."""
        if self.received_on is not None:
            return Standing("received", self.received_on)
        if self.not_made_on is not None:
            return Standing("not_made", self.not_made_on)
        if self.moved_on is None:
            return Standing("not_extracted", self.known_on)
        last = self.moved_on + timedelta(days=index_days)
        return Standing("due", self.moved_on) if today <= last else Standing("missing", last)

    def payload(self) -> dict[str, Any]:
        """Return the log as a JSON value."""
        made: dict[str, Any] = msgspec.to_builtins(self)
        return made

    @classmethod
    def from_payload(cls, payload: object) -> UseLog:
        """Read what `payload` wrote."""
        try:
            return msgspec.convert(payload, cls)
        except msgspec.ValidationError as error:
            raise UserError("uses.log", f"This is not a log of uses: {error}") from error
