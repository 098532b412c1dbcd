"""`sekisho frameworks`: who does what, differences, drawings, sheets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sekisho.commands.output import OUT, root, show_json, show_table
from sekisho.common.atomicfile import write_atomically

app = typer.Typer(help="Who does what in each framework.", no_args_is_help=False)
