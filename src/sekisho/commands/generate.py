"""`sekisho generate`: people and provider files from a seed, in any format that is made here."""

from __future__ import annotations

import os
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from sekisho.commands.output import OUT, progress, show_json, show_table
from sekisho.common.errors import UserError
from sekisho.synthetic import Period, ProviderSpec
from sekisho.synthetic import generate as make
from sekisho.synthetic.generate import FORMATS, TOLD_EVERY, WRITERS

Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="first and last day")]


def generate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="where the files go; it is made")],
    persons: Annotated[int, typer.Option(min=1, max=1_000_000, help="how many people")] = 1000,
    seed: Annotated[int, typer.Option(help="the same seed gives the same bytes")] = 1,
    provider: Annotated[
        list[str] | None, typer.Option(help="institution code, 10 digits; may be repeated")
    ] = None,
    format: Annotated[
        list[str] | None, typer.Option(help=f"may be repeated: {', '.join(WRITERS)}")
    ] = None,
    first: Day = None,
    last: Day = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="most processes; else one a core, or a provider")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """Make people and the files of their providers. No record is of a real person."""
    if folder.exists() and any(folder.iterdir()):
        raise UserError("generate.not-empty", f"{folder}: the folder is not empty.")
    if (first is None) != (last is None):
        raise UserError("generate.period", "A period has a first and a last day, or neither.")
    period = (
        Period(first.date(), last.date()) if first and last else Period.before(date(2026, 4, 1))
    )
    codes = provider or ["1310000001"]
    specs = [ProviderSpec(code, f"提供者 {code}") for code in codes]
    formats = tuple(format or FORMATS)
    with progress("generate", -(-persons // TOLD_EVERY)) as tell:
        made = make(
            folder,
            seed,
            persons,
            specs,
            period,
            formats,
            jobs=jobs or len(os.sched_getaffinity(0)),
            progress=lambda people: tell(f"{people:,} people"),
        )
    rows = [
        (code, name, len(files), sum(made.truth.records[code, name].values()))
        for code, formats in made.files.items()
        for name, files in formats.items()
    ]
    if json:
        columns = ("provider", "format", "files", "records")
        show_json({"files": [dict(zip(columns, row, strict=True)) for row in rows]})
        return
    show_table("作ったファイル / Files made", ("provider", "format", "files", "records"), rows)
    OUT.print(str(folder), markup=False)
