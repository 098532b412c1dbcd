"""Which ledger a command means: of a run, of a body's folder, a folder of tiles, or an address."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sekisho.body.config import read_config
from sekisho.body.flows.witness import witness_for
from sekisho.common.errors import UserError
from sekisho.control.ledger import (
    Files,
    FolderFiles,
    HttpFiles,
    TileReader,
    origin_of,
    read_vkey,
)
from sekisho.exchange.directory import Directory
from sekisho.exchange.keys import VerifyKey
from sekisho.framework import load


@dataclass(frozen=True)
class Target:
    """One ledger: where its files are, and the keys that must have signed it."""

    origin: str
    key: VerifyKey
    files: Files
    witnesses: dict[str, VerifyKey]

    @property
    def log(self) -> TileReader:
        return TileReader(self.files)


def targets(place: str, body: str | None, directory: Path | None, vkey: str | None) -> list[Target]:
    """Return the ledgers that ``place`` means.

    Raises:
        UserError: there is none, or nothing says whose key must have signed it.
    """
    if place.startswith(("http://", "https://")):
        return [_known(HttpFiles(place), body, directory, vkey)]
    folder = Path(place)
    if (folder / "directory.json").is_file():
        homes = sorted(home for home in (folder / "bodies").iterdir() if home.is_dir())
        found = [_of_body(home) for home in homes if body in (None, home.name)]
    elif (folder / "body.toml").is_file():
        found = [_of_body(folder)]
    elif (folder / "checkpoint").is_file():
        beside = vkey is None and directory is None and (folder.parent / "body.toml").is_file()
        found = [
            _of_body(folder.parent)
            if beside
            else _known(FolderFiles(folder), body, directory, vkey)
        ]
    else:
        found = []
    if not found:
        raise UserError(
            "ledger.none",
            f"{place}: there is no ledger of that name.",
            next_step="name a run's folder, a body's, a ledger's, or a body's address",
        )
    return found


def one(place: str, body: str | None, directory: Path | None, vkey: str | None) -> Target:
    """Return the one ledger that ``place`` means.

    Raises:
        UserError: there are several.
    """
    found = targets(place, body, directory, vkey)
    if len(found) > 1:
        raise UserError(
            "ledger.several", f"{place} holds {len(found)} ledgers.", next_step="add --body ID"
        )
    return found[0]


def _of_body(home: Path) -> Target:
    config, folders = read_config(home / "body.toml")
    known = Directory.read(folders.base / config.directory)
    witness = witness_for(load(folders.base / config.framework), config.body)
    return Target(
        origin_of(config.body),
        known.find(config.body).key,
        FolderFiles(folders.ledger),
        {witness: known.find(witness).key},
    )


def _known(files: Files, body: str | None, directory: Path | None, vkey: str | None) -> Target:
    if vkey is not None:
        origin, key = read_vkey(vkey)
        return Target(origin, key, files, {})
    if directory is None or body is None:
        raise UserError(
            "ledger.no-key",
            "Nothing says whose key must have signed this ledger.",
            next_step="give --vkey, or --directory with --body; take them from somebody else",
        )
    known = Directory.read(directory)
    bodies = {peer.id: peer.key for peer in known if peer.kind == "body" and peer.id != body}
    return Target(origin_of(body), known.find(body).key, files, bodies)
