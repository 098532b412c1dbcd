"""The one primitive: a converter takes a batch from one domain to another, blind.

At converter i, with k = k_i(to) and s = f_i(to)/f_i(from), a ciphertext (b, c) becomes
(s/k*b + r*G, s*c + r*P) where P = k*P_before is the key of the result: rekeyed, reshuffled
(in PEP's sense: the plaintext is multiplied by s) and re-randomised. Then the batch is
permuted. Tags stay with their ciphertexts. Whether it may be done is decided elsewhere
(`sekisho.control.conversion`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import rbcl

from sekisho.common.errors import Refusal
from sekisho.common.ids import Domain, Tag, rotates
from sekisho.common.randomness import RandomBytes, shuffle
from sekisho.pseudonym.batch import ITEM_SIZE, TAG_SIZE, Batch, pack, unpack
from sekisho.pseudonym.elgamal import CIPHERTEXT_SIZE, decrypt_many
from sekisho.pseudonym.group import (
    SIZE,
    Element,
    Scalar,
    decode_element,
    multiply,
    multiply_base,
    random_scalar,
    scalar_inverse,
    scalar_product,
)
from sekisho.pseudonym.keys import Factors

__all__ = [
    "Batch",
    "Step",
    "convert_batch",
    "convert_ciphertexts",
    "open_batch",
    "pack",
    "step_of",
    "unpack",
]


@dataclass(frozen=True, repr=False)
class Step:
    """The scalars of one converter for one (from, to, epoch), and the key of the result."""

    first: Scalar
    """s/k, for the first half of a ciphertext."""
    second: Scalar
    """s, for the second half."""
    public: Element
    """P_i, under which the result is encrypted."""


def step_of(
    secret: Factors,
    public: Element,
    from_domain: Domain,
    to_domain: Domain,
    epoch: int,
    project_epoch: int | None = None,
) -> Step:
    """Return the step that ``secret`` takes from ciphertexts under ``public``.

    Args:
        epoch: the epoch of the keys, and of pseudonyms that turn with it.
        project_epoch: that of the pseudonyms of a project at either end (``epoch`` where None).
    """
    own = epoch if project_epoch is None else project_epoch
    rekey = secret.rekey(to_domain, epoch)
    reshuffle = scalar_product(
        secret.factor(to_domain, factor_epoch(to_domain, epoch, own)),
        scalar_inverse(secret.factor(from_domain, factor_epoch(from_domain, epoch, own))),
    )
    return Step(
        first=scalar_product(reshuffle, scalar_inverse(rekey)),
        second=reshuffle,
        public=multiply(rekey, decode_element(public)),
    )


def factor_epoch(domain: Domain, epoch: int, project_epoch: int) -> int:
    """Return the epoch of the pseudonyms in ``domain``: a project keeps its own to its end."""
    return epoch if rotates(domain) else project_epoch


def convert_ciphertexts(
    ciphertexts: Iterable[bytes], step: Step, random: RandomBytes
) -> list[bytes]:
    """Apply ``step`` to each ciphertext, in order: the inner loop, free of policy and of tags.

    Raises:
        Refusal: ``element.identity``, ``element.invalid`` or ``ciphertext.length``. libsodium
            decodes both halves while it multiplies, so nothing is decoded twice.
    """
    scalar_multiply = rbcl.crypto_scalarmult_ristretto255
    base_multiply = rbcl.crypto_scalarmult_ristretto255_base
    plus = rbcl.crypto_core_ristretto255_add
    first, second, public = step.first, step.second, step.public
    converted: list[bytes] = []
    append = converted.append
    for ciphertext in ciphertexts:
        scalar = random_scalar(random)
        try:
            append(
                plus(scalar_multiply(first, ciphertext[:SIZE]), base_multiply(scalar))
                + plus(scalar_multiply(second, ciphertext[SIZE:]), scalar_multiply(scalar, public))
            )
        except (RuntimeError, ValueError):
            _refuse(ciphertext)
            raise
    return converted


def convert_items(items: bytes, step: Step, random: RandomBytes) -> bytes:
    """Return whole items (tag and ciphertext, as in a batch) converted, in order."""
    starts = range(0, len(items), ITEM_SIZE)
    converted = convert_ciphertexts(
        [items[at + TAG_SIZE : at + ITEM_SIZE] for at in starts], step, random
    )
    tags = [items[at : at + TAG_SIZE] for at in starts]
    return b"".join(part for pair in zip(tags, converted, strict=True) for part in pair)


def convert_batch(
    secret: Factors,
    batch: Batch,
    from_domain: Domain,
    to_domain: Domain,
    epoch: int,
    random: RandomBytes,
    project_epoch: int | None = None,
) -> Batch:
    """Return ``batch`` taken from ``from_domain`` to ``to_domain`` by one converter, permuted."""
    step = step_of(secret, batch.public, from_domain, to_domain, epoch, project_epoch)
    converted = convert_ciphertexts((ciphertext for _, ciphertext in batch.items), step, random)
    items = [(tag, new) for (tag, _), new in zip(batch.items, converted, strict=True)]
    shuffle(random, items)
    return Batch(tuple(items), step.public)


def open_batch(batch: Batch, secret: Scalar) -> list[tuple[Tag, Element]]:
    """Return tag and pseudonym of each item, for the owner of the domain that was converted to."""
    check_key(batch.public, secret)
    elements = decrypt_many((ciphertext for _, ciphertext in batch.items), secret)
    return [(tag, element) for (tag, _), element in zip(batch.items, elements, strict=True)]


def check_key(public: Element, secret: Scalar) -> None:
    """Refuse a batch under another key (a converter left out, another domain or epoch).

    It would otherwise give pseudonyms of nobody without a complaint.
    """
    if multiply_base(secret) != public:
        raise Refusal(
            "batch.other-key",
            "The batch is not encrypted to this domain's key.",
            next_step="ask the converters for this domain's shares in the batch's epoch",
        )


def _refuse(ciphertext: bytes) -> None:
    if len(ciphertext) != CIPHERTEXT_SIZE:
        raise Refusal("ciphertext.length", f"A ciphertext has {CIPHERTEXT_SIZE} bytes.")
    decode_element(ciphertext[:SIZE])
    decode_element(ciphertext[SIZE:])
