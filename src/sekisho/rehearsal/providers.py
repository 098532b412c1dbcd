"""What providers do in a rehearsal: hand files in, and answer a linkage enclave."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sekisho.cdm import CodeSystems, read_code_systems
from sekisho.common.errors import SekishoError
from sekisho.common.ids import BodyId
from sekisho.common.randomness import seeded, system_random
from sekisho.common.secretfile import read_secret, write_secret
from sekisho.exchange.keys import SigningKey
from sekisho.framework import DataKinds, Framework
from sekisho.provider import Prepared, Profile, read_mapping
from sekisho.provider.enclave import answer_enclave
from sekisho.provider.examining import examine, write_report
from sekisho.provider.handover import Handed, Sender, agreed, hand_over
from sekisho.provider.inspecting import inspect
from sekisho.provider.notice import Everyone
from sekisho.provider.outbox import Outbox
from sekisho.provider.pull import wanted_hours
from sekisho.provider.sending import Submitter
from sekisho.quality import load_rules
from sekisho.rehearsal.scenario import Application, Provider, Scenario, Submission
from sekisho.rehearsal.stage import Stage


@dataclass(frozen=True)
class Providers:
    """The providers of a scenario, at the doors of one framework's running bodies."""

    scenario: Scenario
    framework: Framework
    kinds: DataKinds
    stage: Stage
    folder: Path

    def hand_in(self, sent: Submission) -> dict[str, Any]:
        """Prepare files and hand them over at the doors that the framework names.

        Returns what the observer writes down: what was read, sent and withheld, and where.
        """
        provider = self.scenario.provider_of(sent.provider)
        today = self._day(sent)
        sender = self._sender(sent.provider, today)
        submitter = Submitter(
            self.framework,
            self.kinds,
            provider.operator,
            sender.provider_key,
            self._profile(provider),
            Everyone(self._notified()),
        )
        try:
            ready = submitter.ready(sent.files, sent.format, today)
        except SekishoError as error:
            return {"provider": sent.provider, "format": sent.format, "error": error.code}
        handed = hand_over(sender, ready, Outbox(self.home(sent.provider) / "outbox"))
        prepared = ready.prepared
        self._tell(sent, prepared)
        return _noted(sent, prepared, handed)

    def _tell(self, sent: Submission, prepared: Prepared) -> None:
        """Write the report on the submission's quality where the provider finds it."""
        rules, day = load_rules(self.folder / "rules" / "collection.toml"), self._day(sent)
        report = examine(
            prepared,
            inspect(prepared, rules, day, self._systems()),
            rules,
            day,
            provider=sent.provider,
            format_id=sent.format,
            sent=True,
        )
        write_report(report, self.home(sent.provider))

    def _systems(self) -> CodeSystems | None:
        """Return which codes are standard ones, where the framework refuses others."""
        if self.framework.open.nonstandard != "refuse":
            return None
        return read_code_systems(self.folder / "rules" / "code-systems.toml")

    def answer_enclave(self, asked: Application, today: date) -> None:
        """Let every provider answer the linkage enclave of an application."""
        body = self.framework.with_role("history")[0]
        for provider in self.scenario.provider:
            files = [
                (one.format, one.files)
                for one in self.scenario.submission
                if one.provider == provider.code and self._day(one) <= today
            ]
            sender = self._sender(provider.code, today)
            answer_enclave(sender, BodyId(body), files, self._profile(provider))

    def _day(self, sent: Submission) -> date:
        return self.scenario.start + timedelta(days=sent.day)

    def _notified(self) -> date:
        """Return when persons were given notice."""
        days = timedelta(days=self.framework.collection.notice_days)
        return self.scenario.collection.notice_from or self.scenario.start - days

    def home(self, code: str) -> Path:
        """Return a provider's folder."""
        return self.folder / "providers" / code

    def wanted_hours(self, code: str) -> int | None:
        """Return how often the bodies that collect from a provider want a pull."""
        client, directory = self.stage.client(code), self.stage.deployment.directory
        operator = self.scenario.provider_of(code).operator
        return wanted_hours(client, directory, self.framework, operator)

    def _sender(self, code: str, today: date) -> Sender:
        """Return a provider as the exchange knows it on a day."""
        keys = self.home(code) / "keys"
        if not (keys / "records").exists():
            draw = seeded(self.scenario.seed, "provider-records", code)
            write_secret(keys / "records", draw(32))
        converter = self.framework.with_role("converter")[0]
        client, directory = self.stage.client(code), self.stage.deployment.directory
        found = agreed(client, directory, converter)
        return Sender(
            code=code,
            key=SigningKey.read(keys / "signing"),
            provider_key=read_secret(keys / "records"),
            client=client,
            directory=directory,
            converter=converter,
            global_key=found.global_key,
            epoch=found.epoch,
            random=system_random,
            today=today,
        )

    def _profile(self, provider: Provider) -> Profile:
        return Profile(
            identifier=self.framework.open.identifier,
            mapping=read_mapping(Path(provider.mapping)) if provider.mapping else {},
            twelve_digits=provider.twelve_digits,
            institution=provider.code,
        )


def _noted(sent: Submission, prepared: Prepared, handed: tuple[Handed, ...]) -> dict[str, Any]:
    withheld: dict[str, int] = {}
    for line in prepared.balance:
        if line.withheld and line.cause:
            withheld[line.cause] = withheld.get(line.cause, 0) + line.withheld
    return {
        "provider": sent.provider,
        "format": sent.format,
        "day": sent.day,
        "doors": [one.door for one in handed],
        "bodies": sorted({body for one in handed for body in one.bodies}),
        "submissions": sum(1 for one in handed if one.new),
        "messages": sum(one.messages for one in handed),
        "bytes": sum(one.bytes for one in handed),
        "read": prepared.read,
        "withheld": withheld,
        "findings": len(prepared.findings),
    }
