"""Links at the gate: who becomes one person, whose choices count, and what is told of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sekisho.data.linkage import Link, join_links

NUMBERS = tuple(bytes([n]) * 32 for n in range(1, 6))
LOCALS = tuple(bytes([n]) * 32 for n in range(101, 106))


def links() -> st.SearchStrategy[list[Link]]:
    ends = st.sampled_from(NUMBERS + LOCALS)
    pair = st.tuples(ends, ends).filter(lambda p: p[0] != p[1])
    return st.lists(
        st.builds(
            lambda p, w, v: Link(p[0], p[1], p[0] in NUMBERS, p[1] in NUMBERS, w, 0.99, v),
            pair,
            st.integers(1, 9).map(float),
            st.sampled_from(["link", "reviewed", "clerical"]),
        ),
        max_size=12,
    )


@given(links())
def test_two_reliable_numbers_never_become_one_person(given: list[Link]) -> None:
    found = join_links(given, lambda pseudonym: True)
    roots = [found.of(number) for number in NUMBERS]
    assert roots == list(NUMBERS), "and a united person goes by the reliable number"


@given(links(), st.randoms(use_true_random=False))
def test_the_order_in_which_links_come_changes_nothing(given: list[Link], random: object) -> None:
    turned = list(given)
    random.shuffle(turned)  # type: ignore[attr-defined]
    one, other = (join_links(each, lambda pseudonym: True) for each in (given, turned))
    assert one.root == other.root
    assert one.counts() == other.counts()


@given(links())
def test_what_nobody_decided_unites_nobody(given: list[Link]) -> None:
    undecided = [one for one in given if one.verdict == "clerical"]
    found = join_links(undecided, lambda pseudonym: True)
    assert not found.root
    assert found.open == len(undecided)


def test_the_weakest_link_is_what_is_known_of_a_person() -> None:
    a, b, c = LOCALS[:3]
    chain = [
        Link(a, NUMBERS[0], False, True, 20.0, 0.999, "link"),
        Link(a, b, False, False, 8.0, 0.97, "reviewed"),
        Link(b, c, False, False, 3.0, 0.6, "clerical"),
    ]
    found = join_links(chain, lambda pseudonym: True)
    assert {found.of(one) for one in (a, b, NUMBERS[0])} == {NUMBERS[0]}
    assert found.of(c) == c
    (sure,) = found.certainty.values()
    assert (sure.identities, sure.weight, sure.verdict) == (3, 8.0, "reviewed")


def test_a_link_to_a_number_without_records_is_still_told_of_to_choices_alone() -> None:
    one = Link(LOCALS[0], NUMBERS[0], False, True, 20.0, 0.999, "link")
    found = join_links([one], {LOCALS[0]}.__contains__)
    assert found.of(LOCALS[0]) == NUMBERS[0]
    assert not found.certainty, "one registration is nobody united"
