"""`sekisho uses`: a person's client asks at a desk where the person's data were used."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from sekisho.commands.output import OUT, show_json, show_table
from sekisho.common.clock import SystemClock
from sekisho.common.errors import PeerError, UserError
from sekisho.common.randomness import system_random
from sekisho.common.toml import read_toml
from sekisho.exchange.client import Client
from sekisho.exchange.directory import Directory
from sekisho.exchange.keys import SigningKey
from sekisho.framework import load
from sekisho.person import Project, Use, View, ask, collect
from sekisho.pseudonym.identifiers import parse_spec
from sekisho.rehearsal.model import Person

PAUSE = 0.2

_HEADINGS: dict[Use, str] = {
    "used": "使われました / Your data were used",
    "missing": "記録がありません / The log is missing: it is not known whether your data were used",
    "not_yet": "まだ分かりません / Not known yet",
    "not_made": "提供されませんでした / Nothing was given to these projects",
    "not_used": "使われていません / Your data were not used",
}
_COLUMNS = ("project", "applicant", "purpose", "at", "data", "when", "results")


def uses(
    person: Annotated[
        Path,
        typer.Option(help="a TOML file that names the person as the form of a choice does"),
    ],
    dir: Annotated[Path, typer.Option(help="the folder of the deployment (directory.json)")],
    key: Annotated[Path, typer.Option(help="the folder of the client's signing key")],
    client: Annotated[str, typer.Option(help="the client's id in the directory")] = "desk-client",
    desk: Annotated[str | None, typer.Option(help="the desk; else the framework's first")] = None,
    proxy: Annotated[bool, typer.Option(help="ask for somebody else (代理人)")] = False,
    on: Annotated[str | None, typer.Option(help="choices in force on a day, 2026-04-01")] = None,
    known: Annotated[str | None, typer.Option(help="as the registries knew on this day")] = None,
    wait: Annotated[float, typer.Option(help="seconds to wait for the answer")] = 60.0,
    json: Annotated[bool, typer.Option("--json", help="print the view as JSON")] = False,
) -> None:
    """Show where a person's data were used, where a log is missing, and the choices in force."""
    spec = _named(person)
    voice = Client(
        client, SigningKey.read(key / "signing"), clock=SystemClock(), random=system_random
    )
    directory = Directory.read(dir / "directory.json")
    framework = load(dir / "framework.toml")
    try:
        asked = ask(
            voice,
            directory,
            framework,
            spec,
            system_random,
            desk=desk,
            proxy=proxy,
            on=_day(on),
            known=_day(known),
        )
        seen = _wait(lambda: collect(voice, directory, asked), wait)
    finally:
        voice.close()
    if json:
        show_json(seen.as_json())
    else:
        _show(seen)


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise UserError("view.day", "This is not a day.", next_step="write 2026-04-01") from error


def _named(file: Path) -> dict[str, Any]:
    """Return what names the person; it stands in a file, because others can see a command line."""
    named = read_toml(file, Person)
    if named.number is not None:
        raise UserError(
            "view.person",
            "A person is named by insured, or by system and value.",
            next_step="write the number as on the insurance card",
        )
    values = {name: getattr(named, name) for name in named.__struct_fields__}
    spec = {name: value for name, value in values.items() if value is not None}
    parse_spec(spec)
    return spec


def _wait(look: Callable[[], View | None], seconds: float) -> View:
    """Look until the answer is there.

    A desk takes messages up one after another: a question that was just put may not be known yet.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            seen = look()
        except PeerError as problem:
            if problem.code != "view.forgotten" or time.monotonic() > until:
                raise
            seen = None
        if seen is not None:
            return seen
        if time.monotonic() > until:
            raise PeerError(
                "view.slow",
                "The answer has not come yet.",
                next_step="ask again: a body on the way may be down, and nothing is kept of this",
            )
        time.sleep(PAUSE)


def _show(seen: View) -> None:
    for use, heading in _HEADINGS.items():
        if projects := seen.of(use):
            show_table(heading, _COLUMNS, [_row(project) for project in projects])
    if not seen.projects:
        OUT.print("利用の許可はありません / No project has been permitted.")
    rows = [(one.scope, one.since, one.registry) for one in seen.choices]
    if rows:
        show_table("意思表示 / Choices in force", ("scope", "since", "registry"), rows)
    else:
        OUT.print("意思表示はありません / No choice is in force.")


def _row(project: Project) -> tuple[object, ...]:
    when = project.made_on or f"{project.state} since {project.since}"
    results = ", ".join(f"{one['name']} ({one['on']})" for one in project.released)
    return (
        project.application,
        project.applicant,
        project.purpose,
        project.body,
        ", ".join(project.classes),
        when,
        results or "–",
    )
