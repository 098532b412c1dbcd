"""A body's own keys, and its keys for pseudonym domains, in one folder of mode 0700.

A domain's secret is the product of one share from each converter; neither converter has it, and a
body gets shares only for domains that are its own (`sekisho.body.flows.conversion`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sekisho.common.errors import Refusal
from sekisho.common.ids import Domain
from sekisho.common.randomness import RandomBytes
from sekisho.common.secretfile import read_secret, write_secret
from sekisho.exchange.keys import SealKey, SigningKey
from sekisho.pseudonym.group import Element, Scalar
from sekisho.pseudonym.keys import ConverterKeys, domain_key
from sekisho.pseudonym.wrap import new_wrapping_key, unwrap, wrap


@dataclass(frozen=True)
class Keyring:
    """The keys of one body. ``first_global_key`` is the public key Y of epoch 0."""

    folder: Path
    signing: SigningKey
    seal: SealKey
    wrapping: bytes
    first_global_key: Element

    def converter(self) -> ConverterKeys:
        """Return this converter's secrets; a body that is no converter has none."""
        file = self.folder / CONVERTER
        if not file.exists():
            raise Refusal("keys.no-converter", "This body is no converter.")
        return ConverterKeys.from_bytes(read_secret(file))

    def begin_epoch(self, epoch: int, random: RandomBytes) -> ConverterKeys:
        """Return this converter's secrets with one for ``epoch``; drawn once, kept before use."""
        keys = self.converter().with_epoch(epoch, random)
        write_secret(self.folder / CONVERTER, keys.to_bytes())
        return keys

    def domain_secret(
        self, domain: Domain, epoch: int, fetch: Callable[[], tuple[Scalar, ...]]
    ) -> Scalar:
        """Return the secret of a domain of ours; the first time, ask the converters for shares."""
        file = self.folder / f"{_stem(domain)}.{epoch}.key"
        if not file.exists():
            write_secret(file, bytes(domain_key(fetch())))
        return Scalar(read_secret(file))

    def domain_files(self, domain: Domain) -> list[Path]:
        """Return the files of a domain's secrets, one an epoch."""
        return sorted(self.folder.glob(f"{_stem(domain)}.*.key"))

    def wrap(self, element: Element) -> str:
        """Return a pseudonym as it is kept at rest: unreadable without the wrapping key."""
        return wrap(self.wrapping, element).hex()

    def unwrap(self, wrapped: str) -> Element:
        return unwrap(self.wrapping, bytes.fromhex(wrapped))


SIGNING, SEAL, WRAPPING, CONVERTER, GLOBAL = "signing", "seal", "wrapping", "converter", "global"


def _stem(domain: Domain) -> str:
    """Return how the files of a domain's keys begin: a digest, since domains name projects."""
    return f"domain-{hashlib.sha256(domain.encode()).hexdigest()[:24]}"


def make_keys(folder: Path, draw: Callable[[str], RandomBytes]) -> None:
    """Draw a body's own keys, each from the randomness for its purpose."""
    SigningKey.generate(draw(SIGNING)).write(folder / SIGNING)
    SealKey.generate(draw(SEAL)).write(folder / SEAL)
    write_secret(folder / WRAPPING, new_wrapping_key(draw(WRAPPING)))


def load_keys(folder: Path) -> Keyring:
    """Read a body's keys; files that others can read are refused."""
    return Keyring(
        folder=folder,
        signing=SigningKey.read(folder / SIGNING),
        seal=SealKey.read(folder / SEAL),
        wrapping=read_secret(folder / WRAPPING),
        first_global_key=Element(read_secret(folder / GLOBAL)),
    )
