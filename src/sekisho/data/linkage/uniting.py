"""One holder's records of one person under several numbers: united, or kept apart and counted.

Pure: pseudonyms are opaque texts, the histories are resolved already (`pseudonym.alias`). What is
known of a person's sex and birth month decides whether a history may be believed: of NDB's id5,
about 330,000 equal ones had another sex or birth month (linkage.md section 2).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

METHODS: Final = ("number", "direct", "name", "local", "other")
"""How a person was identified, the best first; ``other``: the holder was not told."""


@dataclass(frozen=True)
class Known:
    """What records under one key say of a person: sexes (8507, 8532) and (year, month) of birth.

    Empty where they say nothing; more than one where they disagree among themselves.
    """

    sexes: frozenset[int] = frozenset()
    births: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True)
class Conflict:
    """Records that a history calls one person's and that speak of two: a case for a clerk.

    ``keys`` are the holder's own person keys; ``differ`` says in what they differ.
    """

    root: str
    keys: tuple[str, ...]
    differ: tuple[str, ...]


@dataclass(frozen=True)
class Quality:
    """How well an extract's persons are identified; persons as they are sent, after uniting.

    ``aliases_used``: person keys sent under an older number than their own. ``merged``: persons
    made of several keys. ``conflicts``: persons that a history would have united and that were
    not. ``by_method``: persons by how they were identified.
    """

    persons: int
    by_method: Mapping[str, int]
    aliases_used: int
    merged: int
    conflicts: int

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as a JSON value."""
        return {
            "persons": self.persons,
            "by_method": dict(self.by_method),
            "aliases_used": self.aliases_used,
            "merged": self.merged,
            "conflicts": self.conflicts,
        }


@dataclass(frozen=True)
class United:
    """``sent``: person key → the pseudonym under which its records leave."""

    sent: Mapping[str, str]
    conflicts: tuple[Conflict, ...]

    def quality(self, own: Mapping[str, str], methods: Mapping[str, str]) -> Quality:
        """Return the figures of the persons in ``own`` (person key → own pseudonym)."""
        groups = _grouped({key: self.sent[key] for key in own})
        best = Counter(
            min((methods.get(key, "other") for key in keys), key=_rank) for keys in groups.values()
        )
        return Quality(
            persons=len(groups),
            by_method={method: best[method] for method in METHODS if best[method]},
            aliases_used=sum(1 for key, pseudonym in own.items() if self.sent[key] != pseudonym),
            merged=sum(1 for keys in groups.values() if len(keys) > 1),
            conflicts=len(self.conflicts),
        )


def unite(own: Mapping[str, str], roots: Mapping[str, str], known: Mapping[str, Known]) -> United:
    """Return under which pseudonym each person key's records leave.

    Keys of one class leave under the root, so that another holder's meet them there; where what
    is known of them disagrees, each keeps its own.

    Args:
        own: person key → pseudonym.
        roots: pseudonym → that of the person's oldest number, of those that have several.
        known: person key → what its records say; a key that is missing says nothing.
    """
    sent = {key: roots.get(pseudonym, pseudonym) for key, pseudonym in own.items()}
    conflicts = []
    for root, keys in sorted(_grouped(sent).items()):
        differ = _differ([known.get(key, Known()) for key in keys]) if len(keys) > 1 else ()
        if differ:
            conflicts.append(Conflict(root, keys, differ))
            sent |= {key: own[key] for key in keys}
    return United(sent, tuple(conflicts))


def candidates(own: Mapping[str, str], roots: Mapping[str, str]) -> frozenset[str]:
    """Return the person keys that `unite` would unite: those whose records must be compared."""
    groups = _grouped({key: roots.get(pseudonym, pseudonym) for key, pseudonym in own.items()})
    return frozenset(key for keys in groups.values() if len(keys) > 1 for key in keys)


def _differ(all_known: Collection[Known]) -> tuple[str, ...]:
    sexes = frozenset[int]().union(*(one.sexes for one in all_known))
    births = frozenset[tuple[int, int]]().union(*(one.births for one in all_known))
    found = {"sex": len(sexes) > 1, "birth-month": len(births) > 1}
    return tuple(what for what, differs in found.items() if differs)


def _grouped(sent: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    groups: dict[str, list[str]] = {}
    for key, pseudonym in sorted(sent.items()):
        groups.setdefault(pseudonym, []).append(key)
    return {pseudonym: tuple(keys) for pseudonym, keys in groups.items()}


def _rank(method: str) -> int:
    return METHODS.index(method) if method in METHODS else len(METHODS)
