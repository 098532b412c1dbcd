"""Backing a body up and bringing it back: where database, files and keys of one body meet."""

from __future__ import annotations

import shutil
from pathlib import Path

from sekisho.body.backup import (
    MARKER,
    Manifest,
    Marker,
    Member,
    alone,
    read_backup,
    stage,
    verify_backup,
    write_backup,
)
from sekisho.body.backup.archive import seal_keys
from sekisho.body.backup.manifest import DATABASE, KEYS
from sekisho.body.config import BodyConfig, Folders, read_config
from sekisho.body.context import Body
from sekisho.body.generations import generation
from sekisho.body.ports import Incoming
from sekisho.common.atomicfile import write_atomically
from sekisho.common.canonical import digest, file_digest
from sekisho.common.clock import SystemClock
from sekisho.common.errors import UserError
from sekisho.common.ids import new_id
from sekisho.control.ledger import Entry
from sekisho.exchange.directory import Directory
from sekisho.exchange.keys import SealKey
from sekisho.web.runtime import current
from sekisho.web.serve import close_connections, configure_django, install_body, migrate

STAGING = "backup-staging"


def back_up(config_file: Path, target: Path, recipient: str) -> Manifest:
    """Back up a body, running or not, into ``target``; its keys are sealed to ``recipient``."""
    from sekisho.web.store.dump import dump, held_still

    config, folders = read_config(config_file)
    body = _composed(config, folders)
    staged = folders.base / STAGING
    shutil.rmtree(staged, ignore_errors=True)  # what a backup left that was cut off
    staged.mkdir(mode=0o700)
    try:
        with alone(folders), held_still():
            stage(folders, staged)
            seal_keys(folders.keys, staged / KEYS, recipient)
            dump(config, folders, staged / DATABASE)
            state = _state(body, recipient)
        write_atomically(staged / MARKER, _marker(state).to_bytes())
        made = write_backup(
            staged, target, lambda files: _manifest(state, files), body.keys.signing
        )
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    _record(body, made, target)
    close_connections()
    return made


def _composed(config: BodyConfig, folders: Folders) -> Body:
    folders.log.mkdir(parents=True, exist_ok=True)
    configure_django(config, folders)
    install_body(config, folders)
    return current().body


def _state(body: Body, recipient: str) -> Manifest:
    """Return what the manifest will say, the files not yet counted."""
    head = body.ledger.head()
    lists = {name: kept["header"]["number"] for name, kept in body.store.find("held-list")}
    return Manifest(
        id=new_id(body.random),
        body=body.id,
        made_at=SystemClock().now().replace(microsecond=0),
        day=body.today().isoformat(),
        database="sqlite" if body.config.database == "sqlite" else "postgresql",
        framework=file_digest(body.folders.base / body.config.framework),
        generation=generation(body.folders),
        ledger_size=head.size,
        ledger_root=head.root.hex(),
        snapshot=body.store.get("snapshot", "head") or {},
        lists=lists,
        epoch=body.epoch,
        recipient=recipient,
        files=(),
    )


def _manifest(state: Manifest, files: tuple[Member, ...]) -> Manifest:
    return Manifest(**{**{f: getattr(state, f) for f in state.__struct_fields__}, "files": files})


def _marker(state: Manifest) -> Marker:
    return Marker(
        backup=state.id,
        made_at=state.made_at,
        generation=state.generation,
        ledger_size=state.ledger_size,
        ledger_root=state.ledger_root,
        epoch=state.epoch,
    )


def _record(body: Body, made: Manifest, target: Path) -> None:
    said = {
        "backup": made.id,
        "digest": file_digest(target),
        "files": len(made.files),
        "bytes": target.stat().st_size,
    }
    with body.store.transaction():
        body.store.stage(Entry("body.backed-up", body.now(), said).to_bytes())
    body.ledger.integrate()


def post_to_itself(config_file: Path, path: str, data: bytes) -> str:
    """Give a body a message of its own, as who administers its folder may; its worker takes it."""
    body = _composed(*read_config(config_file))
    message_id = digest(f"{path}/".encode() + data)[:32]
    file = body.store.write_spool("in", new_id(body.random), data)
    message = Incoming(message_id, body.id, path, {}, "application/json", file)
    if not body.store.keep_incoming(message, len(data)):
        file.unlink()
    close_connections()
    return message_id


def check(file: Path, directory: Path) -> Manifest:
    """Verify a backup whole, without any key."""
    return verify_backup(file, Directory.read(directory).resolve)


def bring_back(file: Path, to: Path, identity: Path, directory: Path) -> Manifest:
    """Unpack a backup into the new folder ``to``: a body that will begin closed.

    The database is brought back last; a folder without it does not start.
    """
    from sekisho.web.store.dump import load

    made = read_backup(file, to, Directory.read(directory).resolve, SealKey.read(identity))
    config, folders = read_config(to / "body.toml")
    for place in (config.framework, config.directory):
        if not (folders.base / place).is_file():
            raise UserError(
                "restore.place",
                f"{to}: the body's configuration names {place}, which is not there.",
                next_step="restore it beside the other bodies' folders, as it was before",
            )
    configure_django(config, folders)
    load(config, folders, folders.base / DATABASE)
    install_body(config, folders)
    migrate()
    close_connections()
    return made
