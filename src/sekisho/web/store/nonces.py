"""The table of nonces as every request asks it, in SQL of its own (see `records`)."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from sekisho.web.store.models import Nonce

_ADD = (
    f"INSERT INTO {Nonce._meta.db_table} (sender, nonce, at) VALUES (%s, %s, %s)"  # noqa: S608 (no value)
    " ON CONFLICT (sender, nonce) DO NOTHING"
)


def added(sender: str, nonce: str, at: datetime) -> bool:
    """Keep a nonce; False when its sender has used it. Of two who come at once, one is first."""
    with connection.cursor() as cursor:
        cursor.execute(_ADD, (sender, nonce, connection.ops.adapt_datetimefield_value(at)))
        return bool(cursor.rowcount == 1)
