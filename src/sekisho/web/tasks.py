"""The tasks of a body's worker: handle what came in, deliver what must go out, begin the day.

An error ends no task: its text, which may hold a value, would be kept with the task's result.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import chain, repeat
from typing import Any, TypeVar

from django.utils import timezone
from django_tasks import task

from sekisho.body.service import where
from sekisho.common.clock import SystemClock
from sekisho.common.storage import is_full, wait_for_room
from sekisho.web.runtime import current

log = logging.getLogger("sekisho.web")
T = TypeVar("T")

RETRY_SECONDS = (1, 2, 5, 15, 60, 300, 900)
DEFECT_ATTEMPTS = 3
"""How often a message is tried whose handling ended in an error of ours."""
FULL_SECONDS = (0.5, 1, 2, 5)
"""Pauses between tries of work for which the disk had no room."""


@task()
def handle(message_id: str, attempt: int = 0) -> str:
    """Handle one received message; the result is a state, never a value."""
    try:
        state = when_there_is_room(lambda: current().handle(message_id))
    except Exception as error:
        log.error("handling failed: %s", where(error))
        state = "failed" if attempt + 1 >= DEFECT_ATTEMPTS else "unreachable"
        if state == "failed":
            current().body.store.finish_incoming(message_id, state)
    if state == "unreachable":
        _again(handle, message_id, attempt)
    return state


@task()
def deliver(message_id: str, attempt: int = 0) -> str:
    """Deliver one message; a receiver that does not answer is tried again, ever more rarely."""
    try:
        state = when_there_is_room(lambda: current().deliver(message_id))
    except Exception as error:
        log.error("delivery failed: %s", where(error))
        state = "unreachable"
    if state == "unreachable":
        _again(deliver, message_id, attempt)
    return state


@task()
def begin_day() -> str:
    """Begin the day when its cut-off has passed; look again at the next one."""
    from sekisho.body import schedule

    body, now = current().body, SystemClock().now()
    try:
        began = when_there_is_room(lambda: schedule.begin(body, now))
        await_next_day(schedule.next_cut_off(now, schedule.read_rule(body.rules)))
    except Exception as error:
        log.error("the day did not begin: %s", where(error))
        await_next_day(now + timedelta(minutes=1))
        return "failed"
    return "began" if began else "nothing"


def await_next_day(at: datetime | None = None) -> None:
    """See to it that one `begin_day` waits; with several workers and restarts there is still one.

    A rehearsal has a clock of its own, and begins its days itself.
    """
    from django_tasks_db.models import DBTaskResult

    if current().body.config.rehearsal is not None:
        return
    waiting = DBTaskResult.objects.filter(task_path=begin_day.module_path, status="READY")
    if at is None:
        begin_day.enqueue()  # at a start: the last cut-off may have passed while we were down
    elif not waiting.exists():
        begin_day.using(run_after=at).enqueue()


def is_anything_ready() -> bool:
    """Say whether a task waits that may be taken up now."""
    from django_tasks_db.models import DBTaskResult

    ready: bool = DBTaskResult.objects.ready().exists()  # type: ignore[attr-defined]  # its own manager
    return ready


def when_there_is_room(work: Callable[[], T]) -> T:
    """Do ``work``; where the disk is full, wait for room and do it again, however often.

    The worker waits with it: whatever else it took up would find the same disk. Where another
    body's disk is full, the message is tried again as if that body were away.
    """
    folder = current().body.folders.base
    for pause in chain(FULL_SECONDS, repeat(FULL_SECONDS[-1])):
        try:
            return work()
        except Exception as error:
            if not is_full(error):
                raise
        wait_for_room(folder)
        log.error("there was no room on the disk: going on")  # before, a log had none either
        time.sleep(pause)
    raise AssertionError("repeat does not end")  # pragma: no cover


def _again(what: Any, message_id: str, attempt: int) -> None:
    wait = RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)]
    later = timezone.now() + timedelta(seconds=wait)
    what.using(run_after=later).enqueue(message_id, attempt + 1)
