"""A body of a town is lost and comes back from an old state, as `sekisho restore` does it."""

from __future__ import annotations

import copy
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from memory_town import OBSERVER, MemoryStore, MemoryTown, Task
from sekisho.body import closed
from sekisho.body.backup import MARKER, Marker, stage
from sekisho.common.clock import SystemClock
from sekisho.common.ids import new_id
from sekisho.common.randomness import system_random


@dataclass(frozen=True)
class Saved:
    """What a backup holds: the files as the program puts them aside, and the store's content."""

    body: str
    folder: Path
    store: MemoryStore
    marker: Marker


def back_up(town: MemoryTown, name: str) -> Saved:
    """Put a body's state aside."""
    body, folder = town.body(name), town.folder / "backups" / name
    staged = folder.with_suffix(".staged")
    stage(body.folders, staged)
    shutil.copytree(staged, folder)  # a town changes files in place, so that links would follow
    shutil.copytree(body.folders.keys, folder / "keys")
    head = body.ledger.head()
    marker = Marker(
        backup=new_id(system_random),
        made_at=cast(datetime, SystemClock().now()),
        generation=1,
        ledger_size=head.size,
        ledger_root=head.root.hex(),
        epoch=body.epoch,
    )
    (folder / MARKER).write_bytes(marker.to_bytes())
    return Saved(name, folder, _copy(cast(Any, body.store), town), marker)


def _copy(store: MemoryStore, town: MemoryTown) -> MemoryStore:
    made = MemoryStore(store.body, store.spool, town.tasks)
    for name in ("records", "streams_of", "pending", "received", "sent"):
        setattr(made, name, copy.deepcopy(getattr(store, name)))
    return made


def bring_back(town: MemoryTown, saved: Saved) -> None:
    """Lose a body as it is, and start it with what was put aside."""
    home = town.body(saved.body).folders.base
    shutil.rmtree(home)
    shutil.copytree(saved.folder, home)
    others = [task for task in town.tasks if task[0] != saved.body]
    town.tasks.clear()
    town.tasks.extend(others)
    for message_id, kept in saved.store.received.items():
        if kept.state == "waiting":
            town.tasks.append((saved.body, "handle", message_id))
    for message_id, (_, state) in saved.store.sent.items():
        if state == "waiting":
            town.tasks.append((saved.body, "deliver", message_id))
    town.start(saved.body, saved.store).started()
    town.tell(OBSERVER, saved.body, "rehearsal/clock", {"day": town.today.isoformat()})


def work(town: MemoryTown) -> list[Task]:
    """Do all that can be done; what must wait is tried again. Return what waits for ever."""
    while True:
        waiting, done = [], 0
        while town.tasks:
            task = town.tasks.popleft()
            body, what, message_id = task
            service = town.services[body]
            state = service.handle(message_id) if what == "handle" else service.deliver(message_id)
            assert state != "failed", task
            if state == "unreachable":
                waiting.append(task)
            else:
                done += 1
        town.tasks.extend(waiting)
        if not done or not waiting:
            return waiting


def is_open(town: MemoryTown, name: str) -> bool:
    return closed.state(town.body(name)) is None
