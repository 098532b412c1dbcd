"""ElGamal over the group: Enc_Y(M) = (r*G, M + r*Y), 64 bytes; whoever holds y reads M.

Malleable on purpose (converters work on it) and without authentication: a batch is signed by
its sender and bound to a reason elsewhere (`control.conversion`, `exchange`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import rbcl

from sekisho.common.errors import Refusal
from sekisho.common.randomness import RandomBytes
from sekisho.pseudonym.group import (
    IDENTITY,
    SIZE,
    Element,
    Scalar,
    decode_element,
    multiply,
    random_scalar,
    subtract,
)

CIPHERTEXT_SIZE: Final = 2 * SIZE


def encrypt(element: Element, public: Element, random: RandomBytes) -> bytes:
    """Return ``element`` encrypted under ``public``: 64 bytes, fresh at every call."""
    return encrypt_many((element,), public, random)[0]


def encrypt_many(elements: Iterable[Element], public: Element, random: RandomBytes) -> list[bytes]:
    """Encrypt each of ``elements``, in order; refuse the identity and invalid encodings."""
    decode_element(public)
    scalar_multiply = rbcl.crypto_scalarmult_ristretto255
    base_multiply = rbcl.crypto_scalarmult_ristretto255_base
    plus = rbcl.crypto_core_ristretto255_add
    ciphertexts = []
    for element in elements:
        if len(element) != SIZE or element == IDENTITY:
            decode_element(element)
        scalar = random_scalar(random)
        masked = plus(element, scalar_multiply(scalar, public))
        if masked == IDENTITY:  # how rbcl answers an operand that is no element
            decode_element(element)
        ciphertexts.append(base_multiply(scalar) + masked)
    return ciphertexts


def decrypt(ciphertext: bytes, secret: Scalar) -> Element:
    """Return what ``ciphertext`` holds; a wrong secret gives another element, not an error."""
    if len(ciphertext) != CIPHERTEXT_SIZE:
        raise Refusal("ciphertext.length", f"A ciphertext has {CIPHERTEXT_SIZE} bytes.")
    masked = Element(ciphertext[SIZE:])
    if masked == IDENTITY:  # a valid operand of the group's subtraction, but never an honest half
        decode_element(masked)
    return subtract(masked, multiply(secret, Element(ciphertext[:SIZE])))


def decrypt_many(ciphertexts: Iterable[bytes], secret: Scalar) -> list[Element]:
    """Decrypt each of ``ciphertexts``, in order."""
    return [decrypt(ciphertext, secret) for ciphertext in ciphertexts]
