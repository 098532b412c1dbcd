"""Where a body keeps pseudonyms of its own, wrapped: every place, so that none is forgotten.

When an epoch begins all of them turn, or the body would no longer know its persons. A test searches
whole bodies for wrapped pseudonyms anywhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sekisho.body.context import Body
from sekisho.body.ports import Json
from sekisho.common.errors import TamperError
from sekisho.common.ids import Domain, body_domain, registry_domain
from sekisho.pseudonym.group import Scalar, multiply
from sekisho.pseudonym.wrap import WRAPPED_SIZE

_WRAPPED = re.compile(rf"[0-9a-f]{{{2 * WRAPPED_SIZE}}}")


@dataclass(frozen=True)
class Place:
    """Records of one kind, in their keys or values; ``domain`` says whose pseudonyms they are.

    ``remade``: made anew from another place, rather than turned where they are.
    """

    kind: str
    domain: Callable[[Body, str], Domain]
    remade: bool = False


def _holders(body: Body, key: str) -> Domain:
    return body_domain(body.id)


def _registrys(body: Body, key: str) -> Domain:
    return registry_domain(body.id)


def _named(body: Body, key: str) -> Domain:
    return Domain(key.partition("/")[0])


PLACES = (
    Place("registry", _registrys),
    Place("list-head", _registrys, remade=True),
    Place("held-list", _holders),
    Place("early-list", _holders),
    Place("alias", _named),
    Place("alias-early", _named),
)
"""The records. The other place is the table of persons in the lake (`Lake.turn`)."""

APART = ("use-index", "use-parts", "list-to-check")
"""Kinds of records of the index of uses, which turns project by project (`indexturn`)."""


@dataclass
class Turning:
    """Turns wrapped pseudonyms by the ratio of their domain."""

    body: Body
    ratios: Mapping[Domain, Scalar]
    known: dict[tuple[Domain, str], str] = field(default_factory=dict)

    def one(self, domain: Domain, wrapped: str) -> str:
        """Return a wrapped pseudonym of the new epoch for one of the old."""
        if (domain, wrapped) not in self.known:
            keys = self.body.keys
            new = keys.wrap(multiply(self.ratios[domain], keys.unwrap(wrapped)))
            self.known[domain, wrapped] = new
        return self.known[domain, wrapped]

    def all_in(self, domain: Domain, value: Any) -> Any:
        """Return a JSON value with every wrapped pseudonym in it turned."""
        if isinstance(value, str):
            return self._maybe(domain, value)
        if isinstance(value, dict):
            return {self._maybe(domain, k): self.all_in(domain, v) for k, v in value.items()}
        if isinstance(value, list):
            return [self.all_in(domain, item) for item in value]
        return value

    def _maybe(self, domain: Domain, text: str) -> str:
        if not _WRAPPED.fullmatch(text):
            return text
        try:
            return self.one(domain, text)
        except TamperError:  # so long a hex number, but no pseudonym that this body wrapped
            return text


@dataclass(frozen=True)
class Turned:
    """A record before and after."""

    place: Place
    old: str
    new: str
    data: Json


def turned_records(turning: Turning) -> Iterator[Turned]:
    """Yield every record that holds pseudonyms of this body, turned; one that is remade is not."""
    for place in PLACES:
        if place.remade:
            continue
        for key, data in turning.body.store.find(place.kind):
            domain = place.domain(turning.body, key)
            new = turning.all_in(domain, key)
            yield Turned(place, key, new, turning.all_in(domain, data))
