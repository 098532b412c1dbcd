"""Who there is: bodies, providers and the clients that act for persons, users and reviewers.

Rules it keeps: one id, one key, one entry; who is not in it is refused; a role counts only if the
directory gives it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from sekisho.common.atomicfile import write_atomically
from sekisho.common.canonical import canonical_json
from sekisho.common.errors import Refusal, UserError
from sekisho.exchange.keys import VerifyKey

Kind = Literal["body", "provider", "insurer", "applicant", "reviewer", "desk", "observer"]
"""``insurer`` (保険者) tells the history service of new numbers; ``desk`` is the client at which
persons state choices; ``observer`` writes a run's report."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEY = re.compile(r"[0-9a-f]{64}")
_URL = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(/[A-Za-z0-9._/-]*[A-Za-z0-9._-])?")


class Peer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One party: its keys, and where it answers if it does.

    ``verify_key`` is hex; ``url`` has no slash at its end; ``seal_recipient`` is ``age1…``. Only a
    party that others send to has these two. Of a provider the ``function`` (急性期, 診療所 …) is
    known, and the certified ``operator`` that it has a contract with.
    """

    id: str
    kind: Kind
    verify_key: str
    url: str | None = None
    seal_recipient: str | None = None
    roles: tuple[str, ...] = ()
    function: str | None = None
    operator: str | None = None

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise ValueError(f"{self.id!r} is not a party's id")
        if not _KEY.fullmatch(self.verify_key):
            raise ValueError(f"the key of {self.id} is not 64 hex digits")
        if self.url is not None and not _URL.fullmatch(self.url):
            raise ValueError(f"the address of {self.id} is not a plain http(s) URL")

    @property
    def key(self) -> VerifyKey:
        """The key that verifies what this party signs."""
        return VerifyKey.from_text(self.verify_key)


class Directory:
    """The parties by id; immutable."""

    def __init__(self, peers: Iterable[Peer]) -> None:
        ordered = sorted(peers, key=lambda peer: peer.id)
        self._peers = {peer.id: peer for peer in ordered}
        if len(self._peers) != len(ordered):
            raise UserError("directory.twice", "The directory names one party twice.")
        if len({peer.verify_key for peer in ordered}) != len(ordered):
            raise UserError("directory.shared-key", "Two parties in the directory share a key.")
        self._keys = {peer.id: peer.key for peer in ordered}

    def __iter__(self) -> Iterator[Peer]:
        return iter(self._peers.values())

    def __contains__(self, party: str) -> bool:
        return party in self._peers

    def find(self, party: str) -> Peer:
        """Return the party; refuses one that is not in the directory."""
        peer = self._peers.get(party)
        if peer is None:
            raise Refusal(
                "directory.unknown",
                "This party is not in the directory.",
                rule="who is not in the directory is refused",
                next_step="have the operator of this body add the party and its key",
            )
        return peer

    def resolve(self, party: str) -> VerifyKey | None:
        """Return the party's key, or None: what message and document checks ask for."""
        return self._keys.get(party)

    def ids(self) -> tuple[str, ...]:
        """Return everyone's id, in order."""
        return tuple(self._peers)

    def roles(self, party: str) -> frozenset[str]:
        """Return what a party may act as: its kind and its roles; nothing for a stranger."""
        peer = self._peers.get(party)
        return frozenset() if peer is None else frozenset({peer.kind, *peer.roles})

    def of_kind(self, kind: Kind) -> tuple[Peer, ...]:
        """Return the parties of a kind, in order of id."""
        return tuple(peer for peer in self if peer.kind == kind)

    def with_role(self, role: str) -> tuple[Peer, ...]:
        """Return the parties that have a role, in order of id."""
        return tuple(peer for peer in self if role in peer.roles)

    def check_can_act(
        self, party: str, *, kind: Kind | None = None, role: str | None = None
    ) -> Peer:
        """Return the party; refuses one that is not of ``kind`` or has not ``role``."""
        peer = self.find(party)
        if kind not in (None, peer.kind) or (role is not None and role not in peer.roles):
            raise Refusal(
                "directory.not-its-role",
                f"{party} does not act as {role or kind} here.",
                rule="a party acts only in the roles that the directory gives it",
            )
        return peer

    def to_json(self) -> bytes:
        """Return the directory as canonical JSON."""
        return canonical_json({"peers": [msgspec.to_builtins(peer) for peer in self]})

    @classmethod
    def from_json(cls, data: bytes, name: str = "directory") -> Directory:
        """Read what `to_json` wrote; ``name`` stands for the file in messages."""
        try:
            return cls(msgspec.json.decode(data, type=_File, strict=True).peers)
        except msgspec.DecodeError as error:
            raise UserError("directory.invalid", f"{name}: {error}") from error

    def write(self, path: Path) -> None:
        """Write the directory to a file."""
        write_atomically(path, self.to_json())

    @classmethod
    def read(cls, path: Path) -> Directory:
        """Read the directory from a file."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UserError("file.unreadable", f"{path}: cannot be read: {error}") from error
        return cls.from_json(data, str(path))


class _File(msgspec.Struct, forbid_unknown_fields=True):
    peers: list[Peer]
