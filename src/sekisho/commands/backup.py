"""`sekisho backup`, `restore`, `recovery-key`: a body's state in one file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sekisho.body.backup import Manifest
from sekisho.commands.output import ERR, OUT, progress, show_json, show_table
from sekisho.common.errors import UserError
from sekisho.common.randomness import system_random
from sekisho.exchange.keys import SealKey
from sekisho.web.backup import back_up, bring_back, check

Json = Annotated[bool, typer.Option("--json", help="print as JSON")]


def recovery_key(
    file: Annotated[Path, typer.Argument(help="where the secret half is written (mode 0600)")],
    json: Json = False,
) -> None:
    """Make a recovery key: backups are sealed to its public half; keep FILE away from bodies."""
    if file.exists():
        raise UserError("recovery-key.exists", f"{file}: there is a file already.")
    key = SealKey.generate(system_random)
    key.write(file)
    if json:
        show_json({"recipient": key.recipient})
    else:
        OUT.print(key.recipient)


def backup(
    body: Annotated[Path, typer.Option(help="the body's folder (with body.toml)")],
    out: Annotated[Path, typer.Option(help="the file to write")],
    recipient: Annotated[str, typer.Option(help="age1…: who may open the keys in it")],
    json: Json = False,
) -> None:
    """Back up one body, running or not: database, tables, ledger, documents; keys sealed apart."""
    with progress("backup"):
        made = back_up(body / "body.toml", out.resolve(), recipient)
    _show(made, out, json)


def restore(
    file: Annotated[Path, typer.Argument(help="what `sekisho backup` wrote")],
    directory: Annotated[Path, typer.Option(help="directory.json with the bodies' public keys")],
    to: Annotated[Path | None, typer.Option(help="the body's new folder")] = None,
    identity: Annotated[Path | None, typer.Option(help="the recovery key's secret half")] = None,
    verify: Annotated[bool, typer.Option("--verify", help="only verify; needs no key")] = False,
    json: Json = False,
) -> None:
    """Bring a body back. It begins closed and opens by itself when it has caught up."""
    if verify:
        made = check(file, directory)
    elif to is None or identity is None:
        raise UserError(
            "restore.what", "Name a folder (--to) and a recovery key (--identity), or --verify."
        )
    else:
        with progress("restore"):
            made = bring_back(file, to.resolve(), identity, directory)
        ERR.print(f"start it with: sekisho serve --config {to / 'body.toml'}")
    _show(made, file, json)


def _show(made: Manifest, file: Path, json: bool) -> None:
    said = {
        "backup": made.id,
        "body": made.body,
        "made_at": made.made_at.isoformat(),
        "day": made.day,
        "epoch": made.epoch,
        "ledger": {"generation": made.generation, "size": made.ledger_size},
        "lists": made.lists,
        "snapshot": made.snapshot.get("number", 0),
        "files": len(made.files),
        "bytes": file.stat().st_size,
    }
    if json:
        show_json(said)
    else:
        show_table(
            "Backup", ("what", "value"), [(name, str(value)) for name, value in said.items()]
        )
