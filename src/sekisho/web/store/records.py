"""The table of records in SQL of its own, the same for SQLite and PostgreSQL.

A body asks for records some ten times for each message. To build such a question by Django's ORM
takes longer than to answer it, so these few are written out; all others are Django's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.db import connection

from sekisho.body.ports import Json
from sekisho.web.store.models import Record
from sekisho.web.store.prefixes import after

_TABLE = Record._meta.db_table
_OF = f"SELECT key, data FROM {_TABLE} WHERE kind = %s AND key = %s"  # noqa: S608 (no value in it)
_OF_KIND = f"SELECT key, data FROM {_TABLE} WHERE kind = %s"  # noqa: S608 (nor here)
_FROM = f"{_OF_KIND} AND key >= %s"  # a range, for which there is an index; LIKE has none
_BETWEEN = f"{_FROM} AND key < %s"
_IN_ORDER = " ORDER BY key"  # by code point on both: see the migration `code_points`
_PUT = (
    f"INSERT INTO {_TABLE} (kind, key, data) VALUES (%s, %s, %s)"  # noqa: S608 (nor here)
    " ON CONFLICT (kind, key) DO UPDATE SET data = excluded.data"
)
_DROP = f"DELETE FROM {_TABLE} WHERE kind = %s AND key = %s"  # noqa: S608 (nor here)


def of(kind: str, key: str) -> Iterator[tuple[str, Json]]:
    """Yield the record of that key, if there is one."""
    return _found(_OF, kind, key)


def beginning(kind: str, prefix: str) -> Iterator[tuple[str, Json]]:
    """Yield the records whose key begins so, in order of key."""
    if not prefix:
        return _found(_OF_KIND + _IN_ORDER, kind)
    end = after(prefix)
    if end is None:
        return _found(_FROM + _IN_ORDER, kind, prefix)
    return _found(_BETWEEN + _IN_ORDER, kind, prefix, end)


def put(kind: str, key: str, data: Mapping[str, Any]) -> None:
    """Keep a record, new or in the place of the one that has its key."""
    with connection.cursor() as cursor:
        cursor.execute(_PUT, (kind, key, json.dumps(dict(data))))


def drop(kind: str, key: str) -> None:
    """Forget a record, if it is there."""
    with connection.cursor() as cursor:
        cursor.execute(_DROP, (kind, key))


def _found(question: str, *given: str | int) -> Iterator[tuple[str, Json]]:
    with connection.cursor() as cursor:
        cursor.execute(question, given)
        rows = cursor.fetchall()
    for key, data in rows:
        yield key, json.loads(data)
