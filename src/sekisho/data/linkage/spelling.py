"""Japanese names in one spelling: width, 異体字, kana. For comparing; what was written is kept.

A name has three forms here: as read (kanji, variants folded), as spoken (full-width katakana), and
its sound, in which what ears and clerks confuse is one: ヅ and ズ, オウ and オー and オオ, ヤ
and ャ, and whether a sound is voiced (タカタ and タカダ).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from sekisho.common.toml import read_toml

Group = Annotated[str, Meta(min_length=2)]

_HIRAGANA = {code: code + 0x60 for code in range(0x3041, 0x3097)}
_SMALL = str.maketrans("ァィゥェォッャュョヮヵヶ", "アイウエオツヤユヨワカケ")
_OLD = str.maketrans("ヰヱヲ", "イエオ")
_SPACES = re.compile(r"[\s・･]+")
_LONG = (
    ("ア", "アカサタナハマヤラワ"),
    ("イ", "イキシチニヒミリ"),
    ("ウ", "ウクスツヌフムユルオコソトノホモヨロ"),
    ("エ", "エケセテネヘメレ"),
    ("オ", "オコソトノホモヨロ"),
)
"""A vowel that only makes the sound before it longer: (vowel, unvoiced sounds before it)."""


class VariantFile(Struct, frozen=True, forbid_unknown_fields=True):
    """``rules/linkage/variants.toml``: groups of characters that stand for one another."""

    id: str
    version: str
    source: dict[str, str]
    groups: dict[str, tuple[Group, ...]]

    def __post_init__(self) -> None:
        if set(self.source) != set(self.groups):
            raise ValueError("each list of groups names its source")


@dataclass(frozen=True)
class Variants:
    """Character → the one that it is compared as; ``version`` is part of what a linkage says."""

    version: str
    table: Mapping[int, str]

    def fold(self, text: str) -> str:
        return text.translate(dict(self.table))


def read_variants(path: Path) -> Variants:
    """Read the file; a chain of groups (齊 → 斉 → 斎) ends at one character."""
    file = read_toml(path, VariantFile)
    first: dict[str, str] = {}

    def end(character: str) -> str:
        while character in first:
            character = first[character]
        return character

    for groups in file.groups.values():
        for group in groups:
            for other in group[1:]:
                if end(other) != end(group[0]):
                    first[end(other)] = end(group[0])
    return Variants(file.version, {ord(character): end(character) for character in first})


def written(text: str | None, variants: Variants) -> str | None:
    """Return a name in kanji as it is compared; None where it says nothing."""
    folded = _SPACES.sub("", unicodedata.normalize("NFKC", text or ""))
    return variants.fold(folded).upper() or None


def spoken(text: str | None) -> str | None:
    """Return a name in kana as full-width katakana; None where it says nothing."""
    wide = _SPACES.sub("", unicodedata.normalize("NFKC", text or ""))
    return wide.translate(_HIRAGANA).upper() or None


def sound(text: str | None) -> str | None:
    """Return how a name sounds to one who does not listen closely; None where it says nothing."""
    kana = spoken(text)
    if kana is None:
        return None
    plain = kana.replace("ヂ", "ジ").replace("ヅ", "ズ").translate(_SMALL).translate(_OLD)
    apart = unicodedata.normalize("NFD", plain)
    unvoiced = [letter for letter in apart if letter not in "\u3099\u309aー-"]
    short: list[str] = []
    for letter in unvoiced:
        if not (short and any(letter == vowel and short[-1] in after for vowel, after in _LONG)):
            short.append(letter)
    return "".join(short) or None
