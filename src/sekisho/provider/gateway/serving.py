"""One gateway at work: its parts from a provider's folder, and the thread that sends on."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from datetime import date
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import IO

from sekisho.common.clock import Clock
from sekisho.common.errors import PeerError, SekishoError, UserError
from sekisho.common.randomness import RandomBytes
from sekisho.provider.desk import Desk, Receipts
from sekisho.provider.gateway.answers import Answers
from sekisho.provider.gateway.app import make_app
from sekisho.provider.gateway.clients import Clients
from sekisho.provider.gateway.config import GatewayConfig
from sekisho.provider.gateway.forwarding import Forwarder
from sekisho.provider.gateway.jobs import Jobs
from sekisho.provider.gateway.uploads import Uploads
from sekisho.provider.pull import Pulls

log = logging.getLogger("sekisho.gateway")


def clients_of(home: Path) -> Clients:
    """Return who may send to a provider's gateway."""
    return Clients(home / "gateway" / "clients.json")


def jobs_of(home: Path) -> Jobs:
    """Return what a provider's gateway has taken."""
    return Jobs(home / "gateway")


@dataclass
class Gateway:
    """The parts of one gateway. Only one process works in a folder."""

    desk: Desk
    config: GatewayConfig
    clock: Clock
    random: RandomBytes
    came: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    looked_on: date | None = None

    def __post_init__(self) -> None:
        self.folder = self.desk.home.folder / "gateway"
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.receipts = Receipts(self.desk)
        self.jobs = jobs_of(self.desk.home.folder)
        self.uploads = Uploads(self.folder / "uploads", self.jobs, self.random)
        self.forwarder = Forwarder(
            self.jobs,
            lambda files, format_id: self.desk.submit(files, format_id).report(),
            self.clock,
            self.random,
        )
        self.app = make_app(
            Answers(
                self.folder,
                self.config,
                self.jobs,
                self.uploads,
                self.clock,
                self.random,
                wake=self.came.set if self.config.at_once else lambda: None,
                send_on=self.came.set,
            ),
            clients_of(self.desk.home.folder),
        )

    def lock(self) -> IO[str]:
        """Take the folder for this process; the lock ends with it, however it ends."""
        lock = (self.folder / "lock").open("w")
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except OSError:
            lock.close()
            raise UserError(
                "gateway.runs-already", "A gateway works in this folder already."
            ) from None
        self.jobs.sweep()
        self.uploads.sweep(self.clock.now())
        return lock

    def work(self) -> None:
        """Send on what waits, again and again, until `stop`."""
        while not self.ended.is_set():
            self.round()
            self.came.wait(self.config.send_seconds)
            self.came.clear()

    def round(self) -> None:
        """Send on what waits; once a day also what was held back, and forget what is old."""
        try:
            for batch in self.forwarder.run():
                log.info("batch of %s: %s", len(batch.jobs), batch.state)
            if self.looked_on != self.desk.today:
                now = self.clock.now()
                self.uploads.sweep(now)
                self.jobs.forget(now, self.config.job_days, self.config.key_days)
                self.desk.submit_due()
                self.looked_on = self.desk.today
            for one in self.receipts.look(at_once=True):
                log.warning("submission %s: %s of %s", one.submission, one.code, one.body)
        except PeerError as away:
            log.warning("%s", away.code)
        except SekishoError as error:
            log.error("%s", error.code)

    def pull(self, pulls: Pulls) -> None:
        """Pull from the hospital's servers what is due, again and again, until `stop`."""
        while not self.ended.is_set():
            for one in pulls.run():
                wrong = len(one.report.problems) if one.report else 0
                log.info("pull: %s", one.error.code if one.error else f"{wrong} problems")
            self.ended.wait(self.config.send_seconds)

    def pause(self, seconds: float) -> None:
        """Wait; when the gateway ends, end this thread: what it did is on the disk."""
        if self.ended.wait(seconds):
            raise SystemExit

    def stop(self) -> None:
        self.ended.set()
        self.came.set()
