"""A body's database as one file of one moment, and back (SQLite in the folder, or PostgreSQL)."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from django.db import connection, transaction

from sekisho.body.config import BodyConfig, Folders
from sekisho.common.errors import UserError

SQLITE = "control.sqlite3"


@contextmanager
def held_still() -> Iterator[None]:
    """Let no process of this body commit anything while the block runs; readers go on.

    On SQLite our transactions take the write lock when they begin; PostgreSQL is asked for it.
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            names = ", ".join(
                connection.ops.quote_name(one) for one in connection.introspection.table_names()
            )
            with connection.cursor() as cursor:
                cursor.execute(f"LOCK TABLE {names} IN SHARE MODE")
        yield


def dump(config: BodyConfig, folders: Folders, target: Path) -> None:
    """Write the database into ``target``: an SQLite file, or what ``pg_dump`` makes."""
    if config.database == "sqlite":
        with (
            closing(sqlite3.connect(folders.base / SQLITE)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
        return
    _run("pg_dump", config.database, ["--format=custom", "--no-owner", f"--file={target}"])


def load(config: BodyConfig, folders: Folders, source: Path) -> None:
    """Bring a dump back; a PostgreSQL database must be there and empty."""
    if config.database == "sqlite":
        source.replace(folders.base / SQLITE)
        return
    name = urlsplit(config.database).path.lstrip("/")
    asked = ["--no-owner", "--exit-on-error", "--single-transaction", f"--dbname={name}"]
    _run("pg_restore", config.database, [*asked, str(source)])
    source.unlink()


def _run(tool: str, database: str, arguments: list[str]) -> None:
    """Run a tool of PostgreSQL; the password goes by the environment, never by its arguments."""
    url = urlsplit(database)
    known = {
        "PGHOST": url.hostname,
        "PGPORT": str(url.port or ""),
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.path.lstrip("/"),
    }
    environment = {**os.environ, **{name: value for name, value in known.items() if value}}
    try:
        done = subprocess.run([tool, *arguments], env=environment, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise UserError(
            "backup.no-tool",
            f"{tool} is not on this machine.",
            next_step="install the client tools of PostgreSQL (Debian: postgresql-client)",
        ) from error
    if done.returncode:
        raise UserError(
            "backup.database",
            f"{tool} ended with code {done.returncode}.",
            next_step=f"run {tool} by hand with this body's database to see why",
        )
