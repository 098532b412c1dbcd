"""`sekisho provider`: a provider's folder, its way into the directory, its register of notices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sekisho.commands.differences import end_with, show_submissions
from sekisho.commands.output import OUT, root, show_json, show_table
from sekisho.common.atomicfile import write_atomically
from sekisho.common.clock import SystemClock, today
from sekisho.common.randomness import system_random
from sekisho.exchange.directory import Directory
from sekisho.exchange.keys import SigningKey
from sekisho.framework import CLASSES, collects_from, find, recipients
from sekisho.provider.desk import Desk
from sekisho.provider.home import Home, ProviderConfig, make_home
from sekisho.provider.notice import read_notices
from sekisho.provider.registration import admit, request

app = typer.Typer(help="A provider's folder, its registration, and who was given notice.")

Folder = Annotated[Path, typer.Argument(metavar="PROVIDER", help="the provider's folder")]
Json = Annotated[bool, typer.Option("--json", help="print as JSON")]


@app.command()
def init(
    folder: Folder,
    code: Annotated[str, typer.Option(help="institution code, 10 digits")],
    framework: Annotated[str, typer.Option(help="a framework's id or file")],
    operator: Annotated[
        str | None, typer.Option(help="the certified operator with which there is a contract")
    ] = None,
    function: Annotated[
        str | None, typer.Option(help="what the provider is: acute, clinic, pharmacy …")
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(help="folder of rule files; else the program's own")
    ] = None,
    json: Json = False,
) -> None:
    """Make a provider's folder with its keys, and a request to be put into the directory."""
    file = find(framework, root())
    config = ProviderConfig(code=code, operator=operator, function=function)
    peer = make_home(folder, config, file, rules or root() / "rules", system_random)
    Home.open(folder)  # says at once what is wrong with it
    asked = folder / "registration.json"
    write_atomically(asked, request(peer, SigningKey.read(folder / "keys" / "signing")))
    said = {"provider": code, "key": peer.verify_key, "request": str(asked)}
    if json:
        show_json(said)
        return
    OUT.print(f"{folder}: keys made. Give {asked.name} to the operator of the directory, compare")
    OUT.print(f"the key by another way ({peer.verify_key[:16]}…), put the directory.json that you")
    OUT.print(f"get back into {folder}.")


@app.command()
def register(
    file: Annotated[Path, typer.Argument(metavar="REQUEST", help="registration.json")],
    directory: Annotated[Path, typer.Option(help="the bodies' directory.json")],
    key: Annotated[str, typer.Option(help="the provider's key, as it was told by another way")],
    json: Json = False,
) -> None:
    """Put a provider into the bodies' directory, as the operator who keeps it."""
    known = Directory.read(directory)
    made = admit(file.read_bytes(), known, key)
    made.write(directory)
    new = sorted(set(made.ids()) - set(known.ids()))
    if json:
        show_json({"registered": new})
    else:
        OUT.print(f"{', '.join(new) or 'nobody new'}: the bodies know it when they start again.")


@app.command()
def notice(
    folder: Folder,
    file: Annotated[
        Path | None, typer.Option(help="CSV of persons with told_on and objected_on")
    ] = None,
    withdraw: Annotated[
        Path | None, typer.Option(help="CSV of persons who take their objection back")
    ] = None,
    json: Json = False,
) -> None:
    """Write down who was given notice or objects; show the clocks that run."""
    home = Home.open(folder)
    book = home.book
    changed = book.record(read_notices(file, home.profile)) if file else 0
    if withdraw:
        changed += book.withdraw([person for person, _ in read_notices(withdraw, home.profile)])
    clocks = _clocks(home)
    said = {"changed": changed, "clocks": clocks, "objections": book.objections()}
    if json:
        show_json(said)
        return
    rows = [(one["told_on"], one["body"], one["collects_from"], one["persons"]) for one in clocks]
    show_table("お知らせ / Notices", ("told on", "body", "collects from", "persons"), rows)
    OUT.print(f"changed: {changed}, objections: {said['objections']}")


def _clocks(home: Home) -> list[dict[str, Any]]:
    """Return, per day of notice and certified body that collects here, when collection begins."""
    fw = home.framework
    bodies = {recipients(fw, c, home.config.operator).body for c in CLASSES} - {None}
    certified = sorted(b for b in bodies if b and fw.find_body(b).kind == "certified")
    now = today(SystemClock())
    return [
        {
            "told_on": day.isoformat(),
            "body": body,
            "collects_from": collects_from(fw, body, day).isoformat(),
            "over": collects_from(fw, body, day) <= now,
            "persons": number,
        }
        for day, number in home.book.days()
        for body in certified
    ]


@app.command()
def standing(folder: Folder, json: Json = False) -> None:
    """Show what bodies ask this provider for and by when, what has come, and what they credited."""
    told = Desk(Home.open(folder), SystemClock(), system_random).standing()
    if json:
        show_json(told)
        return
    rows = [
        (body, one["kind"], one["period"], one["due_on"], one["basis"], one["state"],
         ", ".join(one["steps"]) or "–")
        for body, said in told.items()
        for one in said["owed"]
    ]  # fmt: skip
    columns = ("body", "kind", "period", "due", "basis", "state", "steps")
    show_table("求められている提出 / What is asked for", columns, rows)
    for body, said in told.items():
        yen = sum(one["yen"] for one in said["credited"])
        OUT.print(f"{body}: {yen:,} yen credited for {len(said['credited'])} submissions")


@app.command()
def status(folder: Folder, json: Json = False) -> None:
    """Show what was submitted and what its receipts say otherwise, by what is in the folder."""
    desk = Desk(Home.open(folder), SystemClock(), system_random)
    end_with(show_submissions(desk, json))


@app.command()
def settle(
    folder: Folder,
    submission: Annotated[str, typer.Argument(help="the submission's number")],
    why: Annotated[str, typer.Option(help="how it was settled with the body, in a sentence")],
    json: Json = False,
) -> None:
    """Write down that a submission's differences are settled with the body."""
    desk = Desk(Home.open(folder), SystemClock(), system_random)
    settled = desk.settle(submission, why)
    if json:
        show_json({"settled": [one.report() for one in settled]})
    else:
        OUT.print(f"settled: {len(settled)}")


@app.command()
def doors(folder: Folder, json: Json = False) -> None:
    """Show where each class of data goes, or why it goes nowhere."""
    home = Home.open(folder)
    found = {c: recipients(home.framework, c, home.config.operator) for c in CLASSES}
    if json:
        show_json({c: {"body": to.body, "cause": to.cause} for c, to in found.items()})
        return
    rows = [(c, to.body or "–", to.cause or "–") for c, to in found.items()]
    show_table("Where data go", ("class", "body", "why not"), rows)
