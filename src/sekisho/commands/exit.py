"""`sekisho exit`: an operator leaves; the oversight body signs it, and how far it is."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from sekisho.commands.output import ERR, show_json, show_table
from sekisho.common.canonical import canonical_json
from sekisho.common.errors import UserError
from sekisho.web.backup import post_to_itself
from sekisho.web.exits import exit_of

app = typer.Typer(help="An operator leaves: what it has moves to a successor, or ends.")
DOOR = "oversight/withdraw"
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="the body's folder (with body.toml)")]
AsJson = Annotated[bool, typer.Option("--json", help="print as JSON")]


@app.command()
def withdraw(
    folder: Folder,
    body: Annotated[str, typer.Option(help="the body that leaves")],
    successor: Annotated[str, typer.Option(help="the body that takes what it has")],
    last_day: Annotated[str, typer.Option(help="its last day of ordinary work (2026-09-30)")],
    ground: Annotated[str, typer.Option(help="one word for the ground")] = "closing",
    json: AsJson = False,
) -> None:
    """At the oversight body: sign that an operator leaves; every body is told."""
    try:
        day = date.fromisoformat(last_day)
    except ValueError as error:
        raise UserError("exit.day", f"{last_day} is no day.", next_step="2026-09-30") from error
    said = {"body": body, "successor": successor, "last_day": day.isoformat(), "ground": ground}
    message = post_to_itself(folder / "body.toml", DOOR, canonical_json(said))
    if json:
        show_json({"message": message, **said})
    else:
        ERR.print(f"handed to the oversight body as message {message}")


@app.command()
def show(folder: Folder, json: AsJson = False) -> None:
    """At the leaving body: how far it is, what was receipted, whether its ledger is co-signed."""
    found = exit_of(folder / "body.toml")
    if json:
        show_json(found)
        return
    rows: list[tuple[str, object]] = [
        ("手順 / step", found["step"] or "–"),
        ("台帳の連署 / cosigned", "yes" if found["cosigned"] else "no"),
    ]
    for what, one in found["sent"].items():
        rows.append((what, "receipted" if one["receipted"] else "sent"))
    show_table(f"撤退 / Exit: {found['body']}", ("", ""), rows)
