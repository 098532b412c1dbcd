"""The two keys of a body: one signs (Ed25519), one opens what is sealed to it (age X25519)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pyrage
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sekisho.common.errors import UserError
from sekisho.common.randomness import RandomBytes
from sekisho.common.secretfile import read_secret, write_secret
from sekisho.exchange.bech32 import bech32


@dataclass(frozen=True)
class VerifyKey:
    """A public Ed25519 key (RFC 8032), 32 bytes."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != 32:
            raise UserError("keys.malformed", "A public signing key has 32 bytes.")

    @classmethod
    def from_text(cls, text: str) -> VerifyKey:
        """Read the hex form that directories carry."""
        return cls(_from_hex(text))

    @property
    def text(self) -> str:
        """The key as 64 hex digits."""
        return self.raw.hex()

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Say whether ``signature`` is this key's over ``data``."""
        try:
            self.public_key.verify(signature, data)
        except InvalidSignature:
            return False
        return True

    @cached_property
    def public_key(self) -> Ed25519PublicKey:
        """The key as the cryptography library has it."""
        return Ed25519PublicKey.from_public_bytes(self.raw)


@dataclass(frozen=True)
class SigningKey:
    """A private Ed25519 key, kept as its 32-byte seed. Never printed."""

    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.seed) != 32:
            raise UserError("keys.malformed", "A signing key's seed has 32 bytes.")

    @classmethod
    def generate(cls, random: RandomBytes) -> SigningKey:
        """Make a key from the randomness handed in."""
        return cls(random(32))

    @classmethod
    def read(cls, path: Path) -> SigningKey:
        """Read the key file that `write` made; refuses one that others can read."""
        return cls(_from_hex(_text_of(path)))

    def write(self, path: Path) -> None:
        """Write the key as hex into a key folder (mode 0600)."""
        write_secret(path, self.seed.hex().encode() + b"\n")

    def sign(self, data: bytes) -> bytes:
        """Return the 64-byte signature; the same data give the same bytes."""
        return self.private_key.sign(data)

    @cached_property
    def public(self) -> VerifyKey:
        """The key that verifies."""
        return VerifyKey(self.private_key.public_key().public_bytes_raw())

    @cached_property
    def private_key(self) -> Ed25519PrivateKey:
        """The key as the cryptography library has it."""
        return Ed25519PrivateKey.from_private_bytes(self.seed)


@dataclass(frozen=True)
class SealKey:
    """A private age X25519 identity, kept as its text. Never printed."""

    identity: str = field(repr=False)

    def __post_init__(self) -> None:
        try:
            pyrage.x25519.Identity.from_str(self.identity)
        except pyrage.IdentityError as error:
            raise UserError("keys.malformed", "Not an age X25519 identity.") from error

    @classmethod
    def generate(cls, random: RandomBytes) -> SealKey:
        """Make a key from the randomness handed in (32 bytes: an X25519 scalar)."""
        return cls.from_bytes(random(32))

    @classmethod
    def from_bytes(cls, raw: bytes) -> SealKey:
        """Spell 32 bytes as age does: bech32 under ``age-secret-key-``, in capitals."""
        if len(raw) != 32:
            raise UserError("keys.malformed", "A sealing key has 32 bytes.")
        return cls(bech32("age-secret-key-", raw).upper())

    @classmethod
    def read(cls, path: Path) -> SealKey:
        """Read the key file that `write` made; refuses one that others can read."""
        return cls(_text_of(path))

    def write(self, path: Path) -> None:
        """Write the identity into a key folder (mode 0600)."""
        write_secret(path, self.identity.encode() + b"\n")

    @cached_property
    def recipient(self) -> str:
        """The public half, ``age1…``, to which others seal."""
        return str(self.age_identity.to_public())

    @cached_property
    def age_identity(self) -> pyrage.x25519.Identity:
        """The key as the age library has it."""
        return pyrage.x25519.Identity.from_str(self.identity)


def _text_of(path: Path) -> str:
    try:
        return read_secret(path).decode("ascii").strip()
    except UnicodeDecodeError as error:
        raise UserError("keys.malformed", f"The key file {path.name} is not text.") from error


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise UserError("keys.malformed", "A key is written as 64 hex digits.") from error
