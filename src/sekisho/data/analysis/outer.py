"""Who a job is on the host: never root, and never two jobs the same user where root starts them."""

from __future__ import annotations

import fcntl
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from sekisho.common.errors import Refusal

FIRST, COUNT = 60_000, 64


@contextmanager
def outer_user(base: Path) -> Iterator[int | None]:
    """Lease an unprivileged user id while a job runs; None (our own) where we are not root.

    The lease is a lock on a file, so it ends with this process whatever happens. A user id that
    has an account, or still a process, is left alone.
    """
    if os.geteuid() != 0:
        yield None
        return
    folder = base / "users"
    folder.mkdir(mode=0o700, exist_ok=True)
    for uid in range(FIRST, FIRST + COUNT):
        descriptor = os.open(folder / str(uid), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _has_account(uid) and not processes_of(uid):
                yield uid
                return
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)
    raise Refusal(
        "sandbox.no-user",
        f"None of the {COUNT} user ids from {FIRST} is free for a job.",
        rule="every running job has a user id of its own",
        next_step="wait until a job has ended",
    )


def processes_of(uid: int) -> list[int]:
    """Return the living processes of a user; one that only waits to be reaped is dead."""
    found = []
    for process in psutil.process_iter():
        try:
            if uid in process.uids() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def _has_account(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
