"""A certified operator collects of persons who were told, and not before the period is over."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sekisho.body.flows import notices
from sekisho.common.errors import Refusal
from sekisho.framework import load

ROOT = Path(__file__).resolve().parents[2]
GIVEN = date(2026, 3, 2)


def body(framework: str, today: date) -> Any:
    fw = load(ROOT / "frameworks" / f"{framework}.toml", ROOT)
    return SimpleNamespace(framework=fw, today=lambda: today)


@pytest.mark.parametrize("given", [None, GIVEN])
def test_the_door_refuses_before_the_period_is_over_and_says_until_when(given: date | None) -> None:
    with pytest.raises(Refusal) as refusal:
        notices.check(body("4-several", GIVEN + timedelta(days=29)), "p", "alpha", given)
    assert refusal.value.code == "submission.notice-period"
    assert ("2026-04-01" in str(refusal.value.next_step)) == (given is not None)


def test_on_the_day_collection_begins_and_the_clock_is_kept() -> None:
    outcome = notices.check(body("4-several", GIVEN + timedelta(days=30)), "p", "alpha", GIVEN)
    assert outcome.put == [
        (
            "notice-given",
            "p:alpha",
            {"provider": "p", "receiver": "alpha", "given_on": "2026-03-02"},
        )
    ]


def test_a_public_body_collects_by_law() -> None:
    assert notices.check(body("1", GIVEN), "p", "national", None).put == []


def test_what_a_person_is_told_has_both_days() -> None:
    begins = GIVEN + timedelta(days=30)
    told = notices.words(GIVEN, begins, kept_out=True)
    for part in ("2026年3月2日", "2026年4月1日", "集めません"):
        assert part in told.ja
    assert "集めません" not in notices.words(GIVEN, begins, kept_out=False).ja
    assert "2026-04-01" in told.en
