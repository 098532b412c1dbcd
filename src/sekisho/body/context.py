"""One running body as its flows see it: what it is, what it has, what time it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from sekisho.body.config import BodyConfig, Folders
from sekisho.body.documents import Documents
from sekisho.body.keyring import Keyring
from sekisho.body.ports import Store
from sekisho.common.clock import Clock, FixedClock, SystemClock, today
from sekisho.common.ids import BodyId
from sekisho.common.randomness import RandomBytes
from sekisho.control.ledger import Ledger
from sekisho.exchange.client import Client
from sekisho.exchange.directory import Directory
from sekisho.framework import Framework, rooms
from sekisho.framework.model import Role
from sekisho.pseudonym.group import Element

EPOCH = "epoch"


@dataclass(frozen=True)
class Epoch:
    """One epoch: its number, and the public key that both converters made for it."""

    number: int
    global_key: Element


@dataclass(frozen=True)
class Body:
    """Everything a flow may use. ``turning`` is the epoch that a flow is just about to begin.

    ``charter`` is the framework as its file says, where bodies have left since; ``framework`` is
    then without them.
    """

    config: BodyConfig
    folders: Folders
    framework: Framework
    directory: Directory
    keys: Keyring
    store: Store
    ledger: Ledger
    client: Client
    random: RandomBytes
    turning: Epoch | None = None
    charter: Framework | None = None

    @property
    def in_force(self) -> Epoch:
        """The epoch of this body's pseudonyms; kept in the database, so that it turns with them."""
        if self.turning is not None:
            return self.turning
        kept = self.store.get(EPOCH, "now")
        if kept is None:
            return Epoch(0, self.keys.first_global_key)
        return Epoch(int(kept["epoch"]), Element(bytes.fromhex(kept["global"])))

    @property
    def epoch(self) -> int:
        return self.in_force.number

    @property
    def global_key(self) -> Element:
        """The public key Y of the epoch in force, under which pseudonyms start on their way."""
        return self.in_force.global_key

    @property
    def id(self) -> str:
        return self.config.body

    @property
    def documents(self) -> Documents:
        return Documents(self.folders.documents)

    @property
    def rooms(self) -> frozenset[str]:
        return rooms(self.framework, BodyId(self.id))

    def auxiliary(self, role: Role) -> str:
        """Return the auxiliary body that has ``role``."""
        return self.framework.with_role(role)[0]

    @property
    def rules(self) -> Path:
        """The folder of rule files."""
        return (self.folders.base / self.config.rules).resolve()

    @property
    def clock(self) -> Clock:
        """The body's business clock: in a rehearsal the scenario's, else the machine's."""
        if self.config.rehearsal is None:
            return SystemClock()
        kept = self.store.get("clock", "day")
        day = date.fromisoformat(kept["day"]) if kept else self.config.rehearsal.start
        return FixedClock.on(day)

    def today(self) -> date:
        return today(self.clock)

    def now(self) -> datetime:
        return self.clock.now()

    def has_fault(self, fault: str) -> bool:
        """Whether a rehearsal planted this fault."""
        return self.config.rehearsal is not None and fault in self.config.rehearsal.faults
