"""One body's folder as its own operator uses it: read without running, told with its own key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sekisho.body.config import BodyConfig, Folders, read_config
from sekisho.body.keyring import Keyring, load_keys
from sekisho.common.canonical import canonical_json
from sekisho.common.clock import SystemClock
from sekisho.common.errors import Refusal, UserError
from sekisho.common.randomness import system_random
from sekisho.exchange.client import Client
from sekisho.exchange.directory import Directory
from sekisho.framework import Framework, load


@dataclass(frozen=True)
class Home:
    """One body's folder, read without running it."""

    config: BodyConfig
    folders: Folders

    @property
    def directory(self) -> Directory:
        return Directory.read(self.folders.base / self.config.directory)

    @property
    def framework(self) -> Framework:
        return load(self.folders.base / self.config.framework)

    @property
    def keys(self) -> Keyring:
        return load_keys(self.folders.keys)

    def records(self) -> list[Path]:
        """Return the records of global keys that this body has, the newest last."""
        found = (self.folders.documents / "global-keys").glob("*.json")
        return sorted(found, key=lambda file: int(file.stem))


def homes(folder: Path) -> list[Home]:
    """Return the bodies of a deployment, or the one whose folder it is."""
    files = [folder / "body.toml"] if (folder / "body.toml").is_file() else []
    files = files or sorted((folder / "bodies").glob("*/body.toml"))
    if not files:
        raise UserError(
            "keys.no-body",
            f"{folder}: there is no body.",
            next_step="name a deployment's folder, or that of one of its bodies",
        )
    return [Home(*read_config(file)) for file in files]


def with_role(folder: Path, role: Any) -> Home:
    """Return the folder of the body that has ``role``, on this machine."""
    found = homes(folder)
    name = found[0].framework.with_role(role)[0]
    for home in found:
        if home.config.body == name:
            return home
    raise Refusal(
        "keys.other-body",
        f"Only {name} can do this, with its own keys.",
        next_step=f"run the command on the folder of {name}",
    )


def of_converter(folder: Path, name: str) -> Home:
    """Return the folder of a converter, on this machine."""
    for home in homes(folder):
        if home.config.body == name and home.keys.is_converter:
            return home
    raise Refusal(
        "keys.no-converter",
        f"{folder}: {name} is no converter there.",
        next_step="run the command on the converter's own machine, and name it as show does",
    )


def tell(home: Home, path: str, message: dict[str, Any]) -> None:
    """Send a message to a running body as its own operator, with its own key."""
    client = own_client(home)
    try:
        client.post(
            home.directory.find(home.config.body),
            f"/exchange/{path}",
            canonical_json(message),
            content_type="application/json",
        )
    finally:
        client.close()


def ordered(home: Home, epoch: int) -> dict[str, Any]:
    """Ask a running converter, as its own operator, what became of the newest order."""
    client = own_client(home)
    try:
        peer = home.directory.find(home.config.body)
        path = f"/exchange/conversion/destruction?epoch={epoch}"
        said: dict[str, Any] = client.get(peer, path).json()
        return said
    finally:
        client.close()


def own_client(home: Home) -> Client:
    return Client(home.config.body, home.keys.signing, clock=SystemClock(), random=system_random)
