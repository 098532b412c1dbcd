"""A batch of alias events on its way: numbered and chained per receiver, under tags.

What the history service signs is a header; the rows lie sealed beside it. References of events
differ from receiver to receiver, so that two holders cannot join their persons by them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

import msgspec

from sekisho.common.canonical import digest_of
from sekisho.common.errors import TamperError, UserError

GENESIS = "0" * 64
"""What stands as the previous batch's digest in the first batch to a receiver."""
ALIASES = "sekisho-alias-batch"
_DIGEST = re.compile(r"[0-9a-f]{64}")


class AliasRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """One event; whom it is about stands under the two tags alone."""

    ref: str
    tag_old: str
    tag_new: str
    valid_from: date
    recorded_on: date
    reason: str
    revokes: str | None = None


class AliasHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the history service signs. ``digest`` covers all other fields."""

    to: str
    number: int
    previous: str
    on: date
    count: int
    commitment: str
    digest: str

    def __post_init__(self) -> None:
        if self.number < 1 or self.count < 0:
            raise ValueError("a batch has a number from 1 and a count that is not negative")
        if not _DIGEST.fullmatch(self.previous) or not _DIGEST.fullmatch(self.commitment):
            raise ValueError("a digest is 64 hex digits")
        if (self.number == 1) != (self.previous == GENESIS):
            raise ValueError("the first batch, and only the first, follows nothing")
        if self.digest != digest_of(_covered(self)):
            raise TamperError("alias.digest", f"Alias batch {self.number} lacks its digest.")

    def payload(self) -> dict[str, Any]:
        """Return the header as a JSON value."""
        return {**_covered(self), "digest": self.digest}

    @classmethod
    def from_payload(cls, payload: object) -> AliasHeader:
        """Read a header from a JSON value.

        Raises:
            UserError: the value is not one.
            TamperError: the digest is not that of the other fields.
        """
        try:
            return msgspec.convert(payload, cls)
        except msgspec.ValidationError as error:
            raise UserError("alias.header", f"No header of an alias batch: {error}") from error

    def check_follows(self, number: int, digest: str) -> None:
        """Raise a `TamperError` unless this batch comes right after the one named."""
        if (self.number, self.previous) != (number + 1, digest):
            raise TamperError(
                "alias.chain",
                f"Alias batch {self.number} does not follow batch {number}.",
                rule="alias batches are numbered and chained; a receiver takes all, in order",
                next_step="ask the history service for the batches since the last one taken",
            )


def make_header(
    to: str, number: int, previous: str, on: date, rows: Sequence[AliasRow]
) -> AliasHeader:
    """Return the header of a batch of ``rows`` to one receiver."""
    covered = {
        "to": to,
        "number": number,
        "previous": previous,
        "on": on.isoformat(),
        "count": len(rows),
        "commitment": commitment(rows),
    }
    return AliasHeader.from_payload({**covered, "digest": digest_of(covered)})


def commitment(rows: Sequence[AliasRow]) -> str:
    """Return the digest of all that rows say but their tags, which are new at every sending."""
    said = [
        [r.ref, r.valid_from.isoformat(), r.recorded_on.isoformat(), r.reason, r.revokes]
        for r in sorted(rows)
    ]
    return digest_of(said)


def check_rows(header: AliasHeader, rows: Sequence[AliasRow]) -> None:
    """Raise a `TamperError` unless ``rows`` are those that the header speaks of."""
    if (len(rows), commitment(rows)) != (header.count, header.commitment):
        raise TamperError(
            "alias.rows",
            f"Alias batch {header.number} does not hold the events that its header names.",
            rule="a batch is taken whole or not at all",
            next_step="ask the history service for the batch again",
        )


def _covered(header: AliasHeader) -> dict[str, Any]:
    names = ("to", "number", "previous", "count", "commitment")
    return {name: getattr(header, name) for name in names} | {"on": header.on.isoformat()}
