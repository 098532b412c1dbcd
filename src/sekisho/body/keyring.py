"""A body's own keys, and its keys for pseudonym domains, in one folder of mode 0700.

A domain's secret is the product of one share from each converter; neither converter has it, and a
body gets shares only for domains that are its own (`sekisho.body.flows.conversion`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sekisho.common.errors import Refusal
from sekisho.common.ids import Domain
from sekisho.common.randomness import RandomBytes
from sekisho.common.secretfile import read_secret, write_secret
from sekisho.exchange.keys import SealKey, SigningKey
from sekisho.pseudonym.group import Element, Scalar
from sekisho.pseudonym.keys import ConverterKeys, ConverterSecret, domain_key
from sekisho.pseudonym.wrap import new_wrapping_key, unwrap, wrap


@dataclass(frozen=True)
class Keyring:
    """The keys of one body. ``first_global_key`` is the public key Y of epoch 0."""

    folder: Path
    signing: SigningKey
    seal: SealKey
    wrapping: bytes
    first_global_key: Element

    @property
    def is_converter(self) -> bool:
        """Whether this body has a converter's secrets."""
        return bool(converter_files(self.folder))

    def converter(self) -> ConverterKeys:
        """Return this converter's secrets; a body that is no converter has none."""
        if not self.is_converter:
            raise Refusal("keys.no-converter", "This body is no converter.")
        return read_converter(self.folder)

    def begin_epoch(self, epoch: int, random: RandomBytes) -> ConverterKeys:
        """Return this converter's secrets with one for ``epoch``; drawn once, kept before use."""
        before = self.converter()
        keys = before.with_epoch(epoch, random)
        if keys.newest > before.newest:
            write_secret(converter_file(self.folder, epoch), keys.of(epoch).to_bytes())
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


SIGNING, SEAL, WRAPPING, GLOBAL = "signing", "seal", "wrapping", "global"
_CONVERTER = re.compile(r"converter\.(\d+)")


def converter_file(folder: Path, epoch: int) -> Path:
    """Return where a converter's secret of one epoch lies."""
    return folder / f"converter.{epoch}"


def converter_files(folder: Path) -> dict[int, Path]:
    """Return the files of a converter's secrets by epoch; a body that is no converter has none."""
    found = {file: _CONVERTER.fullmatch(file.name) for file in folder.glob("converter.*")}
    return {int(match[1]): file for file, match in found.items() if match}


def read_converter(folder: Path) -> ConverterKeys:
    """Read a converter's secrets. One that was overwritten and not removed yet is destroyed."""
    read = {epoch: read_secret(file) for epoch, file in converter_files(folder).items()}
    return ConverterKeys(
        {e: ConverterSecret.from_bytes(one) for e, one in read.items() if any(one)}
    )


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
