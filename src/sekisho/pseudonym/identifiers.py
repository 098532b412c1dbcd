"""Person keys: what is hashed into a pseudonym, in a versioned normal form.

Rules kept: two spellings of one number give one key; a number that several persons share (an
insured number without its 枝番) is completed by birth date and sex; an 個人番号 (My Number) is
refused; no repr, message or error shows a value.

This module finds no identifiers in records (that is the readers' work) and resolves no changes of
insurer (`data.linkage`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Final, Literal

from sekisho.common.canonical import canonical_json
from sekisho.common.errors import Refusal, UserError
from sekisho.common.randomness import RandomBytes
from sekisho.pseudonym.dates import read_date
from sekisho.pseudonym.group import Element, hash_to_group
from sekisho.pseudonym.numbers import fold, fold_kana, has_valid_check_digit, is_my_number

NORMAL_FORM: Final = 1
"""Version of the normal form; it is hashed with the key, so that two forms never meet."""

JP_INSURED: Final = "http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID"
JP_PUBLIC_PAYER: Final = "http://jpfhir.jp/fhir/clins/Idsystem/JP_PublicPayer_memberID"
JP_LOCAL: Final = "urn:oid:1.2.392.100495.20.3.51.1"
"""With the institution code (10 digits) after it: a hospital's own numbers (JP Core)."""
KANA_BIRTH_SEX: Final = "urn:sekisho:kana-birth-sex"
NOBODY: Final = "urn:sekisho:nobody"
US_SSN: Final = "http://hl7.org/fhir/sid/us-ssn"

Method = Literal["number", "direct", "name", "local"]
Sex = Literal["male", "female", "other", "unknown"]

_ALIASES: Final = {"urn:oid:2.16.840.1.113883.4.1": US_SSN}
_SEXES: Final[dict[str, Sex]] = {
    "1": "male", "M": "male", "MALE": "male", "男": "male", "男性": "male",
    "2": "female", "F": "female", "FEMALE": "female", "女": "female", "女性": "female",
    "OTHER": "other", "UNKNOWN": "unknown",
}  # fmt: skip
_SEX_FORMS: Final = "Sex is 1 or 2 (receipts), or male, female, other, unknown (FHIR)."
_ELDERLY: Final = "39"  # 法別番号 of 後期高齢者医療: its number is a person's own and has no 枝番


@dataclass(frozen=True, slots=True)
class PersonKey:
    """One person's key. Only what identifies is in it: equal keys are one person.

    ``method`` is ``number`` where the number alone is a person's, ``direct`` where birth date
    and sex complete it, ``name`` where a name in kana takes the number's place, ``local`` where
    the number means something at one institution only. The repr shows system and method alone.
    """

    system: str
    value: str = field(repr=False)
    birth_date: date | None = field(default=None, repr=False)
    sex: Sex | None = field(default=None, repr=False)
    method: Method = "number"

    def __post_init__(self) -> None:
        if not self.system or not self.value or fold(self.value) != self.value:
            raise _malformed("A person key needs a system and a value in normal form.")
        completed = self.birth_date is not None and self.sex is not None
        bare = self.birth_date is None and self.sex is None
        if not (completed if self.method in ("direct", "name") else bare):
            raise _malformed(
                "Birth date and sex belong, both, to keys of a shared number or a name alone."
            )
        if self.method != "local":  # there `local` decides
            _refuse_my_number(*self.value.split(":"))


def insured(
    insurer: str,
    symbol: str,
    number: str,
    branch: str = "",
    *,
    birth: date | None = None,
    sex: str | None = None,
) -> PersonKey:
    """Return the key of an insured person: 保険者番号, 記号, 番号, 枝番 (記号, 枝番 may be empty).

    With a 枝番, and for 後期高齢者医療, the number is the person's own; without one, ``birth``
    and ``sex`` complete it.
    """
    _refuse_my_number(insurer, symbol, number, branch)
    payer = _insurer(insurer)
    symbol, number = fold(symbol, upper=True), fold(number, upper=True)
    if ":" in symbol + number or not number:
        raise _malformed("The insured number (番号) is empty, or it or the symbol holds a colon.")
    sub = _digits(branch, 2, "The branch number (枝番)").zfill(2) if fold(branch) else ""
    if sub == "00":  # written by some systems for "none", against the guide
        sub = ""
    own = payer.startswith(_ELDERLY) and number.isdigit()
    if own:
        sub = ""
    value = f"{payer}:{symbol}:{number.lstrip('0') or '0'}:{sub}"
    if sub or own:
        return PersonKey(JP_INSURED, value)
    return _direct(JP_INSURED, value, birth, sex)


def public_payer(payer: str, recipient: str) -> PersonKey:
    """Return the key of a receipt that only public assistance pays: 公費負担者番号, 受給者番号."""
    _refuse_my_number(payer, recipient)
    payer = _digits(payer, 8, "The public payer's number (公費負担者番号)").zfill(8)
    recipient = _digits(recipient, 7, "The recipient's number (受給者番号)").zfill(7)
    return PersonKey(JP_PUBLIC_PAYER, f"{payer}::{recipient}:")


def us_ssn(value: str) -> PersonKey:
    """Return the key of a foreign (United States) test patient: nine digits, hyphens dropped."""
    _refuse_my_number(value)
    digits = fold(value).replace("-", "")
    if len(_digits(digits, 9, "The social security number")) != 9:
        raise _malformed("A social security number has nine digits.")
    return PersonKey(US_SSN, digits)


def local(system: str, value: str, *, twelve_digits: bool = False) -> PersonKey:
    """Return the key of a person whom one institution knows by its own number alone.

    It names the institution's ``system``, so that it meets nobody else's. ``twelve_digits``: the
    institution has declared that its numbers have twelve digits; one in ten of them would
    otherwise be taken for an individual number.
    """
    if not twelve_digits:
        _refuse_my_number(value)
    return PersonKey(system.strip(), fold(value), method="local")


def nobody(random: RandomBytes) -> PersonKey:
    """Return a key that means nobody, for a batch that must not be empty and tells of no person."""
    return PersonKey(NOBODY, random(16).hex(), method="local")


def named(kana: str, birth: date, sex: str) -> PersonKey:
    """Return the key of a person by name in kana, birth date and sex."""
    return PersonKey(KANA_BIRTH_SEX, fold_kana(kana), birth, _sex(sex), "name")


def identified(
    system: str, value: str, *, birth: date | None = None, sex: str | None = None
) -> PersonKey:
    """Return the key of a FHIR identifier; systems with rules of their own are sent to them."""
    system = _ALIASES.get(system.strip(), system.strip())
    if system == JP_INSURED:
        return insured(*_parts(value), birth=birth, sex=sex)
    if system == JP_PUBLIC_PAYER:
        payer, _, recipient, _ = _parts(value)
        return public_payer(payer, recipient)
    if system == US_SSN:
        return us_ssn(value)
    if system.startswith(JP_LOCAL):
        return local(system, value)
    return PersonKey(system, fold(value))  # case counts: FHIR R4, Identifier.value


def parse_spec(spec: Mapping[str, object]) -> PersonKey:
    """Read a person as a scenario names one.

    ``{system, value}`` or ``{insured = "06132013:12:345:01"}``, both with ``birth`` (a date) and
    ``sex`` where the number alone does not identify; or ``{kana, birth, sex}``.
    """
    unknown = sorted(set(spec) - {"system", "value", "insured", "kana", "birth", "sex"})
    if unknown:
        raise UserError(
            "identifier.unknown-key",
            f"A person is not named by {', '.join(unknown)}.",
            next_step="use system and value, or insured; birth and sex where there is no 枝番",
        )
    text = {key: value for key, value in spec.items() if key != "birth"}
    if not all(isinstance(value, str) for value in text.values()) or (
        set(text) - {"sex"} not in ({"system", "value"}, {"insured"}, {"kana"})
    ):
        raise _malformed("A person is named by system and value, by insured, or by kana; texts.")
    sex = str(spec["sex"]) if "sex" in spec else None
    birth = _birth(spec.get("birth"))
    if "kana" in spec or spec.get("system") == KANA_BIRTH_SEX:
        if birth is None or sex is None:
            raise _malformed("A name in kana goes with birth date and sex.")
        return named(str(spec.get("kana", spec.get("value"))), birth, sex)
    system = str(spec.get("system", JP_INSURED))
    return identified(system, str(spec.get("value", spec.get("insured"))), birth=birth, sex=sex)


def spec_of(key: PersonKey) -> dict[str, str]:
    """Return what `parse_spec` reads as ``key``."""
    spec = {"system": key.system, "value": key.value}
    if key.birth_date is not None and key.sex is not None:
        spec |= {"birth": key.birth_date.isoformat(), "sex": key.sex}
    return spec


def canonical(key: PersonKey) -> bytes:
    """Return the bytes that are hashed: canonical JSON of the form's version and the key."""
    return canonical_json(
        {
            "birth": key.birth_date.isoformat() if key.birth_date else None,
            "form": NORMAL_FORM,
            "sex": key.sex,
            "system": key.system,
            "value": key.value,
        }
    )


def element_of(key: PersonKey) -> Element:
    """Return H(x) of the person: a pseudonym's unkeyed start, to be encrypted, never stored."""
    return hash_to_group(canonical(key))


def doubts_of(key: PersonKey) -> tuple[str, ...]:
    """Return codes of what is doubtful in a key that can be used all the same."""
    if key.system not in (JP_INSURED, JP_PUBLIC_PAYER):
        return ()
    payer = key.value[:8]
    # 国保 has six digits, filled up from the left.
    payer = payer[2:] if payer.startswith("00") else payer
    return () if has_valid_check_digit(payer) else ("identifier.check-digit",)


def _direct(system: str, value: str, birth: date | None, sex: str | None) -> PersonKey:
    if birth is None or sex is None:
        raise UserError(
            "identifier.incomplete",
            "An insured number without 枝番 is a family's: birth date and sex are missing.",
            rule="individual numbers (枝番) exist since 2021; older ones are shared in a family",
            next_step="give the 枝番, or birth date and sex",
        )
    return PersonKey(system, value, birth, _sex(sex), "direct")


@lru_cache(maxsize=64)
def _sex(text: str) -> Sex:
    known = _SEXES.get(fold(text, upper=True))
    if known is None:
        raise _malformed(_SEX_FORMS)
    return known


def _parts(value: str) -> tuple[str, str, str, str]:
    _refuse_my_number(value)
    parts = fold(value).split(":")
    if len(parts) != 4:
        raise _malformed("An insured person's identifier has four parts between three colons.")
    return parts[0], parts[1], parts[2], parts[3]


@lru_cache(maxsize=1 << 12)
def _insurer(text: str) -> str:
    return _digits(text, 8, "The insurer's number (保険者番号)").zfill(8)


def _digits(text: str, longest: int, what: str) -> str:
    folded = fold(text)
    if not (0 < len(folded) <= longest and folded.isascii() and folded.isdigit()):
        raise _malformed(f"{what} has up to {longest} digits.")
    return folded


def _birth(value: object) -> date | None:
    if value is None or type(value) is date:
        return value
    return read_date(str(value))


def _refuse_my_number(*texts: str) -> None:
    # most are short and of ASCII, and none of these is one
    if any(is_my_number(text) for text in texts if len(text) > 11 or not text.isascii()):
        raise Refusal(
            "identifier.my-number",
            "An individual number (個人番号, マイナンバー) stands where an identifier is read.",
            rule="番号法 (平成25年法律第27号) 第9条, 第20条: it may not be used or kept for this",
            next_step="take it out at the source; send the insured number instead",
        )


def _malformed(message: str) -> UserError:
    return UserError(
        "identifier.malformed",
        message,
        next_step="docs/reference describes each identifier's form; the value is not shown here",
    )
