"""Which hospital systems may send: a key each, kept as its digest, and what it may do."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec
from msgspec import Struct

from sekisho.common.canonical import canonical_json
from sekisho.common.errors import UserError
from sekisho.common.randomness import RandomBytes
from sekisho.common.secretfile import read_secret, write_secret

Role = Literal["submit", "operate", "watch"]
"""``submit`` sends, and sees, tries again and drops its own jobs; ``operate`` does so with all jobs
but sends only on; ``watch`` sees how many there are."""
ROLES: Final[tuple[Role, ...]] = get_args(Role)
PREFIX: Final = "sgw_"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class Client(Struct, frozen=True, forbid_unknown_fields=True):
    """One system. ``key`` is the SHA-256 of its key: 32 random bytes need no slow hash."""

    name: str
    role: Role
    key: str


@dataclass(frozen=True)
class Clients:
    """The file of clients of one gateway, mode 0600."""

    path: Path

    def all(self) -> tuple[Client, ...]:
        if not self.path.exists():
            return ()
        return msgspec.json.decode(read_secret(self.path), type=tuple[Client, ...])

    def add(self, name: str, role: Role, random: RandomBytes) -> str:
        """Make a client; return its key, which is told once and kept nowhere.

        Raises:
            UserError: the name is no name, or there is one of it.
        """
        known = self.all()
        if not _NAME.fullmatch(name) or any(one.name == name for one in known):
            raise UserError(
                "gateway.client-name",
                "A client has a name of its own: lower case letters, digits, hyphens.",
                next_step="take another name, or remove the client first",
            )
        key = PREFIX + base64.urlsafe_b64encode(random(32)).rstrip(b"=").decode()
        self._write((*known, Client(name, role, _digest(key))))
        return key

    def remove(self, name: str) -> bool:
        """Take a client's key away; return whether there was one."""
        known = self.all()
        left = tuple(one for one in known if one.name != name)
        self._write(left)
        return len(left) < len(known)

    def find(self, key: str) -> Client | None:
        """Return whose key this is."""
        asked = _digest(key)
        for one in self.all():
            if hmac.compare_digest(one.key, asked):
                return one
        return None

    def _write(self, clients: tuple[Client, ...]) -> None:
        write_secret(self.path, canonical_json(msgspec.to_builtins(clients)))


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
