"""`sekisho up` and `sekisho serve`: bodies as running processes."""

from __future__ import annotations

import signal
import tempfile
import threading
from pathlib import Path
from typing import Annotated

import typer

from sekisho.body.setup import Actor, Deployment, set_up
from sekisho.commands.output import ERR, OUT, progress, root, show_json, show_table
from sekisho.common.clock import SystemClock, today
from sekisho.common.errors import PeerError, UserError
from sekisho.framework import find, functions_of, load
from sekisho.rehearsal.cast import DESK, write_committees
from sekisho.rehearsal.scenario import read_scenario
from sekisho.web.launch import running
from sekisho.web.serve import free_port
from sekisho.web.serve import serve as serve_body


def up(
    framework: Annotated[
        str | None, typer.Option(help="a framework's id or file; else that of the first study")
    ] = None,
    dir: Annotated[Path | None, typer.Option(help="where the bodies live")] = None,
    vocabulary: Annotated[
        Path | None, typer.Option(help="store of a vocabulary, as `sekisho vocab import` makes it")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print the addresses as JSON")] = False,
) -> None:
    """Start all bodies of a framework on this machine, until Ctrl-C."""
    chosen = framework or read_scenario(root() / "scenarios" / "first-study.toml").framework
    file = find(chosen, root())
    fw = load(file, root())
    with tempfile.TemporaryDirectory(prefix="sekisho-") as temporary:
        folder = (dir or Path(temporary)).resolve()
        if dir is not None and dir.exists() and any(dir.iterdir()):
            raise UserError("up.dir-not-empty", f"{dir}: the folder is not empty.")
        desk = Actor(DESK, "desk", folder / "actors" / DESK)  # at which persons state and ask
        deployment = set_up(
            fw,
            file,
            folder,
            rules=root() / "rules",
            ports=free_port,
            actors=(desk,),
            on=today(SystemClock()),
            vocabulary=vocabulary,
        )
        write_committees(fw, folder)
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        with progress("bodies", len(deployment.urls)) as tell:
            fleet_of = running(deployment, tell)
            fleet = fleet_of.__enter__()
        try:
            if json:
                show_json(dict(deployment.urls))
            else:
                _show(deployment, {b.id: sorted(functions_of(fw, b.id)) for b in fw.body})
            while not stop.wait(0.5):
                if fleet.dead():
                    raise PeerError("body.died", f"Ended: {', '.join(fleet.dead())}.")
        finally:
            fleet_of.__exit__(None, None, None)
            ERR.print("all bodies stopped")


def _show(deployment: Deployment, functions: dict[str, list[str]]) -> None:
    rows = [
        (body, url, ", ".join(functions[body]) or "auxiliary")
        for body, url in deployment.urls.items()
    ]
    show_table("Bodies", ("body", "address", "functions"), rows)
    OUT.print("Ctrl-C stops them all.")


def serve(
    config: Annotated[Path, typer.Option(help="the body's configuration file")],
    body: Annotated[str | None, typer.Option(help="its id, to be sure")] = None,
) -> None:
    """Run one body until it is told to stop."""
    from sekisho.body.config import read_config

    found, _ = read_config(config)
    if body is not None and body != found.body:
        raise UserError("serve.other-body", f"{config} is the configuration of {found.body!r}.")
    raise typer.Exit(serve_body(config))
