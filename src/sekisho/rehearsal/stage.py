"""The bodies of a rehearsal as its actors reach them: signed calls, the clock, the stillness."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from sekisho.body.setup import Deployment
from sekisho.common.canonical import canonical_json
from sekisho.common.clock import SystemClock
from sekisho.common.errors import PeerError
from sekisho.common.randomness import system_random
from sekisho.exchange.client import Client
from sekisho.exchange.keys import SigningKey
from sekisho.rehearsal.cast import OBSERVER
from sekisho.web.launch import Fleet

STILL_SECONDS = 900.0
WAIT_SECONDS = 2
"""How long a body that has work may keep us waiting for its answer; then we look after others."""


@dataclass
class Stage:
    """Running bodies and everyone's clients. ``day`` is the scenario's, once the clock was set."""

    fleet: Fleet
    keys: Mapping[str, Path]
    watch: Callable[[str], None] = lambda text: None
    clients: dict[str, Client] = field(default_factory=dict)
    busy: str = ""
    """The body that was last found at work: it is asked first."""

    @property
    def deployment(self) -> Deployment:
        return self.fleet.deployment

    def client(self, actor: str) -> Client:
        """Return an actor's client, made when it first speaks."""
        if actor not in self.clients:
            key = SigningKey.read(self.keys[actor] / "signing")
            self.clients[actor] = Client(actor, key, clock=SystemClock(), random=system_random)
        return self.clients[actor]

    def tell(
        self,
        actor: str,
        body: str,
        path: str,
        message: Any,
        *,
        content_type: str = "application/json",
    ) -> None:
        """Send a message as ``actor``; JSON unless it is bytes."""
        data = message if isinstance(message, bytes) else canonical_json(message)
        peer = self.deployment.directory.find(body)
        self.client(actor).post(peer, f"/exchange/{path}", data, content_type=content_type)

    def ask(self, actor: str, body: str, path: str) -> Any:
        """Ask a body something as ``actor``."""
        peer = self.deployment.directory.find(body)
        return self.client(actor).get(peer, f"/exchange/{path}").json()

    def set_day(self, day: date) -> None:
        """Move every body's clock to a day and wait until what is due then is done."""
        for body in self.deployment.urls:
            self.tell(OBSERVER, body, "rehearsal/clock", {"day": day.isoformat()})
        self.settle()

    def settle(self) -> None:
        """Wait until no body has work and no message is on its way.

        Work was nowhere found twice in a row, and nothing was done in between: a message that was
        on its way during one round would have been counted in the next.
        """
        deadline = time.monotonic() + STILL_SECONDS
        before: int | None = None
        while True:
            done = self._done()
            if done is not None and before == done:
                return
            before = done
            if self.fleet.dead():
                raise PeerError("body.died", f"Ended on the way: {', '.join(self.fleet.dead())}.")
            if time.monotonic() > deadline:
                raise PeerError("rehearsal.restless", f"Tasks of {self.busy} still wait.")

    def _done(self) -> int | None:
        """Return how many tasks all bodies have done; None as soon as one has work."""
        done = 0
        for body in sorted(self.deployment.urls, key=lambda one: one != self.busy):
            queue = self.ask(OBSERVER, body, f"rehearsal/queue?wait={WAIT_SECONDS}")
            if queue["waiting"]:
                self.busy = body
                return None
            done += int(queue["done"])
        return done

    def close(self) -> None:
        for client in self.clients.values():
            client.close()
