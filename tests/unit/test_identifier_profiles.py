"""What ties records to persons at a provider: numbers, its own mapping, names."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.common.errors import Refusal, UserError
from sekisho.data.processing import Cohort, ExtractOrder, make_plan, read_rules
from sekisho.provider import Profile, read_mapping
from sekisho.provider.records import MY_NUMBER, NO_IDENTIFIER, Identity
from sekisho.pseudonym import (
    JP_LOCAL,
    NORMAL_FORM,
    canonical,
    fold_kana,
    insured,
    is_my_number,
    local,
    named,
    parse_spec,
    read_date,
    spec_of,
)
from submissions import NORTH, condition, even, ndjson, patient, prepared, receipt, uke

OWN = f"{JP_LOCAL}1310000001"
NUMBER = "123456789018"
KEY = insured("06132013", "12", "345", "01")


@pytest.mark.parametrize(
    "text",
    [
        "1989-01-08",
        "1989/1/8",
        "1989年1月8日",
        "19890108",
        "平成元年1月8日",
        "平成1年1月8日",
        "H1.1.8",
        "Ｈ０１．０１．０８",  # full width, as forms print it
        "4010108",
        "昭和64年1月8日",
        "H010108",
    ],
)
def test_one_day_written_in_many_ways_is_one_day(text: str) -> None:
    assert read_date(text) == date(1989, 1, 8)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("令和元年5月1日", date(2019, 5, 1)),
        ("R8.4.1", date(2026, 4, 1)),
        ("大正15年12月24日", date(1926, 12, 24)),
        ("T15/12/24", date(1926, 12, 24)),
        ("昭和元年12月25日", date(1926, 12, 25)),
    ],
)
def test_every_era_is_read(text: str, day: date) -> None:
    assert read_date(text) == day


@pytest.mark.parametrize(
    "text", ["", "1989-02-30", "昭和0年1月1日", "89-01-08", "R8", "令和1989年1月1日", "6010108"]
)
def test_what_is_no_date_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(UserError) as refused:
        read_date(text)
    assert not text or text not in str(refused.value)


def test_spellings_of_a_name_in_kana_are_one_name() -> None:
    same = [
        "ヤマダ ショウコ",
        "やまだ しょうこ",
        "ﾔﾏﾀﾞ ｼｮｳｺ",
        "ヤマダ　シヨウコ",
        "ヤマダ・ショウコ",
    ]
    assert {fold_kana(one) for one in same} == {"ヤマダシヨウコ"}
    keys = {canonical(named(one, date(1990, 1, 2), "female")) for one in same}
    assert len(keys) == 1
    assert fold_kana("ヤマダ") != fold_kana("ヤマタ")


@given(st.text(max_size=20))
def test_folding_a_name_twice_changes_nothing(text: str) -> None:
    assert fold_kana(fold_kana(text)) == fold_kana(text)


def test_every_kind_of_key_is_read_back_from_its_own_spelling() -> None:
    whole = insured("06132013", "12", "345", birth=date(1990, 1, 2), sex="female")
    for key in (KEY, whole, named("ヤマダ", date(1990, 1, 2), "male"), local(OWN, "77")):
        assert parse_spec(spec_of(key)) == key


def unknown(*others: tuple[str, str]) -> Identity:
    return Identity(("Patient/1",), None, NO_IDENTIFIER, others)


def test_a_local_number_is_the_hospitals_own_person_and_nobody_elses() -> None:
    key = Profile().settle(unknown((OWN, "77"))).key
    assert key is not None
    assert key.method == "local"
    assert key != Profile().settle(unknown((f"{JP_LOCAL}1310000002", "77"))).key
    assert Profile().settle(unknown(("urn:foreign", "77"))).problem == NO_IDENTIFIER
    other = Profile(local_systems=("urn:foreign",)).settle(unknown(("urn:foreign", "77")))
    assert other.key is not None


def test_a_mapping_gives_a_local_number_the_insured_one(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text(
        "local,insured,birth,sex\n77,06132013:12:345:01,,\n78,06132013:12:345:,平成元年1月8日,2\n",
        "utf-8",
    )
    profile = Profile(mapping=read_mapping(file))
    assert profile.settle(unknown((OWN, "７７"))).key == KEY
    second = profile.settle(unknown((OWN, "78"))).key
    assert second is not None
    assert second.method == "direct"
    third = profile.settle(unknown((OWN, "79"))).key
    assert third is not None
    assert third.method == "local"


@pytest.mark.parametrize(
    "text",
    [
        "own,insured\n77,06132013:12:345:01\n",
        "local,insured\n77,06132013:12:345:01\n77,06132013:12:345:02\n",
        "local,insured\n77,secret-text\n",
        "local,insured\n,06132013:12:345:01\n",
        "local,insured\n77,06132013:12:345:01,more\n",
    ],
)
def test_a_mapping_that_is_wrong_names_the_line_and_no_value(tmp_path: Path, text: str) -> None:
    file = tmp_path / "own.csv"
    file.write_text(text, "utf-8")
    with pytest.raises(UserError) as refused:
        read_mapping(file)
    assert "line" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_mapping_to_a_my_number_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text(f"local,insured\n77,06132013:12:{NUMBER}:01\n", "utf-8")
    with pytest.raises(Refusal):
        read_mapping(file)


def test_a_name_counts_only_where_the_framework_goes_by_names() -> None:
    by_name = named("ヤマダ", date(1990, 1, 2), "male")
    identity = Identity(("Patient/1",), KEY, named=by_name)
    assert Profile().settle(identity).key == KEY
    assert Profile(identifier="number_only").settle(identity).key == KEY
    assert Profile(identifier="kana_birth_sex").settle(identity).key == by_name
    nameless = Identity(("Patient/1",), KEY)
    assert Profile(identifier="kana_birth_sex").settle(nameless).key == KEY


@pytest.mark.parametrize(
    "identifier",
    [
        {"system": "urn:oid:1.2.392.100495.20.3.999", "value": NUMBER},
        {"system": OWN, "value": NUMBER},
        {"system": "urn:anything", "value": "1234-5678-9018"},
        {"value": NUMBER},
    ],
)
@pytest.mark.parametrize("kind", ["fhir-ndjson", "fhir-bundle"])
def test_a_my_number_in_any_field_of_a_patient_is_refused(
    tmp_path: Path, identifier: dict[str, str], kind: str
) -> None:
    member = {
        "system": "http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID",
        "value": "06132013:12:345:01",
    }
    both = patient(2, identifier=[member, identifier])
    if kind == "fhir-ndjson":
        file = ndjson(tmp_path / "a.ndjson", patient(1), condition(1, 1), both, condition(2, 2))
    else:
        import json

        entries = [
            {"resource": json.loads(one) if isinstance(one, str) else one}
            for one in (patient(1), condition(1, 1), both, condition(2, 2))
        ]
        file = tmp_path / "a.json"
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
        file.write_text(json.dumps(bundle), "utf-8")
    one = prepared([file], kind)
    assert {finding.code for finding in one.findings} == {MY_NUMBER}
    assert len(one.parts[NORTH].identities) == 1
    even(one)


def test_a_my_number_in_a_receipts_chart_or_payer_field_is_refused(tmp_path: Path) -> None:
    head, *rest = receipt(1)
    fields = [*head.split(","), *[""] * 14]
    fields[13] = NUMBER
    in_chart = [",".join(fields), *rest]
    for made in (in_chart, receipt(1, payer=f"HO,06132013,12,{NUMBER},1,100")):
        one = prepared([uke(tmp_path / "a.UKE", made, receipt(2))], "uke")
        assert MY_NUMBER in {finding.code for finding in one.findings}
        assert len(one.parts[NORTH].identities) == 1


def test_one_in_ten_local_numbers_of_twelve_digits_looks_like_a_my_number() -> None:
    """They are refused with it, unless the hospital declares that its numbers are such."""
    draw = random.Random(7)
    numbers = [f"{draw.randrange(10**12):012}" for _ in range(20_000)]
    alike = [number for number in numbers if is_my_number(number)]
    # Of ten last digits exactly one fits, whatever stands before it.
    assert 0.09 < len(alike) / len(numbers) < 0.11
    assert Profile().settle(unknown((OWN, alike[0]))).problem == MY_NUMBER
    declared = Profile(twelve_digits=True)
    assert declared.settle(unknown((OWN, alike[0]))).key is not None
    assert declared.settle(unknown(("urn:other", alike[0]))).problem == MY_NUMBER


def test_a_plan_names_the_normal_form_and_what_ties_records(root: Path) -> None:
    order = ExtractOrder(
        application="kidney", purpose="research", operator="alpha", form="pseudonymised",
        classes=("basic",), tables={"person": ()}, cohort=Cohort(),
    )  # fmt: skip
    rules = read_rules(root / "rules" / "processing" / "pseudonymised.toml")
    plans = [make_plan(order, rules, identifier=by) for by in ("history", "number_only")]
    assert plans[0].to_dict()["identifiers"] == {"by": "history", "normal_form": NORMAL_FORM}
    assert plans[0].plan_hash != plans[1].plan_hash
