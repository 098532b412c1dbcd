"""Japanese names and addresses: writings of one thing become one, and others stay apart."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.common.errors import UserError
from sekisho.data.linkage.address import Address, from_kanji, read_address
from sekisho.data.linkage.spelling import Variants, read_variants, sound, spoken, written


@pytest.fixture(scope="module")
def variants(root: Path) -> Variants:
    return read_variants(root / "rules" / "linkage" / "variants.toml")


@pytest.mark.parametrize(
    "writings",
    [
        ("渡辺", "渡邊", "渡邉", "渡　辺"),
        ("斎藤", "齋藤", "齊藤", "斉藤"),
        ("高橋", "髙橋", "高槗"),
        ("山崎", "山﨑", "山嵜"),
        ("浜田", "濱田", "濵田"),
        ("島", "嶋", "嶌"),
        ("広瀬", "廣瀬", "廣瀨"),
    ],
)
def test_the_writings_of_a_name_in_registers_are_one(
    writings: tuple[str, ...], variants: Variants
) -> None:
    assert len({written(name, variants) for name in writings}) == 1


def test_names_that_only_look_alike_stay_apart(variants: Variants) -> None:
    names = ["大田", "太田", "土田", "士田", "未来", "末来", "荻原", "萩原", "佐藤", "斎藤"]
    assert len({written(name, variants) for name in names}) == len(names)


@pytest.mark.parametrize(
    "readings",
    [
        ("オオノ", "オーノ", "オウノ", "おおの", "ｵｵﾉ"),
        ("タカダ", "タカタ", "ﾀｶﾀﾞ"),
        ("ヤマザキ", "ヤマサキ"),
        ("ショウイチ", "シヨウイチ", "ショーイチ"),
        ("ヅカ", "ズカ"),
        ("サトウ", "サトー", "サトオ"),
    ],
)
def test_readings_that_are_heard_as_one_sound_the_same(readings: tuple[str, ...]) -> None:
    assert len({sound(kana) for kana in readings}) == 1


@given(st.text(st.characters(min_codepoint=0x30A1, max_codepoint=0x30F6), max_size=12))
def test_width_and_kana_never_change_how_a_name_is_spoken(name: str) -> None:
    hiragana = "".join(chr(ord(c) - 0x60) for c in name)
    assert spoken(hiragana) == spoken(name)
    assert spoken(unicodedata.normalize("NFD", name)) == spoken(name)
    assert sound(sound(name)) == sound(name)


@pytest.mark.parametrize(
    "text",
    [
        "関町1-2-3",
        "東京都関町一丁目2番3号",
        "関町１丁目２番地の３　メゾン関町201",
        "関町１の２の３",
        "関町一－二－三",
        "関町 １丁目 ２－３",
    ],
)
def test_an_address_is_one_however_it_is_written(text: str, variants: Variants) -> None:
    assert read_address(text, variants) == Address("関町", "1-2-3")


def test_other_addresses_are_others(variants: Variants) -> None:
    texts = ["関町1-2-3", "関町1-2-4", "関町12-3", "関町北1-2-3", "八幡二十一番地", "八幡2-11"]
    assert len({read_address(text, variants) for text in texts}) == len(texts)


def test_kanji_within_a_place_is_no_number(variants: Variants) -> None:
    assert read_address("三本松十二丁目3番", variants) == Address("三本松", "12-3")
    assert read_address("千代が崎", variants) == Address("千代が崎", None)
    assert read_address(None, variants) == Address(None, None)


@given(st.integers(1, 9999))
def test_numbers_in_kanji_are_read_in_both_ways(number: int) -> None:
    digits = "".join("〇一二三四五六七八九"[int(d)] for d in str(number))
    counted = "".join(
        ("" if d == "1" else "〇一二三四五六七八九"[int(d)]) + unit
        if unit
        else "〇一二三四五六七八九"[int(d)]
        for d, unit in zip(str(number), ["千", "百", "十", ""][4 - len(str(number)) :], strict=True)
        if d != "0"
    )
    assert from_kanji(digits) == number
    assert from_kanji(counted) == number


def test_a_list_of_variants_without_a_source_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "variants.toml"
    file.write_text('id="x"\nversion="1"\n[source]\n[groups]\nours=["辺邊"]\n', "utf-8")
    with pytest.raises(UserError):
        read_variants(file)
