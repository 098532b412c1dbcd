"""People follow the figures they are made from, and hold still when more are made."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.pseudonym import has_valid_check_digit
from sekisho.synthetic import Period, person_of, visits_of
from sekisho.synthetic.care import creatinine
from sekisho.synthetic.draws import Draws
from sekisho.synthetic.tables import population

SEED = 7
SIZE = 2_000
PERIOD = Period.before(date(2026, 4, 1))
PEOPLE = [person_of(SEED, number) for number in range(SIZE)]


@given(st.integers(0, 2**40), st.integers(1, 10**9))
def test_a_draw_is_below_its_limit_and_the_same_again(seed: int, limit: int) -> None:
    first = [Draws(seed, "s", 1).below(limit) for _ in range(2)]
    assert first[0] == first[1]
    assert 0 <= first[0] < limit


def test_ages_and_sexes_follow_the_population() -> None:
    """Chi-square on sex × ten ages of ten years; 19 degrees of freedom, 1 in 1,000 is 43.8."""
    total = sum(band.male + band.female for band in population().band)
    wanted: Counter[tuple[str, int]] = Counter()
    for band in population().band:
        wanted["male", min(band.from_ // 10, 9)] += band.male
        wanted["female", min(band.from_ // 10, 9)] += band.female
    got = Counter((p.sex, min(p.age(date(2025, 10, 1)) // 10, 9)) for p in PEOPLE)
    square = sum(
        (got[cell] - SIZE * share / total) ** 2 / (SIZE * share / total)
        for cell, share in wanted.items()
    )
    assert square < 43.8


def test_shares_of_diseases_are_three_times_the_published_totals() -> None:
    for disease in population().disease:
        if disease.total_thousand is None:
            continue
        ill = sum(
            band.male * disease.share("male", band.from_)
            + band.female * disease.share("female", band.from_)
            for band in population().band
        )
        assert ill / 10_000 == pytest.approx(3 * disease.total_thousand, rel=0.01)


def test_no_two_people_have_one_key() -> None:
    keys = [key for person in PEOPLE for key in person.numbers()]
    assert len(set(keys)) == len(keys) > SIZE


def test_families_share_a_number_and_differ_in_their_branch() -> None:
    families = Counter(
        (i.insurer, i.symbol, i.number) for p in PEOPLE for i in p.episodes if not i.elderly
    )
    assert max(families.values()) > 1
    assert sum(1 for n in families.values() if n > 1) > SIZE // 20


def test_insurers_have_valid_check_digits_and_the_elderly_their_own() -> None:
    for person in PEOPLE:
        insurance = person.insurance(PERIOD.last)
        if insurance is None:
            continue
        assert has_valid_check_digit(insurance.insurer)
        assert insurance.elderly == (person.age(PERIOD.last) >= 75)
        assert bool(insurance.branch) != insurance.elderly


def test_numbers_change_at_the_stated_rates() -> None:
    """About one in ten a year changes the insurer; whoever turns 75 does, and nobody twice a day.

    Bounds are four standard deviations of a count around its expectation.
    """
    first, last = PERIOD.first, PERIOD.last
    changes = [
        (person, one)
        for person in PEOPLE
        for one in person.episodes[1:]
        if first <= one.since <= last
    ]
    assert 60 <= len(changes) <= 145
    turned = {p.number for p in PEOPLE if p.episodes and p.age(first) == 74 and p.age(last) == 75}
    assert turned == {p.number for p, one in changes if one.reason == "age-75"}
    unheard = sum(1 for p in PEOPLE for one in p.episodes if not one.heard)
    assert 0.02 < unheard / sum(len(p.episodes) - 1 for p in PEOPLE if p.episodes) < 0.08
    for person in PEOPLE:
        days = [one.since for one in person.episodes]
        assert days == sorted(set(days))


def test_there_are_people_without_a_number_new_names_and_namesakes() -> None:
    assert 4 <= sum(1 for person in PEOPLE if not person.episodes) <= 40
    reasons = Counter(one.reason for person in PEOPLE for one in person.names)
    assert reasons["marriage"] > 10
    assert reasons["kana"] > 3
    alike = Counter((p.names[0].kana, p.birth, p.sex) for p in PEOPLE)
    assert 2 <= sum(n - 1 for n in alike.values()) <= 30


def test_a_history_leads_to_the_oldest_number_that_was_heard_of() -> None:
    day, start = date(2026, 5, 1), date(2025, 9, 1)
    changed = [
        (p, one, p.numbers()[n])
        for p in PEOPLE
        for n, one in enumerate(p.episodes)
        if n and start < one.since <= day
    ]
    assert {one.heard for _, one, _ in changed} == {True, False}
    for person, one, key in changed:
        assert (person.root(key, day, start) != key) == one.heard
        assert person.root(key, one.since - timedelta(days=1), start) == key


def test_a_person_does_not_depend_on_how_many_there_are() -> None:
    person_of.cache_clear()
    assert [person_of(SEED, number) for number in reversed(range(50))] == PEOPLE[49::-1]


def test_nothing_that_identifies_is_in_a_repr() -> None:
    person = PEOPLE[0]
    for text in (repr(person), repr(person.episodes[0])):
        assert person.names[0].family[0] not in text
        assert person.episodes[0].number not in text
        assert person.phone not in text


def test_everyone_is_seen_in_the_period_and_nobody_after_death() -> None:
    at_two = 0
    for person in PEOPLE:
        visits = visits_of(SEED, person, 3, PERIOD)
        assert visits
        assert all(PERIOD.first <= visit.day <= PERIOD.last for visit in visits)
        assert [n for n, visit in enumerate(visits) if visit.dies] in ([], [len(visits) - 1])
        at_two += len({visit.place for visit in visits}) > 1
    assert at_two >= SIZE // 4


@pytest.mark.parametrize(
    ("day", "first", "last"),
    [
        (date(2026, 4, 1), date(2025, 9, 1), date(2026, 2, 28)),
        (date(2026, 1, 31), date(2025, 6, 1), date(2025, 11, 30)),
        (date(2024, 9, 15), date(2024, 2, 1), date(2024, 7, 31)),
    ],
)
def test_the_usual_period_is_six_months_that_have_been_billed(
    day: date, first: date, last: date
) -> None:
    period = Period.before(day)
    assert (period.first, period.last) == (first, last)
    assert len(list(period.months())) == 6


@given(st.integers(5, 110), st.integers(18, 104), st.booleans())
def test_creatinine_gives_back_the_egfr(egfr: int, age: int, female: bool) -> None:
    value = creatinine(egfr, age, female) / 100
    back = 194 * value**-1.094 * age**-0.287 * (0.739 if female else 1)
    assert back == pytest.approx(egfr, rel=0.03)


def test_nobody_is_treated_before_birth_and_who_is_born_later_is_not_treated_at_all() -> None:
    period = Period(date(2025, 9, 1), date(2026, 2, 28))
    newborn = [one for one in (person_of(7, n) for n in range(4000)) if one.birth >= period.first]
    assert len(newborn) > 1
    for one in newborn:
        visits = visits_of(7, one, 3, period)
        assert all(one.birth <= visit.day <= period.last for visit in visits)
        assert bool(visits) == (one.birth <= period.last)
