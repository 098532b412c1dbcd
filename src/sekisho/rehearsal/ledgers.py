"""The ledgers of a run held against each other: what a witness or a permit saw must be there still.

A ledger rewritten with its body's own key verifies by itself; it does not against what others hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from sekisho.body.config import Folders
from sekisho.body.flows.permits import PERMIT
from sekisho.body.flows.witness import witness_for
from sekisho.body.generations import earlier, generation, ledger_before
from sekisho.common.errors import SekishoError
from sekisho.control.ledger import (
    FolderFiles,
    Held,
    Problem,
    TileLog,
    TreeHead,
    origin_of,
    read_cosigned,
    verify_ledger,
)
from sekisho.control.review import Permit
from sekisho.exchange import jws
from sekisho.exchange.directory import Directory
from sekisho.framework import Framework

COSIGNED = b'"kind":"ledger.cosigned"'
SUCCEEDED = b'"kind":"ledger.succeeded"'
"""As an entry's canonical bytes spell it."""


@dataclass(frozen=True)
class Cosigned:
    """How far a witness has co-signed a body's ledger, and when (ISO 8601)."""

    witness: str
    entries: int
    at: str


@dataclass
class Ledgers:
    """What all bodies of a run hold of each other's ledgers, by body.

    Args:
        visits: the heads that each witness says it co-signed last.
        held: the heads on which permits rest.
        generations: in which generation of a ledger its witness saw it last, if not the first.
    """

    framework: Framework
    directory: Directory
    visits: dict[str, dict[str, TreeHead]] = field(default_factory=dict)
    held: dict[str, list[Held]] = field(default_factory=dict)
    generations: dict[str, int] = field(default_factory=dict)

    def gather(self, homes: Iterable[Path]) -> None:
        """Take down what the bodies say; whether their own ledgers hold is seen afterwards."""
        for home in homes:
            for ledger in (*(one for _, one in earlier(Folders(home))), home / "ledger"):
                try:
                    for entry in TileLog(ledger).entries():
                        if COSIGNED in entry:
                            self._visited(home.name, orjson.loads(entry)["body"])
                        elif SUCCEEDED in entry:
                            self._succeeded(orjson.loads(entry)["body"])
                except (SekishoError, ValueError, TypeError, KeyError, AttributeError):
                    pass  # an unreadable ledger is reported when it is verified
            for file in (home / "documents" / "permits").glob("*"):
                for held in self._rests_on(file):
                    self.held.setdefault(held[0], []).append(held[1])

    def problems(self, body: str, folders: Folders, ledger: Path) -> list[Problem]:
        """Return what is wrong with a generation of the ledger of ``body``, by itself or for those
        who saw it.

        A head that a permit rests on must be in the generation that it names, but for what was
        written after a backup and lost with the body: that is in none.
        """
        witness = witness_for(self.framework, body)
        now = generation(folders)
        number = now if ledger == folders.ledger else int(ledger.name)
        visits = self.visits.get(body, {})
        current = witness in visits and number == now == self.generations.get(body, 1)
        found = verify_ledger(
            ledger,
            origin_of(body, number),
            self.directory.find(body).key,
            witnesses={witness: self.directory.find(witness).key},
            held=self._held_of(body, number, None if number == now else ledger),
            visits={witness: visits[witness]} if current else {},
        )
        if not found and number > 1:
            found = _continues(ledger, number, ledger_before(folders, number - 1))
        return found

    def _held_of(self, body: str, number: int, over: Path | None) -> list[Held]:
        """Return the heads that must be in a generation; in one that is ``over``, those that it
        reached before the body was lost."""
        most = None if over is None else TileLog(over).size
        return [
            one
            for one in self.held.get(body, ())
            if one.head.origin == origin_of(body, number)
            and (most is None or one.head.size <= most)
        ]

    def cosigned(self, body: str, ledger: Path, number: int) -> Cosigned | None:
        """Return how far its witness has seen a ledger that holds."""
        witness = witness_for(self.framework, body)
        key, other = (self.directory.find(one).key for one in (body, witness))
        found = read_cosigned(FolderFiles(ledger), origin_of(body, number), key, witness, other)
        if found is None:
            return None
        at = found.witnessed[origin_of(witness)]
        return Cosigned(witness, found.head.size, at.isoformat())

    def _visited(self, witness: str, said: dict[str, Any]) -> None:
        for body, size in said["sizes"].items():
            origin = origin_of(body, self.generations.get(body, 1))
            head = TreeHead(origin, size, bytes.fromhex(said["roots"][body]))
            self.visits.setdefault(body, {})[witness] = head

    def _succeeded(self, said: dict[str, Any]) -> None:
        """A restored body's ledger went on in another generation; its witness begins anew."""
        self.generations[said["body"]] = int(said["generation"])
        self.visits.pop(said["body"], None)

    def _rests_on(self, permit: Path) -> Iterator[tuple[str, Held]]:
        """Yield the bodies and heads that a permit rests on; a broken one says nothing."""
        try:
            signed = jws.verify_shared(permit.read_bytes(), self.directory.resolve, PERMIT)
            heads = Permit.from_payload(signed.payload).ledger_heads
        except SekishoError:
            return
        by = f"the permit for {signed.payload['application']}"
        for one in heads:
            origin = origin_of(one.body, one.generation)
            head = TreeHead(origin, one.size, bytes.fromhex(one.root))
            yield one.body, Held(by, head)


def _continues(ledger: Path, number: int, before: Path) -> list[Problem]:
    """A later generation of a ledger begins by naming the head at which the last one ended."""
    first = orjson.loads(TileLog(ledger).entry(0))
    head = TileLog(before)
    wanted = {"generation": number, "size": head.size, "root": head.edge().root().hex()}
    if first["kind"] == "ledger.continued" and wanted.items() <= first["body"].items():
        return []
    return [Problem("checkpoint", "does not continue the generation before it")]
