"""`sekisho gateway`: the place at a provider to which hospital systems send."""

from __future__ import annotations

import logging
import signal
import tempfile
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from sekisho.commands.output import ERR, OUT, show_json, show_table
from sekisho.common.clock import SystemClock
from sekisho.common.errors import UserError
from sekisho.common.randomness import system_random
from sekisho.provider.desk import Desk
from sekisho.provider.gateway.clients import ROLES
from sekisho.provider.gateway.config import read_config
from sekisho.provider.gateway.jobs import STATES, Job, Jobs
from sekisho.provider.gateway.serving import Gateway, clients_of, jobs_of
from sekisho.provider.home import Home
from sekisho.provider.pull import Pulls, read_sources

app = typer.Typer(help="The place at a provider to which hospital systems send.")

Folder = Annotated[Path, typer.Argument(metavar="PROVIDER", help="the provider's folder")]
Name = Annotated[str, typer.Argument(help="the client's name")]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="the job's id, as `jobs` shows it")]
Json = Annotated[bool, typer.Option("--json", help="print as JSON")]


@app.command()
def serve(folder: Folder) -> None:
    """Take what hospital systems send, pull what is due, and send it on, until Ctrl-C."""
    import waitress

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    home = Home.open(folder)
    desk = Desk(home, SystemClock(), system_random)
    gateway = Gateway(desk, read_config(folder), SystemClock(), system_random)
    with gateway.lock():
        # What a server buffers on its way is records, too: it lies where only the owner looks.
        buffers = gateway.folder / "buffers"
        buffers.mkdir(mode=0o700, exist_ok=True)
        tempfile.tempdir = str(buffers)
        server = waitress.create_server(
            gateway.app,
            listen=gateway.config.listen,
            max_request_body_size=gateway.config.request_bytes,
            ident=None,
        )
        pulls = Pulls(desk, read_sources(folder), gateway.pause)
        workers = [
            threading.Thread(target=gateway.work, name="sending"),
            threading.Thread(target=gateway.pull, args=(pulls,), name="pulling"),
        ]
        for worker in workers:
            worker.start()
        signal.signal(signal.SIGTERM, _end)
        ERR.print(f"listening on {gateway.config.listen}")
        try:
            server.run()
        finally:
            gateway.stop()
            for worker in workers:
                worker.join()


def _end(*_: object) -> None:
    """End as by Ctrl-C: what is under way is finished first."""
    raise KeyboardInterrupt


@app.command("add-client")
def add_client(
    folder: Folder,
    name: Name,
    role: Annotated[str, typer.Option(help=f"one of: {', '.join(ROLES)}")] = "submit",
    json: Json = False,
) -> None:
    """Make a client; its key is shown once and kept nowhere."""
    home = Home.open(folder)
    chosen = next((one for one in ROLES if one == role), None)
    if chosen is None:
        raise UserError("gateway.role", f"{role!r} is no role.", next_step=", ".join(ROLES))
    key = clients_of(home.folder).add(name, chosen, system_random)
    said: dict[str, Any] = {"client": name, "role": role, "key": key}
    if json:
        show_json(said)
    else:
        OUT.print(f"{name} ({role}): {key}", markup=False, highlight=False)


@app.command("remove-client")
def remove_client(folder: Folder, name: Name) -> None:
    """Take a client's key away; a running gateway knows it at once."""
    if not clients_of(Home.open(folder).folder).remove(name):
        raise UserError("gateway.no-client", f"There is no client {name!r}.")


@app.command()
def clients(folder: Folder, json: Json = False) -> None:
    """Show who may send. Keys are not known here."""
    found = clients_of(Home.open(folder).folder).all()
    if json:
        show_json({"clients": [{"name": one.name, "role": one.role} for one in found]})
    else:
        show_table("Clients", ("name", "role"), [(one.name, one.role) for one in found])


@app.command()
def jobs(
    folder: Folder,
    state: Annotated[str | None, typer.Option(help=f"only: {', '.join(STATES)}")] = None,
    json: Json = False,
) -> None:
    """Show what was taken, and what came of it."""
    chosen = next((one for one in STATES if one == state), None)
    if chosen != state:
        raise UserError("gateway.state", f"{state!r} is no state.", next_step=", ".join(STATES))
    found = _jobs(folder).all(state=chosen)
    if json:
        show_json({"jobs": [one.shown() for one in found]})
        return
    rows = [
        (one.id, one.client, one.format, one.taken_at[:16], one.state, _why(one)) for one in found
    ]
    show_table("Jobs", ("job", "client", "format", "taken", "state", "why"), rows)


@app.command()
def retry(
    folder: Folder,
    job: JobId,
    overtake: Annotated[
        bool, typer.Option("--overtake", help="also where later jobs have gone")
    ] = False,
) -> None:
    """Try a failed job again; a running gateway does so when it next looks."""
    found = _jobs(folder)
    again = found.retry(_find(found, job), overtake=overtake)
    OUT.print(f"{again.id}: {again.state}", markup=False, highlight=False)


@app.command()
def drop(folder: Folder, job: JobId) -> None:
    """Drop a failed job and its bytes."""
    found = _jobs(folder)
    found.drop(_find(found, job))


def _jobs(folder: Path) -> Jobs:
    return jobs_of(Home.open(folder).folder)


def _find(jobs: Jobs, name: str) -> Job:
    found = jobs.find(name)
    if found is None:
        raise UserError(
            "gateway.no-job",
            "There is no such job.",
            next_step="sekisho gateway jobs PROVIDER --state failed",
        )
    return found


def _why(job: Job) -> str:
    """Return the code for which a job failed."""
    return str((job.report or {}).get("type", "")).rpartition(":")[2] or "–"
