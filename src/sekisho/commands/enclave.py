"""`sekisho enclave`: a clerk's work list, and decisions on pairs between the thresholds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sekisho.commands.output import OUT, show_json, show_table
from sekisho.common.canonical import canonical_json
from sekisho.common.clock import SystemClock
from sekisho.common.errors import UserError
from sekisho.common.randomness import system_random
from sekisho.exchange.client import Client
from sekisho.exchange.directory import Directory, Peer
from sekisho.exchange.identities import FIELDS
from sekisho.exchange.keys import SigningKey

app = typer.Typer(help="Decide on pairs of a linkage enclave, as one of its clerks.")

Deployed = Annotated[
    Path, typer.Option("--dir", help="folder with directory.json, as `sekisho up` lays it out")
]
Keys = Annotated[Path, typer.Option("--keys", help="folder with the clerk's signing key")]
Clerk = Annotated[str, typer.Option("--clerk", help="the clerk's id in the directory")]
Json = Annotated[bool, typer.Option("--json", help="print JSON on stdout")]


@app.command("list")
def show(folder: Deployed, keys: Keys, clerk: Clerk = "enclave-clerk", json: Json = False) -> None:
    """Show the pairs that wait for this clerk. They are identity fields: look, and keep none."""
    client, peer = _reach(folder, keys, clerk)
    pairs = client.get(peer, "/exchange/enclave/work").json()["pairs"]
    if json:
        show_json({"pairs": pairs})
        return
    if not pairs:
        OUT.print("保留中の組はありません / No pair waits.")
    for pair in pairs:
        title = f"{pair['application']} {pair['pair']}: weight {pair['weight']}"
        rows = [(name, pair["a"][name] or "–", pair["b"][name] or "–") for name in FIELDS]
        show_table(title, ("field", "one", "other"), rows)


@app.command()
def decide(
    application: Annotated[str, typer.Argument(help="id of the application")],
    pair: Annotated[str, typer.Argument(help="number of the pair, as `list` shows it")],
    folder: Deployed,
    keys: Keys,
    same: Annotated[bool, typer.Option("--same/--other", help="one person, or two")],
    clerk: Clerk = "enclave-clerk",
    json: Json = False,
) -> None:
    """Say whether the two registrations of a pair are of one person."""
    client, peer = _reach(folder, keys, clerk)
    word: dict[str, Any] = {"application": application, "pair": pair, "same": same}
    client.post(
        peer, "/exchange/enclave/decision", canonical_json(word), content_type="application/json"
    )
    if json:
        show_json(word)
    else:
        OUT.print(f"{application} {pair}: {'same' if same else 'other'}")


def _reach(folder: Path, keys: Path, clerk: str) -> tuple[Client, Peer]:
    """Return the clerk's client, and the body that has the enclave."""
    directory = Directory.read(folder / "directory.json")
    found = [peer for peer in directory if peer.kind == "body" and "history" in peer.roles]
    if not found:
        raise UserError(
            "enclave.no-body",
            "The directory names no body with the histories, and so no enclave.",
            next_step="name the folder with the directory.json of running bodies",
        )
    key = SigningKey.read(keys / "signing")
    return Client(clerk, key, clock=SystemClock(), random=system_random), found[0]
