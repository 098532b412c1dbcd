"""A provider at work: files in, handed over, receipts kept; the same for all ways of submitting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sekisho.common import clock as clocks
from sekisho.common.clock import Clock
from sekisho.common.errors import PeerError, UserError
from sekisho.common.randomness import RandomBytes
from sekisho.framework import CLASSES, recipients
from sekisho.provider.examining import examine, write_report
from sekisho.provider.handover import Handed, Ready, hand_over, standing
from sekisho.provider.home import Home
from sekisho.provider.inspecting import Inspection, inspect
from sekisho.provider.journal import Journal
from sekisho.provider.readers import format_of
from sekisho.provider.reconciling import Difference, expected_of
from sekisho.provider.showing import told
from sekisho.provider.submission import Progress

RECEIPTS_EVERY: Final = timedelta(minutes=1)


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
        return Journal(self.home.folder, self.home.directory)

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
        inspected = self.inspect(ready)
        sender = self.home.sender(self.clock, self.random, self.today)
        handed = hand_over(sender, ready, self.home.outbox)
        expected = self._expected(ready, inspected)
        self.journal.record(ready, handed, files, self.today, expected)
        self.tell_quality(ready, inspected, sent=True)
        return Submitted(ready, handed)

    def inspect(self, ready: Ready) -> Inspection:
        """Make the checks that the receiving bodies will make."""
        home = self.home
        refused = home.framework.open.nonstandard == "refuse"
        systems = home.code_systems if refused else None
        return inspect(ready.prepared, home.rules, self.today, systems)

    def tell_quality(
        self, ready: Ready, inspected: Inspection, *, sent: bool = False
    ) -> tuple[Path, ...]:
        """Write the report on a submission's quality into ``reports/``; return its files."""
        report = examine(
            ready.prepared,
            inspected,
            self.home.rules,
            self.today,
            provider=self.home.config.code,
            format_id=ready.format,
            sent=sent,
        )
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

    def differences(self) -> list[Difference]:
        """Return where the receipts that came are not what they must be, or none came in time."""
        return self.journal.differences(self.home.config.code, self.today)

    def settle(self, submission: str, why: str) -> list[Difference]:
        """Write down that the differences of a submission are settled with the body; return them.

        Raises:
            UserError: it has none.
        """
        found = [one for one in self.differences() if one.submission == submission]
        if not found:
            raise UserError(
                "provider.no-difference",
                "The submission has no difference that stands.",
                next_step="see `sekisho provider status`",
            )
        self.journal.settle(found, why, self.today)
        return found

    def _expected(self, ready: Ready, inspected: Inspection) -> dict[str, Any]:
        """Return by body what its receipt must say."""
        version, parts = self.home.rules.version, ready.prepared.parts.values()
        return {
            str(part.body): expected_of(part, inspected.bodies[str(part.body)], version)
            for part in parts
        }


@dataclass
class Receipts:
    """Looks after receipts while a program runs, and tells each difference once."""

    desk: Desk
    _told: frozenset[Difference] = frozenset()
    _looked: datetime | None = None

    def look(self, *, at_once: bool) -> Iterator[Difference]:
        """Yield what is newly different. Doors are asked once in `RECEIPTS_EVERY` at most.

        Args:
            at_once: something was submitted just now.

        Raises:
            PeerError: a door does not answer; what is known without it was told.
        """
        now, away = self.desk.clock.now(), None
        if not at_once and self._looked is not None and now - self._looked < RECEIPTS_EVERY:
            return
        self._looked = now
        try:
            self.desk.collect_receipts()
        except PeerError as error:
            away = error
        found = self.desk.differences()
        yield from (one for one in found if one not in self._told)
        self._told = frozenset(found)
        if away is not None:
            raise away
