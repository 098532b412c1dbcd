"""Keys of the two converters, and the keys of domains that follow from them (n-PEP).

Converter i draws a share y_i and a key for its factors. The global public key
Y = y_1*y_2*G is made in two steps; its secret y_1*y_2 exists nowhere. For a domain D in an
epoch, f_i(D) is the part in the pseudonym and k_i(D) the part in the key of the ciphertext:

    pseudonym of x in D   N_D(x) = f_1(D) * f_2(D) * H(x), f of a project for its domains
    secret of D's owner   y_D    = y_1*k_1(D) * y_2*k_2(D), one share from each converter

A share hides y_i behind k_i(D), so an owner together with one converter still lacks the
other's y.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from sekisho.common.errors import Refusal
from sekisho.common.ids import IDENTITY, Domain, pseudonym_space
from sekisho.common.randomness import RandomBytes
from sekisho.pseudonym.group import (
    ONE,
    SIZE,
    Element,
    Scalar,
    decode_element,
    decode_scalar,
    multiply,
    multiply_base,
    random_scalar,
    reduce_to_scalar,
    scalar_inverse,
    scalar_product,
)

_MAGIC: Final = b"sekisho-converter-1\n"
_FACTOR: Final = b"sekisho-pseudonym-factor-v1"
_REKEY: Final = b"sekisho-rekey-factor-v1"
_KEY_SIZE: Final = 64


@dataclass(frozen=True)
class ConverterSecret:
    """Everything that one converter keeps secret. Its repr shows none of it."""

    share: Scalar = field(repr=False)
    """y_i: the converter's share of the global secret."""
    key: bytes = field(repr=False)
    """HMAC key (64 bytes) from which f_i and k_i of every domain and epoch follow."""

    def __post_init__(self) -> None:
        decode_scalar(self.share)
        if len(self.key) != _KEY_SIZE:
            raise Refusal("keys.malformed", f"A converter's factor key has {_KEY_SIZE} bytes.")

    @classmethod
    def generate(cls, random: RandomBytes) -> ConverterSecret:
        """Draw a new secret."""
        return cls(random_scalar(random), random(_KEY_SIZE))

    def to_bytes(self) -> bytes:
        """Return the secret as it is kept in a key file."""
        return _MAGIC + self.share + self.key

    @classmethod
    def from_bytes(cls, data: bytes) -> ConverterSecret:
        """Read what `to_bytes` wrote; refuse anything else."""
        body = data.removeprefix(_MAGIC)
        if len(data) != len(_MAGIC) + SIZE + _KEY_SIZE or len(body) == len(data):
            raise Refusal("keys.malformed", "These bytes are no converter's secret.")
        return cls(Scalar(body[:SIZE]), body[SIZE:])

    def public_step(self, previous: Element | None) -> Element:
        """Return y_i*G for the first converter (None), y_i*previous for the next one."""
        if previous is None:
            return multiply_base(self.share)
        return multiply(self.share, decode_element(previous))

    def factor(self, domain: Domain, epoch: int) -> Scalar:
        """Return f_i(domain): 1 in the domain of bare identities."""
        return ONE if domain == IDENTITY else self._derive(_FACTOR, pseudonym_space(domain), epoch)

    def rekey(self, domain: Domain, epoch: int) -> Scalar:
        """Return k_i(domain). Nobody owns the domain of identities, so it has no key."""
        if domain == IDENTITY:
            raise Refusal(
                "keys.identity-domain",
                "Nothing is converted to bare identities, and nobody holds a key for them.",
                rule="promise 3: no direct identifier enters the data wing",
            )
        return self._derive(_REKEY, domain, epoch)

    def key_share(self, domain: Domain, epoch: int) -> Scalar:
        """Return y_i*k_i(domain), to be sealed to the owner of ``domain`` and to nobody else."""
        return scalar_product(self.share, self.rekey(domain, epoch))

    def _derive(self, label: bytes, domain: str, epoch: int) -> Scalar:
        if not domain or not 0 <= epoch < 2**32:
            raise Refusal("keys.domain", "A key is of a named domain and an epoch from 0 on.")
        # The labels differ in length and end in no NUL; the epoch has a fixed width: no two
        # (label, epoch, domain) give the same message.
        message = label + b"\x00" + epoch.to_bytes(4, "big") + domain.encode()
        for counter in range(256):  # the first one fits, but for 1 case in 2^252
            scalar = reduce_to_scalar(hmac.digest(self.key, bytes((counter,)) + message, "sha512"))
            if scalar is not None:
                return scalar
        raise AssertionError("HMAC-SHA512 gave zero 256 times")  # pragma: no cover - impossible


class Factors(Protocol):
    """What one step of a conversion needs of a converter: a secret, or those of all epochs."""

    def factor(self, domain: Domain, epoch: int) -> Scalar: ...

    def rekey(self, domain: Domain, epoch: int) -> Scalar: ...


@dataclass(frozen=True, repr=False)
class ConverterKeys:
    """A converter's secrets by epoch. Each rotation draws a new one.

    A former one stays until it is destroyed: then its epoch is below the newest, and not here.
    """

    secrets: Mapping[int, ConverterSecret]

    def __post_init__(self) -> None:
        if not self.secrets or min(self.secrets) < 0:
            raise Refusal("keys.malformed", "A converter has a secret at least of one epoch.")

    @property
    def newest(self) -> int:
        """The newest epoch; its secret is always here."""
        return max(self.secrets)

    @property
    def destroyed(self) -> tuple[int, ...]:
        """The epochs whose secrets were destroyed."""
        return tuple(epoch for epoch in range(self.newest) if epoch not in self.secrets)

    def of(self, epoch: int) -> ConverterSecret:
        """Return the secret of an epoch.

        Raises:
            Refusal: ``keys.destroyed`` or, of an epoch that has not begun, ``keys.no-epoch``.
        """
        if epoch in self.secrets:
            return self.secrets[epoch]
        if epoch in self.destroyed:
            raise Refusal(
                "keys.destroyed",
                f"This converter's secret of epoch {epoch} was destroyed.",
                rule="a former epoch's secret is destroyed when nothing needs it any more",
                next_step="use pseudonyms of the epoch in force; a permit of a former epoch must "
                "be granted anew",
            )
        raise Refusal("keys.no-epoch", f"This converter has no secret of epoch {epoch}.")

    def factor(self, domain: Domain, epoch: int) -> Scalar:
        """Return f_i(domain) in an epoch."""
        return self.of(epoch).factor(domain, epoch)

    def rekey(self, domain: Domain, epoch: int) -> Scalar:
        """Return k_i(domain) in an epoch."""
        return self.of(epoch).rekey(domain, epoch)

    def key_share(self, domain: Domain, epoch: int) -> Scalar:
        """Return y_i*k_i(domain) in an epoch, to be sealed to the domain's owner."""
        return self.of(epoch).key_share(domain, epoch)

    def ratio(self, domain: Domain, old: int, new: int) -> Scalar:
        """Return f_i(domain) of the new epoch over that of the old one, for the domain's owner.

        With the ratios of both converters the owner turns its own pseudonyms; one alone is a
        uniform scalar to whoever does not know the converter's secrets.
        """
        return scalar_product(self.factor(domain, new), scalar_inverse(self.factor(domain, old)))

    def with_epoch(self, epoch: int, random: RandomBytes) -> ConverterKeys:
        """Return the secrets with one for ``epoch``; what is there already stays as it is."""
        if epoch <= self.newest:
            return self
        if epoch > self.newest + 1:
            raise Refusal("keys.no-epoch", "An epoch's secret is drawn after those before it.")
        return ConverterKeys({**self.secrets, epoch: ConverterSecret.generate(random)})


def domain_key(shares: Iterable[Scalar]) -> Scalar:
    """Return a domain's secret: the product of the shares that the converters handed over."""
    product: Scalar | None = None
    for share in shares:
        decode_scalar(share)
        product = share if product is None else scalar_product(product, share)
    if product is None:
        raise Refusal("keys.no-share", "A domain's key needs a share from each converter.")
    return product
