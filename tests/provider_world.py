"""A provider with a folder of its own, in a town of bodies that answer in this process."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from memory_town import ROOT, START, MemoryClient, MemoryTown
from sekisho.common.clock import FixedClock
from sekisho.common.randomness import system_random
from sekisho.exchange.directory import Directory
from sekisho.exchange.keys import SigningKey
from sekisho.framework import find
from sekisho.provider import home as homes
from sekisho.provider.desk import Desk
from sekisho.provider.home import Home, ProviderConfig, make_home
from sekisho.provider.registration import admit, request

CODE = "1310000001"


@dataclass(frozen=True)
class Place:
    """One provider's folder, and the town where it is known."""

    town: MemoryTown
    folder: Path

    def desk(self, today: date = START) -> Desk:
        """Return the provider at work on a day."""
        return Desk(Home.open(self.folder), FixedClock.on(today), system_random)


def made_home(folder: Path, framework: str, **more: object) -> tuple[Path, bytes]:
    """Make a provider's folder; return it with the registration request."""
    config = ProviderConfig(code=CODE, **more)  # type: ignore[arg-type]
    peer = make_home(folder, config, find(framework, ROOT), ROOT / "rules", system_random)
    return folder, request(peer, SigningKey.read(folder / "keys" / "signing"))


def placed(folder: Path, monkeypatch: pytest.MonkeyPatch, framework: str, **more: object) -> Place:
    """Make a provider and a town that has admitted it. Its own client speaks in this process."""
    home, asked = made_home(folder / "provider", framework, **more)
    town = MemoryTown(find(framework, ROOT), folder / "town")
    key = SigningKey.read(home / "keys" / "signing").public.text
    known = admit(asked, town.deployment.directory, key)
    for service in town.services.values():
        service.body = _with(service.body, known)
    known.write(home / "directory.json")
    monkeypatch.setattr(homes, "Client", lambda code, key, **_: MemoryClient(town, code))
    return Place(town, home)


def _with(body: object, known: Directory) -> object:
    from dataclasses import replace

    return replace(body, directory=known)  # type: ignore[type-var]
