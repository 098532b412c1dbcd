"""The commands of `sekisho`, from the program's own parser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from sekisho.commands import app
from sekisho.reference.markdown import code, page, table


def pages() -> Iterator[tuple[str, str]]:
    """Yield the page of all commands."""
    top = typer.main.get_command(app)
    about = (
        "Data go to stdout, progress and errors to stderr. The exit code says whose fault an "
        "error is: [exit codes](errors.md)."
    )
    yield "commands.md", page("Commands", about, *_commands("sekisho", top))


def _commands(path: str, command: Any) -> Iterator[str]:
    inner = inner_commands(command)
    if path != "sekisho" and (command.params or not inner):
        yield _command(path, command)
    for name, one in inner.items():
        yield from _commands(f"{path} {name}", one)


def inner_commands(command: Any) -> dict[str, Any]:
    """Return the commands of a family; some are imported only when they are asked for."""
    if not hasattr(command, "list_commands"):
        return {}
    return {name: command.get_command(None, name) for name in command.list_commands(None)}


def _command(path: str, command: Any) -> str:
    rows = [
        (
            code(_spelled(one)),
            "yes" if one.required else _default(one),
            one.help or "",
        )
        for one in command.params
        if one.name not in {"help", "install_completion", "show_completion"}
    ]
    parts = [f"## {path}", " ".join((command.help or "").split())]
    if rows:
        parts.append(table(("argument", "needed", "meaning"), rows))
    return "\n\n".join(parts)


def _spelled(one: Any) -> str:
    is_option = str(one.opts[0]).startswith("-")
    return ", ".join(one.opts) if is_option else str(one.metavar or one.name).upper()


def _default(one: Any) -> str:
    plain = isinstance(one.default, str | int | float) and not isinstance(one.default, bool)
    return f"no: {code(one.default)}" if plain else "no"
