"""The airlock: two people outside the team, and exactly the bytes they looked at."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.common.canonical import digest
from sekisho.common.errors import Refusal, SekishoError, TamperError
from sekisho.data.release.airlock import (
    TRANSITIONS,
    Event,
    File,
    State,
    fold,
    release,
    review,
    submit,
    visible_reviews,
    withdraw,
)

AT = datetime(2026, 5, 1, tzinfo=UTC)
BYTES = b"sex,persons\nF,25\n"
FILE = File("by-sex.csv", digest(BYTES), "released", "how many")


def submitted() -> list[Event]:
    return [submit("r1", [FILE], "sato", ["suzuki"], AT)]


def approved() -> list[Event]:
    events = submitted()
    for reviewer in ("tanaka", "yamada"):
        events.append(review(fold(events), reviewer, True, AT))
    return events


def test_two_approvals_release_exactly_the_reviewed_bytes() -> None:
    event, content = release(fold(approved()), {"by-sex.csv": BYTES}, "operator", AT)
    assert content == {"by-sex.csv": BYTES}
    assert fold([*approved(), event]).state is State.RELEASED


@pytest.mark.parametrize(
    "content",
    [
        {"by-sex.csv": BYTES + b"\n"},
        {"by-sex.csv": BYTES[:-1]},
        {},
        {"by-sex.csv": BYTES, "more.csv": b""},
        {"other.csv": BYTES},
    ],
)
def test_other_bytes_than_the_reviewed_never_leave(content: dict[str, bytes]) -> None:
    with pytest.raises(TamperError):
        release(fold(approved()), content, "operator", AT)


def test_one_approval_is_not_enough() -> None:
    events = approved()[:2]
    with pytest.raises(Refusal):
        release(fold(events), {"by-sex.csv": BYTES}, "operator", AT)


@pytest.mark.parametrize("reviewer", ["sato", "suzuki"])
def test_nobody_of_the_team_reviews(reviewer: str) -> None:
    with pytest.raises(Refusal, match="team"):
        review(fold(submitted()), reviewer, True, AT)


def test_nobody_reviews_twice() -> None:
    events = approved()[:2]
    with pytest.raises(Refusal, match="different"):
        review(fold(events), "tanaka", True, AT)


def test_one_refusal_ends_it_and_states_its_reason() -> None:
    events = approved()[:2]
    with pytest.raises(Refusal, match="reason"):
        review(fold(events), "yamada", False, AT)
    events.append(review(fold(events), "yamada", False, AT, reason="too fine"))
    assert fold(events).state is State.REFUSED
    for attempt in (
        lambda: review(fold(events), "kato", True, AT),
        lambda: release(fold(events), {"by-sex.csv": BYTES}, "operator", AT),
    ):
        with pytest.raises(Refusal):
            attempt()


def test_a_reviewer_does_not_see_the_other_before_both_are_in() -> None:
    events = approved()
    one = fold(events[:2])
    assert visible_reviews(one, "yamada") == ()
    assert [e.actor for e in visible_reviews(one, "tanaka")] == ["tanaka"]
    assert len(visible_reviews(fold(events), "sato")) == 2


def test_a_forged_stored_event_does_not_count() -> None:
    forged = [*submitted(), Event("approved", "r1", "sato", AT), Event("approved", "r1", "x", AT)]
    with pytest.raises(Refusal):
        fold(forged)
    doubled = [*submitted(), Event("approved", "r1", "x", AT), Event("approved", "r1", "x", AT)]
    with pytest.raises(Refusal):
        fold(doubled)
    other = [*submitted(), Event("approved", "r2", "x", AT)]
    with pytest.raises(Refusal):
        fold(other)


def test_only_the_team_withdraws_and_a_withdrawn_request_stays_so() -> None:
    events = approved()
    with pytest.raises(Refusal):
        withdraw(fold(events), "tanaka", AT)
    events.append(withdraw(fold(events), "suzuki", AT))
    with pytest.raises(Refusal):
        release(fold(events), {"by-sex.csv": BYTES}, "operator", AT)


def test_a_request_names_files_once_with_a_purpose() -> None:
    for files in ([], [FILE, FILE], [msgspec.structs.replace(FILE, purpose=" ")]):
        with pytest.raises(Refusal):
            submit("r1", files, "sato", [], AT)


def test_events_survive_storage() -> None:
    events = approved()
    again = msgspec.json.decode(msgspec.json.encode(events), type=list[Event])
    assert fold(again) == fold(events)


def test_every_state_is_reached_and_every_end_is_final() -> None:
    reached = {State.DRAFT, *TRANSITIONS.values()}
    assert reached == set(State)
    ends = set(State) - {state for state, _ in TRANSITIONS}
    assert ends == {State.RELEASED, State.REFUSED, State.WITHDRAWN}


KINDS = ["submitted", "approved", "refused", "withdrawn", "released"]


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from("abcdef")), max_size=8))
def test_released_means_that_two_others_approved(steps: list[tuple[str, str]]) -> None:
    accepted: list[Event] = []
    for kind, actor in steps:
        event = Event(kind, "r", actor, AT, files=(FILE,), team=("a", "b"))  # type: ignore[arg-type]
        try:
            fold([*accepted, event])
        except SekishoError:
            continue
        accepted.append(event)
    if fold(accepted).state is State.RELEASED:
        assert len({e.actor for e in accepted if e.kind == "approved"} - {"a", "b"}) == 2
