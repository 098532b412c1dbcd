"""One person in the registers of two hospitals: the same, or otherwise by a known cause.

For measuring linkage where no number helps. Families share a name, an address and a telephone;
one in a hundred people has a twin. Which records are one person is known, and so is what differs.
"""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Final

from sekisho.synthetic.draws import Draws
from sekisho.synthetic.insurance import HOUSEHOLD
from sekisho.synthetic.person import person_of
from sekisho.synthetic.tables import names

CAUSES: Final = (
    "same",
    "variant",
    "kana-only",
    "kanji-only",
    "width",
    "marriage",
    "sound",
    "address",
    "moved",
    "birth",
    "typo",
    "several",
)
"""What makes the second record differ: nothing; 異体字; no kanji, or no kana; half and full width;
another family name; a reading heard otherwise; an address written otherwise; another address and
telephone; two digits of the birth date exchanged; one letter of a name wrong; two of these."""
_WEIGHTS: Final = (25, 12, 6, 6, 8, 8, 8, 8, 8, 4, 4, 3)
_KANJI_DIGITS: Final = "〇一二三四五六七八九"
_HALF = {unicodedata.normalize("NFKC", chr(code)): chr(code) for code in range(0xFF66, 0xFF9E)}
_MARKS = {"\u3099": "ﾞ", "\u309a": "ﾟ"}
"""What makes a sound voiced: a mark of its own in half width."""


@dataclass(frozen=True)
class Registered:
    """A person as one hospital wrote them down; None is an empty field. The repr shows none."""

    family: str | None = field(repr=False)
    given: str | None = field(repr=False)
    family_kana: str | None = field(repr=False)
    given_kana: str | None = field(repr=False)
    birth_date: str = field(repr=False)
    sex: str
    postcode: str | None = field(repr=False)
    address: str | None = field(repr=False)
    phone: str | None = field(repr=False)

    def fields(self) -> dict[str, str | None]:
        return asdict(self)


@dataclass(frozen=True)
class Twice:
    """One person, in two registers or in one, and why the second differs."""

    number: int
    first: Registered | None
    second: Registered | None
    cause: str


def registered(seed: int, number: int) -> Registered:
    """Return person ``number`` as a careful clerk writes them; families share what they share."""
    home = Draws(seed, "identity-home", number - number % HOUSEHOLD)
    kanji, kana, *_ = _family(home)
    postcode, town = home.pick(_tables()["town"])
    block = f"{home.between(1, 9)}-{home.between(1, 40)}-{home.between(1, 30)}"
    phone = f"03-{home.between(1000, 9999)}-{home.between(1000, 9999)}"
    of = number - 1 if _twin(seed, number) else number
    person = person_of(seed, of)
    own = person.names[0].given
    given, given_kana = own if of == number else _sibling(seed, number, person.sex)
    return Registered(
        kanji,
        given,
        kana,
        given_kana,
        person.birth.isoformat(),
        person.sex,
        postcode,
        f"{town}{block}",
        phone,
    )


def twice(seed: int, number: int) -> Twice:
    """Return a person as two hospitals know them; a fifth are in the first only, a fifth in the
    second only."""
    draws = Draws(seed, "identity-registers", number)
    clean = registered(seed, number)
    place = draws.below(5)
    if place == 0:
        return Twice(number, clean, None, "same")
    if place == 1:
        return Twice(number, None, clean, "same")
    cause = CAUSES[draws.weighted(_WEIGHTS)]
    second, cause = otherwise(clean, cause, draws)
    return Twice(number, clean, second, cause)


def heard_otherwise(clean: Registered, place: int, number: int) -> Registered:
    """Return a record as the clerk of provider ``place`` wrote it, for a cause drawn for both;
    the birth date stays, for tables hold it too."""
    draws = Draws(place, "identity-clerk", number)
    cause = draws.pick(("same", "variant", "kana-only", "width", "sound", "address", "moved"))
    return otherwise(clean, cause, draws)[0]


def otherwise(clean: Registered, cause: str, draws: Draws) -> tuple[Registered, str]:
    """Return the record as another hospital wrote it for ``cause``, and the cause that it is:
    a name without another writing, for example, stays the same."""
    if cause == "several":
        first, second = draws.pick(_PAIRS)
        made = _CHANGES[second](_CHANGES[first](clean, draws), draws)
    else:
        made = _CHANGES[cause](clean, draws) if cause != "same" else clean
    return made, cause if made != clean else "same"


def _variant(it: Registered, draws: Draws) -> Registered:
    others = _known(it).get("kanji", ())
    return replace(it, family=draws.pick(others)) if others else it


def _sound(it: Registered, draws: Draws) -> Registered:
    others = _known(it).get("kana", ())
    if others:
        return replace(it, family_kana=draws.pick(others))
    kana = it.given_kana or ""
    if "ウ" in kana[1:]:
        return replace(it, given_kana=kana[0] + kana[1:].replace("ウ", "ー", 1))
    return it


def _width(it: Registered, draws: Draws) -> Registered:
    def half(text: str | None) -> str | None:
        apart = unicodedata.normalize("NFD", text) if text else ""
        return "".join(_MARKS.get(c) or _HALF.get(c, c) for c in apart) or None

    wide = str.maketrans("0123456789-", "０１２３４５６７８９－")
    return replace(
        it,
        family_kana=half(it.family_kana),
        given_kana=half(it.given_kana),
        family=f"{it.family}　" if it.family else None,
        address=(it.address or "").translate(wide),
        phone=(it.phone or "").translate(wide),
    )


def _marriage(it: Registered, draws: Draws) -> Registered:
    family = _family(draws)
    while family[0] == it.family:
        family = _family(draws)
    renamed = replace(it, family=family[0], family_kana=family[1])
    return _moved(renamed, draws) if draws.chance(50) else renamed


def _moved(it: Registered, draws: Draws) -> Registered:
    postcode, town = draws.pick(_tables()["town"])
    block = f"{draws.between(1, 9)}-{draws.between(1, 40)}-{draws.between(1, 30)}"
    phone = f"090-{draws.between(1000, 9999)}-{draws.between(1000, 9999)}"
    return replace(it, postcode=postcode, address=f"{town}{block}", phone=phone)


def _address(it: Registered, draws: Draws) -> Registered:
    town = (it.address or "").rstrip("0123456789-")
    numbers = (it.address or "")[len(town) :].split("-")
    first = _KANJI_DIGITS[int(numbers[0])]
    building = draws.pick(_tables()["building"])
    forms = (
        f"{town}{first}丁目{numbers[1]}番{numbers[2]}号",
        f"東京都{town}{numbers[0]}丁目{numbers[1]}番地の{numbers[2]}",
        f"{town}{'－'.join(numbers)}　{building}{draws.between(101, 999)}",
        f"{town}{numbers[0]}の{numbers[1]}の{numbers[2]}",
    )
    return replace(it, address=draws.pick(forms))


def _birth(it: Registered, draws: Draws) -> Registered:
    """Exchange two neighbouring digits so that the date still is one, where that can be."""
    digits = it.birth_date.replace("-", "")
    places = [n for n in range(2, 7) if digits[n] != digits[n + 1]]
    while places:
        at = draws.pick(places)
        places.remove(at)
        text = digits[:at] + digits[at + 1] + digits[at] + digits[at + 2 :]
        try:
            return replace(
                it, birth_date=date(int(text[:4]), int(text[4:6]), int(text[6:])).isoformat()
            )
        except ValueError:
            continue
    return it


def _typo(it: Registered, draws: Draws) -> Registered:
    kana = it.given_kana or ""
    at = draws.below(len(kana))
    letter = draws.pick([c for c in "アイウカキコサシタナノマミヤユリ" if c != kana[at]])
    return replace(it, given_kana=kana[:at] + letter + kana[at + 1 :], given=None)


_CHANGES: Final[Mapping[str, Callable[[Registered, Draws], Registered]]] = {
    "variant": _variant,
    "kana-only": lambda it, draws: replace(it, family=None, given=None),
    "kanji-only": lambda it, draws: replace(it, family_kana=None, given_kana=None),
    "width": _width,
    "marriage": _marriage,
    "sound": _sound,
    "address": _address,
    "moved": _moved,
    "birth": _birth,
    "typo": _typo,
}
_PAIRS: Final = (
    ("variant", "moved"),
    ("sound", "moved"),
    ("variant", "birth"),
    ("kana-only", "address"),
    ("marriage", "width"),
)


def _family(draws: Draws) -> list[Any]:
    rows: list[list[Any]] = _tables()["family"]
    return rows[draws.weighted([row[2] for row in rows])]


def _known(it: Registered) -> dict[str, list[str]]:
    for kanji, kana, _, others, readings in _tables()["family"]:
        if (kanji, kana) == (it.family, it.family_kana):
            return {"kanji": others, "kana": readings}
    return {}


def _twin(seed: int, number: int) -> bool:
    return number % HOUSEHOLD != 0 and Draws(seed, "identity-twin", number).chance(1)


def _sibling(seed: int, number: int, sex: str) -> tuple[str, str]:
    """Return a given name for a twin, another than the first one's."""
    first = person_of(seed, number - 1).names[0].given
    choices = [n for n in (names().male if sex == "male" else names().female) if n[0] != first[0]]
    kanji, kana, _ = Draws(seed, "identity-sibling", number).pick(choices)
    return kanji, kana


@cache
def _tables() -> dict[str, Any]:
    text = files("sekisho.synthetic").joinpath("identities.toml").read_text("utf-8")
    return tomllib.loads(text)
