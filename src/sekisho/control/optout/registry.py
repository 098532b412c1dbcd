"""The registry's list: numbered, chained, and the same bytes from the same choices."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec

from sekisho.common.canonical import digest_of
from sekisho.common.errors import TamperError, UserError
from sekisho.control.optout.choice import Choice, Scope, effective

GENESIS = "0" * 64
"""What stands as the previous list's digest in a registry's first list."""

_HEX = re.compile(r"(?:[0-9a-f]{2})+")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class ListHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What everybody may know of a list; the registry signs it.

    ``digest`` covers all other fields. ``scopes`` counts the entries by scope. ``commitment`` is
    the digest of the entries under the registry's own pseudonyms: a holder, whose pseudonyms are
    others, cannot recompute it and only checks the counts; who audits the registry can.
    """

    registry: str
    number: int
    previous: str
    on: date
    count: int
    scopes: dict[str, int]
    commitment: str
    digest: str

    def __post_init__(self) -> None:
        if self.number < 1 or self.count < 0 or any(n < 1 for n in self.scopes.values()):
            raise ValueError("a list has a number from 1 and counts that are not negative")
        if not _DIGEST.fullmatch(self.previous) or not _DIGEST.fullmatch(self.commitment):
            raise ValueError("a digest is 64 hex digits")
        if (self.number == 1) != (self.previous == GENESIS):
            raise ValueError("the first list, and only the first, follows nothing")
        for scope in self.scopes:
            Scope.parse(scope)
        if self.digest != digest_of(self._covered()):
            raise TamperError(
                "opt-out.digest",
                f"List {self.number} of the registry {self.registry!r} does not have its digest.",
                rule="the digest covers the whole header of an opt-out list",
                next_step="ask the registry for the list again and tell its operator",
            )

    def _covered(self) -> dict[str, Any]:
        return _covered(
            self.registry,
            self.number,
            self.previous,
            self.on,
            self.count,
            self.scopes,
            self.commitment,
        )

    def payload(self) -> dict[str, Any]:
        """Return the header as a JSON value."""
        return {**self._covered(), "digest": self.digest}

    @classmethod
    def from_payload(cls, payload: object) -> ListHeader:
        """Read a header from a JSON value.

        Raises:
            UserError: the value is not one.
            TamperError: the digest is not that of the other fields.
        """
        try:
            return msgspec.convert(payload, cls)
        except msgspec.ValidationError as error:
            raise UserError(
                "opt-out.header",
                f"This is not the header of an opt-out list: {error}",
                next_step="ask the registry for the list again",
            ) from error


@dataclass(frozen=True, order=True)
class Entry:
    """One person's choices in force, under the registry's pseudonym (hex)."""

    pseudonym: str
    scopes: tuple[Scope, ...]

    def __post_init__(self) -> None:
        if not _HEX.fullmatch(self.pseudonym):
            raise UserError("opt-out.pseudonym", "A pseudonym is not written as hex digits.")
        if not self.scopes or list(self.scopes) != sorted(set(self.scopes)):
            raise UserError(
                "opt-out.entry", "An entry has scopes, sorted, each once; this one does not."
            )


@dataclass(frozen=True)
class OptOutList:
    """A whole list, as only its registry has it. Made by `make_list`, which keeps it sorted."""

    header: ListHeader
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        pseudonyms = [entry.pseudonym for entry in self.entries]
        if pseudonyms != sorted(set(pseudonyms)):
            raise UserError("opt-out.unsorted", "The entries of a list are not sorted, each once.")
        summary = (len(self.entries), scope_counts(e.scopes for e in self.entries))
        if summary != (self.header.count, self.header.scopes) or (
            self.header.commitment != commitment(self.entries)
        ):
            raise TamperError(
                "opt-out.entries",
                f"List {self.header.number} does not have the entries that its header speaks of.",
                rule="the header of an opt-out list is bound to its entries",
                next_step="make the list again from the choices",
            )

    @property
    def number(self) -> int:
        return self.header.number

    @property
    def digest(self) -> str:
        return self.header.digest


def make_list(
    choices_by_pseudonym: Mapping[str, Iterable[Choice]],
    number: int,
    previous_hash: str,
    on: date,
    *,
    registry: str,
    known: date | None = None,
) -> OptOutList:
    """Return the list of everyone whose choice is in force on the day ``on``.

    ``known`` (by default ``on``) is the day whose knowledge counts: with the day of a past list,
    that list comes out again byte for byte, whatever was recorded since.
    """
    known = on if known is None else known
    in_force = {
        pseudonym: effective(choices, on, known)
        for pseudonym, choices in choices_by_pseudonym.items()
    }
    entries = tuple(
        Entry(pseudonym, tuple(sorted(scopes)))
        for pseudonym, scopes in sorted(in_force.items())
        if scopes
    )
    counts = scope_counts(entry.scopes for entry in entries)
    covered = _covered(
        registry, number, previous_hash, on, len(entries), counts, commitment(entries)
    )
    return OptOutList(ListHeader.from_payload({**covered, "digest": digest_of(covered)}), entries)


def scope_counts(all_scopes: Iterable[Iterable[Scope]]) -> dict[str, int]:
    """Return how many entries have each scope, sorted by scope."""
    counts = Counter(str(scope) for scopes in all_scopes for scope in scopes)
    return dict(sorted(counts.items()))


def commitment(entries: Iterable[Entry]) -> str:
    """Return the digest of entries; pseudonyms cannot be guessed, so it discloses nothing."""
    return digest_of([[e.pseudonym, [str(s) for s in e.scopes]] for e in entries])


def is_repeat(previous: ListHeader, new: ListHeader) -> bool:
    """Return whether ``new`` is the list that was already taken (a message sent again)."""
    return previous == new


def check_chain(previous: ListHeader | None, new: ListHeader) -> None:
    """Check that ``new`` is the list that follows ``previous`` (None: nothing was taken yet).

    Raises:
        TamperError: lists are missing between them, or one was changed or replaced.
    """
    if previous is None:
        expected, digest, day, registry = 1, GENESIS, new.on, new.registry
    else:
        expected, digest, day = previous.number + 1, previous.digest, previous.on
        registry = previous.registry
    what = None
    if new.registry != registry:
        what = f"comes from another registry ({new.registry!r}, not {registry!r})"
    elif new.number != expected:
        what = f"does not follow: number {expected} was expected"
    elif new.previous != digest:
        what = "was not made from the list before it"
    elif new.on < day:
        what = "is older than the list before it"
    if what:
        raise TamperError(
            "opt-out.chain",
            f"Opt-out list {new.number} {what}.",
            rule="lists are numbered and chained; every body takes every list, in order",
            next_step="ask the registry for the lists from the last one taken; make no extract",
        )


def _covered(
    registry: str,
    number: int,
    previous: str,
    on: date,
    count: int,
    scopes: Mapping[str, int],
    entries_digest: str,
) -> dict[str, Any]:
    return {
        "registry": registry,
        "number": number,
        "previous": previous,
        "on": on.isoformat(),
        "count": count,
        "scopes": dict(sorted(scopes.items())),
        "commitment": entries_digest,
    }
