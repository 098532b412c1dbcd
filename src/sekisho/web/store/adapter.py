"""`sekisho.body.ports.Store` on Django's ORM.

Rules it keeps, on SQLite and PostgreSQL alike (one contract suite runs on both):

- what is written inside `transaction` is there after it, or none of it is;
- entries of the ledger are numbered without gap or clash, also by transactions side by side;
- text is compared and ordered by code point, whatever the database's collation;
- the file that a message's body lies in is named here, never by its sender.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, F, Q, Sum
from django_tasks_db.models import DBTaskResult

from sekisho.body.ports import Incoming, Json, Outgoing
from sekisho.common.atomicfile import sync_folder, write_atomically
from sekisho.common.clock import Clock, SystemClock
from sekisho.common.errors import Defect, Refusal
from sekisho.exchange.messages import REMEMBER
from sekisho.web.store import nonces, records
from sekisho.web.store.models import Counter, Event, Message, Nonce, StagedEntry
from sekisho.web.store.prefixes import after

LEDGER = "ledger"
NONCE_LENGTH = 80


class DjangoStore:
    """One body's database and spool.

    Args:
        spool: folder of message bodies.
        clock: the machine's clock, by which nonces are forgotten.
    """

    def __init__(self, spool: Path, clock: Clock | None = None) -> None:
        self.spool = spool
        self._clock = clock or SystemClock()
        self._pruned: datetime | None = None

    def transaction(self) -> AbstractContextManager[None]:
        return transaction.atomic()

    def get(self, kind: str, key: str) -> Json | None:
        rows = list(records.of(kind, key))
        return rows[0][1] if rows else None

    def find(self, kind: str, prefix: str = "") -> Iterator[tuple[str, Json]]:
        """Yield records in order of key, by code point."""
        return records.beginning(kind, prefix)

    def put(self, kind: str, key: str, data: Mapping[str, Any]) -> None:
        records.put(kind, key, data)

    def drop(self, kind: str, key: str) -> None:
        records.drop(kind, key)

    def events(self, stream: str) -> list[Json]:
        rows = Event.objects.filter(stream=stream).order_by("sequence")
        return list(rows.values_list("data", flat=True))

    def streams(self, prefix: str) -> list[str]:
        rows, end = Event.objects.filter(stream__gte=prefix, sequence=0), after(prefix)
        if end is not None:
            rows = rows.filter(stream__lt=end)
        return list(rows.order_by("stream").values_list("stream", flat=True))

    def append(self, stream: str, expected: int, events: Sequence[Json]) -> None:
        if Event.objects.filter(stream=stream).count() != expected:
            raise _moved()
        rows = [
            Event(stream=stream, sequence=expected + n, data=data) for n, data in enumerate(events)
        ]
        try:
            with transaction.atomic():
                Event.objects.bulk_create(rows)
        except IntegrityError as error:
            raise _moved() from error

    def rewrite(self, stream: str, events: Sequence[Json]) -> None:
        rows = list(Event.objects.filter(stream=stream).order_by("sequence"))
        if len(rows) != len(events):
            raise _moved()
        for row, data in zip(rows, events, strict=True):
            row.data = data
        Event.objects.bulk_update(rows, ("data",))

    def stage(self, entry: bytes) -> None:
        """Number an entry and keep it.

        The counter's row is locked until the transaction ends: a later number is never committed
        before an earlier one, and a transaction that is rolled back leaves no gap.
        """
        with transaction.atomic():
            counter, _ = Counter.objects.select_for_update().get_or_create(name=LEDGER)
            StagedEntry.objects.create(index=counter.next, data=entry)
            counter.next += 1
            counter.save(update_fields=("next",))

    def staged(self) -> Sequence[tuple[int, bytes]]:
        rows = StagedEntry.objects.filter(settled=False).order_by("index")
        return [(index, bytes(data)) for index, data in rows.values_list("index", "data")]

    def settle(self, size: int) -> None:
        settled = StagedEntry.objects.filter(index__lt=size, settled=False)
        settled.update(settled=True, data=b"")

    def begin_ledger_anew(self, first: bytes) -> None:
        """Number entries from 0 again: ``first``, then those that no file has yet."""
        with transaction.atomic():
            waiting = [entry for _, entry in self.staged()]
            StagedEntry.objects.all().delete()
            Counter.objects.filter(name=LEDGER).update(next=0)
            for entry in (first, *waiting):
                self.stage(entry)

    def keep_incoming(self, message: Incoming, size: int) -> bool:
        from sekisho.web.tasks import handle

        row = Message(
            id=f"in:{message.id}",
            direction="in",
            peer=message.sender,
            path=message.path,
            content_type=message.content_type,
            meta=message.meta,
            file=message.file.name,
            size=size,
            state="waiting",
        )
        with transaction.atomic():
            new = _added(row)
            if new:
                handle.enqueue(message.id)
        return new

    def incoming(self, message_id: str) -> Incoming:
        row = Message.objects.get(id=f"in:{message_id}")
        file = self.file("in", row.file)
        return Incoming(message_id, row.peer, row.path, row.meta, row.content_type, file, row.state)

    def incoming_state(self, message_id: str) -> str | None:
        rows = Message.objects.filter(id=f"in:{message_id}")
        return rows.values_list("state", flat=True).first()

    def finish_incoming(self, message_id: str, state: str) -> None:
        _finish(f"in:{message_id}", state)

    def keep_outgoing(self, message_id: str, message: Outgoing) -> None:
        from sekisho.web.tasks import deliver

        row = Message(
            id=f"out:{message_id}",
            direction="out",
            peer=message.to,
            path=message.path,
            content_type=message.content_type,
            meta=message.meta,
            file=message_id,
            size=self.file("out", message_id).stat().st_size if message.file else len(message.body),
            state="waiting",
        )
        with transaction.atomic():
            if _added(row):
                deliver.enqueue(message_id)

    def outgoing(self, message_id: str) -> tuple[Outgoing, str]:
        row = Message.objects.get(id=f"out:{message_id}")
        # A delivered body is gone; only one that waits is read again.
        file = self.file("out", row.file) if row.state == "waiting" else None
        return Outgoing(row.peer, row.path, b"", row.meta, row.content_type, file), row.state

    def finish_outgoing(self, message_id: str, state: str) -> None:
        _finish(f"out:{message_id}", state)

    def delivered(self, to: str, since: datetime) -> list[tuple[str, str]]:
        """Return id and path of messages to ``to`` that were delivered, sent since, and kept."""
        rows = Message.objects.filter(direction="out", state="done", peer=to).order_by("id")
        found = [
            (id_.removeprefix("out:"), path, file)
            for id_, path, file in rows.values_list("id", "path", "file")
        ]
        return [(id_, path) for id_, path, file in found if self._sent_since(file, since)]

    def _sent_since(self, file: str, since: datetime) -> bool:
        try:
            return self.file("out", file).stat().st_mtime >= since.timestamp()
        except FileNotFoundError:
            return False

    def delivered_before(self, before: datetime) -> list[Path]:
        """Return the files of delivered messages that were delivered before an instant."""
        limit = before.timestamp()
        old = {
            file.name: file
            for file in (self.spool / "out").glob("*")
            if not file.name.startswith(".") and file.stat().st_mtime < limit
        }
        rows = Message.objects.filter(direction="out", state="done", file__in=old)
        return [old[name] for name in rows.order_by("file").values_list("file", flat=True)]

    def deliver_again(self, message_id: str) -> None:
        """Queue a delivered message once more; its receiver knows it by its id."""
        from sekisho.web.tasks import deliver

        row = f"out:{message_id}"
        if Message.objects.filter(id=row, state="done").update(state="waiting"):
            deliver.enqueue(message_id)

    def write_spool(self, direction: str, message_id: str, body: bytes) -> Path:
        """Put a message's body into the spool before the message is kept."""
        file = self.file(direction, message_id)
        write_atomically(file, body)
        return file

    def receive_spool(self, message_id: str, pieces: Iterable[bytes]) -> Path:
        """Write a received body piece by piece; after a crash on the way `sweep` removes it."""
        file = self.file("in", message_id)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as target:
            for piece in pieces:
                target.write(piece)
            target.flush()
            os.fsync(target.fileno())
        sync_folder(file.parent)
        return file

    def take_spool(self, direction: str, message_id: str, file: Path) -> Path:
        """Put a file that was written whole into the spool, by a link."""
        target = self.file(direction, message_id)
        target.parent.mkdir(parents=True, exist_ok=True)
        link = target.with_name(f".{target.name}.new")
        link.unlink(missing_ok=True)
        os.link(file, link)
        link.replace(target)
        sync_folder(target.parent)
        return target

    def file(self, direction: str, message_id: str) -> Path:
        """Return where a body lies; a name that leads elsewhere is our mistake."""
        if not message_id.replace("-", "").isalnum() or not message_id.isascii():
            raise Defect("store.file-name", "A message's file has a name that we did not give.")
        return self.spool / direction / message_id

    def sweep(self) -> None:
        """Remove bodies that a crash left and nobody will read. Only while nothing else runs.

        What waits is read; what failed on its way in by our fault is kept for whoever mends it;
        what was delivered is kept for a receiver that has to be restored (`flows.resending`).
        """
        kept = Q(state="waiting") | Q(direction="in", state="failed")
        kept |= Q(direction="out", state="done")
        for direction in ("in", "out"):
            rows = Message.objects.filter(kept, direction=direction)
            needed = set(rows.values_list("file", flat=True))
            for file in (self.spool / direction).glob("*"):
                if file.name not in needed:
                    file.unlink()

    def seen_nonce(self, sender: str, nonce: str) -> bool:
        if len(nonce) > NONCE_LENGTH:
            raise Refusal("message.bad-nonce", f"A nonce is longer than {NONCE_LENGTH} characters.")
        now = self._clock.now()
        self._forget_nonces(now)
        return not nonces.added(sender, nonce, now)

    def _forget_nonces(self, now: datetime) -> None:
        """Forget, now and then, the nonces of requests that have expired meanwhile."""
        if self._pruned is None or not self._pruned <= now < self._pruned + REMEMBER:
            Nonce.objects.filter(at__lt=now - REMEMBER).delete()
            self._pruned = now

    def traffic(self) -> Json:
        rows = Message.objects.values("direction", "peer", "path")
        # PostgreSQL's sum of bigints is a decimal.
        paths = [
            {**row, "bytes": int(row["bytes"])}
            for row in rows.annotate(messages=Count("id"), bytes=Sum("size"))
        ]
        return {"paths": sorted(paths, key=lambda p: (p["direction"], p["peer"], p["path"]))}

    def undelivered(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        rows = Message.objects.filter(direction="out", state="waiting").values_list("peer", "id")
        for peer, key in sorted(rows):
            found.setdefault(peer, []).append(key.removeprefix("out:"))
        return found

    def queue(self) -> Json:
        rows = DBTaskResult.objects.order_by().values_list("status").annotate(Count("id"))
        tasks = dict(rows)
        failed = Message.objects.filter(state="failed").values("id", "path", "peer")
        return {
            "waiting": tasks.get("READY", 0) + tasks.get("RUNNING", 0),
            "done": tasks.get("SUCCESSFUL", 0) + tasks.get("FAILED", 0),
            "failed": sorted(failed, key=lambda message: message["id"]),
        }


def _added(row: Message) -> bool:
    """Insert a row; False when one with its key is there. The transaction around it goes on."""
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        return False
    return True


def _finish(row: str, state: str) -> None:
    Message.objects.filter(id=row).update(state=state, attempts=F("attempts") + 1)


def _moved() -> Defect:
    return Defect("store.stream-moved", "The stream changed since it was read.")
