"""The commands of `sekisho`, one module a family: read arguments, call a room, print."""

from __future__ import annotations

import typer

from sekisho.commands import (
    backup,
    bodies,
    enclave,
    exit,
    frameworks,
    incident,
    keys,
    ledger,
    optout,
    receipt,
    rehearse,
    uses,
    verify,
)

app = typer.Typer(
    name="sekisho",
    help="A working system for the secondary use of health data: who does what is a file.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(frameworks.app, name="frameworks")
app.add_typer(keys.app, name="keys")
app.add_typer(receipt.app, name="receipt")
app.add_typer(enclave.app, name="enclave")
app.add_typer(optout.app, name="opt-out")
app.command("run")(rehearse.run)
app.command("compare")(rehearse.compare)
app.command("verify")(verify.verify)
app.add_typer(ledger.app, name="ledger")
app.command("uses")(uses.uses)
app.command("up")(bodies.up)
app.command("serve")(bodies.serve)
app.command("recovery-key")(backup.recovery_key)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.add_typer(incident.app, name="incident")
app.add_typer(exit.app, name="exit")
