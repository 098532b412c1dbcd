"""A message about a case that is lost is noticed within a day by both ends, and comes once more."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from memory_town import ROOT, START, MemoryTown
from review_world import APPLICATION
from sekisho.body.flows import alarms
from sekisho.rehearsal import cast

USER, WINDOW, LANE = "user", "national", "alpha"
NEVER = "drop:review/lane:9999"


@pytest.fixture
def town(tmp_path: Path) -> MemoryTown:
    """One window for two lanes; messages are counted."""
    text = (ROOT / "frameworks" / "2-1.toml").read_text("utf-8")
    file = tmp_path / "2-1.toml"
    file.write_text(text.replace('application = "per_body"', 'application = "shared"'), "utf-8")
    made = MemoryTown(file, tmp_path / "town", faults=(NEVER,), actors=((USER, "applicant", ()),))
    cast.write_committees(made.framework, made.folder)
    made.begin(START)
    return made


def apply(town: MemoryTown, name: str = "kidney") -> None:
    asked = replace(APPLICATION, id=name, team=(USER,), submitted_on=town.today)
    town.tell(USER, WINDOW, "review/application", asked.payload())
    town.settle()


def opened(town: MemoryTown, body: str) -> list[str]:
    return [one["application"] for one in town.entries(body, "lane.opened")]


def noticed(town: MemoryTown) -> dict[str, tuple[str, bool]]:
    return {
        one["body"]: (one["code"], one["cleared"] is None)
        for one in town.alarms()
        if one["code"].startswith("review.")
    }


def accounts(town: MemoryTown) -> int:
    return sum(
        out.path == "status/cases"
        for name in town.services
        for out, _ in town.body(name).store.sent.values()  # type: ignore[attr-defined]
    )


def test_a_lost_application_is_noticed_within_a_day_by_both_ends_and_comes_once_more(
    town: MemoryTown,
) -> None:
    town.plant(f"drop:review/lane:{town.next_on(WINDOW, 'review/lane')}@{WINDOW}")
    apply(town)
    missed = [one for one in (WINDOW, LANE, "beta") if opened(town, one) == []]
    assert missed
    assert noticed(town) == {}
    town.plant()
    town.begin()
    (lost,) = [one for one in noticed(town) if one != WINDOW]
    missing = ("review.messages-missing", True)
    assert noticed(town) == {WINDOW: missing, lost: missing}
    assert opened(town, lost) == ["kidney"]
    town.begin()
    assert noticed(town) == {WINDOW: (missing[0], False), lost: (missing[0], False)}
    for _ in range(2):
        town.begin()
    assert all(len(opened(town, one)) <= 1 for one in town.services)


def test_an_account_that_nobody_answers_alarms_and_a_case_that_is_known_costs_no_message(
    town: MemoryTown,
) -> None:
    apply(town)
    town.plant(f"drop:status/cases:{town.next_on(WINDOW, 'status/cases')}@{WINDOW}")
    town.begin()
    town.plant()
    assert noticed(town) == {}
    town.begin()
    assert noticed(town) == {WINDOW: ("review.account-unanswered", False)}
    named = accounts(town)
    assert named > 0
    for _ in range(3):
        town.begin()
    assert accounts(town) == named
    assert not any(alarms.stands(town.body(WINDOW), f"cases:{one}") for one in town.services)
    apply(town, "lung")
    town.begin()
    assert accounts(town) > named
