"""What an entry speaks of and a person may have erased: kept apart, bound by a salted commitment.

The entry holds the commitment; salt and payload lie in a file of their own. Without the salt nobody
can try out names against the commitment, so that with the file the payload is gone for good while
the tree stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from sekisho.common.canonical import canonical_json
from sekisho.common.errors import TamperError
from sekisho.common.randomness import RandomBytes

SALT = 32
"""Bytes of salt: as many as the digest has, so that no salt is guessed."""
_PREFIX = b"sekisho-payload/v1\n"


@dataclass(frozen=True)
class Payload:
    """Something personal that an entry is about, with the salt that hides it in the commitment."""

    salt: bytes
    said: Mapping[str, Any]

    @classmethod
    def of(cls, said: Mapping[str, Any], random: RandomBytes) -> Payload:
        """Return a payload under fresh salt."""
        return cls(random(SALT), said)

    @property
    def commitment(self) -> str:
        """What the entry holds: SHA-256 over salt and payload, in hex."""
        return sha256(_PREFIX + self.salt + canonical_json(dict(self.said))).hexdigest()

    def to_bytes(self) -> bytes:
        """Return the file's bytes."""
        return canonical_json({"salt": self.salt.hex(), "said": dict(self.said)})

    @classmethod
    def from_bytes(cls, data: bytes) -> Payload:
        """Read a file back.

        Raises:
            TamperError: it is no payload, or spelled otherwise than it was written.
        """
        try:
            raw = orjson.loads(data)
            payload = cls(bytes.fromhex(raw["salt"]), raw["said"])
            if len(payload.salt) != SALT or payload.to_bytes() != data:
                raise ValueError("not as written")
        except (ValueError, TypeError, KeyError) as error:
            raise TamperError("ledger.payload", "That is no payload of an entry.") from error
        return payload
