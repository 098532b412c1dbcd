"""Choices follow the person: what was chosen under one number counts under all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


def of_persons(choices: Mapping[str, Iterable[T]], roots: Mapping[str, str]) -> dict[str, list[T]]:
    """Return every pseudonym of a person who chose → all choices of that person.

    A reversal under a new number then undoes a choice under the old one, and a list made of this
    carries each number under which a holder may know the person.

    Args:
        choices: pseudonym → choices stated under it.
        roots: pseudonym → the person's oldest one (`pseudonym.alias.resolve`), of those that
            have several.
    """
    by_root: dict[str, list[T]] = {}
    for pseudonym, stated in sorted(choices.items()):
        by_root.setdefault(roots.get(pseudonym, pseudonym), []).extend(stated)
    made = {root: stated for root, stated in by_root.items() if root not in roots}
    made |= {each: by_root[root] for each, root in roots.items() if root in by_root}
    return made
