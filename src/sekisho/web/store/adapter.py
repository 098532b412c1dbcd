"""`sekisho.body.ports.Store` on Django's ORM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, F, Max, Sum
from django_tasks_db.models import DBTaskResult

from sekisho.body.ports import Incoming, Json, Outgoing
from sekisho.common.atomicfile import write_atomically
from sekisho.common.errors import Defect
from sekisho.web.store.models import Event, Message, Nonce, Record, StagedEntry


class DjangoStore:
    """One body's database and spool.

    Args:
        spool: folder of message bodies.
    """

    def __init__(self, spool: Path) -> None:
        self.spool = spool

    def transaction(self) -> AbstractContextManager[None]:
        return transaction.atomic()

    def get(self, kind: str, key: str) -> Json | None:
        found = Record.objects.filter(kind=kind, key=key).values_list("data", flat=True).first()
        return found

    def find(self, kind: str, prefix: str = "") -> Iterator[tuple[str, Json]]:
        rows = Record.objects.filter(kind=kind, key__startswith=prefix).order_by("key")
        yield from rows.values_list("key", "data")

    def put(self, kind: str, key: str, data: Mapping[str, Any]) -> None:
        Record.objects.update_or_create(kind=kind, key=key, defaults={"data": dict(data)})

    def events(self, stream: str) -> list[Json]:
        rows = Event.objects.filter(stream=stream).order_by("sequence")
        return list(rows.values_list("data", flat=True))

    def streams(self, prefix: str) -> list[str]:
        rows = Event.objects.filter(stream__startswith=prefix, sequence=0).order_by("stream")
        return list(rows.values_list("stream", flat=True))

    def append(self, stream: str, expected: int, events: Sequence[Json]) -> None:
        known = Event.objects.filter(stream=stream).count()
        if known != expected:
            raise Defect("store.stream-moved", "The stream changed since it was read.")
        Event.objects.bulk_create(
            Event(stream=stream, sequence=expected + n, data=data) for n, data in enumerate(events)
        )

    def stage(self, entry: bytes) -> None:
        last = StagedEntry.objects.aggregate(last=Max("index"))["last"]
        StagedEntry.objects.create(index=0 if last is None else last + 1, data=entry)

    def staged(self) -> Sequence[tuple[int, bytes]]:
        rows = StagedEntry.objects.filter(settled=False).order_by("index")
        return [(index, bytes(data)) for index, data in rows.values_list("index", "data")]

    def settle(self, size: int) -> None:
        settled = StagedEntry.objects.filter(index__lt=size, settled=False)
        settled.update(settled=True, data=b"")

    def keep_incoming(self, message: Incoming, size: int) -> bool:
        from sekisho.web.tasks import handle

        try:
            with transaction.atomic():
                Message.objects.create(
                    id=f"in:{message.id}",
                    direction="in",
                    peer=message.sender,
                    path=message.path,
                    content_type=message.content_type,
                    meta=message.meta,
                    size=size,
                    state="waiting",
                )
                handle.enqueue(message.id)
        except IntegrityError:
            return False
        return True

    def incoming(self, message_id: str) -> Incoming:
        row = Message.objects.get(id=f"in:{message_id}")
        file = self.file("in", message_id)
        return Incoming(message_id, row.peer, row.path, row.meta, row.content_type, file)

    def finish_incoming(self, message_id: str, state: str) -> None:
        Message.objects.filter(id=f"in:{message_id}").update(
            state=state, attempts=F("attempts") + 1
        )

    def keep_outgoing(self, message_id: str, message: Outgoing) -> None:
        from sekisho.web.tasks import deliver

        if Message.objects.filter(id=f"out:{message_id}").exists():
            return
        Message.objects.create(
            id=f"out:{message_id}",
            direction="out",
            peer=message.to,
            path=message.path,
            content_type=message.content_type,
            meta=message.meta,
            size=len(message.body),
            state="waiting",
        )
        deliver.enqueue(message_id)

    def outgoing(self, message_id: str) -> tuple[Outgoing, str]:
        row = Message.objects.get(id=f"out:{message_id}")
        body = self.file("out", message_id).read_bytes()
        return Outgoing(row.peer, row.path, body, row.meta, row.content_type), row.state

    def finish_outgoing(self, message_id: str, state: str) -> None:
        Message.objects.filter(id=f"out:{message_id}").update(
            state=state, attempts=F("attempts") + 1
        )

    def write_spool(self, direction: str, message_id: str, body: bytes) -> Path:
        """Put a message's body into the spool before the message is kept."""
        file = self.file(direction, message_id)
        write_atomically(file, body)
        return file

    def file(self, direction: str, message_id: str) -> Path:
        return self.spool / direction / message_id

    def seen_nonce(self, sender: str, nonce: str) -> bool:
        try:
            with transaction.atomic():
                Nonce.objects.create(sender=sender, nonce=nonce)
        except IntegrityError:
            return True
        return False

    def traffic(self) -> Json:
        rows = Message.objects.values("direction", "peer", "path").annotate(
            messages=Count("id"), bytes=Sum("size")
        )
        return {"paths": list(rows.order_by("direction", "peer", "path"))}

    def queue(self) -> Json:
        waiting = DBTaskResult.objects.filter(status__in=("READY", "RUNNING")).count()
        done = DBTaskResult.objects.filter(status__in=("SUCCESSFUL", "FAILED")).count()
        failed = Message.objects.filter(state="failed").values("id", "path", "peer")
        return {"waiting": waiting, "done": done, "failed": list(failed)}
