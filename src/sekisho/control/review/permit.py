"""A permit: the signed permission that holders, converters, gates and environments obey.

It names everything that may happen; what it does not name may not. The bodies that granted it sign
its JSON form, which `sekisho.control.review.issuing` makes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Annotated

import msgspec

from sekisho.cdm import table
from sekisho.common.ids import IDENTITY, Domain, body_domain, project_domain, registry_domain
from sekisho.control.catalogue import TableColumns
from sekisho.control.review.application import Cohort, Period
from sekisho.control.review.values import Value, check_actor, check_digest, check_id, read_value


class Part(Value, frozen=True, kw_only=True):
    """One way of data: one class, from one holder, to the environment.

    ``lane`` is the body that decides on these data. ``hops`` are the bodies that the data pass,
    first the holder, last the environment. ``domains`` are those that persons' pseudonyms pass,
    first the holder's, last the project's. ``max_rows`` is the number of persons that may be
    converted.
    """

    holder: str
    data_class: str
    lane: str
    hops: tuple[str, ...]
    domains: tuple[str, ...]
    max_rows: Annotated[int, msgspec.Meta(ge=0)]

    def __post_init__(self) -> None:
        for body in (self.holder, self.lane, *self.hops):
            check_id(body)
        if not self.hops or self.hops[0] != self.holder:
            raise ValueError("the way of data begins at their holder")
        if len(self.domains) < 2 or self.domains[0] != body_domain(self.holder):
            raise ValueError("pseudonyms begin in the holder's domain and go to another")
        if len(set(self.domains)) < len(self.domains):
            raise ValueError("pseudonyms do not pass a domain twice")


def part_along(
    hops: Sequence[str], data_class: str, *, lane: str, application: str, max_rows: int
) -> Part:
    """Return the part whose data pass ``hops``, in the project's domain of each body but the
    holder; a holder that is the environment converts to the project as any other does."""
    projects = hops[1:] or hops
    return Part(
        holder=hops[0],
        data_class=data_class,
        lane=lane,
        hops=tuple(hops),
        domains=(
            body_domain(hops[0]),
            *(project_domain(application, body) for body in projects),
        ),
        max_rows=max_rows,
    )


class ListMinimum(Value, frozen=True, kw_only=True):
    """The least number of a registry's opt-out list that an extract may rest on."""

    registry: str
    number: Annotated[int, msgspec.Meta(ge=0)]


class LedgerHead(Value, frozen=True, kw_only=True):
    """Where a body's ledger stood: its size and root, in which generation of it."""

    body: str
    size: Annotated[int, msgspec.Meta(ge=0)]
    root: Annotated[str, msgspec.Meta(min_length=1)]
    generation: Annotated[int, msgspec.Meta(ge=1)] = 1


class ReceiverKey(Value, frozen=True, kw_only=True):
    """The key of a body that data of this permit come to: the digest of its sealing key."""

    body: str
    digest: str

    def __post_init__(self) -> None:
        check_id(self.body)
        check_digest(self.digest)


class Enclave(Value, frozen=True, kw_only=True):
    """Where persons without a reliable number are matched, and until when: on the day ``until``
    every identity field there is destroyed. ``max_rows``: registrations that it may send on.
    """

    body: str
    until: date
    max_rows: Annotated[int, msgspec.Meta(ge=1)]

    def __post_init__(self) -> None:
        check_id(self.body)


class Permit(Value, frozen=True, kw_only=True):
    """One version of a permit. ``starts`` and ``expires`` are its first and last day.

    ``receiver_keys`` binds who can read what is sent; ``epoch`` is that of the project's own
    pseudonyms, which it keeps when the holders' turn.
    ``aliases`` is the least number of the batch of changed numbers that every holder must have.
    """

    id: str
    version: Annotated[int, msgspec.Meta(ge=1)]
    application: str
    application_digest: str
    applicant: str
    team: tuple[str, ...]
    purpose: str
    tables: tuple[TableColumns, ...]
    classes: tuple[str, ...]
    cohort: Cohort
    period: Period
    form: str
    linkage: bool
    environment: str
    parts: tuple[Part, ...]
    opt_out: tuple[ListMinimum, ...]
    ledger_heads: tuple[LedgerHead, ...]
    conditions: tuple[str, ...]
    starts: date
    expires: date
    granted_by: tuple[str, ...]
    receiver_keys: tuple[ReceiverKey, ...] = ()
    epoch: Annotated[int, msgspec.Meta(ge=0)] = 0
    aliases: Annotated[int, msgspec.Meta(ge=0)] = 0
    enclave: Enclave | None = None

    def __post_init__(self) -> None:
        for name in (self.id, self.application, self.purpose, self.environment, *self.granted_by):
            check_id(name)
        check_digest(self.application_digest)
        for member in self.team:
            check_actor(member)
        for what, names in {
            "team": self.team,
            "lane that grants": self.granted_by,
            "table": [each.table for each in self.tables],
            "way of data": [(part.holder, part.data_class) for part in self.parts],
            "opt-out list": [each.registry for each in self.opt_out],
        }.items():
            if not names or len(set(names)) < len(names):
                raise ValueError(f"a permit names each {what} once, and at least one")
        for chosen in self.tables:
            content = {column.name for column in table(chosen.table).content}
            if set(chosen.columns) - content:
                raise ValueError(f"a permit names columns that {chosen.table} does not have")
        if self.expires < self.starts:
            raise ValueError("a permit does not expire before it starts")
        if self.enclave is not None and not (
            self.linkage and self.starts < self.enclave.until <= self.expires
        ):
            raise ValueError("an enclave serves linkage, and ends while the permit holds")
        reached = {body for part in self.parts for body in (part.hops[1:] or part.hops)}
        named = [key.body for key in self.receiver_keys]
        if named and sorted(named) != sorted(reached):
            raise ValueError("a permit names one key of each body that its data come to")
        self._check_ways()

    def _check_ways(self) -> None:
        if set(self.classes) != {part.data_class for part in self.parts}:
            raise ValueError("a permit has a way for each class of data, and for no other")
        for part in self.parts:
            if part.hops[-1] != self.environment:
                raise ValueError("the way of data ends at the environment of the permit")
            if not part.domains[-1].startswith(f"project:{self.application}:"):
                raise ValueError("pseudonyms end in a domain of the permit's own project")
            for domain in part.domains[1:-1]:
                if domain.startswith("project:") and domain.split(":")[1] != self.application:
                    raise ValueError("a permit passes no domain of another project")
        if not self.linkage and holders_meet(self.parts):
            raise ValueError(
                "a permit without linkage brings data of several holders into one domain"
            )

    @property
    def minimum_lists(self) -> dict[str, int]:
        """The least number of each registry's opt-out list."""
        return {each.registry: each.number for each in self.opt_out}

    @property
    def max_persons(self) -> int:
        """The number of persons that any one conversion may have, all its batches together."""
        return max(self.part_conversions().values())

    def part_conversions(self) -> dict[tuple[Domain, Domain], int]:
        """Return the conversions of persons whose data move, with how many persons each has."""
        found: dict[tuple[Domain, Domain], int] = {}
        for part in self.parts:
            for ends in pairwise(part.domains):
                pair = (Domain(ends[0]), Domain(ends[1]))
                found[pair] = found.get(pair, 0) + part.max_rows
        return found

    def enclave_conversions(self) -> dict[tuple[Domain, Domain], int]:
        """Return the conversion of persons whom an enclave matched, with how many it may have."""
        if self.enclave is None:
            return {}
        return {(IDENTITY, Domain(p.domains[-1])): self.enclave.max_rows for p in self.parts}

    def conversion_ends(self) -> set[tuple[Domain, Domain]]:
        """Return every conversion for which the permit is the reason: those of persons whose data
        move, those of the opt-out lists to the project, for the gate, and that of persons whom an
        enclave matched."""
        projects = {Domain(part.domains[-1]) for part in self.parts}
        lists = {(registry_domain(each.registry), p) for each in self.opt_out for p in projects}
        return set(self.part_conversions()) | lists | set(self.enclave_conversions())

    @classmethod
    def from_payload(cls, payload: object) -> Permit:
        """Read a permit from a JSON value. Signatures are not this function's matter.

        Raises:
            UserError: it is not one.
        """
        return read_value(cls, payload, "permit.invalid", "a permit")


def holders_meet(parts: Sequence[Part]) -> bool:
    """Return whether persons of two holders come into one domain: there they can be joined."""
    holders: dict[str, set[str]] = {}
    for part in parts:
        for domain in part.domains[1:]:
            holders.setdefault(domain, set()).add(part.holder)
    return any(len(each) > 1 for each in holders.values())
