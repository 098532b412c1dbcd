"""The two tasks of a body's worker: handle what came in, deliver what must go out."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone
from django_tasks import task

from sekisho.web.runtime import current

RETRY_SECONDS = (1, 2, 5, 15, 60, 300, 900)


@task()
def handle(message_id: str, attempt: int = 0) -> str:
    """Handle one received message; one that needs a body which is away is handled again later."""
    state = current().handle(message_id)
    if state == "unreachable":
        handle.using(run_after=_later(attempt)).enqueue(message_id, attempt + 1)
    return state


@task()
def deliver(message_id: str, attempt: int = 0) -> str:
    """Deliver one message; a receiver that does not answer is tried again, ever more rarely."""
    state = current().deliver(message_id)
    if state == "unreachable":
        deliver.using(run_after=_later(attempt)).enqueue(message_id, attempt + 1)
    return state


def _later(attempt: int) -> datetime:
    wait = RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)]
    return timezone.now() + timedelta(seconds=wait)
