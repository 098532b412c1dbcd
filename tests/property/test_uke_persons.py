"""Whoever a receipt's numbers tell by their mere shape is known, whatever characters these hold."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from sekisho.provider.readers.uke_plain_persons import Persons, is_known

BORN = 3_652
wide = st.characters(min_codepoint=0x20, max_codepoint=0xFFFF, exclude_categories=["Cs"])
kana = st.characters(min_codepoint=0x3000, max_codepoint=0x30FF)
form = st.characters(min_codepoint=0xFF00, max_codepoint=0xFFEF)
plain = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
number = st.text(st.one_of(plain, plain, kana, form, wide), max_size=13)
payer = st.sampled_from(["06132013", "138057", "39131156", "12131025"]) | number
branch = st.text("0123456789０１", max_size=3)
person = st.tuples(st.booleans(), payer, number, number, branch, number)


def persons_of(people: Sequence[tuple[bool, str, str, str, str, str]]) -> Persons:
    insured, *texts = zip(*people, strict=True)
    payers, symbols, numbers, branches, charts = (pa.array(one, pa.string()) for one in texts)
    alike = {"unit": "receipt", "rest": "", "sex": "female"}
    return Persons(
        insured=pa.array(insured, pa.bool_()),
        numbers=(payers, symbols, numbers),
        branch=branches,
        chart_system="urn:oid:1.2.392.100495.20.3.51.11310000001",
        chart=charts,
        birth=pa.array([BORN] * len(people), pa.int32()),
        **{name: pa.array([value] * len(people)) for name, value in alike.items()},
    )


@given(st.lists(person, min_size=1, max_size=20))
def test_who_is_told_by_the_shape_of_the_numbers_has_a_key_without_a_doubt(
    people: list[tuple[bool, str, str, str, str, str]],
) -> None:
    persons = persons_of(people)
    who = persons.who()
    assert all(map(is_known, who.ask(who.rows.filter(persons.surely_known()), False)))


def test_numbers_as_receipts_have_them_are_told_by_their_shape() -> None:
    numbers = [
        ("１２", "３４５"),
        ("世田谷", "1"),
        ("あ－1", "00"),
        ("", "17000007"),
        ("・", "ＡＢ"),
    ]
    people = [(True, "06132013", symbol, number, "", "K1") for symbol, number in numbers]
    told = persons_of(people).surely_known().to_pylist()
    assert told == [True, True, True, True, False]  # a middle dot is looked up
