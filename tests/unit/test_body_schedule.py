"""The real clock begins a body's day: once, at the cut-off, also after it was down."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import web_world as world
from memory_town import ROOT, MemoryTown
from sekisho.body import schedule
from sekisho.body.duties import last_cut_off
from sekisho.body.service import Service
from sekisho.common.clock import JST
from web_world import become

RULE = schedule.read_rule(ROOT / "rules")


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-04-{text}").replace(tzinfo=JST)


@given(st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1)))
def test_between_two_cut_offs_lies_one_day(naive: datetime) -> None:
    now = naive.replace(tzinfo=JST)
    after = schedule.next_cut_off(now, RULE)
    assert timedelta(0) < after - now <= timedelta(days=1)
    assert after.timetz().replace(tzinfo=None) == RULE.at
    assert schedule.last_day(after, RULE) == schedule.last_day(now, RULE) + timedelta(days=1)
    assert schedule.last_day(after - timedelta(seconds=1), RULE) == schedule.last_day(now, RULE)


@pytest.fixture
def town(tmp_path: Path) -> MemoryTown:
    return MemoryTown(ROOT / "frameworks" / "1.toml", tmp_path)


def test_a_day_begins_once_however_often_it_is_said(town: MemoryTown) -> None:
    body = town.body("national")
    assert schedule.begin(body, at("02T04:00"))
    assert not schedule.begin(body, at("02T04:00"))  # another worker, before it was handled
    town.settle()
    for moment in ("02T04:01", "02T23:59", "03T03:59"):
        assert not schedule.begin(body, at(moment))
    assert last_cut_off(body) == date(2026, 4, 2)
    assert len(town.entries("national", "optout.list")) == 1
    assert schedule.begin(body, at("03T04:00"))
    town.settle()
    assert len(town.entries("national", "optout.list")) == 2


def test_after_downtime_the_last_day_begins_at_once_and_no_day_before_it(town: MemoryTown) -> None:
    body = town.body("national")
    for moment in ("02T04:00", "09T17:30"):
        assert schedule.begin(body, at(moment))
        town.settle()
    assert last_cut_off(body) == date(2026, 4, 9)
    assert len(town.entries("national", "optout.list")) == 2


def test_before_the_first_cut_off_of_a_day_it_is_still_the_day_before(town: MemoryTown) -> None:
    body = town.body("national")
    assert schedule.begin(body, at("02T03:59"))
    town.settle()
    assert last_cut_off(body) == date(2026, 4, 1)
    assert schedule.begin(body, at("02T04:00"))


@pytest.fixture
def service() -> Service:
    place = world.town(world.frameworks()[0][1])
    return become(place, place.framework.body[0].id)


def waiting() -> list[Any]:
    from django_tasks_db.models import DBTaskResult

    from sekisho.web.tasks import begin_day

    return list(DBTaskResult.objects.filter(task_path=begin_day.module_path, status="READY"))


def test_several_workers_and_restarts_leave_one_look_at_the_next_cut_off(service: Service) -> None:
    from django_tasks_db.models import DBTaskResult

    from sekisho.web.tasks import await_next_day, begin_day

    DBTaskResult.objects.all().delete()
    for _ in range(3):  # three workers start
        await_next_day()
    said = []
    for task in waiting():
        task.status = "SUCCESSFUL"
        task.save()
        said.append(begin_day.call())
    assert sorted(said) == ["began", "nothing", "nothing"]
    (next_look,) = waiting()
    assert next_look.run_after is not None


def test_a_rehearsal_keeps_its_own_days(service: Service) -> None:
    from django_tasks_db.models import DBTaskResult

    from sekisho.body.config import RehearsalOptions
    from sekisho.web.tasks import await_next_day

    place = world.town(world.frameworks()[0][1], RehearsalOptions(7, date(2026, 4, 1)))
    become(place, place.framework.body[0].id)
    DBTaskResult.objects.all().delete()
    await_next_day()
    assert waiting() == []
