"""Waiting for a person's view: a desk that has not read its post yet is no desk that forgot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sekisho.commands import uses
from sekisho.common.errors import PeerError
from sekisho.person.view import View


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uses, "PAUSE", 0.001)


def _look(answers: Iterator[View | PeerError | None]) -> View | None:
    answer = next(answers)
    if isinstance(answer, PeerError):
        raise answer
    return answer


def _forgotten() -> PeerError:
    return PeerError("view.forgotten", "The desk does not know this question.")


def test_a_question_that_the_desk_has_not_taken_up_is_waited_for() -> None:
    view = View((), ())
    answers = iter([_forgotten(), _forgotten(), None, view])
    assert uses._wait(lambda: _look(answers), 60) is view


def test_a_question_that_stays_unknown_is_an_error_in_the_end() -> None:
    def look() -> View | None:
        raise _forgotten()

    with pytest.raises(PeerError) as caught:
        uses._wait(look, 0)
    assert caught.value.code == "view.forgotten"


def test_another_refusal_ends_the_wait_at_once() -> None:
    answers = iter([PeerError("peer.refused", "No."), View((), ())])
    with pytest.raises(PeerError) as caught:
        uses._wait(lambda: _look(answers), 60)
    assert caught.value.code == "peer.refused"


def test_an_answer_that_never_comes_is_an_error_in_the_end() -> None:
    with pytest.raises(PeerError) as caught:
        uses._wait(lambda: None, 0)
    assert caught.value.code == "view.slow"
