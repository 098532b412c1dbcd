"""The two tasks of a body's worker: handle what came in, deliver what must go out."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from django_tasks import task

from sekisho.web.runtime import current

RETRY_SECONDS = (1, 2, 5, 15, 60, 300, 900)


@task()
def handle(message_id: str) -> str:
    """Handle one received message; the result is a state, never a value."""
    return current().handle(message_id)


@task()
def deliver(message_id: str, attempt: int = 0) -> str:
    """Deliver one message; a receiver that does not answer is tried again, ever more rarely."""
    state = current().deliver(message_id)
    if state == "unreachable":
        wait = RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)]
        later = timezone.now() + timedelta(seconds=wait)
        deliver.using(run_after=later).enqueue(message_id, attempt + 1)
    return state
