"""What runs the SQL of extracts and the gate: one port, so that a larger engine can take over.

The texts keep to what DuckDB and Spark have in common (no QUALIFY, no EXCLUDE, explicit NULLS
FIRST/LAST); what they spell differently is a method of the engine. One contract suite holds
every engine to the same results.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from sekisho.data.lake.sql import Sql


class Session(Protocol):
    """Named tables and the questions put to them; gone when its block ends.

    Errors are `Defect` and never carry the engine's message, which may quote a value.
    """

    def add(self, name: str, table: pa.Table) -> None:
        """Make an Arrow table readable under ``name``."""
        ...

    def add_files(self, name: str, files: Sequence[str], schema: pa.Schema) -> None:
        """Make Parquet files readable under ``name``; no file is an empty table of ``schema``."""
        ...

    def define(self, name: str, query: Sql, *, keep: bool = False) -> None:
        """Name a query; ``keep`` computes it once and keeps the result."""
        ...

    def fetch(self, query: Sql) -> pa.Table:
        """Return the rows in the order the query asks for."""
        ...

    def stream(self, query: Sql) -> Iterator[pa.Table]:
        """Yield the rows some at a time, none of them kept."""
        ...


class Engine(Protocol):
    """Opens sessions, and spells what the engines spell differently."""

    @property
    def name(self) -> str: ...

    def session(
        self, folders: Sequence[str] = (), spill: Path | None = None
    ) -> AbstractContextManager[Session]:
        """Open a session that can read files in ``folders`` and nowhere else.

        Args:
            spill: folder of the body where intermediate results may lie; None: nowhere.
        """
        ...

    def digest(self, expression: Sql) -> Sql:
        """SHA-256 of a string as hex; NULL stays NULL."""
        ...

    def joined(self, expression: Sql) -> Sql:
        """Aggregate: the group's strings in ascending order, joined by commas."""
        ...
