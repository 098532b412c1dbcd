"""The commands of `sekisho`, one module a family: read arguments, call a room, print.

A module is imported when its command is used, so that a provider's machine needs nothing of what
only a body needs.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from sekisho.common.errors import UserError

COMMANDS: Final[Mapping[str, str]] = {
    "frameworks": "frameworks:app",
    "keys": "keys:app",
    "receipt": "receipt:app",
    "enclave": "enclave:app",
    "linkage": "linkage:app",
    "opt-out": "optout:app",
    "ledger": "ledger:app",
    "incident": "incident:app",
    "exit": "exit:app",
    "provider": "provider:app",
    "submit": "submit:submit",
    "gateway": "gateway:app",
    "pull": "pull:pull",
    "generate": "generate:generate",
    "run": "rehearse:run",
    "compare": "rehearse:compare",
    "verify": "verify:verify",
    "uses": "uses:uses",
    "up": "bodies:up",
    "serve": "bodies:serve",
    "recovery-key": "backup:recovery_key",
    "backup": "backup:backup",
    "restore": "backup:restore",
    "vocab": "vocab:app",
}
"""Command → ``module:name`` of this package: a family (an app) or one function."""


class OnDemand(TyperGroup):
    """The commands by name; each is imported when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        try:
            found = getattr(importlib.import_module(f"sekisho.commands.{module}"), name)
        except ModuleNotFoundError as missing:
            return _stand_in(cmd_name, not_installed(missing))
        holder = typer.Typer()
        if isinstance(found, typer.Typer):
            holder.add_typer(found, name=cmd_name)
        else:
            holder.command(cmd_name)(found)
        return typer.main.get_group(holder).commands[cmd_name]


def not_installed(missing: ModuleNotFoundError) -> UserError:
    """Return what to say where a package is missing; one of our own is a defect, and is raised."""
    if (missing.name or "sekisho").partition(".")[0] == "sekisho":
        raise missing
    return UserError(
        "command.not-installed",
        f"This needs {missing.name}, which is not installed: it is a body's part.",
        next_step='pip install "sekisho[body]"',
    )


def _stand_in(command: str, error: UserError) -> TyperCommand:
    """Return what stands for a body's command where only a provider's part is installed."""

    def say(**_: Any) -> None:
        raise error

    settings = {"ignore_unknown_options": True, "allow_extra_args": True}
    return TyperCommand(
        command,
        help="A body's command: install sekisho with its extra body.",
        callback=say,
        context_settings=settings,
    )


app = typer.Typer(
    cls=OnDemand,
    name="sekisho",
    help="A working system for the secondary use of health data: who does what is a file.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def sekisho() -> None:
    """A working system for the secondary use of health data: who does what is a file."""
