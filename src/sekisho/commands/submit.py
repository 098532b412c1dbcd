"""`sekisho submit`: a provider's files on their way, or what would leave before anything does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from sekisho.commands.differences import end_with, show_differences, show_submissions
from sekisho.commands.output import ERR, OUT, show_json, show_table
from sekisho.common.clock import SystemClock
from sekisho.common.errors import PeerError, UserError
from sekisho.common.randomness import system_random
from sekisho.provider.desk import Desk, Receipts
from sekisho.provider.home import Home
from sekisho.provider.reconciling import Difference
from sekisho.provider.showing import Checked
from sekisho.provider.showing import show as write_out
from sekisho.provider.submission import Progress as Tell
from sekisho.provider.watching import Taken, Watch

Files = Annotated[list[Path] | None, typer.Argument(metavar="FILE…", help="files of one format")]


def submit(
    provider: Annotated[Path, typer.Option(help="the provider's folder")],
    files: Files = None,
    format: Annotated[str | None, typer.Option(help="the files' format")] = None,
    check: Annotated[bool, typer.Option("--check", help="say what would leave; send nothing")] = (
        False
    ),
    show: Annotated[
        Path | None, typer.Option(help="with --check: write exactly what would leave, per body")
    ] = None,
    watch: Annotated[
        Path | None, typer.Option(help="submit what is put into this folder, until Ctrl-C")
    ] = None,
    every: Annotated[float, typer.Option(min=0.1, help="seconds between two looks")] = 5.0,
    due: Annotated[
        bool, typer.Option("--due", help="submit again what was held back and may go now")
    ] = False,
    receipts: Annotated[
        bool,
        typer.Option("--receipts", help="fetch receipts and hold them against what was submitted"),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False,
) -> None:
    """Hand files over at the doors that the framework names, or say what would leave."""
    desk = Desk(Home.open(provider), SystemClock(), system_random)
    if receipts:
        _receipts(desk, json)
    elif due:
        _told(desk, [one.report() for one in desk.submit_due()], json)
    elif watch is not None:
        _watch(desk, _needed(format), watch, every, json)
    elif check or show:
        _check(desk, _listed(files), _needed(format), show, json)
    else:
        listed, chosen = _listed(files), _needed(format)
        with _bar(len(listed)) as tell:
            done = desk.submit(listed, chosen, tell)
        _told(desk, [done.report()], json)


def _needed(format_id: str | None) -> str:
    if format_id is None:
        raise UserError("submit.no-format", "No format is named.", next_step="--format fhir-ndjson")
    return format_id


def _listed(files: Sequence[Path] | None) -> list[Path]:
    if not files:
        raise UserError("submit.no-files", "No file is named.", next_step="name files, or --watch")
    return list(files)


@contextmanager
def _bar(total: int) -> Iterator[Tell]:
    """Show on stderr how many files and records were read."""
    columns = (
        SpinnerColumn(),
        TextColumn("submit"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=ERR, transient=True) as bar:
        task = bar.add_task("", total=total)

        def tell(done: int, records: int) -> None:
            bar.update(task, completed=done, description=f"{done}/{total} files, {records} records")

        yield tell


def _check(desk: Desk, files: list[Path], format_id: str, out: Path | None, json: bool) -> None:
    with _bar(len(files)) as tell:
        ready = desk.ready(files, format_id, tell)
    inspected = desk.inspect(ready)
    checked = Checked(ready, inspected, desk.home.rules)
    reports = desk.tell_quality(ready, inspected)
    if out is not None:
        write_out(desk.home, ready, out)
    if json:
        show_json(checked.report())
    else:
        _show_check(checked, out)
        OUT.print(
            f"品質報告 / Report: {', '.join(map(str, reports))}", markup=False, highlight=False
        )
    if checked.exit_code:
        raise typer.Exit(checked.exit_code)


def _show_check(checked: Checked, out: Path | None) -> None:
    report = checked.report()
    rows = [["–" if v is None else v for v in one.values()] for one in report["balance"]]
    columns = tuple(report["balance"][0]) if rows else ()
    show_table("送る前の確認 / What would leave", columns, rows)
    for body, part in report["bodies"].items():
        kept = ", ".join(f"{name} {rows}" for name, rows in part["rows"].items()) or "nothing"
        OUT.print(f"{body}: {part['persons']} persons; rows: {kept}")
        for one in part["checks"]:
            what = f"{one['verdict']} {one['rule']}: {one['records']} {one['record_type']}"
            OUT.print(f"  {what}. {one['ja']} / {one['en']}", markup=False, highlight=False)
    if report["persons_held"]:
        held = ", ".join(f"{why} {n}" for why, n in report["persons_held"].items())
        OUT.print(f"persons held back: {held}; next day: {report['next_on'] or '–'}")
    for one in checked.ready.prepared.findings:
        OUT.print(str(one), markup=False, highlight=False)
    if out is not None:
        OUT.print(f"written: {out}")


def _told(desk: Desk, reports: list[dict[str, Any]], json: bool) -> None:
    """Show what was handed over, and where earlier receipts are not what they must be."""
    away = None
    try:
        desk.collect_receipts()
    except PeerError as error:
        away = error
    differences = desk.differences()
    if json:
        told = [one.report() for one in differences]
        show_json({"submissions": reports, "differences": told})
    else:
        _show_handed(reports)
        show_differences(differences)
    if away is not None:
        raise away
    end_with(differences)


def _show_handed(reports: list[dict[str, Any]]) -> None:
    if not reports:
        OUT.print("送るものはありません / Nothing to submit.")
    for report in reports:
        withheld = ", ".join(f"{why} {n}" for why, n in report["withheld"].items()) or "–"
        OUT.print(f"sent {report['sent']} records, withheld: {withheld}")
        rows = [
            (
                one["submission"],
                one["door"],
                ", ".join(one["bodies"]),
                "new" if one["new"] else "had it",
                one["bytes"],
            )
            for one in report["handed"]
        ]
        columns = ("submission", "door", "bodies", "state", "bytes")
        show_table("提出 / Handed over", columns, rows)
        if report["next_on"]:
            OUT.print(f"persons held back until {report['next_on']} at the earliest")
        for one in report["findings"]:
            where = f"{one['file']}:{one['line']}" if one["line"] else one["file"]
            told = f"{where}: {one['ja']} / {one['en']} [{one['code']}]"
            OUT.print(told, markup=False, highlight=False)


def _receipts(desk: Desk, json: bool) -> None:
    new = desk.collect_receipts()
    differences = show_submissions(desk, json, new=new)
    end_with(differences)


def _watch(desk: Desk, format_id: str, folder: Path, every: float, json: bool) -> None:
    watch = Watch(folder, lambda files: desk.submit(files, format_id).report())
    receipts = Receipts(desk)
    looked_on = None
    while True:
        taken = watch.look(desk.today)
        for one in taken:
            _taken(one, json)
        try:
            if looked_on != desk.today:
                desk.submit_due()
                looked_on = desk.today
            for new in receipts.look(at_once=bool(taken)):
                _differs(new, json)
        except PeerError as away:
            ERR.print(str(away), markup=False)
        time.sleep(every)


def _taken(taken: Taken, json: bool) -> None:
    if json:
        said = {"name": taken.name, "state": taken.state, "code": taken.code}
        print(orjson.dumps(said).decode(), flush=True)
    else:
        OUT.print(f"{taken.name}: {taken.state} {taken.code}".rstrip(), markup=False)


def _differs(difference: Difference, json: bool) -> None:
    if json:
        print(orjson.dumps({"difference": difference.report()}).decode(), flush=True)
    else:
        show_differences([difference])
