"""The group ristretto255 (RFC 9496) by libsodium, and the hash into it (RFC 9497, RFC 9380).

Elements and scalars are 32 bytes in their canonical encodings. Nothing here knows persons,
bodies or domains. libsodium works in constant time; the Python around it does not.
"""

from __future__ import annotations

import hashlib
from typing import Final, NewType

import rbcl

from sekisho.common.errors import Refusal
from sekisho.common.randomness import RandomBytes

Element = NewType("Element", bytes)
"""A group element other than the identity, canonically encoded (32 bytes)."""
Scalar = NewType("Scalar", bytes)
"""An integer in [1, ORDER), little-endian (32 bytes)."""

SIZE: Final = 32
ORDER: Final = 2**252 + 27742317777372353535851937790883648493
IDENTITY: Final = bytes(SIZE)
"""The encoding of the identity element: valid in the group, refused at every door of this room."""
ONE: Final = Scalar((1).to_bytes(SIZE, "little"))

DST: Final = b"sekisho-identity-v1-ristretto255_XMD:SHA-512_R255MAP_RO_"
"""Domain separation tag of this project (RFC 9380 section 3.1, suite id of appendix B).

It is part of every pseudonym: a change of it is a change of every pseudonym.
"""

_BLOCK: Final = bytes(128)  # Z_pad: one input block of SHA-512 (RFC 9380 section 5.3.1)
_RULE: Final = "RFC 9496 section 4.3.1: only canonical encodings; the identity element is refused"


def hash_to_group(data: bytes, dst: bytes = DST) -> Element:
    """Return HashToGroup(data) of RFC 9497 section 4.1 (expand_message_xmd with SHA-512)."""
    if not 0 < len(dst) < 256:
        raise ValueError("a domain separation tag has 1 to 255 bytes")
    suffix = dst + bytes((len(dst),))
    first = hashlib.sha512(_BLOCK + data + b"\x00\x40\x00" + suffix).digest()
    uniform = hashlib.sha512(first + b"\x01" + suffix).digest()
    return Element(rbcl.crypto_core_ristretto255_from_hash(uniform))


def decode_element(raw: bytes) -> Element:
    """Return ``raw`` as an element.

    Raises:
        Refusal: ``element.length``, ``element.identity`` or ``element.invalid``.
    """
    if len(raw) != SIZE:
        raise Refusal("element.length", f"A group element has {SIZE} bytes.", rule=_RULE)
    if raw == IDENTITY:
        raise Refusal("element.identity", "The identity element stands for nobody.", rule=_RULE)
    if not rbcl.crypto_core_ristretto255_is_valid_point(raw):
        raise Refusal(
            "element.invalid", "These bytes are no encoding of a group element.", rule=_RULE
        )
    return Element(raw)


def decode_scalar(raw: bytes) -> Scalar:
    """Return ``raw`` as a scalar; refuse a wrong length, zero and what is not reduced."""
    if len(raw) != SIZE or not 0 < int.from_bytes(raw, "little") < ORDER:
        raise Refusal("scalar.invalid", "These bytes are no reduced scalar other than zero.")
    return Scalar(raw)


def reduce_to_scalar(uniform: bytes) -> Scalar | None:
    """Return 64 uniform bytes modulo the order; None for zero (never seen: 1 in 2^252)."""
    reduced: bytes = rbcl.crypto_core_ristretto255_scalar_reduce(uniform)
    return None if reduced == IDENTITY else Scalar(reduced)


def random_scalar(random: RandomBytes) -> Scalar:
    """Return a uniform scalar."""
    while (scalar := reduce_to_scalar(random(64))) is None:
        pass
    return scalar


def random_element(random: RandomBytes) -> Element:
    """Return a uniform element, which no identifier leads to (padding of lists)."""
    return Element(rbcl.crypto_core_ristretto255_from_hash(random(64)))


def multiply(scalar: Scalar, element: Element) -> Element:
    """Return scalar * element. libsodium decodes ``element`` and refuses what is no element."""
    try:
        return Element(rbcl.crypto_scalarmult_ristretto255(scalar, element))
    except (RuntimeError, ValueError):
        decode_element(element)
        decode_scalar(scalar)
        raise


def multiply_base(scalar: Scalar) -> Element:
    """Return scalar * G: the public key of a secret."""
    return Element(rbcl.crypto_scalarmult_ristretto255_base(scalar))


def add(left: Element, right: Element) -> Element:
    """Return the sum; refuse invalid operands and a sum that is the identity."""
    return _checked(rbcl.crypto_core_ristretto255_add(left, right), left, right)


def subtract(left: Element, right: Element) -> Element:
    """Return the difference; refuse invalid operands and equal ones."""
    return _checked(rbcl.crypto_core_ristretto255_sub(left, right), left, right)


def scalar_product(left: Scalar, right: Scalar) -> Scalar:
    """Return the product modulo the order."""
    return Scalar(rbcl.crypto_core_ristretto255_scalar_mul(left, right))


def scalar_inverse(scalar: Scalar) -> Scalar:
    """Return the multiplicative inverse modulo the order."""
    return Scalar(rbcl.crypto_core_ristretto255_scalar_invert(scalar))


def _checked(result: bytes, left: Element, right: Element) -> Element:
    # rbcl drops libsodium's return code: an operand that is no element leaves a zeroed result,
    # which is also the identity's encoding. So one comparison stands for two more decodings.
    if result == IDENTITY:
        decode_element(left)
        decode_element(right)
        raise Refusal("element.identity", "The identity element stands for nobody.", rule=_RULE)
    return Element(result)
