"""A provider at work: files in, handed over, receipts kept; the same for all ways of submitting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sekisho.common import clock as clocks
from sekisho.common.clock import Clock
from sekisho.common.randomness import RandomBytes
from sekisho.framework import CLASSES, recipients
from sekisho.provider.examining import Source, examine, write_report
from sekisho.provider.handover import Handed, Ready, hand_over, standing
from sekisho.provider.home import Home
from sekisho.provider.journal import Journal
from sekisho.provider.readers import format_of
from sekisho.provider.showing import told
from sekisho.provider.submission import Progress


@dataclass(frozen=True)
class Submitted:
    """What came of one submission."""

    ready: Ready
    handed: tuple[Handed, ...]

    def report(self) -> dict[str, Any]:
        """Return what a clerk of the provider is told; it stays here."""
        prepared, held = self.ready.prepared, self.ready.held
        withheld: dict[str, int] = {}
        for line in prepared.balance:
            if line.withheld and line.cause:
                withheld[line.cause] = withheld.get(line.cause, 0) + line.withheld
        return {
            "format": self.ready.format,
            "read": prepared.read,
            "sent": sum(line.sent for line in prepared.balance),
            "withheld": withheld,
            "persons_held": dict(held.persons),
            "next_on": held.next_on.isoformat() if held.next_on else None,
            "findings": [told(one) for one in prepared.findings],
            "handed": [
                {
                    "door": one.door,
                    "submission": one.submission,
                    "bodies": list(one.bodies),
                    "new": one.new,
                    "bytes": one.bytes,
                }
                for one in self.handed
            ],
        }


@dataclass(frozen=True)
class Desk:
    """One provider's desk. ``clock`` is the machine's."""

    home: Home
    clock: Clock
    random: RandomBytes

    @property
    def today(self) -> date:
        return clocks.today(self.clock)

    @property
    def journal(self) -> Journal:
        return Journal(self.home.folder)

    def ready(
        self, files: Sequence[Path], format_id: str, progress: Progress | None = None
    ) -> Ready:
        """Return what would leave; nothing does, and nobody is asked."""
        return self.home.submitter().ready(files, format_id, self.today, progress)

    def submit(
        self, files: Sequence[Path], format_id: str, progress: Progress | None = None
    ) -> Submitted:
        """Hand files over. Doing it again with the same files sends nothing twice.

        Raises:
            UserError: nothing can be read.
            PeerError: a body does not answer; what is made is kept, and the next try goes on.
        """
        files = format_of(format_id).arrange(files)  # what is kept for later are files
        ready = self.ready(files, format_id, progress)
        sender = self.home.sender(self.clock, self.random, self.today)
        handed = hand_over(sender, ready, self.home.outbox)
        self.journal.record(ready, handed, files, self.today)
        self.tell_quality(ready, files, sent=True)
        return Submitted(ready, handed)

    def tell_quality(
        self, ready: Ready, files: Sequence[Path], *, sent: bool = False
    ) -> tuple[Path, ...]:
        """Write the report on a submission's quality into ``reports/``; return its files."""
        source = Source(self.home.config.code, ready.format, files, self.home.provider_key)
        report = examine(source, ready.prepared, self.home.rules, self.today, sent=sent)
        return write_report(report, self.home.folder / "reports")

    def submit_due(self) -> list[Submitted]:
        """Submit again the files of which persons were held back who may go today."""
        return [self.submit(one.files, one.format) for one in self.journal.due(self.today)]

    def standing(self) -> dict[str, dict[str, Any]]:
        """Ask every body that collects here what it is owed, has been sent and has credited."""
        sender, fw = self.home.sender(self.clock, self.random, self.today), self.home.framework
        found = (recipients(fw, c, self.home.config.operator).body for c in CLASSES)
        return {body: standing(sender, body) for body in dict.fromkeys(filter(None, found))}

    def collect_receipts(self) -> int:
        """Fetch receipts that are missing; return how many came."""
        sender = self.home.sender(self.clock, self.random, self.today)
        return self.journal.collect(sender)
