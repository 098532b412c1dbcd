"""How commands speak: tables for people, JSON for programs, progress on stderr only."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from sekisho.shipped import shipped

# A file or a pipe has no width of its own; folded words could not be searched there.
OUT = Console(width=None if sys.stdout.isatty() else 140)
ERR = Console(stderr=True)
NAME_WIDTH = 24


def root() -> Path:
    """Return the folder with frameworks/ and rules/: the working folder, else what is shipped."""
    here = Path.cwd()
    if (here / "frameworks").is_dir() and (here / "rules").is_dir():
        return here
    return shipped()


def show_json(value: Any) -> None:
    """Print a value as JSON on stdout."""
    print(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode())


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows as a table on stdout."""
    table = Table(title=title, title_justify="left")
    names = all(len(str(row[0])) <= NAME_WIDTH for row in rows)
    for number, column in enumerate(columns):
        # An id that is folded cannot be copied.
        table.add_column(column, overflow="fold", no_wrap=names and number == 0)
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    OUT.print(table)


class Tell(Protocol):
    def __call__(self, text: str) -> None: ...


@contextmanager
def progress(title: str, total: int | None = None) -> Iterator[Tell]:
    """Show a progress bar on stderr; every call tells the next step."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.fields[title]}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=ERR, transient=True) as bar:
        task = bar.add_task("", title=title, total=total)

        def tell(text: str) -> None:
            bar.update(task, description=text, advance=1)

        yield tell
