"""The tables of one body's control database. No table holds an identifier of a person."""

from __future__ import annotations

from django.db import models


class Record(models.Model):
    """The latest state of one thing: a transfer, a project, a list (`kind` says what)."""

    kind = models.CharField(max_length=40)
    key = models.CharField(max_length=200)
    data = models.JSONField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("kind", "key"), name="one_record"),)


class Event(models.Model):
    """One event of an event-sourced stream (a lane of a review); never changed."""

    stream = models.CharField(max_length=200)
    sequence = models.IntegerField()
    data = models.JSONField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("stream", "sequence"), name="one_event"),)


class StagedEntry(models.Model):
    """A ledger entry between its decision and the ledger's files; `index` is its leaf."""

    index = models.BigIntegerField(unique=True)
    data = models.BinaryField()
    settled = models.BooleanField(default=False, db_index=True)


class Message(models.Model):
    """A message in or out. Its body lies in the spool; what is personal in it is sealed."""

    id = models.CharField(primary_key=True, max_length=64)
    direction = models.CharField(max_length=3)
    peer = models.CharField(max_length=80)
    path = models.CharField(max_length=80)
    content_type = models.CharField(max_length=80)
    meta = models.JSONField()
    size = models.BigIntegerField()
    state = models.CharField(max_length=12, db_index=True)
    attempts = models.IntegerField(default=0)


class Nonce(models.Model):
    """A nonce that a sender has used; a second use is a replay."""

    sender = models.CharField(max_length=80)
    nonce = models.CharField(max_length=80)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("sender", "nonce"), name="one_nonce"),)
