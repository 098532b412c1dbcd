"""n-PEP with two converters: what must come out, and what each step must change."""

from __future__ import annotations

from itertools import pairwise

import pytest
from pseudonym_world import A, B, T, U, World, person

from sekisho.common.errors import Refusal
from sekisho.common.ids import IDENTITY, Domain, Tag, registry_domain
from sekisho.common.randomness import seeded
from sekisho.pseudonym import (
    Batch,
    ConverterSecret,
    convert_batch,
    convert_ciphertexts,
    decrypt,
    domain_key,
    encrypt,
    encrypt_many,
    open_batch,
    random_element,
    step_of,
)
from sekisho.pseudonym.group import (
    ONE,
    ORDER,
    Element,
    Scalar,
    multiply,
    multiply_base,
    scalar_product,
)

PEOPLE = [person(number) for number in range(12)]


def test_decrypting_a_converted_ciphertext_gives_f_times_h_of_x() -> None:
    """Dec(Convert(Enc(H(x)))) = f_1(D)*f_2(D)*H(x), computed by the test from both secrets."""
    world = World()
    first, second = world.converters
    factor = scalar_product(first.factor(A, 1), second.factor(A, 1))
    assert world.ingest(PEOPLE, A) == [multiply(factor, element) for element in PEOPLE]


def test_two_bodies_join_at_the_project_and_nowhere_before() -> None:
    world = World()
    at_a = world.ingest(PEOPLE[:8], A)  # 0..7
    at_b = world.ingest(PEOPLE[4:], B)  # 4..11
    assert not set(at_a) & set(at_b)
    from_a, from_b = world.send(at_a, A, T), world.send(at_b, B, T)
    assert from_a[4:] == from_b[:4]
    assert len(set(from_a) | set(from_b)) == 12
    assert not (set(from_a) | set(from_b)) & (set(at_a) | set(at_b))


def test_the_path_does_not_matter() -> None:
    world = World()
    straight = world.ingest(PEOPLE, T)
    over_a = world.send(world.ingest(PEOPLE, A), A, T)
    over_registry = world.send(world.ingest(PEOPLE, registry_domain("a")), registry_domain("a"), T)
    over_another_project = world.send(world.send(world.ingest(PEOPLE, A), A, U), U, T)
    assert straight == over_a == over_registry == over_another_project


def test_two_projects_share_no_pseudonym_of_the_same_person() -> None:
    world = World()
    at_a = world.ingest(PEOPLE, A)
    assert not set(world.send(at_a, A, T)) & set(world.send(at_a, A, U))


def test_another_epoch_gives_other_pseudonyms_and_other_keys() -> None:
    old, new = World(seed=1, epoch=1), World(seed=1, epoch=2)
    assert old.public == new.public
    assert old.key(A) != new.key(A)
    assert not set(old.ingest(PEOPLE, A)) & set(new.ingest(PEOPLE, A))


def test_a_pseudonym_is_the_same_at_every_submission() -> None:
    world = World()
    assert world.ingest(PEOPLE, A) == world.ingest(PEOPLE, A)


def test_rerandomising_changes_every_byte_sequence_and_shuffling_the_order() -> None:
    world = World()
    sent = world.batch([person(number) for number in range(200)])
    stages = world.stages(sent, IDENTITY, A)
    for before, after in pairwise(stages):
        assert {tag for tag, _ in before.items} == {tag for tag, _ in after.items}
        assert [tag for tag, _ in before.items] != [tag for tag, _ in after.items]
        fixed = sum(x[0] == y[0] for x, y in zip(before.items, after.items, strict=True))
        assert fixed < 10  # a random permutation has one fixed point on average
        halves = {ct[i : i + 32] for _, ct in before.items for i in (0, 32)}
        assert not halves & {ct[i : i + 32] for _, ct in after.items for i in (0, 32)}


def test_without_fresh_randomness_a_sender_would_recognise_his_ciphertexts() -> None:
    """Why re-randomising: the same input converted twice must not look the same."""
    world = World()
    batch = world.batch(PEOPLE)
    converter = world.converters[0]
    once = dict(convert_batch(converter, batch, IDENTITY, A, 1, world.random).items)
    twice = dict(convert_batch(converter, batch, IDENTITY, A, 1, world.random).items)
    assert not set(once.values()) & set(twice.values())


def test_every_order_of_the_batch_can_come_out() -> None:
    world = World()
    batch = world.batch(PEOPLE[:3])
    orders = {
        tuple(tag for tag, _ in convert_batch(world.converters[0], batch, A, T, 1, random).items)
        for random in (seeded("order", number) for number in range(60))
    }
    assert len(orders) == 6


def test_the_result_is_under_the_key_of_the_domain() -> None:
    world = World()
    received = world.stages(world.batch(PEOPLE), IDENTITY, A)[-1]
    assert received.public == multiply_base(world.key(A))


@pytest.mark.parametrize("domain", [B, T])
def test_a_batch_opens_with_no_other_domains_key(domain: Domain) -> None:
    world = World()
    received = world.stages(world.batch(PEOPLE), IDENTITY, A)[-1]
    with pytest.raises(Refusal) as refused:
        open_batch(received, world.key(domain))
    assert refused.value.code == "batch.other-key"


def test_a_batch_that_missed_a_converter_does_not_open() -> None:
    world = World()
    between = world.stages(world.batch(PEOPLE), IDENTITY, A)[1]
    with pytest.raises(Refusal) as refused:
        open_batch(between, world.key(A))
    assert refused.value.code == "batch.other-key"


def test_encrypting_twice_gives_different_bytes_of_the_same_element() -> None:
    world = World()
    secret = world.key(A)
    public = multiply_base(secret)
    one, two = encrypt_many([PEOPLE[0], PEOPLE[0]], public, world.random)
    assert one[:32] != two[:32]
    assert one[32:] != two[32:]
    assert decrypt(one, secret) == decrypt(two, secret) == PEOPLE[0]


def test_padding_reaches_the_receiver_as_a_pseudonym_of_nobody() -> None:
    world = World()
    padded = [*PEOPLE, random_element(world.random)]
    assert len(set(world.ingest(padded, A))) == len(padded)


def test_a_converters_secret_survives_its_file_and_shows_nothing() -> None:
    secret = ConverterSecret.generate(seeded("file"))
    raw = secret.to_bytes()
    again = ConverterSecret.from_bytes(raw)
    assert again == secret
    assert again.key_share(A, 3) == secret.key_share(A, 3)
    assert repr(secret) == "ConverterSecret()"
    for broken in (b"", raw[:-1], raw + b"\x00", b"x" + raw[1:], raw[:20] + bytes(96)):
        with pytest.raises(Refusal):
            ConverterSecret.from_bytes(broken)


def test_factors_differ_by_kind_domain_epoch_and_converter() -> None:
    first, second = World().converters
    scalars = [
        derive(domain, epoch)
        for converter in (first, second)
        for derive in (converter.factor, converter.rekey)
        for domain in (A, B, T)
        for epoch in (0, 1, 256)
    ]
    assert len(set(scalars)) == len(scalars)
    assert all(0 < int.from_bytes(scalar, "little") < ORDER for scalar in scalars)
    assert first.factor(IDENTITY, 1) == ONE


def test_nothing_is_converted_to_bare_identities() -> None:
    world = World()
    for ask in (
        lambda: world.key(IDENTITY),
        lambda: convert_batch(
            world.converters[0], world.batch(PEOPLE), A, IDENTITY, 1, world.random
        ),
    ):
        with pytest.raises(Refusal) as refused:
            ask()
        assert refused.value.code == "keys.identity-domain"


def test_a_domains_key_is_made_of_shares_that_are_no_keys_themselves() -> None:
    world = World()
    shares = [converter.key_share(A, 1) for converter in world.converters]
    assert domain_key(shares) == domain_key(reversed(shares)) not in shares
    with pytest.raises(Refusal):
        domain_key([])
    with pytest.raises(Refusal):
        domain_key([Scalar(bytes(32))])


GOOD = encrypt(PEOPLE[0], World().public, seeded("good"))


@pytest.mark.parametrize(
    ("ciphertext", "code"),
    [
        (bytes(32) + GOOD[32:], "element.identity"),
        (GOOD[:32] + bytes(32), "element.identity"),
        (b"\xff" * 32 + GOOD[32:], "element.invalid"),
        (GOOD[:32] + b"\xff" * 32, "element.invalid"),
        (GOOD[:63], "ciphertext.length"),
        (GOOD + b"\x00", "ciphertext.length"),
        (b"", "ciphertext.length"),
    ],
)
def test_malformed_ciphertexts_are_refused_by_converter_and_receiver(
    ciphertext: bytes, code: str
) -> None:
    world = World()
    step = step_of(world.converters[0], world.public, IDENTITY, A, 1)
    for use in (
        lambda: convert_ciphertexts([GOOD, ciphertext], step, world.random),
        lambda: decrypt(ciphertext, world.key(A)),
    ):
        with pytest.raises(Refusal) as refused:
            use()
        assert refused.value.code == code


def test_what_is_no_element_is_not_encrypted() -> None:
    world = World()
    for raw, code in (
        (bytes(32), "element.identity"),
        (b"\xff" * 32, "element.invalid"),
        (b"\x01", "element.length"),
    ):
        with pytest.raises(Refusal) as refused:
            encrypt(Element(raw), world.public, world.random)
        assert refused.value.code == code
    for raw in (bytes(32), b"\xff" * 32):
        with pytest.raises(Refusal):
            encrypt(PEOPLE[0], Element(raw), world.random)
        with pytest.raises(Refusal):
            Batch(((Tag("0" * 32), GOOD),), Element(raw))
        with pytest.raises(Refusal):
            world.converters[1].public_step(Element(raw))
