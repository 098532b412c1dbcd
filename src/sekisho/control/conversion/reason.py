"""A reason for a conversion, as far as the desk reads it, and what a permit grants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, Literal, get_args

import msgspec

from sekisho.common.errors import Refusal
from sekisho.common.ids import BodyId, Domain

Kind = Literal[
    "submission",
    "choice",
    "opt_out_list",
    "choice_forward",
    "permit",
    "use",
    "view",
    "alias",
    "enclave_links",
    "list_return",
    "succession",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

_RULE: Final = "design section 5, Identity: a conversion needs a signed reason"


class Reason(msgspec.Struct, frozen=True):
    """The fields that decide. Others that the signed document carries are not this desk's."""

    id: str
    kind: Kind
    from_domain: str = msgspec.field(name="from")
    to_domain: str = msgspec.field(name="to")
    receiver: str
    receiver_key: str
    """Digest of the key to which the receiver's payload and key shares are sealed."""
    max_rows: int
    """Persons, not rows of tables."""
    expires: date
    """The last day, in Japan, on which it holds."""
    epoch: int

    def __post_init__(self) -> None:
        if not self.id or self.max_rows < 1:
            raise ValueError("a reason has an id and permits at least one person")


@dataclass(frozen=True)
class Grant:
    """What a permit grants, its signatures verified by whoever makes this value."""

    id: str
    hops: frozenset[tuple[Domain, Domain]]
    """Every (from, to) that the permit names: holders to project, project to project."""
    max_rows: Mapping[tuple[Domain, Domain], int]
    """Persons over each hop, in all batches together. Lists of choices have no such number."""
    valid_until: date
    """The last day, in Japan."""
    deciders: frozenset[BodyId]
    """The bodies that decide on the data it names (the framework's lanes)."""
    granted_by: frozenset[BodyId]
    """The bodies whose signatures under the permit were verified."""
    linkage_granted_by: frozenset[BodyId]
    """Those of them that granted linkage as well."""
    receiver_keys: Mapping[str, str] = field(default_factory=dict)
    """Digest of the key of each body that may receive, where the permit names it."""
    epoch: int = 0
    """The epoch in which the project's own pseudonyms are made, to its end."""
    enclave: BodyId | None = None
    """The body in whose enclave persons without a number are matched, where the permit names it."""


def read_reason(payload: Mapping[str, Any]) -> Reason:
    """Return the reason in a verified payload.

    Raises:
        Refusal: ``conversion.unknown-kind`` or ``conversion.malformed-reason``.
    """
    if payload.get("kind") not in KINDS:
        raise Refusal(
            "conversion.unknown-kind",
            "Nothing is converted for a reason of this kind.",
            rule=_RULE,
            next_step=f"the kinds are {', '.join(KINDS)}",
        )
    try:
        return msgspec.convert(dict(payload), Reason, strict=True)
    except msgspec.ValidationError as error:
        raise Refusal(
            "conversion.malformed-reason",
            f"The reason lacks what the desk must know: {error}",
            rule=_RULE,
            next_step="state id, kind, from, to, receiver (and its key), max_rows, expires, epoch",
        ) from error
