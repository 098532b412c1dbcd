"""Names of source records: equal records, equal names, and nothing that says whose they are."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

_BLOCK: Final = 64
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))
_VISITS: Final = 50_000
"""Names of visits that are remembered."""
_SHORT: Final = 1_000
"""Characters of a local name that is remembered: it may be as long as a line of the file."""


class Keyed:
    """HMAC-SHA256 (RFC 2104) of texts that begin alike: key and beginning are hashed once.

    A submission names millions of records. ``hmac.digest`` takes over twice as long for each, and
    the library's own objects cannot be copied as cheaply as the two hashes that they are made of.
    """

    def __init__(self, key: bytes, beginning: bytes = b"") -> None:
        block = (sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
        self._inner = sha256(block.translate(_INNER) + beginning).copy
        self._outer = sha256(block.translate(_OUTER)).copy

    def __call__(self, texts: Iterable[str]) -> list[str]:
        """Return the digests of the beginning and each text, in hexadecimal digits."""
        made = list[str]()
        begin, end = self._inner, self._outer
        for text in texts:
            inner, outer = begin(), end()
            inner.update(text.encode("utf-8", "surrogatepass"))
            outer.update(inner.digest())
            made.append(outer.hexdigest())
        return made


@dataclass(frozen=True)
class Name:
    """Names records under the provider's key and one data class: equal records, equal names.

    The key is another for every class, so that two bodies cannot join what they got.
    """

    key: bytes = field(repr=False)
    family: str
    _keyed: dict[str, Keyed] = field(default_factory=dict, compare=False, repr=False)
    _visits: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, provider_key: bytes, family: str, data_class: str) -> Name:
        return cls(hmac.digest(provider_key, f"class:{data_class}".encode(), "sha256"), family)

    def __call__(self, what: str, local: str) -> str:
        return self.all(what, (local,))[0]

    def all(self, what: str, locals_: Iterable[str]) -> list[str]:
        """Name many of one sort."""
        keyed = self._keyed.get(what)
        if keyed is None:
            beginning = f"{self.family}\0{what}\0".encode("utf-8", "surrogatepass")
            keyed = self._keyed[what] = Keyed(self.key, beginning)
        return [digest[:32] for digest in keyed(locals_)]

    def visit(self, local: str) -> str:
        """Name a visit; the latest are remembered, for many records in a row speak of one."""
        made = self._visits.get(local)
        if made is None:
            if len(self._visits) > _VISITS:
                self._visits.clear()
            made = self("visit", local)
            if len(local) <= _SHORT:
                self._visits[local] = made
        return made
