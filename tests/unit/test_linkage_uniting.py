"""A holder unites a person's numbers, unless its own records speak of two people."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sekisho.data.linkage import Known, candidates, unite

OWN = {"k1": "old", "k2": "new", "k3": "other"}
ROOTS = {"old": "old", "new": "old"}
WOMAN = Known(frozenset({8532}), frozenset({(1950, 4)}))
MAN = Known(frozenset({8507}), frozenset({(1950, 4)}))
IN_MAY = Known(frozenset({8532}), frozenset({(1950, 5)}))


def test_two_numbers_of_one_person_leave_as_one() -> None:
    found = unite(OWN, ROOTS, {"k1": WOMAN, "k2": WOMAN})
    assert found.sent == {"k1": "old", "k2": "old", "k3": "other"}
    assert found.conflicts == ()
    quality = found.quality(OWN, {"k1": "direct", "k2": "number", "k3": "local"})
    assert quality.to_dict() == {
        "persons": 2,
        "by_method": {"number": 1, "local": 1},
        "aliases_used": 1,
        "merged": 1,
        "conflicts": 0,
    }


def test_a_new_number_leaves_under_the_old_one_that_this_holder_never_saw() -> None:
    found = unite({"k2": "new"}, ROOTS, {})
    assert found.sent == {"k2": "old"}
    assert candidates({"k2": "new"}, ROOTS) == frozenset()


def test_another_sex_or_birth_month_keeps_two_people_apart_and_is_counted() -> None:
    for other, differ in ((MAN, ("sex",)), (IN_MAY, ("birth-month",))):
        found = unite(OWN, ROOTS, {"k1": WOMAN, "k2": other})
        assert found.sent == OWN
        (conflict,) = found.conflicts
        assert (conflict.keys, conflict.differ) == (("k1", "k2"), differ)
        assert found.quality(OWN, {}).conflicts == 1


def test_records_that_say_nothing_contradict_nobody() -> None:
    assert not unite(OWN, ROOTS, {"k1": WOMAN, "k2": Known()}).conflicts
    assert not unite(OWN, ROOTS, {}).conflicts


KNOWN = st.builds(
    Known,
    st.frozensets(st.sampled_from([8507, 8532]), max_size=1),
    st.frozensets(st.sampled_from([(1950, 4), (1950, 5)]), max_size=1),
)


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from("12345678"), max_size=8),
    st.dictionaries(st.sampled_from("12345678"), st.sampled_from("123"), max_size=8),
    st.dictionaries(st.sampled_from("abcdefgh"), KNOWN, max_size=8),
)
def test_nobody_in_conflict_is_ever_united(
    own: dict[str, str], some: dict[str, str], known: dict[str, Known]
) -> None:
    roots = some | {root: root for root in some.values()}
    found = unite(own, roots, known)
    assert set(found.sent) == set(own)
    for one in own:
        for other in own:
            if found.sent[one] != found.sent[other] or own[one] == own[other]:
                continue
            mine, theirs = known.get(one, Known()), known.get(other, Known())
            assert len(mine.sexes | theirs.sexes) <= 1
            assert len(mine.births | theirs.births) <= 1
    for conflict in found.conflicts:
        assert all(found.sent[key] == own[key] for key in conflict.keys)
