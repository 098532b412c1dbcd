"""What a body needs from outside; adapters are in `sekisho.web.store`, held to one suite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

Json = dict[str, Any]


@dataclass(frozen=True)
class Outgoing:
    """A message to be delivered at least once; the receiver keeps it once.

    ``path`` is ``room/name``. ``body`` is what travels; what is personal in it is sealed already.
    """

    to: str
    path: str
    body: bytes
    meta: Json = field(default_factory=dict)
    content_type: str = "application/json"
    file: Path | None = None
    """A body too large for memory: a file that the store takes a link of, in place of ``body``."""


@dataclass(frozen=True)
class Incoming:
    """A message that was received, verified and kept."""

    id: str
    sender: str
    path: str
    meta: Json
    content_type: str
    file: Path
    state: str = "waiting"

    def read(self) -> bytes:
        return self.file.read_bytes()


@dataclass(frozen=True)
class Fact:
    """An entry for the ledger: its kind and what it says, without any value of a person."""

    kind: str
    body: Json


@dataclass
class Outcome:
    """All that one handled message changes; committed in one transaction or not at all."""

    facts: list[Fact] = field(default_factory=list)
    send: list[Outgoing] = field(default_factory=list)
    put: list[tuple[str, str, Json]] = field(default_factory=list)
    append: list[tuple[str, int, Sequence[Json]]] = field(default_factory=list)
    rewrite: list[tuple[str, Sequence[Json]]] = field(default_factory=list)
    """Streams whose events are put in other words, as many as before: for erasing payload alone."""
    documents: list[tuple[str, str]] = field(default_factory=list)
    drop: list[tuple[str, str]] = field(default_factory=list)
    """Records, by kind and key, that are forgotten."""
    remove: list[Path] = field(default_factory=list)
    """Files and folders that nobody needs once this outcome is committed."""
    again: list[str] = field(default_factory=list)
    """Ids of delivered messages to deliver once more."""

    def fact(self, kind: str, /, **body: Any) -> None:
        self.facts.append(Fact(kind, body))

    def add(self, other: Outcome) -> None:
        """Take over what another flow decided for the same message."""
        self.facts += other.facts
        self.send += other.send
        self.put += other.put
        self.append += other.append
        self.rewrite += other.rewrite
        self.documents += other.documents
        self.drop += other.drop
        self.remove += other.remove
        self.again += other.again


class Store(Protocol):
    """One body's database. Writes happen inside `transaction`."""

    def transaction(self) -> AbstractContextManager[None]: ...

    def get(self, kind: str, key: str) -> Json | None: ...

    def find(self, kind: str, prefix: str = "") -> Iterator[tuple[str, Json]]: ...

    def put(self, kind: str, key: str, data: Mapping[str, Any]) -> None: ...

    def drop(self, kind: str, key: str) -> None:
        """Forget a record; one that is not there is none."""
        ...

    def events(self, stream: str) -> list[Json]: ...

    def streams(self, prefix: str) -> list[str]: ...

    def append(self, stream: str, expected: int, events: Sequence[Json]) -> None:
        """Append events; refuses when the stream no longer has ``expected`` events."""
        ...

    def rewrite(self, stream: str, events: Sequence[Json]) -> None:
        """Put a stream's events in other words; refuses when it has another number of them."""
        ...

    def stage(self, entry: bytes) -> None:
        """Keep a ledger entry until it is in the files."""
        ...

    def staged(self) -> Sequence[tuple[int, bytes]]:
        """Return entries not yet settled, with their index in the tree, in order."""
        ...

    def settle(self, size: int) -> None:
        """Forget staged entries with an index below ``size``: they are in the files."""
        ...

    def begin_ledger_anew(self, first: bytes) -> None:
        """Number entries from 0 again: ``first``, then those that are not settled."""
        ...

    def keep_incoming(self, message: Incoming, size: int) -> bool:
        """Keep a received message and queue its handling; False when it was kept before."""
        ...

    def incoming(self, message_id: str) -> Incoming: ...

    def incoming_state(self, message_id: str) -> str | None:
        """Return the state of a kept message, None where it never came."""
        ...

    def finish_incoming(self, message_id: str, state: str) -> None: ...

    def keep_outgoing(self, message_id: str, message: Outgoing) -> None:
        """Keep a message and queue its delivery; keeping it again changes nothing."""
        ...

    def outgoing(self, message_id: str) -> tuple[Outgoing, str]: ...

    def finish_outgoing(self, message_id: str, state: str) -> None: ...

    def delivered(self, to: str, since: datetime) -> list[tuple[str, str]]:
        """Return id and path of the delivered messages to ``to``, sent since, that are kept."""
        ...

    def delivered_before(self, before: datetime) -> list[Path]:
        """Return the files of messages that were delivered before, and are still kept."""
        ...

    def deliver_again(self, message_id: str) -> None:
        """Queue the delivery of a delivered message once more."""
        ...

    def write_spool(self, direction: str, message_id: str, body: bytes) -> Path:
        """Put a message's body where the message will look for it, before it is kept."""
        ...

    def receive_spool(self, message_id: str, pieces: Iterable[bytes]) -> Path:
        """Put what is received, piece by piece, into the spool before its message is kept."""
        ...

    def take_spool(self, direction: str, message_id: str, file: Path) -> Path:
        """Like `write_spool`, of a body that lies in a file of the same disk already."""
        ...

    def file(self, direction: str, message_id: str) -> Path: ...

    def seen_nonce(self, sender: str, nonce: str) -> bool:
        """Record a nonce; True when this sender used it before."""
        ...

    def traffic(self) -> Json:
        """Return messages and bytes, in and out, per path."""
        ...

    def undelivered(self) -> dict[str, list[str]]:
        """Return receiver → ids of messages that it has not taken yet."""
        ...

    def queue(self) -> Json:
        """Return how much work waits, runs, failed and was done."""
        ...
