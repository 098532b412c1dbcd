"""Two converters and the domains they serve, for tests of the protocol."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sekisho.common.ids import IDENTITY, Domain, Tag, new_tag
from sekisho.common.randomness import RandomBytes, seeded
from sekisho.pseudonym import (
    Batch,
    ConverterSecret,
    Element,
    Scalar,
    convert_batch,
    domain_key,
    encrypt_many,
    hash_to_group,
    open_batch,
)

A, B = Domain("body:a"), Domain("body:b")
T, U = Domain("project:t:env"), Domain("project:u:env")


def person(number: int) -> Element:
    """H(x) of the person with this number."""
    return hash_to_group(f"person {number}".encode())


@dataclass
class World:
    """Both converters' secrets; no party of the protocol ever holds one of these."""

    seed: int = 1
    epoch: int = 1
    random: RandomBytes = field(init=False)
    converters: tuple[ConverterSecret, ConverterSecret] = field(init=False)
    public: Element = field(init=False)
    """Y"""

    def __post_init__(self) -> None:
        self.random = seeded("world", self.seed)
        first = ConverterSecret.generate(self.random)
        second = ConverterSecret.generate(self.random)
        self.converters = (first, second)
        self.public = second.public_step(first.public_step(None))

    def key(self, domain: Domain) -> Scalar:
        return domain_key(c.key_share(domain, self.epoch) for c in self.converters)

    def batch(self, elements: Iterable[Element]) -> Batch:
        """What a sender makes: each element under Y and a fresh tag."""
        ciphertexts = encrypt_many(elements, self.public, self.random)
        return Batch(tuple((new_tag(self.random), each) for each in ciphertexts), self.public)

    def stages(self, batch: Batch, from_domain: Domain, to_domain: Domain) -> list[Batch]:
        """The batch as sent, between the converters, and as received."""
        seen = [batch]
        for converter in self.converters:
            seen.append(
                convert_batch(converter, seen[-1], from_domain, to_domain, self.epoch, self.random)
            )
        return seen

    def send(
        self, elements: Sequence[Element], from_domain: Domain, to_domain: Domain
    ) -> list[Element]:
        """Return the pseudonyms in ``to_domain``, in the order of ``elements``."""
        batch = self.batch(elements)
        received = self.stages(batch, from_domain, to_domain)[-1]
        opened: dict[Tag, Element] = dict(open_batch(received, self.key(to_domain)))
        return [opened[tag] for tag, _ in batch.items]

    def ingest(self, elements: Sequence[Element], domain: Domain) -> list[Element]:
        """Return the pseudonyms that ``domain`` gets for bare identities."""
        return self.send(elements, IDENTITY, domain)
