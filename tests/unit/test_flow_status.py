"""Who asks a body for its queue may be kept waiting: until nothing waits, never beyond its time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sekisho.body.flows import status
from sekisho.body.flows.status import LONGEST_WAIT, queue


class Machine:
    """A store whose queue shortens at every look, and a clock that only sleeping moves."""

    def __init__(self, waiting: int) -> None:
        self.waiting, self.at = waiting, 0.0

    def queue(self) -> dict[str, Any]:
        found = {"waiting": self.waiting, "done": 9 - self.waiting, "failed": []}
        self.waiting -= 1 if self.waiting < 9 else 0
        return found

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Any:
    def asked(machine: Machine, **params: str) -> Any:
        monkeypatch.setattr(status, "time", machine)
        return queue(SimpleNamespace(store=machine), "observer", params, b"")  # type: ignore[arg-type]

    return asked


def test_without_a_wait_the_answer_is_what_waits_now(ask: Any) -> None:
    machine = Machine(3)
    assert ask(machine)["waiting"] == 3
    assert machine.at == 0


def test_an_answer_comes_as_soon_as_nothing_waits(ask: Any) -> None:
    machine = Machine(3)
    assert ask(machine, wait="2") == {"waiting": 0, "done": 9, "failed": []}
    assert 0 < machine.at < 2


@pytest.mark.parametrize(("wait", "most"), [("2", 2), ("1000", LONGEST_WAIT)])
def test_a_body_that_stays_at_work_says_so_in_time(ask: Any, wait: str, most: int) -> None:
    machine = Machine(9)
    assert ask(machine, wait=wait)["waiting"] == 9
    assert most <= machine.at < most + 0.2
