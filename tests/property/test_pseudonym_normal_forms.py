"""Normal forms and batches for any input."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from sekisho.common.errors import Refusal, SekishoError
from sekisho.common.ids import Tag
from sekisho.common.randomness import seeded
from sekisho.pseudonym import (
    Batch,
    ConverterSecret,
    check_digit,
    fold,
    has_valid_check_digit,
    identified,
    insured,
    pack,
    parse_spec,
    unpack,
)
from sekisho.pseudonym.numbers import is_my_number

FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
SPACES = st.sampled_from([" ", "\u3000", "\u00a0", "\t", "\u200b", "\ufeff", ""])
SYMBOL = st.text("0123456789ABCDEFGHJ国保ア-", max_size=6)
NUMBER = st.text("0123456789", min_size=1, max_size=8)
INSURER = st.text("0123456789", min_size=1, max_size=8).filter(lambda n: not n.startswith("39"))


@given(st.text(), st.booleans())
def test_folding_twice_changes_nothing(text: str, upper: bool) -> None:
    once = fold(text, upper=upper)
    assert fold(once, upper=upper) == once
    assert unicodedata.is_normalized("NFKC", once)


@given(st.text("!#$%&0123456789ABCXYZabcxyz.", max_size=20), st.lists(SPACES, max_size=5))
def test_width_and_spaces_do_not_matter(text: str, spaces: list[str]) -> None:
    spread = "".join(
        char + space
        for char, space in zip(
            text.translate(FULL_WIDTH), [*spaces, *[""] * len(text)], strict=False
        )
    )
    assert fold(spread) == fold(text) == text


@given(
    st.text() | st.text("0123456789０１２３４５６７８９-－ー ＡｂC　カァがﾞ゙:一"),
    st.booleans(),
)
def test_what_a_text_is_made_of_does_not_decide_how_it_is_folded(text: str, upper: bool) -> None:
    hidden = f"{text}\u200b"  # folds to nothing, and is known to no short way
    assert fold(text, upper=upper) == fold(hidden, upper=upper)
    assert is_my_number(text) == is_my_number(hidden)


@given(st.text("0123456789０１２３４５６７８９-－ー 　", min_size=11, max_size=16))
def test_an_individual_number_is_found_in_any_spelling(text: str) -> None:
    digits = "".join(char for char in unicodedata.normalize("NFKC", text) if char.isdigit())
    assert is_my_number(text) == (len(digits) == 12 and is_my_number(digits))


@given(INSURER, SYMBOL, NUMBER, st.integers(1, 99), st.data())
def test_spellings_of_one_insured_number_are_one_key(
    insurer: str, symbol: str, number: str, branch: int, data: st.DataObject
) -> None:
    key = insured(insurer, symbol, number, str(branch))
    zeros = "0" * data.draw(st.integers(0, 3))
    space = data.draw(SPACES)
    other = insured(
        insurer.zfill(8).translate(FULL_WIDTH),
        space + symbol.translate(FULL_WIDTH).lower(),
        zeros + number + space,
        f"{branch:02d}".translate(FULL_WIDTH),
    )
    assert key == other
    assert parse_spec({"insured": key.value}) == key
    assert identified(key.system, key.value) == key


@given(st.tuples(INSURER, SYMBOL, NUMBER), st.tuples(INSURER, SYMBOL, NUMBER))
def test_different_numbers_are_different_keys(
    one: tuple[str, str, str], two: tuple[str, str, str]
) -> None:
    def meant(parts: tuple[str, str, str]) -> tuple[int, str, int]:
        return int(parts[0]), parts[1], int(parts[2])

    same = insured(*one, "01") == insured(*two, "01")
    assert same == (meant(one) == meant(two))


@given(st.dictionaries(st.sampled_from(["system", "value", "insured", "birth", "sex"]), st.text()))
def test_whatever_names_a_person_gives_a_key_or_an_explained_refusal(
    spec: dict[str, object],
) -> None:
    refused: SekishoError | None = None
    try:
        key = parse_spec(spec)
    except SekishoError as error:
        refused = error
    assert refused.next_step if refused else fold(key.value) == key.value


@given(st.text("0123456789", min_size=7, max_size=7), st.integers(0, 6), st.integers(1, 9))
def test_a_check_digit_notices_every_single_wrong_digit(body: str, place: int, by: int) -> None:
    number = body + str(check_digit(body))
    assert has_valid_check_digit(number)
    wrong = str((int(number[place]) + by) % 10)
    assert not has_valid_check_digit(number[:place] + wrong + number[place + 1 :])


PUBLIC = ConverterSecret.generate(seeded("batch")).public_step(None)


@given(st.dictionaries(st.binary(min_size=16, max_size=16), st.binary(min_size=64, max_size=64)))
def test_a_batch_survives_its_bytes(items: dict[bytes, bytes]) -> None:
    batch = Batch(tuple((Tag(tag.hex()), each) for tag, each in items.items()), PUBLIC)
    assert unpack(pack(batch)) == batch


@given(st.binary(max_size=400))
def test_any_other_bytes_are_refused(data: bytes) -> None:
    for raw in (data, b"SKBATCH1" + data):
        code, again = "", b""
        try:
            again = pack(unpack(raw))
        except Refusal as refused:
            code = refused.code
        assert again == raw or code.startswith(("batch.", "element."))
