"""The balance of a submission at the body: nothing that was sent is unaccounted for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from sekisho.common.errors import Defect, UserError
from sekisho.data.collection.survey import Survey

UnitName = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
"""A source's unit under the provider's key: 16 bytes as hex."""


class Declared(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the provider says of one record type and class: sent = delivered + what stayed there."""

    record_type: str
    data_class: str
    sent: int
    delivered: int
    refused: int
    superseded: int
    set_aside: int


@dataclass(frozen=True, order=True)
class Line:
    """One record type and class; cannot be made unless it is even (design, section 5)."""

    record_type: str
    data_class: str
    sent: int
    landed: int
    quarantined: int
    refused: int
    superseded: int
    set_aside: int

    def __post_init__(self) -> None:
        parts = (self.landed, self.quarantined, self.refused, self.superseded, self.set_aside)
        if min(parts) < 0 or sum(parts) != self.sent:
            raise Defect("collection.unbalanced", f"The balance of {self.record_type} is not even.")


@dataclass(frozen=True)
class Balance:
    """All lines of a submission, and beside them the rows per table."""

    lines: tuple[Line, ...]
    rows_landed: Mapping[str, int]
    rows_quarantined: Mapping[str, int]

    def __post_init__(self) -> None:
        keys = [(line.record_type, line.data_class) for line in self.lines]
        if len(set(keys)) != len(keys):
            raise Defect("collection.unbalanced", "A record type stands in the balance twice.")

    @property
    def totals(self) -> dict[str, int]:
        """Return the sums over all record types."""
        columns = ("sent", "landed", "quarantined", "refused", "superseded", "set_aside")
        return {c: sum(getattr(line, c) for line in self.lines) for c in columns}


def read_declared(raw: object) -> tuple[Declared, ...]:
    """Read what a provider declares, as it came in a message.

    Raises:
        UserError: not of that form.
    """
    try:
        return msgspec.convert(raw, tuple[Declared, ...])
    except msgspec.ValidationError as error:
        raise UserError(
            "collection.declaration", "The submission's counts are malformed."
        ) from error


def read_withdrawn(raw: object) -> tuple[str, ...]:
    """Read the names of units that a provider takes back, as they came in a message.

    Raises:
        UserError: not of that form.
    """
    try:
        return msgspec.convert(raw, tuple[UnitName, ...])
    except msgspec.ValidationError as error:
        raise UserError(
            "collection.declaration", "The list of what is taken back is malformed."
        ) from error


def balance(declared: Sequence[Declared], survey: Survey) -> Balance:
    """Return the balance of a submission.

    Raises:
        UserError: what arrived is not what was declared: a part is missing, or too much came.
    """
    kept, held, by_choice = survey.kept, survey.held, survey.chosen
    said = {(one.record_type, one.data_class): one for one in declared}
    if len(said) != len(declared):
        raise _differs("a record type is declared twice")
    for key in sorted({*kept, *held, *by_choice} - set(said)):
        raise _differs(f"{key[0]} arrived but was not declared")
    lines = []
    for key, one in sorted(said.items()):
        chosen = by_choice[key]
        arrived = kept[key] + held[key] + chosen
        if arrived != one.delivered:
            raise _differs(f"{one.delivered} {key[0]} were declared, {arrived} arrived")
        stayed = one.refused + one.superseded + one.set_aside
        if one.sent != one.delivered + stayed or min(stayed, one.delivered) < 0:
            raise _differs(f"the counts of {key[0]} do not add up")
        lines.append(
            Line(
                *key,
                one.sent,
                kept[key],
                held[key],
                one.refused,
                one.superseded,
                one.set_aside + chosen,
            )
        )
    return Balance(
        tuple(lines),
        dict(sorted(survey.rows_landed.items())),
        dict(sorted(survey.rows_quarantined.items())),
    )


def _differs(what: str) -> UserError:
    return UserError(
        "collection.declaration",
        f"The submission does not hold what its provider declares: {what}.",
        rule="sent = landed + quarantined + refused + superseded + set aside",
        next_step="send the whole submission again; nothing of it was kept",
    )
