"""Person keys: spellings that are one, numbers that are refused, values that never show."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from sekisho.common.errors import Refusal, SekishoError, UserError
from sekisho.pseudonym import (
    JP_INSURED,
    JP_PUBLIC_PAYER,
    US_SSN,
    PersonKey,
    canonical,
    check_digit,
    element_of,
    fold,
    has_valid_check_digit,
    hash_to_group,
    identified,
    insured,
    is_my_number,
    parse_spec,
    public_payer,
    us_ssn,
)

BIRTH = date(1971, 2, 3)
MY_NUMBER = "123456789018"  # nobody's: digits in order, and their check digit


def test_a_full_insured_number_is_the_key_alone() -> None:
    key = insured("06132013", "12", "345", "01", birth=BIRTH, sex="male")
    assert key == insured("06132013", "12", "345", "01")
    assert (key.system, key.value, key.method) == (JP_INSURED, "06132013:12:345:01", "number")
    assert (key.birth_date, key.sex) == (None, None)


@pytest.mark.parametrize(
    "spelling",
    [
        ("06132013", "１９Ｄ", "３４５", "０１"),
        ("0６132013", "19d", "00345", "1"),
        (" 6132013 ", "1 9　D", "0 345", " 01"),
        ("6132013", "19\u200bD", "345\u00a0", "01"),
    ],
)
def test_spellings_of_one_insured_number_are_one_key(
    spelling: tuple[str, str, str, str],
) -> None:
    assert insured(*spelling) == insured("06132013", "19D", "345", "01")


@pytest.mark.parametrize("hyphen", "-‐‑‒–—―−─ー－ｰ﹣")
def test_every_hyphen_is_the_same_hyphen(hyphen: str) -> None:
    assert insured("138057", f"国{hyphen}１", "7", "02") == insured("138057", "国-1", "7", "02")


def test_half_width_katakana_is_katakana() -> None:
    assert insured("138057", "ﾎｹﾝ", "7", "02") == insured("138057", "ホケン", "7", "02")


def test_six_digits_of_national_health_insurance_are_padded() -> None:
    assert insured("138057", "", "7", "02").value == "00138057::7:02"


def test_without_branch_number_birth_date_and_sex_complete_the_key() -> None:
    key = insured("06132013", "12", "345", "", birth=BIRTH, sex="1")
    assert key.method == "direct"
    assert key == insured("06132013", "12", "345", "00", birth=BIRTH, sex="male")
    others = {
        insured("06132013", "12", "345", "", birth=BIRTH, sex="female"),
        insured("06132013", "12", "345", "", birth=date(1971, 2, 4), sex="male"),
        insured("06132013", "12", "345", "01"),
    }
    assert len({canonical(other) for other in others} | {canonical(key)}) == 4


@pytest.mark.parametrize(("birth", "sex"), [(None, "male"), (BIRTH, None), (None, None)])
def test_a_familys_number_alone_is_no_key(birth: date | None, sex: str | None) -> None:
    with pytest.raises(UserError) as refused:
        insured("06132013", "12", "345", birth=birth, sex=sex)
    assert refused.value.code == "identifier.incomplete"


def test_the_number_of_the_late_elderly_is_a_persons_own() -> None:
    """後期高齢者医療 (法別 39): no symbol and no 枝番 exist."""
    key = insured("39131234", "", "01234567")
    assert key.method == "number"
    assert key == insured("39131234", "", "１２３４５６７", "", birth=BIRTH, sex="2")


def test_public_assistance_has_payer_and_recipient() -> None:
    key = public_payer("12131234", "０１２３４５６")
    assert (key.system, key.value) == (JP_PUBLIC_PAYER, "12131234::0123456:")
    assert key == identified(JP_PUBLIC_PAYER, "12131234::123456:")


def test_foreign_numbers_are_nine_digits() -> None:
    assert us_ssn("999-12-3456") == us_ssn("９９９ 12 3456") == identified(US_SSN, "999123456")
    assert identified("urn:oid:2.16.840.1.113883.4.1", "999-12-3456") == us_ssn("999123456")
    for wrong in ("999-12-345", "999-12-34567", "", "unknown"):
        with pytest.raises(UserError):
            us_ssn(wrong)


def test_other_systems_keep_case_and_never_meet_another_system() -> None:
    one = identified("urn:oid:1.2.3", "ａB-1")
    assert one.value == "aB-1"
    keys = [one, identified("urn:oid:1.2.3", "AB-1"), identified("urn:oid:1.2.4", "aB-1")]
    assert len({element_of(key) for key in keys}) == 3


def test_a_scenario_names_a_person_in_either_way() -> None:
    assert parse_spec({"insured": "06132013:12:345:01"}) == insured("06132013", "12", "345", "01")
    assert parse_spec({"system": JP_INSURED, "value": "6132013:１２:345:1"}) == parse_spec(
        {"insured": "06132013:12:345:01"}
    )
    assert parse_spec({"system": US_SSN, "value": "999-12-3456"}) == us_ssn("999123456")
    direct = insured("06132013", "12", "345", birth=BIRTH, sex="male")
    for birth in (BIRTH, "1971-02-03"):
        assert parse_spec({"insured": "06132013:12:345:", "birth": birth, "sex": "1"}) == direct


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"value": "1"},
        {"system": US_SSN},
        {"system": US_SSN, "value": 999123456},
        {"system": "", "value": "1"},
        {"system": "urn:x", "value": " "},
        {"insured": "06132013:12:345"},
        {"insured": "06132013:12:345:01:9"},
        {"insured": "06132013:12::01"},
        {"insured": "061320131:12:345:01"},
        {"insured": "0613201X:12:345:01"},
        {"insured": "06132013:12:345:001"},
        {"insured": "06132013:12:345:", "birth": "3 Feb 1971", "sex": "1"},
        {"insured": "06132013:12:345:", "birth": BIRTH, "sex": "0"},
        {"insured": "06132013:12:345:01", "system": US_SSN, "value": "999123456"},
        {"insured": "06132013:12:345:01", "name": "x"},
    ],
)
def test_a_person_named_in_another_way_is_refused_without_the_value(
    spec: dict[str, object],
) -> None:
    with pytest.raises(UserError) as refused:
        parse_spec(spec)
    shown = str(refused.value)
    assert not [value for value in spec.values() if len(str(value)) > 4 and str(value) in shown]
    assert "345" not in shown


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: identified("urn:oid:1.2.3", MY_NUMBER),
        lambda: identified("urn:oid:1.2.3", "1234-5678-9018"),
        lambda: identified("urn:oid:1.2.3", "１２３４ ５６７８ ９０１８"),
        lambda: us_ssn(MY_NUMBER),
        lambda: identified(JP_INSURED, MY_NUMBER),
        lambda: insured(MY_NUMBER, "12", "345", "01"),
        lambda: insured("06132013", MY_NUMBER, "345", "01"),
        lambda: insured("06132013", "12", MY_NUMBER, "01"),
        lambda: insured("06132013", "12", "345", MY_NUMBER),
        lambda: public_payer("12131234", MY_NUMBER),
        lambda: parse_spec({"insured": f"06132013:12:{MY_NUMBER}:01"}),
        lambda: PersonKey("urn:oid:1.2.3", MY_NUMBER),
    ],
)
def test_my_number_is_refused_wherever_it_stands(attempt: object) -> None:
    with pytest.raises(Refusal) as refused:
        attempt()  # type: ignore[operator]
    assert refused.value.code == "identifier.my-number"
    assert "9018" not in str(refused.value)


def test_my_number_is_told_by_its_check_digit() -> None:
    """One check digit of ten fits, for a remainder of 0 and 1 as for the others."""
    for body in ("12345678901", "00000000000", "00000000001", "00000000006", "99999999999"):
        assert sum(is_my_number(body + str(digit)) for digit in range(10)) == 1
    assert is_my_number(MY_NUMBER)
    assert not is_my_number(MY_NUMBER[:-1])
    assert not is_my_number(MY_NUMBER[:-1] + "7")
    with pytest.raises(Refusal):  # its left zeros count
        insured("06132013", "12", "000000000000", "01")


def test_check_digits_are_those_of_the_rule_and_of_real_numbers() -> None:
    assert check_digit("3312001") == 5
    assert has_valid_check_digit("33120015")
    assert has_valid_check_digit("０６１３２０１３")
    assert not has_valid_check_digit("06132014")
    for wrong in ("", "1234567", "0613201X", "061320130"):
        assert not has_valid_check_digit(wrong)
    with pytest.raises(ValueError, match="ASCII digits"):
        check_digit("３３")


def test_insurers_and_public_payers_of_a_foreign_receipt_obey_the_check_digit(
    testdata: Path,
) -> None:
    """All distinct numbers of the sample obey; 83136019 is the one known exception."""
    numbers = set()
    for file in (testdata / "uke-receiptisan").rglob("*.UKE"):
        for line in file.read_text("cp932").splitlines():
            fields = line.split(",")
            if fields[0] in ("HO", "KO"):
                numbers.add(fold(fields[1]))
    assert len(numbers) > 20
    assert {number for number in numbers if not has_valid_check_digit(number)} <= {"83136019"}


def test_no_value_shows_in_a_repr() -> None:
    key = insured("06132013", "19D", "34567", birth=BIRTH, sex="female")
    for shown in (repr(key), str(key), f"{[key]}"):
        assert shown.strip("[]") == f"PersonKey(system='{JP_INSURED}', method='direct')"


def test_an_invalid_key_cannot_exist() -> None:
    for wrong in (
        lambda: PersonKey("", "1"),
        lambda: PersonKey("urn:x", ""),
        lambda: PersonKey("urn:x", "１"),
        lambda: PersonKey("urn:x", "1", BIRTH, "male"),
        lambda: PersonKey("urn:x", "1", BIRTH, None, "direct"),
        lambda: PersonKey("urn:x", "1", None, None, "direct"),
    ):
        with pytest.raises(SekishoError):
            wrong()


def test_canonical_bytes_are_the_published_form_1() -> None:
    """These bytes are hashed into stored pseudonyms: they change only with NORMAL_FORM."""
    number = insured("06132013", "12", "345", "01")
    assert canonical(number) == (
        b'{"birth":null,"form":1,"sex":null,'
        b'"system":"http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID",'
        b'"value":"06132013:12:345:01"}'
    )
    direct = insured("06132013", "国", "345", birth=BIRTH, sex="2")
    assert canonical(direct).startswith(b'{"birth":"1971-02-03","form":1,"sex":"female",')
    assert element_of(number) == hash_to_group(canonical(number))
