"""All pulls of one provider: those whose time has come, as the collecting bodies want it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sekisho.common.errors import SekishoError
from sekisho.exchange.client import Client
from sekisho.exchange.directory import Directory, Peer
from sekisho.framework import CLASSES, Framework, recipients
from sekisho.provider.desk import Desk
from sekisho.provider.pull.config import Source
from sekisho.provider.pull.export import Export, Report
from sekisho.provider.pull.web import Web


@dataclass(frozen=True)
class Pulled:
    """What came of the pull from one source: a report, or why there is none."""

    source: str
    report: Report | None
    error: SekishoError | None = None


@dataclass(frozen=True)
class Pulls:
    """The pulls of one provider. ``pause`` waits; whoever ends it ends the run."""

    desk: Desk
    sources: Sequence[Source]
    pause: Callable[[float], None] = time.sleep

    def run(self, *, now: bool = False) -> Iterator[Pulled]:
        """Run what is due, or with ``now`` everything; one that fails hinders no other."""
        for source in self.sources:
            export = self.export(source)
            try:
                if not (now or export.due(self.wanted())):
                    continue
                yield Pulled(source.name, export.run())
            except SekishoError as error:
                yield Pulled(source.name, None, error)

    def export(self, source: Source) -> Export:
        """Return the pull from one source, as far as it is."""
        desk, home = self.desk, self.desk.home.folder
        return Export(
            source,
            Web(source, home, desk.clock, desk.random, self.pause),
            home / "pull" / source.name,
            lambda files, format_id: desk.submit(files, format_id).report(),
            desk.clock,
        )

    def wanted(self) -> int | None:
        """Ask the bodies that collect here how often they want a pull.

        None where none of them collects by pull: then the provider's own configuration says.
        """
        home = self.desk.home
        sender = home.sender(self.desk.clock, self.desk.random, self.desk.today)
        return wanted_hours(sender.client, sender.directory, home.framework, home.config.operator)


def wanted_hours(
    client: Client, directory: Directory, framework: Framework, operator: str | None
) -> int | None:
    """Ask the bodies that collect from a provider for their schedule; the shortest time counts."""
    bodies = {recipients(framework, c, operator).body for c in CLASSES}
    hours = [_hours(client, directory.find(body)) for body in sorted(b for b in bodies if b)]
    return min((one for one in hours if one is not None), default=None)


def _hours(client: Client, body: Peer) -> int | None:
    answer = client.get(body, "/exchange/collection/schedule").json()
    hours = answer.get("every_hours")
    return hours if isinstance(hours, int) and hours > 0 else None
