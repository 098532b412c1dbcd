"""A batch's bytes, and pseudonyms at rest."""

from __future__ import annotations

import pytest
from pseudonym_world import World, person

from sekisho.common.errors import Refusal, TamperError
from sekisho.common.ids import Tag
from sekisho.common.randomness import seeded
from sekisho.pseudonym import Batch, Element, new_wrapping_key, pack, unpack, unwrap, wrap
from sekisho.pseudonym.wrap import WRAPPED_SIZE

WORLD = World()
BATCH = WORLD.batch([person(number) for number in range(5)])
RAW = pack(BATCH)


def test_a_batch_survives_its_bytes() -> None:
    assert unpack(RAW) == BATCH
    assert len(RAW) == 44 + 80 * len(BATCH)
    empty = Batch((), BATCH.public)
    assert unpack(pack(empty)) == empty


def test_every_cut_and_every_addition_is_refused() -> None:
    for length in range(len(RAW)):
        with pytest.raises(Refusal):
            unpack(RAW[:length])
    with pytest.raises(Refusal) as refused:
        unpack(RAW + b"\x00")
    assert refused.value.code == "batch.count"


@pytest.mark.parametrize("stated", [0, 4, 6, 2**32 - 1])
def test_a_batch_that_states_another_count_is_refused(stated: int) -> None:
    with pytest.raises(Refusal) as refused:
        unpack(RAW[:8] + stated.to_bytes(4, "big") + RAW[12:])
    assert refused.value.code == "batch.count"


def test_a_batch_of_another_layout_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        unpack(b"SKBATCH2" + RAW[8:])
    assert refused.value.code == "batch.malformed"


def test_a_batch_under_no_key_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        unpack(RAW[:12] + bytes(32) + RAW[44:])
    assert refused.value.code == "element.identity"


def test_a_tag_stands_once_and_is_a_tag() -> None:
    tag, ciphertext = BATCH.items[0]
    for items, code in (
        (((tag, ciphertext), (tag, ciphertext)), "batch.duplicate-tag"),
        (((Tag("A" * 32), ciphertext),), "batch.tag"),
        (((Tag("person-1"), ciphertext),), "batch.tag"),
        (((tag, ciphertext[:-1]),), "ciphertext.length"),
    ):
        with pytest.raises(Refusal) as refused:
            Batch(items, BATCH.public)
        assert refused.value.code == code


def test_a_wrapped_pseudonym_opens_only_under_its_key() -> None:
    key, other = (new_wrapping_key(seeded("wrap", number)) for number in range(2))
    element = person(1)
    wrapped = wrap(key, element)
    assert len(wrapped) == WRAPPED_SIZE
    assert unwrap(key, wrapped) == element
    assert wrap(key, element) == wrapped != wrap(other, element)
    assert element not in wrapped
    with pytest.raises(TamperError):
        unwrap(other, wrapped)


def test_a_changed_byte_of_a_wrapped_pseudonym_is_noticed() -> None:
    key = new_wrapping_key(seeded("wrap"))
    wrapped = wrap(key, person(1))
    for place in range(len(wrapped)):
        broken = bytearray(wrapped)
        broken[place] ^= 1
        with pytest.raises(TamperError):
            unwrap(key, bytes(broken))
    for cut in (b"", wrapped[:10], wrapped[:-1], wrapped + b"\x00"):
        with pytest.raises(TamperError):
            unwrap(key, cut)


def test_what_is_no_element_is_not_wrapped() -> None:
    with pytest.raises(Refusal):
        wrap(new_wrapping_key(seeded("wrap")), Element(bytes(32)))
