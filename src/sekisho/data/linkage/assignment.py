"""From scored pairs to verdicts: two thresholds, a clerical band, and one partner a source."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sekisho.data.linkage.matching import Pair
from sekisho.data.linkage.rule import LinkageRule

Verdict = Literal["link", "clerical", "no"]


@dataclass(frozen=True)
class Judged:
    """A pair and what becomes of it."""

    pair: Pair
    verdict: Verdict


def judge(pairs: Iterable[Pair], rule: LinkageRule) -> list[Judged]:
    """Return each pair with its verdict, in the order given (best first).

    Where the rule says one to one, a record has at most one partner in each other source: the
    best pair takes both of its records, and pairs with them that come later are ``no``. Pairs of
    equal weight that want the same record are both for a person to decide.
    """
    ordered = sorted(pairs, key=lambda p: -p.weight)  # stable: ties keep their order
    taken: dict[tuple[str, str, str], float] = {}
    rivals = _rivals(ordered) if rule.one_to_one else set()
    judged = []
    for pair in ordered:
        ends = ((pair.source_a, pair.a, pair.source_b), (pair.source_b, pair.b, pair.source_a))
        verdict: Verdict = "link" if pair.probability >= rule.link else "clerical"
        if rule.one_to_one:
            if any(end in taken and taken[end] > pair.weight for end in ends):
                verdict = "no"
            elif pair in rivals:
                verdict = "clerical"
            if verdict != "no":
                for end in ends:
                    taken.setdefault(end, pair.weight)
        judged.append(Judged(pair, verdict))
    return judged


def _rivals(pairs: Iterable[Pair]) -> set[Pair]:
    """Return pairs of equal weight that share a record within the same two sources."""
    first: dict[tuple[str, str, str, float], Pair] = {}
    found: set[Pair] = set()
    for pair in pairs:
        for end in (
            (pair.source_a, pair.a, pair.source_b, pair.weight),
            (pair.source_b, pair.b, pair.source_a, pair.weight),
        ):
            other = first.setdefault(end, pair)
            if other != pair:
                found |= {other, pair}
    return found
