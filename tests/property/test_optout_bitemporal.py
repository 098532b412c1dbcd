"""Opt-out as a function of what was stated and of what was known."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sekisho.common.canonical import canonical_json
from sekisho.control.optout import (
    ALL,
    GENESIS,
    Choice,
    Learned,
    Scope,
    drops,
    effective,
    in_force,
    list_as_of,
    make_list,
)

START = date(2026, 4, 1)
SCOPES = [ALL, *map(Scope.parse, ("data:basic", "data:additional", "operator:a", "purpose:policy"))]
days = st.integers(-20, 60).map(lambda n: START + timedelta(days=n))


@st.composite
def histories(draw: st.DrawFn, scopes: list[Scope] = SCOPES) -> list[Choice]:
    return [
        Choice(
            ref=f"r{n}",
            scope=draw(st.sampled_from(scopes)),
            effective_from=draw(days),
            recorded_on=draw(days),
            revoke=draw(st.booleans()),
            serial=draw(st.integers(0, 3)),
        )
        for n in range(draw(st.integers(0, 8)))
    ]


@given(histories(SCOPES[1:]), days, days, st.integers(0, 5), days)
def test_opting_out_and_reversing_leads_back_to_the_start(
    start: list[Choice], recorded: date, counts_from: date, later: int, on: date
) -> None:
    out = Choice("out", ALL, counts_from, recorded, serial=10)
    back = Choice(
        "back", ALL, counts_from, recorded + timedelta(days=later), revoke=True, serial=11
    )
    assert effective([*start, out, back], on) == effective(start, on)
    if counts_from <= on:
        assert effective([*start, out], on) == effective(start, on) | {ALL}


@given(histories(), days, st.randoms())
def test_the_order_of_arrival_does_not_matter(
    history: list[Choice], on: date, random: object
) -> None:
    shuffled = list(history)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert effective(shuffled, on) == effective(history, on)


@given(histories(), histories(), days, days)
def test_what_is_recorded_later_never_changes_what_was_known(
    before: list[Choice], after: list[Choice], on: date, known: date
) -> None:
    old = [choice for choice in before if choice.recorded_on <= known]
    new = [choice for choice in after if choice.recorded_on > known]
    assert effective([*old, *new], on, known) == effective(old, on, known)


@given(st.dictionaries(st.binary(min_size=4, max_size=4).map(bytes.hex), histories()), days)
def test_a_past_list_comes_out_again_byte_for_byte(
    choices: dict[str, list[Choice]], on: date
) -> None:
    known_then = {p: [c for c in h if c.recorded_on <= on] for p, h in choices.items()}
    then = make_list(known_then, 1, GENESIS, on, registry="r")
    again = make_list(dict(reversed(choices.items())), 1, GENESIS, on, registry="r")
    assert then == again
    assert canonical_json(then.header.payload()) == canonical_json(again.header.payload())


@given(
    st.sets(st.sampled_from(SCOPES)),
    st.sampled_from(["basic", "additional", "hard"]),
    st.sampled_from([("a",), ("b",), ("a", "b")]),
    st.sampled_from(["research", "policy"]),
)
def test_a_person_is_dropped_exactly_where_a_choice_says_so(
    scopes: set[Scope], data_class: str, operators: tuple[str, ...], purpose: str
) -> None:
    named = {"all", f"data:{data_class}", f"purpose:{purpose}"} | {
        f"operator:{operator}" for operator in operators
    }
    expected = any(str(scope) in named for scope in scopes)
    assert drops(scopes, data_class, operators, purpose) == expected
    if len(operators) == 1:
        assert drops(scopes, data_class, operators[0], purpose) == expected


people = st.dictionaries(st.sampled_from(["aa", "bb", "cc", "dd"]), histories(), max_size=4)


@given(people, people, st.integers(1, 6), days)
def test_a_list_is_made_again_from_a_registry_that_has_learned_more(
    then: dict[str, list[Choice]], since: dict[str, list[Choice]], number: int, on: date
) -> None:
    """The registry may have learned of a choice long after a desk recorded it."""
    before = {p: [Learned(c, on, number) for c in h] for p, h in then.items()}
    later = {p: [Learned(c, on, number + 1) for c in h] for p, h in since.items()}
    after = {p: [*later.get(p, []), *before.get(p, [])] for p in {*before, *later}}
    made = [list_as_of(held, number, "ab" * 32 if number > 1 else GENESIS, on, registry="r")
            for held in (before, after)]  # fmt: skip
    assert made[0] == made[1]


@given(histories(), days, days, days)
def test_what_was_in_force_as_known_then_does_not_change(
    stated: list[Choice], on: date, known: date, learned: date
) -> None:
    held = [Learned(choice, learned, 1) for choice in stated]
    assert in_force(held, on, known) == (effective(stated, on) if learned <= known else frozenset())
