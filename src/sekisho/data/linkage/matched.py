"""Which pseudonyms of a project are one person, by the links of an enclave.

Rules kept: two numbers that identify persons anywhere stay two persons, whatever links say; a
united person goes by the pseudonym of the reliable number where there is one; the weakest link of
a person is what is known of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

LINK: Final = "link"
REVIEWED: Final = "reviewed"
OPEN: Final = "clerical"
Said = Literal["link", "reviewed", "clerical"]
"""Linked by the matcher, by a clerk, or left open."""
DECIDED = {LINK: "matcher", REVIEWED: "clerk"}
WEIGHT_TABLE = "linkage_weight"
"""The table that a project under a permit with an enclave has beside those of the CDM: for each
united person ``identities`` (pseudonyms united), ``match_weight`` (log2 of the odds) and
``match_probability`` of the weakest link, and ``decided_by`` (matcher, clerk)."""


@dataclass(frozen=True)
class Link:
    """Two registrations by their pseudonyms, and how sure it is that they are one person."""

    a: bytes = field(repr=False)
    b: bytes = field(repr=False)
    reliable_a: bool
    reliable_b: bool
    weight: float
    probability: float
    verdict: Said


@dataclass(frozen=True)
class Certainty:
    """How sure it is that a united person is one: the weakest link used, and who decided it."""

    identities: int
    weight: float
    probability: float
    verdict: Said


@dataclass(frozen=True)
class Matched:
    """``root``: pseudonym → the one that its person goes by; others are their own.

    ``conflicts``: links that would have made one person of two reliable numbers; ``open``: links
    on which nobody decided. Neither unites anyone.
    """

    root: Mapping[bytes, bytes]
    certainty: Mapping[bytes, Certainty]
    conflicts: int = 0
    open: int = 0

    def of(self, pseudonym: bytes) -> bytes:
        return self.root.get(pseudonym, pseudonym)

    def counts(self) -> dict[str, int]:
        return {"persons": len(self.certainty), "conflicts": self.conflicts, "open": self.open}


def join_links(links: Iterable[Link], present: Callable[[bytes], bool]) -> Matched:
    """Unite pseudonyms, the surest links first.

    Args:
        links: in any order.
        present: whether a pseudonym has records in the project; a link to one without still
            carries over what was chosen under that number.
    """
    ordered = sorted(links, key=lambda one: (-one.weight, one.a, one.b))
    groups: dict[bytes, set[bytes]] = {}
    number: dict[bytes, bytes] = {}
    used: dict[bytes, list[Link]] = {}
    conflicts = 0
    for one in ordered:
        for pseudonym, reliable in ((one.a, one.reliable_a), (one.b, one.reliable_b)):
            groups.setdefault(pseudonym, {pseudonym})
            if reliable:
                number[min(groups[pseudonym])] = pseudonym
        left, right = min(groups[one.a]), min(groups[one.b])
        if one.verdict == OPEN:
            continue
        if left == right:
            continue
        if left in number and right in number:
            conflicts += 1
            continue
        whole = groups[one.a] | groups[one.b]
        named = number.pop(left, None) or number.pop(right, None)
        if named:
            number[min(whole)] = named
        used[min(whole)] = [*used.pop(left, []), *used.pop(right, []), one]
        for pseudonym in whole:
            groups[pseudonym] = whole
    root: dict[bytes, bytes] = {}
    certainty: dict[bytes, Certainty] = {}
    for first, links_used in used.items():
        whole = groups[first]
        person = number.get(first, first)
        root.update(dict.fromkeys(whole, person))
        here = sum(1 for pseudonym in whole if present(pseudonym))
        if here > 1:
            weakest = min(links_used, key=lambda link: link.weight)
            reviewed = any(link.verdict == REVIEWED for link in links_used)
            certainty[person] = Certainty(
                here, weakest.weight, weakest.probability, REVIEWED if reviewed else LINK
            )
    left_open = sum(1 for one in ordered if one.verdict == OPEN)
    return Matched(root, certainty, conflicts, left_open)
