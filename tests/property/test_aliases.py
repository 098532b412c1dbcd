"""Histories of numbers: order does not matter, a split restores, the past stays what it was."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.common.errors import UserError
from sekisho.pseudonym.alias import AliasEvent, classes, in_force, resolve, with_aliases

DAY = date(2026, 4, 1)
LATE = DAY + timedelta(days=10_000)


def event(
    old: str, new: str, day: int = 0, *, ref: str = "", revokes: str | None = None, known: int = 0
) -> AliasEvent:
    return AliasEvent(
        ref or f"{old}-{new}-{day}-{known}",
        old,
        new,
        DAY + timedelta(days=day),
        DAY + timedelta(days=known),
        "insurer-change",
        revokes,
    )


@st.composite
def histories(draw: st.DrawFn) -> list[AliasEvent]:
    """Events among few numbers, so that classes form; no two with the same two days."""
    numbers = st.sampled_from("abcdefgh")
    pairs = draw(st.lists(st.tuples(numbers, numbers).filter(lambda p: p[0] != p[1]), max_size=12))
    made = [event(old, new, day, ref=f"e{day}", known=day) for day, (old, new) in enumerate(pairs)]
    taken = draw(st.lists(st.integers(0, 20), max_size=4))
    for n, which in enumerate(taken):
        if made:
            back = made[which % len(made)]
            made.append(
                replace(back, ref=f"r{n}", revokes=back.ref, recorded_on=DAY + timedelta(50 + n))
            )
    return made


@given(histories(), st.randoms())
def test_the_order_in_which_events_arrive_does_not_matter(made: list[AliasEvent], random) -> None:  # type: ignore[no-untyped-def]
    shuffled = list(made)
    random.shuffle(shuffled)
    assert resolve(shuffled, LATE, LATE) == resolve(made, LATE, LATE)
    assert resolve(made + shuffled, LATE, LATE) == resolve(made, LATE, LATE)


@given(histories(), st.permutations("abcdefgh"))
def test_two_bodies_with_other_pseudonyms_choose_the_same_person_as_root(
    made: list[AliasEvent], other: list[str]
) -> None:
    name = dict(zip("abcdefgh", (f"x{c}" for c in other), strict=True))
    elsewhere = [
        replace(
            e,
            old=name[e.old],
            new=name[e.new],
            ref=f"o{e.ref}",
            revokes=e.revokes and f"o{e.revokes}",
        )
        for e in made
    ]
    here = resolve(made, LATE, LATE)
    assert resolve(elsewhere, LATE, LATE) == {name[a]: name[b] for a, b in here.items()}


@given(histories())
def test_every_number_has_one_root_and_a_root_is_its_own(made: list[AliasEvent]) -> None:
    roots = resolve(made, LATE, LATE)
    assert all(roots[root] == root for root in roots.values())
    for one in in_force(made, LATE, LATE):
        if one.revokes is None:
            assert roots[one.old] == roots[one.new]
    assert set().union(*classes(roots).values()) == set(roots)


@given(histories(), st.integers(0, 60), st.integers(0, 60))
def test_what_was_recorded_later_changes_no_earlier_answer(
    made: list[AliasEvent], on: int, known: int
) -> None:
    day, knowledge = DAY + timedelta(days=on), DAY + timedelta(days=known)
    before = [e for e in made if e.recorded_on <= knowledge]
    assert resolve(made, day, knowledge) == resolve(before, day, knowledge)


@given(histories())
def test_a_split_of_everything_restores_every_number(made: list[AliasEvent]) -> None:
    links = [e for e in made if e.revokes is None]
    splits = [replace(e, ref=f"s{n}", revokes=e.ref, recorded_on=LATE) for n, e in enumerate(links)]
    assert resolve(links + splits, LATE, LATE) == {}


def test_the_oldest_number_is_the_root() -> None:
    chain = [event("b", "c", 2), event("a", "b", 1), event("c", "d", 3)]
    assert resolve(chain, LATE, LATE) == dict.fromkeys("abcd", "a")


def test_who_comes_back_to_a_former_number_keeps_the_first_as_root() -> None:
    assert resolve([event("a", "b", 1), event("b", "a", 2)], LATE, LATE) == {"a": "a", "b": "a"}


def test_a_change_counts_from_its_day_and_from_when_it_was_known() -> None:
    change = event("a", "b", day=5, known=9)
    eighth, ninth = DAY + timedelta(days=8), DAY + timedelta(days=9)
    assert resolve([change], DAY + timedelta(days=4), LATE) == {}
    assert resolve([change], ninth, eighth) == {}
    assert resolve([change], ninth, ninth) == {"a": "a", "b": "a"}


def test_a_split_gives_each_number_its_own_again_and_can_be_undone() -> None:
    link = event("a", "b", ref="link")
    split = event("a", "b", ref="split", revokes="link", known=3)
    again = event("a", "b", ref="again", revokes="split", known=4)
    third = DAY + timedelta(days=3)
    assert resolve([link, split], LATE, third - timedelta(days=1)) == {"a": "a", "b": "a"}
    assert resolve([link, split, again], LATE, third) == {}
    assert resolve([link, split, again], LATE, LATE) == {"a": "a", "b": "a"}


def test_a_split_leaves_other_links_of_the_person_alone() -> None:
    made = [event("a", "b", 1, ref="1"), event("b", "c", 2, ref="2")]
    made.append(event("a", "b", 1, ref="3", revokes="1", known=3))
    assert resolve(made, LATE, LATE) == {"b": "b", "c": "b"}


def test_events_that_revoke_each_other_come_to_an_end() -> None:
    one = event("a", "b", ref="1", revokes="2", known=1)
    two = event("a", "b", ref="2", revokes="1", known=2)
    assert resolve([one, two], LATE, LATE) == {}


def test_a_choice_under_one_number_reaches_all_of_the_persons_numbers() -> None:
    roots = resolve([event("a", "b", 1), event("x", "y", 1)], LATE, LATE)
    assert with_aliases({"b", "q"}, roots) == {"a", "b", "q"}


def test_an_event_without_two_numbers_is_refused_and_shows_none() -> None:
    with pytest.raises(UserError):
        event("a", "a")
    assert "secret" not in repr(event("secret-a", "secret-b", ref="1"))
