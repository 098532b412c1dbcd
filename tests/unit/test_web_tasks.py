"""The worker's tasks: a message is tried again, later and later, and no error is kept as text."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import web_world as world
from sekisho.body.ports import Outgoing
from sekisho.body.service import Service
from web_world import become

FIRST = world.frameworks()[0][1]


@pytest.fixture
def service() -> Service:
    place = world.town(FIRST)
    return become(place, place.framework.body[0].id)


def tasks_for(message_id: str) -> list[Any]:
    from django_tasks_db.models import DBTaskResult

    rows = DBTaskResult.objects.order_by("enqueued_at")
    return [row for row in rows if row.args_kwargs["args"][0] == message_id]


def other_body(service: Service) -> str:
    return str(next(b.id for b in service.body.framework.body if b.id != service.body.id))


def test_a_message_to_a_body_that_is_away_is_sent_again_later(service: Service) -> None:
    from django.utils import timezone

    from sekisho.web.tasks import RETRY_SECONDS, deliver

    message_id = "d" * 32
    out = Outgoing(other_body(service), "status/notice", b"{}")
    service.body.store.write_spool("out", message_id, out.body)
    service.body.store.keep_outgoing(message_id, out)
    for attempt in (0, 1, 50):
        before = timezone.now()
        assert deliver.call(message_id, attempt) == "unreachable"
        again = tasks_for(message_id)[-1]
        assert again.args_kwargs["args"] == [message_id, attempt + 1]
        waits = (again.run_after - before).total_seconds()
        assert waits >= RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)]
        assert waits < RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)] + 5
    assert service.body.store.outgoing(message_id)[1] == "waiting"


def test_an_error_of_ours_is_tried_again_and_then_given_up_without_its_text(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    from sekisho.web.tasks import DEFECT_ATTEMPTS, handle

    unknown = "e" * 32
    for attempt in range(DEFECT_ATTEMPTS - 1):
        assert handle.call(unknown, attempt) == "unreachable"
    assert handle.call(unknown, DEFECT_ATTEMPTS - 1) == "failed"
    attempts = [task.args_kwargs["args"] for task in tasks_for(unknown)]
    assert attempts == [[unknown, n + 1] for n in range(DEFECT_ATTEMPTS - 1)]
    assert not any(task.traceback for task in tasks_for(unknown))


def test_the_worker_looks_for_what_may_be_taken_up_now_and_not_for_what_is_to_wait(
    service: Service,
) -> None:
    from django.utils import timezone
    from django_tasks_db.models import DBTaskResult

    from sekisho.web.tasks import deliver, is_anything_ready

    DBTaskResult.objects.all().delete()
    assert not is_anything_ready()
    later = timezone.now() + timedelta(hours=1)
    deliver.using(run_after=later).enqueue("a" * 32, 1)
    assert not is_anything_ready()
    DBTaskResult.objects.update(run_after=timezone.now())
    assert is_anything_ready()
    DBTaskResult.objects.update(run_after=later)
    deliver.enqueue("b" * 32)
    assert is_anything_ready()
    DBTaskResult.objects.update(status="RUNNING")
    assert not is_anything_ready()
