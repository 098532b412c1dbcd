"""A list on its way: rows under tags to a holder or gate, its answer, and who has not answered.

A holder's pseudonyms are not the registry's, so it cannot recompute the digest of the entries. It
checks that the rows it received have the count and the counts by scope that the signed header
states. That finds rows lost, doubled or with another scope; it does not find one person exchanged
for another with the same scopes, against which the proof of the conversion has to stand. The
digest in the acknowledgement is the receiver's own, over its own pseudonyms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import msgspec

from sekisho.common.errors import TamperError, UserError
from sekisho.control.optout.choice import Scope
from sekisho.control.optout.registry import (
    Entry,
    ListHeader,
    OptOutList,
    commitment,
    scope_counts,
)


class ListRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """One entry under its tag: worthless without the conversion that the tag belongs to."""

    tag: str
    scopes: tuple[str, ...]

    def parsed(self) -> tuple[Scope, ...]:
        """Return the scopes, sorted."""
        return tuple(sorted(Scope.parse(text) for text in self.scopes))


def transfer_rows(full: OptOutList, tags: Mapping[str, str]) -> tuple[ListRow, ...]:
    """Return the rows to send, sorted by tag, so that their order says nothing.

    Args:
        full: the list.
        tags: a fresh random tag for each pseudonym in it, each another.
    """
    missing = sum(1 for entry in full.entries if entry.pseudonym not in tags)
    if missing or len(set(tags.values())) < len(tags):
        raise UserError(
            "opt-out.tags",
            f"{missing} entries have no tag, or two have the same.",
            next_step="give every entry of the list a fresh random tag",
        )
    return tuple(
        sorted(ListRow(tags[e.pseudonym], tuple(str(s) for s in e.scopes)) for e in full.entries)
    )


def check_received(header: ListHeader, rows: Sequence[ListRow]) -> None:
    """Check rows as received against the signed header.

    Raises:
        TamperError: rows are missing, doubled, or do not have the scopes that were sent.
    """
    counts = scope_counts(row.parsed() for row in rows)
    once = len({row.tag for row in rows}) == len(rows) and all(
        row.scopes and len(set(row.scopes)) == len(row.scopes) for row in rows
    )
    if not once or len(rows) != header.count or counts != header.scopes:
        raise TamperError(
            "opt-out.rows",
            f"Opt-out list {header.number} states {header.count} entries; {len(rows)} rows came, "
            "or their scopes differ.",
            rule="a list is taken whole or not at all",
            next_step="ask the registry for the list again; make no extract with an older one "
            "than the rule allows",
        )


class Acknowledgement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A receiver's word that it took a list whole and uses it from now on."""

    registry: str
    number: int
    digest: str
    receiver: str
    count: int
    own_digest: str
    """Over the receiver's own pseudonyms: lets it prove later which list it applied."""
    on: date

    def payload(self) -> dict[str, Any]:
        """Return the acknowledgement as a JSON value."""
        return {**msgspec.structs.asdict(self), "on": self.on.isoformat()}

    @classmethod
    def from_payload(cls, payload: object) -> Acknowledgement:
        """Read an acknowledgement from a JSON value."""
        try:
            return msgspec.convert(payload, cls)
        except msgspec.ValidationError as error:
            raise UserError(
                "opt-out.acknowledgement", f"This is not an acknowledgement: {error}"
            ) from error


def acknowledge(
    header: ListHeader, received: Mapping[str, Iterable[Scope]], receiver: str, on: date
) -> Acknowledgement:
    """Return the acknowledgement of a list by ``receiver``.

    Args:
        header: the list's header.
        received: the scopes by the receiver's own pseudonym (hex).
        receiver: the body that took it.
        on: the day.
    """
    entries = [Entry(p, tuple(sorted(set(scopes)))) for p, scopes in sorted(received.items())]
    return Acknowledgement(
        registry=header.registry,
        number=header.number,
        digest=header.digest,
        receiver=receiver,
        count=len(entries),
        own_digest=commitment(entries),
        on=on,
    )


@dataclass(frozen=True)
class Gap:
    """A receiver that does not have the list, or has another."""

    receiver: str
    number: int
    what: Literal["no answer", "other list", "other count"]


def gaps(
    header: ListHeader, acknowledgements: Iterable[Acknowledgement], receivers: Iterable[str]
) -> tuple[Gap, ...]:
    """Return what the registry must raise an alarm for after sending a list."""
    answers = {a.receiver: a for a in acknowledgements if a.number == header.number}
    found = []
    for receiver in sorted(set(receivers)):
        answer = answers.get(receiver)
        if answer is None:
            found.append(Gap(receiver, header.number, "no answer"))
        elif (answer.registry, answer.digest) != (header.registry, header.digest):
            found.append(Gap(receiver, header.number, "other list"))
        elif answer.count != header.count:
            found.append(Gap(receiver, header.number, "other count"))
    return tuple(found)
