"""Collection by pull in a rehearsal: each provider asks its own FHIR server, when the bodies want.

What only files can carry (receipts, for one) has no such server, and is handed in as before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sekisho.common.clock import FixedClock
from sekisho.common.errors import UserError
from sekisho.common.randomness import system_random
from sekisho.data.collection import PullRule
from sekisho.framework import Framework
from sekisho.provider.pull import Export, Source, Web
from sekisho.rehearsal.hospital import Hospital
from sekisho.rehearsal.providers import Providers
from sekisho.rehearsal.scenario import Scenario, Submission

FORMAT: Final = "fhir-ndjson"
"""What a FHIR server exports."""
SOURCE: Final = "his"
_NOON: Final = timedelta(hours=12)
"""When a provider's program pulls: after what its system wrote that day."""


def is_pulled(framework: Framework, sent: Submission) -> bool:
    """Whether a delivery lies at the provider's FHIR server until it is asked for."""
    return framework.open.mode == "pull" and sent.format == FORMAT


def pull_days(scenario: Scenario, framework: Framework, rule: PullRule) -> set[int]:
    """Return the days on which a pull finds something, by the bodies' schedule."""
    found = set()
    for sent in scenario.submission:
        if is_pulled(framework, sent):
            days = -(-rule.hours(sent.provider) // 24)
            found.add(-(-sent.day // days) * days)
    return found


@dataclass
class Pulling:
    """The FHIR servers of a scenario's providers, and how far they were pulled."""

    start: date
    hospitals: dict[str, Hospital] = field(default_factory=dict)
    waiting: dict[str, list[Submission]] = field(default_factory=dict)
    """Deliveries that lie at a server, by provider."""
    reached: dict[str, int] = field(default_factory=dict)
    """The next day on which a provider's program looks whether a pull is due."""
    pulls: list[dict[str, Any]] = field(default_factory=list)
    """What came of each export."""

    def change(self, sent: Submission) -> None:
        """Let a hospital's system write what the scenario has it deliver on a day."""
        at = FixedClock.on(self._day(sent.day)).now()
        self.hospitals.setdefault(sent.provider, Hospital()).change(sent.files, at)
        self.waiting.setdefault(sent.provider, []).append(sent)

    def run(self, providers: Providers, until: int) -> Iterator[dict[str, Any]]:
        """Pull at all providers, day by day; yield the submissions that were made."""
        for provider in sorted(self.hospitals):
            hours = providers.wanted_hours(provider)
            for day in range(self.reached.get(provider, 0), until + 1):
                yield from self._pull(providers, provider, day, hours)
            self.reached[provider] = until + 1

    def _pull(
        self, providers: Providers, provider: str, day: int, hours: int | None
    ) -> Iterator[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        hospital, home = self.hospitals[provider], providers.home(provider)

        def submit(files: Sequence[Path], format_id: str) -> dict[str, Any]:
            waited = [day - one.day for one in self.waiting.pop(provider, [])]
            sent = Submission(provider, day, format_id, tuple(files))
            noted = providers.hand_in(sent) | {"waited_days": max(waited, default=0)}
            made.append(noted)
            if "error" in noted:
                raise UserError(noted["error"], "The provider's program could send nothing.")
            return noted

        clock = FixedClock(self._noon(day))
        waits: list[float] = []
        before = hospital.requests
        with hospital.serving(clock.now()) as base:
            source = Source(name=SOURCE, base=base)
            web = Web(source, home, clock, system_random, waits.append)
            export = Export(source, web, home / "pull" / SOURCE, submit, clock)
            if not export.due(hours):
                return
            report = export.run()
        self.pulls.append(
            {
                "provider": provider,
                "day": day,
                "requests": hospital.requests - before,
                "waited_seconds": sum(waits),
                "files": report.files,
                "resources": report.resources,
                "deleted": report.deleted,
                "problems": [one.code for one in report.problems],
            }
        )
        yield from made

    def _day(self, day: int) -> date:
        return self.start + timedelta(days=day)

    def _noon(self, day: int) -> datetime:
        return FixedClock.on(self._day(day)).now() + _NOON
