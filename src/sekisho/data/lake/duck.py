"""DuckDB as the engine: in this process, in memory, shut off from the network and other files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pyarrow as pa

from sekisho.common.errors import Defect
from sekisho.data.lake.sql import Sql, fill, literals
from sekisho.data.lake.sql import name as sql_name

if TYPE_CHECKING:
    import duckdb

_STREAMED = 1 << 16
"""Rows of one batch of a streamed result."""


@dataclass(frozen=True)
class DuckEngine:
    """Args:
    memory_mb: what a session's intermediate results may take in memory; above this, they are
        spilled where a folder is given, and are an error elsewhere.
    threads: how many cores one question may use.
    """

    memory_mb: int = 1024
    threads: int = 2

    @property
    def name(self) -> str:
        return "duckdb"

    @contextmanager
    def session(
        self, folders: Sequence[str] = (), spill: Path | None = None
    ) -> Iterator[DuckSession]:
        import duckdb

        connection = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": f"{self.memory_mb}MB",
                "threads": self.threads,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "preserve_insertion_order": False,
                "python_enable_replacements": False,
                "max_temp_directory_size": "0KB" if spill is None else "100GB",
                "temp_directory": "" if spill is None else str(spill),
            },
        )
        try:
            connection.execute("SET TimeZone = 'UTC'")
            # A query can read these folders and nothing else, and cannot change that.
            allowed = literals(folders) if folders else Sql("")
            connection.execute(fill("SET allowed_directories = [{allowed}]", allowed=allowed))
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            yield DuckSession(connection)
        finally:
            connection.close()

    def digest(self, expression: Sql) -> Sql:
        return fill("sha256({it})", it=expression)

    def joined(self, expression: Sql) -> Sql:
        return fill("string_agg({it}, ',' ORDER BY {it})", it=expression)


class DuckSession:
    """One connection. See `sekisho.data.lake.engine.Session`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def add(self, name: str, table: pa.Table) -> None:
        self._connection.register(sql_name(name), table)

    def add_files(self, name: str, files: Sequence[str], schema: pa.Schema) -> None:
        if not files:
            self.add(name, schema.empty_table())
            return
        paths = literals(sorted(files))
        self.define(name, fill("SELECT * FROM read_parquet([{paths}])", paths=paths))

    def define(self, name: str, query: Sql, *, keep: bool = False) -> None:
        kind = Sql("TEMP TABLE" if keep else "TEMP VIEW")
        self._run(fill("CREATE {kind} {name} AS {it}", kind=kind, name=sql_name(name), it=query))

    def fetch(self, query: Sql) -> pa.Table:
        import duckdb

        try:
            return self._connection.sql(query).to_arrow_table()
        except duckdb.Error as error:
            _hide(error)

    def stream(self, query: Sql) -> Iterator[pa.Table]:
        import duckdb

        try:
            for batch in self._connection.sql(query).to_arrow_reader(_STREAMED):
                yield pa.Table.from_batches([batch])
        except (duckdb.Error, pa.ArrowException) as error:
            _hide(error)

    def _run(self, query: Sql) -> Any:
        import duckdb

        try:
            return self._connection.execute(query)
        except duckdb.Error as error:
            _hide(error)


def _hide(error: Exception) -> NoReturn:
    """Raise a defect that names the kind of failure only: the engine's text may quote a value."""
    raise Defect(
        "engine.failed",
        f"The engine could not run a query ({type(error).__name__}).",
        next_step="if memory ran out, raise the engine's memory limit",
    ) from None
