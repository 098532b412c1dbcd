"""`sekisho opt-out`: what a body knows of choices, read in its folder, whether it runs or not.

Only who has the body's folder can ask; a person asks at a desk, with the receipt's number.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from sekisho.body.context import Body
from sekisho.body.flows import desk, past, statements
from sekisho.commands.output import OUT, show_json, show_table
from sekisho.common.atomicfile import write_atomically
from sekisho.common.errors import TamperError, UserError
from sekisho.comparison.paper import print_pdf

app = typer.Typer(help="Choices of persons: status, lists, statements, the desk's work.")

Folder = Annotated[Path, typer.Argument(metavar="BODY", help="the folder of one body")]
Json = Annotated[bool, typer.Option("--json", help="print as JSON")]
On = Annotated[str | None, typer.Option("--on", help="a day, 2026-04-01; else today")]
Known = Annotated[
    str | None, typer.Option("--known", help="as known on this day; else as known today")
]


@app.command()
def status(
    folder: Folder,
    ref: Annotated[str | None, typer.Option(help="the number of a person's receipt")] = None,
    on: On = None,
    known: Known = None,
    json: Json = False,
) -> None:
    """Say what is in force on a day, as known on another: of a receipt's person, or in numbers."""
    body = opened(folder)
    today = body.today()
    if ref is None:
        told = past.as_of(body, _day(on, today), _day(known, today))
    else:
        params = {"ref": ref, **({"on": on} if on else {}), **({"known": known} if known else {})}
        told = past.status(body, body.id, params, b"")
    if json:
        show_json(told)
        return
    rows = [(key, _plain(value)) for key, value in told.items() if key != "statements"]
    show_table("Choices in force", ("what", "value"), rows)
    if told.get("statements"):
        columns = ("recorded_on", "effective_from", "scope", "revoke", "registered_on", "proxy")
        shown = [
            ["–" if one[name] is None else one[name] for name in columns]
            for one in told["statements"]
        ]
        show_table("Statements", columns, shown)


@app.command("list")
def lists(
    folder: Folder,
    number: Annotated[int | None, typer.Option(help="one list; else all")] = None,
    json: Json = False,
) -> None:
    """Make past lists again from the registry's choices; exit 6 unless every byte is the same."""
    body = opened(folder)
    wanted = past.numbers(body) if number is None else [number]
    found = []
    for one in wanted:
        made, _ = past.again(body, one)
        said = {"number": one, "on": made.header.on.isoformat(), "count": made.header.count}
        found.append({**said, "same": past.same_bytes(body, one)})
    if json:
        show_json({"registry": body.id, "lists": found})
    else:
        words: dict[object, str] = {True: "same", False: "OTHER", None: "of an earlier epoch"}
        rows = [(r["number"], r["on"], r["count"], words[r["same"]]) for r in found]
        show_table("Lists made again", ("list", "day", "persons", "bytes"), rows)
    if any(one["same"] is False for one in found):
        raise typer.Exit(TamperError.exit_code)


@app.command()
def statement(
    folder: Folder,
    ref: Annotated[str, typer.Option(help="the number of the receipt")],
    out: Annotated[Path, typer.Option("--out", "-o", help="FILE.html or FILE.pdf")],
    lang: Annotated[str, typer.Option(help="ja or en")] = "ja",
) -> None:
    """Write the statement of a choice: one A4 in plain Japanese or English."""
    body = opened(folder)
    html = statements.statement(body, body.id, {"ref": ref, "lang": lang}, b"")["html"]
    page = out.with_suffix(".html")
    write_atomically(page, html.encode())
    if out.suffix == ".pdf":
        print_pdf(page, out)
    OUT.print(str(out))


@app.command()
def work(folder: Folder, json: Json = False) -> None:
    """Show what waits at a desk: persons to be asked again, complaints and their days."""
    body = opened(folder)
    waiting = desk.work(body, body.id, {}, b"")
    if json:
        show_json(waiting)
        return
    rows = [(one["ref"], one["since"], one["scope"]) for one in waiting["ask_again"]]
    show_table("To be asked again", ("receipt", "since", "scope"), rows)
    columns = ("id", "category", "state", "owner", "filed_on", "due", "overdue")
    shown = [[one[name] for name in columns] for one in waiting["complaints"]]
    show_table("Complaints", columns, shown)
    OUT.print(f"Remedy: {waiting['remedy']['ja']} / {waiting['remedy']['en']}")


def opened(folder: Path) -> Body:
    """Return the body whose folder this is, to be read; nothing of it is started."""
    from sekisho.body.config import read_config
    from sekisho.web.runtime import current
    from sekisho.web.serve import configure_django, install_body

    file = folder / "body.toml"
    if not file.is_file():
        raise UserError(
            "opt-out.no-body",
            f"{folder}: there is no body.toml.",
            next_step="name the folder of one body, such as OUT/bodies/alpha",
        )
    config, folders = read_config(file)
    configure_django(config, folders)
    install_body(config, folders)
    return current().body


def _day(text: str | None, today: date) -> date:
    return today if text is None else date.fromisoformat(text)


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items()) or "–"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "–"
    return str(value)
