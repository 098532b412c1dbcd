"""Numbers that Japanese identifiers are made of: their normal spelling and their check digits."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

# Everything that a keyboard or a converter puts where a hyphen is meant. The long-vowel mark is
# one of them: in symbols of insured persons it is typed for a hyphen more often than for itself.
_HYPHENS: Final = dict.fromkeys(map(ord, "‐‑‒–—―⁃−─━ー﹘﹣－ｰ"), "-")
# Separators, controls, formats; and the variation selectors, which only choose a glyph.
_DROPPED_CATEGORIES: Final = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})
_SMALL: Final = dict(zip("ァィゥェォッャュョヮヵヶ", "アイウエオツヤユヨワカケ", strict=True))
_LARGE: Final = {
    **{code: _SMALL.get(chr(code + 0x60), chr(code + 0x60)) for code in range(0x3041, 0x3097)},
    **{ord(small): large for small, large in _SMALL.items()},
    **dict.fromkeys(map(ord, "・･-'"), None),
}
"""Hiragana and small katakana → large katakana; marks of a name → nothing."""
_VARIATION: Final = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef\u180b-\u180d\u180f]")
_ALONE: Final = re.compile("[ -~　！-～ぁ-ゖァ-ヺー一-鿿]*")
"""Characters of which NFKC makes one each, whatever stands beside them."""
_NO_DIGIT: Final = re.compile("[!-,./:-~]")
"""Characters that stay in a folded text, and are in no number."""


def fold(text: str, *, upper: bool = False) -> str:
    """Return ``text`` in normal form 1: NFKC, no spaces, every hyphen ``-``; with ``upper``, case.

    Full-width and half-width spellings of one value become equal; folding twice changes nothing.
    """
    if text.isascii() and text.isprintable() and " " not in text:
        return text.upper() if upper else text
    if _ALONE.fullmatch(text):
        text = unicodedata.normalize("NFKC", text).replace(" ", "").replace("ー", "-")
        return text.upper() if upper else text
    # Dropping a character can bring two others together that compose, and NFKC can bring out a
    # space or a hyphen: so until nothing changes (two rounds for all but contrived input).
    while True:
        folded = unicodedata.normalize("NFKC", text.upper() if upper else text)
        folded = _VARIATION.sub("", folded.translate(_HYPHENS))
        if not folded.isprintable() or " " in folded:  # all that is dropped is one or the other
            kept = (c for c in folded if unicodedata.category(c) not in _DROPPED_CATEGORIES)
            folded = "".join(kept)
        if folded == text:
            return folded
        text = folded


def fold_kana(text: str) -> str:
    """Return a name in kana in normal form 1: full-width katakana, large, without any mark.

    Hiragana, half width, small kana (ッ, ャ …), spaces, middle dots and long-vowel marks make no
    difference: which of them a system can write differs from system to system.
    """
    return fold(text, upper=True).translate(_LARGE)


def check_digit(body: str) -> int:
    """Return the check digit (検証番号) of a 保険者番号 or 公費負担者番号 given without it.

    From the last digit leftwards weights 2, 1, 2, 1 …; digit sums of the products; the
    complement to ten (保険者番号等設定要領).
    """
    if not (body.isascii() and body.isdigit()):
        raise ValueError("a number's body is ASCII digits")
    total = 0
    for place, digit in enumerate(reversed(body)):
        product = int(digit) * (2 if place % 2 == 0 else 1)
        total += product // 10 + product % 10
    return (10 - total % 10) % 10


@lru_cache(maxsize=1 << 12)
def has_valid_check_digit(number: str) -> bool:
    """Tell whether a 保険者番号 (6 or 8 digits) or 公費負担者番号 ends in its check digit.

    A quality check: real receipts hold numbers that fail it, so it never decides on a person key.
    """
    folded = fold(number)
    if not (folded.isascii() and folded.isdigit() and len(folded) in (6, 8)):
        return False
    return check_digit(folded[:-1]) == int(folded[-1])


def is_my_number(text: str) -> bool:
    """Tell whether ``text`` is 12 digits whose last is the check digit of an 個人番号.

    行政手続における特定の個人を識別するための番号…総務省令 (平成26年総務省令第85号) 第5条:
    11 - (sum of P_n*Q_n mod 11), and 0 where that remainder is 0 or 1. One in ten other
    numbers of 12 digits looks the same; they are refused with it, for no harm is done by that.
    """
    # a character beyond these can fold into several
    if len(text) < 12 and (text.isascii() or _ALONE.fullmatch(text)):
        return False
    if _NO_DIGIT.search(text):
        return False
    digits = fold(text).replace("-", "")
    if not (len(digits) == 12 and digits.isascii() and digits.isdigit()):
        return False
    remainder = (
        sum(
            int(digit) * (n + 1 if n <= 6 else n - 5)
            for n, digit in enumerate(reversed(digits[:-1]), start=1)
        )
        % 11
    )
    return int(digits[-1]) == (0 if remainder <= 1 else 11 - remainder)
