"""`sekisho receipt verify`: an auditor's look at an extract's receipt, without a person in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from sekisho.body.receipts import verify_receipt
from sekisho.commands.output import OUT, show_json
from sekisho.common.errors import SekishoError

app = typer.Typer(help="Verify receipts of extracts.", no_args_is_help=True)


@app.callback()
def receipt() -> None:
    """Verify receipts of extracts."""


@app.command()
def verify(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="receipts, as an environment signed them")
    ],
    ledgers: Annotated[
        Path,
        typer.Option(help="the folder with directory.json, rules, and each body's public parts"),
    ],
    json: Annotated[bool, typer.Option("--json", help="print the findings as JSON")] = False,
) -> None:
    """Verify that each extract rests on its permit and on fresh lists, and was countersigned."""
    findings: list[dict[str, Any]] = []
    first: SekishoError | None = None
    for file in files:
        try:
            found = verify_receipt(file.read_bytes(), ledgers)
        except SekishoError as error:
            first = first or error
            findings.append({"file": file.name, "holds": False, "problem": error.as_problem()})
            if not json:
                OUT.print(f"{file.name}: {error}", soft_wrap=True)
        else:
            said = msgspec.to_builtins(found)
            findings.append({"file": file.name, "holds": True, **said})
            if not json:
                OUT.print(_told(file.name, said), soft_wrap=True)
    if json:
        show_json({"receipts": findings})
    if first is not None:
        raise typer.Exit(first.exit_code)


def _told(name: str, said: dict[str, Any]) -> str:
    lists = ", ".join(f"{registry} {number}" for registry, number in said["lists"].items())
    return (
        f"{name} holds: {said['included']} persons for {said['application']} at "
        f"{said['environment']} on {said['made_on']}, under {said['permit']}; lists: {lists}; "
        f"compared with {said['listed']} persons on them by {said['countersigned_by']}: no record "
        f"that a choice of its person keeps out is in it."
    )
