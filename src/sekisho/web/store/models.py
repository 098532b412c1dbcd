"""The tables of one body's control database. No table holds an identifier of a person."""

from __future__ import annotations

from datetime import datetime

from django.db import models


class Record(models.Model):
    """The latest state of one thing: a transfer, a project, a list (`kind` says what)."""

    kind: models.CharField[str, str] = models.CharField(max_length=40)
    key: models.CharField[str, str] = models.CharField(max_length=200)
    data = models.JSONField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("kind", "key"), name="one_record"),)


class Event(models.Model):
    """One event of an event-sourced stream (a lane of a review); never changed."""

    stream: models.CharField[str, str] = models.CharField(max_length=200)
    sequence: models.IntegerField[int, int] = models.IntegerField()
    data = models.JSONField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("stream", "sequence"), name="one_event"),)


class Counter(models.Model):
    """The next number of a gapless series. Its row is also the lock of those who take one."""

    name: models.CharField[str, str] = models.CharField(primary_key=True, max_length=40)
    next: models.BigIntegerField[int, int] = models.BigIntegerField(default=0)


class StagedEntry(models.Model):
    """A ledger entry between its decision and the ledger's files; `index` is its leaf."""

    index: models.BigIntegerField[int, int] = models.BigIntegerField(unique=True)
    data: models.BinaryField[bytes, bytes] = models.BinaryField()
    settled: models.BooleanField[bool, bool] = models.BooleanField(default=False, db_index=True)


class Message(models.Model):
    """A message in or out. Its body lies in the spool; what is personal in it is sealed."""

    id: models.CharField[str, str] = models.CharField(primary_key=True, max_length=64)
    direction: models.CharField[str, str] = models.CharField(max_length=3)
    peer: models.CharField[str, str] = models.CharField(max_length=80)
    path: models.CharField[str, str] = models.CharField(max_length=80)
    content_type: models.CharField[str, str] = models.CharField(max_length=80)
    meta = models.JSONField()
    file: models.CharField[str, str] = models.CharField(max_length=64)
    """Its body's name in the spool: ours, so that no sender names a file of this machine."""
    size: models.BigIntegerField[int, int] = models.BigIntegerField()
    state: models.CharField[str, str] = models.CharField(max_length=12, db_index=True)
    attempts: models.IntegerField[int, int] = models.IntegerField(default=0)


class Nonce(models.Model):
    """A nonce that a sender has used; a second use is a replay."""

    sender: models.CharField[str, str] = models.CharField(max_length=80)
    nonce: models.CharField[str, str] = models.CharField(max_length=80)
    at: models.DateTimeField[datetime, datetime] = models.DateTimeField(db_index=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("sender", "nonce"), name="one_nonce"),)
