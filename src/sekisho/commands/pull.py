"""`sekisho pull`: fetch what changed from the hospital's own FHIR servers, and submit it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sekisho.commands.output import ERR, OUT, progress, show_json, show_table
from sekisho.common.clock import SystemClock
from sekisho.common.errors import UserError
from sekisho.common.randomness import system_random
from sekisho.provider.desk import Desk
from sekisho.provider.home import Home
from sekisho.provider.pull import Pulls, Report, read_sources


def pull(
    provider: Annotated[Path, typer.Option(help="the provider's folder, with pull.toml")],
    source: Annotated[str | None, typer.Option(help="this source only")] = None,
    now: Annotated[bool, typer.Option("--now", help="also where its time has not come")] = False,
    json: Annotated[bool, typer.Option("--json", help="print the reports as JSON")] = False,
) -> None:
    """Pull from the FHIR servers whose time has come; go on with what was interrupted."""
    desk = Desk(Home.open(provider), SystemClock(), system_random)
    chosen = [one for one in read_sources(provider) if source in (None, one.name)]
    if not chosen:
        raise UserError(
            "pull.no-source",
            "No such source is configured.",
            next_step=f"name servers in {provider / 'pull.toml'}",
        )
    reports, failed = [], None
    with progress("pull", len(chosen)) as tell:
        for one in Pulls(desk, chosen).run(now=now):
            tell(one.source)
            if one.report is not None:
                reports.append(one.report)
            if one.error is not None:
                ERR.print(str(one.error), markup=False)
                failed = one.error
    _show(reports, json)
    if failed is not None:
        raise typer.Exit(failed.exit_code)


def _show(reports: list[Report], json: bool) -> None:
    shown: list[dict[str, Any]] = [one.shown() for one in reports]
    if json:
        show_json({"pulled": shown})
        return
    rows = [
        (one.source, one.files, one.resources, one.deleted, len(one.problems), one.since or "–")
        for one in reports
    ]
    columns = ("source", "files", "resources", "deleted", "problems", "next since")
    show_table("取得 / Pulled", columns, rows)
    for one in reports:
        for wrong in one.problems:
            what = f"{one.source}: {wrong.code} in file {wrong.file} {wrong.type} ({wrong.count})"
            OUT.print(what, markup=False)
