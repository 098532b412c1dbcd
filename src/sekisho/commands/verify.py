"""`sekisho verify`: ledgers, documents, tables and releases; exit 0 only if all hold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sekisho.commands.output import OUT, show_json, show_table
from sekisho.common.errors import TamperError
from sekisho.rehearsal.verification import verify as verify_folder


def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="what `sekisho run` wrote")],
    json: Annotated[bool, typer.Option("--json", help="print the findings as JSON")] = False,
) -> None:
    """Verify everything that was signed or recorded in DIR."""
    result = verify_folder(folder)
    if json:
        show_json(result.as_json())
    elif result.problems:
        rows = [(one.file, one.what) for one in result.problems]
        show_table("What does not hold", ("file", "what"), rows)
    else:
        OUT.print(result.summary())
    if result.problems:
        raise typer.Exit(TamperError.exit_code)
