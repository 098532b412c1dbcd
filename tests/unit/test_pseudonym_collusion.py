"""The collusion table: a receiver with one converter reaches no identity and joins no domains.

The attacker's algebra is searched, not argued. He knows scalars (a converter's whole secret, the
keys and shares of the domains he owns) and so every product z of up to ``depth`` of them and their
inverses; elements (public keys, his pseudonyms, both halves of each recorded ciphertext) and so
every z*element; and every decryption c - z*b. He wins where one of these equals z*target. A search
that finds nothing is no proof; that it finds what is there is shown by giving it one more secret.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations_with_replacement

import pytest
from pseudonym_world import A, B, T, U, World, person

from sekisho.common.ids import IDENTITY, Domain
from sekisho.common.randomness import seeded
from sekisho.pseudonym import Batch, ConverterKeys, ConverterSecret, Element, Scalar
from sekisho.pseudonym.group import ONE, add, multiply, multiply_base, scalar_inverse, subtract
from sekisho.pseudonym.group import scalar_product as times

X = person(7)
ROTATED = [
    ConverterKeys({epoch: ConverterSecret.generate(random) for epoch in (0, 1)})
    for random in (seeded("rotated", 1), seeded("rotated", 2))
]
"""Both converters after one rotation."""


@dataclass
class Attacker:
    """What colluding parties hold together."""

    scalars: set[Scalar] = field(default_factory=set)
    elements: set[Element] = field(default_factory=set)
    ciphertexts: set[bytes] = field(default_factory=set)

    def gets_converter(self, converter: ConverterSecret, domains: Iterable[Domain]) -> None:
        self.scalars.add(converter.share)
        for domain in domains:
            self.scalars |= {converter.factor(domain, 1), converter.rekey(domain, 1)}

    def gets_owner(self, world: World, domain: Domain, *pseudonyms: Element) -> None:
        """The owner's whole key file: both shares; and the pseudonyms it keeps."""
        self.scalars |= {converter.key_share(domain, 1) for converter in world.converters}
        self.elements |= set(pseudonyms)

    def records(self, *batches: Batch) -> None:
        for batch in batches:
            self.elements.add(batch.public)
            self.ciphertexts |= {ciphertext for _, ciphertext in batch.items}

    def reaches(self, target: Element, depth: int = 2) -> bool:
        """Tell whether what he has and ``target`` meet after multiplying by known products."""
        known = products(self.scalars, depth)
        goals = {multiply(z, target) for z in known}
        halves = [(Element(ct[:32]), Element(ct[32:])) for ct in self.ciphertexts]
        held = {*self.elements, *(half for pair in halves for half in pair)}
        elements = {multiply(z, element) for z in known for element in held}
        for first, second in halves:
            elements |= {subtract(second, multiply(z, first)) for z in known}
        return bool(elements & goals)


def products(scalars: set[Scalar], depth: int) -> set[Scalar]:
    """All products of up to ``depth`` of the scalars and their inverses, 1 among them."""
    units = sorted({ONE, *scalars, *(scalar_inverse(scalar) for scalar in scalars)})
    found = set()
    for chosen in combinations_with_replacement(units, depth):
        product = ONE
        for scalar in chosen:
            product = times(product, scalar)
        found.add(product)
    return found


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=11)


def ingestion(world: World, domain: Domain) -> tuple[list[Batch], Element]:
    """One person's way into ``domain``: the traffic at its three stages, and the pseudonym."""
    stages = world.stages(world.batch([X]), IDENTITY, domain)
    (pseudonym,) = world.ingest([X], domain)
    return stages, pseudonym


def at_converter(which: int, stages: list[Batch]) -> list[Batch]:
    """What passes converter ``which``: its input and its output."""
    return stages[which : which + 2]


@pytest.mark.parametrize("which", [0, 1], ids=["first converter", "second converter"])
def test_receiver_with_one_converter_cannot_reach_the_identity(world: World, which: int) -> None:
    stages, pseudonym = ingestion(world, A)
    attacker = Attacker()
    attacker.gets_owner(world, A, pseudonym)
    attacker.gets_converter(world.converters[which], [A])
    attacker.records(*at_converter(which, stages), stages[-1])
    assert attacker.reaches(pseudonym)  # it can read what is its own
    assert not attacker.reaches(X, depth=3)


@pytest.mark.parametrize("which", [0, 1], ids=["first converter", "second converter"])
def test_receiver_with_one_converter_and_the_whole_wire_cannot_reach_the_identity(
    world: World, which: int
) -> None:
    """Stronger than the table asks: all three stages recorded, of two domains it owns."""
    attacker = Attacker()
    for domain in (A, T):
        stages, pseudonym = ingestion(world, domain)
        attacker.gets_owner(world, domain, pseudonym)
        attacker.records(*stages)
    attacker.gets_converter(world.converters[which], [A, T])
    assert not attacker.reaches(X)


@pytest.mark.parametrize("which", [0, 1], ids=["first converter", "second converter"])
def test_two_bodies_with_one_converter_cannot_join_their_pseudonyms(
    world: World, which: int
) -> None:
    """Nor either of them with a project that it did not take part in."""
    attacker = Attacker()
    stages, at_a = ingestion(world, A)
    attacker.gets_owner(world, A, at_a)
    attacker.records(*at_converter(which, stages), stages[-1])
    attacker.gets_converter(world.converters[which], [A, B, T])
    _, at_b = ingestion(world, B)
    _, at_t = ingestion(world, T)
    assert not attacker.reaches(at_b)
    assert not attacker.reaches(at_t)
    assert not attacker.reaches(X)


@pytest.mark.parametrize("which", [0, 1], ids=["first converter", "second converter"])
def test_a_project_with_one_converter_cannot_go_back_to_the_holder(
    world: World, which: int
) -> None:
    (at_a,) = world.ingest([X], A)
    stages = world.stages(world.batch([at_a]), A, T)
    (at_t,) = world.send([at_a], A, T)
    (at_u,) = world.send([at_a], A, U)
    attacker = Attacker()
    attacker.gets_owner(world, T, at_t)
    attacker.gets_converter(world.converters[which], [A, T, U])
    attacker.records(*at_converter(which, stages), stages[-1])
    assert attacker.reaches(at_t)
    assert not attacker.reaches(at_a)
    assert not attacker.reaches(at_u)
    assert not attacker.reaches(X)


@pytest.mark.parametrize("which", [0, 1], ids=["first converter", "second converter"])
def test_one_converter_alone_reads_nothing_that_passes(world: World, which: int) -> None:
    attacker = Attacker()
    attacker.gets_converter(world.converters[which], [A, T])
    stages, at_a = ingestion(world, A)
    onward = world.stages(world.batch([at_a]), A, T)
    attacker.records(*stages, *onward)
    (at_t,) = world.send([at_a], A, T)
    for target in (X, at_a, at_t):
        assert not attacker.reaches(target)


@pytest.mark.parametrize("which", [0, 1], ids=["first converter", "second converter"])
def test_an_owner_with_the_ratios_of_a_rotation_and_one_converter_cannot_reach_the_identity(
    world: World, which: int
) -> None:
    """Owner of A in both epochs: pseudonyms, keys and both converters' ratios."""
    attacker = Attacker()
    ratios = [c.ratio(A, 0, 1) for c in ROTATED]
    pseudonym = X
    for epoch in (0, 1):
        pseudonym = X
        for converter in ROTATED:
            pseudonym = multiply(converter.factor(A, epoch), pseudonym)
            attacker.scalars.add(converter.key_share(A, epoch))
        attacker.elements.add(pseudonym)
    attacker.scalars |= set(ratios)
    known = ROTATED[which]
    for epoch in (0, 1):
        attacker.scalars |= {known.of(epoch).share, known.factor(A, epoch), known.rekey(A, epoch)}
    assert attacker.reaches(pseudonym)
    assert not attacker.reaches(X)


@pytest.mark.parametrize("kept", [None, 0, 1], ids=["neither", "first keeps", "second keeps"])
def test_old_pseudonyms_with_both_converters_later_secrets_reach_no_identity(
    kept: int | None,
) -> None:
    """After both destroyed the secrets of epoch 0, or one of them did; pseudonyms stolen before."""
    attacker = Attacker()
    old = X
    for converter in ROTATED:
        old = multiply(converter.factor(A, 0), old)
        attacker.scalars |= {converter.key_share(A, 0), converter.of(1).share}
        attacker.scalars |= {converter.factor(A, 1), converter.rekey(A, 1)}
    attacker.elements.add(old)
    if kept is not None:
        attacker.scalars.add(ROTATED[kept].factor(A, 0))
    assert attacker.reaches(old)
    assert not attacker.reaches(X)
    attacker.scalars |= {converter.factor(A, 0) for converter in ROTATED}
    assert attacker.reaches(X)  # what the destruction takes away


def test_the_keeper_of_an_index_with_its_own_secrets_and_ratios_links_no_two_projects() -> None:
    """The oversight body: second converter, and owner of every index, over a rotation."""
    first, own = ROTATED
    attacker = Attacker()
    indexes = [Domain("uses:heart:oversight"), Domain("uses:kidney:oversight")]
    stored = {}
    for domain in indexes:
        for epoch in (0, 1):
            factors = [first.factor(domain, epoch), own.factor(domain, epoch)]
            stored[domain, epoch] = multiply(factors[1], multiply(factors[0], X))
            attacker.scalars |= {factors[1], first.key_share(domain, epoch)}
        attacker.scalars.add(first.ratio(domain, 0, 1))
    heart, kidney = ({stored[domain, epoch] for epoch in (0, 1)} for domain in indexes)
    attacker.elements |= heart
    assert all(attacker.reaches(one) for one in heart)
    assert not any(attacker.reaches(one) for one in (*kidney, X))
    attacker.scalars |= {first.factor(domain, 1) for domain in indexes}
    assert all(attacker.reaches(stored[domain, 1]) for domain in indexes)


def test_two_bodies_together_cannot_join_by_identifier(world: World) -> None:
    attacker = Attacker()
    stages, at_a = ingestion(world, A)
    _, at_b = ingestion(world, B)
    attacker.gets_owner(world, A, at_a)
    attacker.gets_owner(world, B)
    attacker.records(stages[-1])
    assert not attacker.reaches(at_b)
    assert not attacker.reaches(X)


def test_the_search_finds_the_identity_once_both_converters_collude(world: World) -> None:
    """The planted fault: the table says that both shares of y read all that passes."""
    stages, _ = ingestion(world, A)
    attacker = Attacker()
    attacker.records(stages[0])
    attacker.gets_converter(world.converters[0], [])
    assert not attacker.reaches(X)
    attacker.gets_converter(world.converters[1], [])
    assert attacker.reaches(X)


def test_the_search_finds_the_dictionary_attack_of_receiver_and_both_converters(
    world: World,
) -> None:
    _, at_a = ingestion(world, A)
    _, at_b = ingestion(world, B)
    attacker = Attacker()
    attacker.gets_owner(world, A, at_a)
    for converter in world.converters:
        attacker.gets_converter(converter, [A])
    assert attacker.reaches(X)
    assert not attacker.reaches(at_b)
    for converter in world.converters:
        attacker.scalars |= {converter.factor(B, 1)}
    assert attacker.reaches(at_b)


def test_the_search_finds_what_plain_blinding_under_the_receivers_key_would_lose(
    world: World,
) -> None:
    """Why the rekey step: a ciphertext under the receiver's own key is read by the receiver."""
    secret = world.key(A)
    r = world.converters[0].share
    public = multiply_base(secret)
    attacker = Attacker()
    attacker.gets_owner(world, A)
    attacker.ciphertexts.add(multiply_base(r) + add(X, multiply(r, public)))
    assert attacker.reaches(X)
