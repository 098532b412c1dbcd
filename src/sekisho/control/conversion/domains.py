"""Names of pseudonym domains, taken apart: what kind, of whom, of which project."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from sekisho.common.errors import Refusal
from sekisho.common.ids import BodyId, Domain

Sort = Literal["identity", "body", "registry", "project", "uses"]


@dataclass(frozen=True)
class Place:
    """A domain taken apart. ``owner`` holds its key; nobody owns the domain of identities."""

    sort: Sort
    owner: BodyId | None = None
    application: str | None = None


def place_of(domain: Domain, bodies: Collection[BodyId]) -> Place:
    """Return what ``domain`` names; refuse one that is misspelt or of a body not in ``bodies``."""
    match domain.split(":"):
        case ["identity"]:
            return Place("identity")
        case ["body", owner] if owner in bodies:
            return Place("body", BodyId(owner))
        case ["registry", owner] if owner in bodies:
            return Place("registry", BodyId(owner))
        case ["project", application, owner] if application and owner in bodies:
            return Place("project", BodyId(owner), application)
        case ["uses", application, owner] if application and owner in bodies:
            return Place("uses", BodyId(owner), application)
    raise Refusal(
        "conversion.unknown-domain",
        "A domain of this conversion belongs to no body of the framework.",
        rule="a domain is identity, body:<id>, registry:<id>, project:<application>:<id> or "
        "uses:<application>:<id>",
        next_step="compare the domain's name with the framework's bodies",
    )
