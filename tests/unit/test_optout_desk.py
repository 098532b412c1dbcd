"""Proxies, guardians, complaints, scopes: what a desk takes, refuses and asks again."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.common.errors import Refusal, UserError
from sekisho.control.optout import (
    ALL,
    Choice,
    Complaint,
    Proxy,
    Scope,
    ask_again_on,
    check_authority,
    check_month_only,
    check_scope,
    file_complaint,
    known_scopes,
    read_desk_rule,
)
from sekisho.control.optout.complaint import STEPS
from sekisho.framework import load

ROOT = Path(__file__).resolve().parents[2]
DAY = date(2026, 4, 2)
AGES = (16, 18)


@given(st.dates(date(1990, 1, 1), DAY), st.dates(DAY, date(2060, 1, 1)))
def test_a_guardians_choice_is_asked_again_after_the_birthday_and_tells_no_day(
    birth: date, today: date
) -> None:
    again = ask_again_on(birth, today, AGES)
    if again is None:
        assert (today.year - birth.year) >= 18
        return
    assert again > today
    assert check_month_only(again) == again
    months = (again.year - birth.year) * 12 + again.month - birth.month
    assert months in {16 * 12 + 1, 18 * 12 + 1}  # the first of the month after the birthday
    earlier = ask_again_on(birth, today - timedelta(days=1), AGES)
    assert earlier is not None
    assert earlier <= again


def test_a_day_that_tells_a_birthday_is_refused() -> None:
    with pytest.raises(UserError, match="more than a month"):
        check_month_only(date(2032, 5, 3))


@pytest.mark.parametrize(
    ("proxy", "code"),
    [
        (Proxy("agent", False), "opt-out.authority-unchecked"),
        (Proxy("adult_guardian", True, DAY - timedelta(days=1)), "opt-out.authority-ended"),
    ],
)
def test_a_proxy_without_authority_is_refused(proxy: Proxy, code: str) -> None:
    with pytest.raises(Refusal) as refusal:
        check_authority(proxy, DAY)
    assert refusal.value.code == code
    assert refusal.value.next_step


def test_a_proxy_with_authority_speaks_until_its_last_day() -> None:
    check_authority(Proxy("guardian", True), DAY)
    check_authority(Proxy("agent", True, DAY), DAY)
    stated = Choice("r", ALL, DAY, DAY, proxy=Proxy("agent", True, DAY))
    assert Choice.from_payload(stated.payload()) == stated


def test_scopes_are_those_that_stop_something_in_the_framework() -> None:
    fw = load(ROOT / "frameworks" / "1.toml", ROOT)
    known = known_scopes(fw, ["research"])
    check_scope(ALL, known)
    check_scope(Scope.parse("data:additional"), known)
    check_scope(Scope("operator", fw.function_bodies[0]), known)
    for text in ("operator:beta", "data:dental", "purpose:advertising"):
        with pytest.raises(Refusal) as refusal:
            check_scope(Scope.parse(text), known)
        assert "purpose:research" in str(refusal.value.next_step)


def test_a_complaint_has_an_owner_and_a_day_until_it_is_answered() -> None:
    rule = read_desk_rule(ROOT / "rules" / "opt-out-desk.toml")
    filed = file_complaint("c1", "handling", None, "", "officer", DAY, rule.complaint_days)
    assert Complaint.from_payload(filed.payload()) == filed
    assert not filed.overdue(filed.due)
    assert filed.overdue(filed.due + timedelta(days=1))
    answered = filed.after("take").after("answer")
    assert not answered.overdue(date(2060, 1, 1))
    assert answered.after("reopen").overdue(date(2060, 1, 1))
    assert filed.after("take").after("refer", owner="national").owner == "national"


@given(st.sampled_from(sorted(STEPS)), st.sampled_from(["take", "answer", "refer", "close", "x"]))
def test_a_step_that_the_table_does_not_name_is_refused(start: tuple[str, str], step: str) -> None:
    complaint = Complaint(
        id="c",
        category="other",
        filed_on=DAY,
        due=DAY,
        owner="o",
        state=start[0],  # type: ignore[arg-type]
    )
    if (start[0], step) in STEPS:
        assert complaint.after(step).state == STEPS[start[0], step]  # type: ignore[index]
    else:
        with pytest.raises(Refusal, match="cannot take"):
            complaint.after(step)
