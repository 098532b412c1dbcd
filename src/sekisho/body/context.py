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


@dataclass(frozen=True)
class Body:
    """Everything a flow may use. ``epoch`` is that of the pseudonyms now in force."""

    config: BodyConfig
    folders: Folders
    framework: Framework
    directory: Directory
    keys: Keyring
    store: Store
    ledger: Ledger
    client: Client
    random: RandomBytes
    epoch: int = 0

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
