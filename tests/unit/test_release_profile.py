"""The opted-out by age and sex: told where it can be, and no small number can be worked out."""

from __future__ import annotations

from itertools import product
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.data.release import Member, profile, read_rule_sets

ROOT = Path(__file__).resolve().parents[2]
RULES = list(read_rule_sets(ROOT / "rules" / "publication").values())
FEMALE, MALE = 8532, 8507


def people(*groups: tuple[int, int | None, int | None, bool]) -> list[Member]:
    """(how many, year of birth, gender, opted out) → that many persons, each another."""
    return [
        Member(f"{group}-{n}", year, gender, out)
        for group, (many, year, gender, out) in enumerate(groups)
        for n in range(many)
    ]


def row(told: dict[str, list[dict[str, object]]], dimension: str, level: str) -> dict[str, object]:
    return next(one for one in told[dimension] if one["level"] == level)


def test_a_difference_of_age_is_seen_and_has_its_sign() -> None:
    told = profile(
        people(
            (100, 1990, FEMALE, False),
            (100, 1950, MALE, False),
            (60, 1990, FEMALE, True),
            (20, 1950, MALE, True),
        ),
        2026,
        RULES,
    )
    young, old = row(told, "age", "30-39"), row(told, "age", "70-79")
    assert (young["kept"], young["opted_out"]) == (100, 60)
    # p = 60/80, q = 100/200: (0.75 - 0.5) / sqrt((0.1875 + 0.25) / 2)
    assert young["difference"] == 0.535
    assert old["difference"] == -0.535
    assert row(told, "sex", "female")["difference"] == 0.535


def test_one_small_band_hides_another_so_that_the_total_does_not_tell_it() -> None:
    told = profile(
        people((50, 1990, FEMALE, True), (30, 1950, FEMALE, True), (3, 1970, FEMALE, True)),
        2026,
        RULES,
    )
    out = {one["level"]: one["opted_out"] for one in told["age"]}
    assert out["50-59"] is None
    assert [out["30-39"], out["70-79"]].count(None) >= 1
    assert told["persons"] == {"kept": 0, "opted_out": 83}


def test_few_who_opted_out_are_told_of_by_their_number_only() -> None:
    told = profile(people((200, 1980, MALE, False), (4, 1980, MALE, True)), 2026, RULES)
    assert row(told, "age", "40-49")["opted_out"] is None
    assert row(told, "age", "40-49")["kept"] == 200
    assert row(told, "sex", "male")["difference"] is None


counts = st.sampled_from([0, 1, 2, 9, 10, 12, 30])


@settings(max_examples=60, deadline=None)
@given(st.lists(counts, min_size=3, max_size=5))
def test_no_small_number_follows_from_the_shown_ones_and_the_total(sizes: list[int]) -> None:
    """By trying: a hidden small number keeps at least five possible values, or all are hidden."""
    below = 10
    groups = [(many, 2020 - 10 * n, FEMALE, True) for n, many in enumerate(sizes)]
    told = profile(people(*groups), 2026, RULES)
    column = [one["opted_out"] for one in told["age"]]
    true = [0] * len(column)
    for n, many in enumerate(sizes):
        band = (2026 - (2020 - 10 * n)) // 10
        true[band] += many
    for shown, number in zip(column, true, strict=True):
        assert shown in (None, number)
        assert shown is None or not 0 < number < below
    hidden = [cell for cell, shown in enumerate(column) if shown is None]
    if not hidden or len(hidden) == len(column):
        return
    rest = sum(true) - sum(n for n in column if n is not None)
    small = [cell for cell in hidden if 0 < true[cell] < below]
    other = len(hidden) > len(small)
    possible = {
        values[0]
        for values in product(range(1, below), repeat=len(small))
        if (sum(values) <= rest if other else sum(values) == rest)
    }
    assert len(possible) >= 5
