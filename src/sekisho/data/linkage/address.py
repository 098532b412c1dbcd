"""Japanese addresses in one spelling: the place in letters, the number in digits.

一丁目2番3号, 1-2-3, １丁目２番地の３ and １の２の３ are one number. What comes after the number (a
building's name, a room) is left out: half of all writers leave it out as well.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from sekisho.data.linkage.spelling import Variants

_DIGITS = {"〇": 0, "零": 0, "一": 1, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8,
           "九": 9}  # fmt: skip
_TENS = {"十": 10, "百": 100, "千": 1000}
_KANJI = "".join([*_DIGITS, *_TENS])
_COUNTED = re.compile(rf"([{_KANJI}]+)(?=\s*(?:丁目|番地|番|号|条|線|[のノ之-]\s*[{_KANJI}\d]))")
_AFTER_COUNT = re.compile(rf"(?<=\d)\s*[のノ之-]\s*([{_KANJI}]+)")
_DASHES = re.compile(r"[‐‑–—―−－ーｰ~〜]")
_UNITS = re.compile(r"(?<=\d)\s*(?:丁目|番地|番|号室|号|の|ノ|之|-)+\s*")
_NUMBER = re.compile(r"\d+(?:-\d+)*")
_PREFECTURE = re.compile(r"^(?:東京都|北海道|(?:京都|大阪)府|.{2,3}県)")
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True)
class Address:
    """``place``: without prefecture, 大字 and spaces. ``number``: ``1-2-3``, no leading zeros."""

    place: str | None
    number: str | None


def read_address(text: str | None, variants: Variants) -> Address:
    """Return an address as it is compared; parts that say nothing are None."""
    plain = _DASHES.sub("-", unicodedata.normalize("NFKC", text or ""))
    plain = variants.fold(_SPACES.sub(" ", plain).strip())
    plain = re.sub(r"[ヶヵケ](?=[一-鿿])", "ケ", plain)
    plain = _COUNTED.sub(lambda found: str(from_kanji(found.group(1))), plain)
    plain = _AFTER_COUNT.sub(lambda found: f"-{from_kanji(found.group(1))}", plain)
    plain = _UNITS.sub("-", plain)
    found = _NUMBER.search(plain)
    place = plain if found is None else plain[: found.start()]
    place = _PREFECTURE.sub("", place.replace("大字", "").replace("字", "")).replace(" ", "")
    number = None
    if found is not None:
        number = "-".join(str(int(part)) for part in found.group(0).split("-"))
    return Address(place.rstrip("-") or None, number)


def from_kanji(text: str) -> int:
    """Return a number below 10,000 written in kanji, with 十百千 or as a row of digits.

    Raises:
        ValueError: another character is in it.
    """
    if not any(letter in _TENS for letter in text):
        return int("".join(str(_digit(letter)) for letter in text))
    total, current = 0, 0
    for letter in text:
        if letter in _TENS:
            total += max(current, 1) * _TENS[letter]
            current = 0
        else:
            current = current * 10 + _digit(letter)
    return total + current


def _digit(letter: str) -> int:
    if letter not in _DIGITS:
        raise ValueError("not a number in kanji")
    return _DIGITS[letter]
