"""DPC, dental and dispensing receipts, a payer's files and returned ones.

No public file of these families is at hand: the lines follow the layouts that `uke_layouts` names.
"""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from sekisho.provider import Prepared
from submissions import IR, NORTH, codes, days, even, prepared, receipt, uke

Rows = dict[str, list[dict[str, Any]]]


def written(path: Path, *lines: str) -> Prepared:
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode("cp932"))
    one = prepared([path], "uke")
    even(one)
    return one


def rows(one: Prepared) -> Rows:
    return {name: table.to_pylist() for name, table in one.parts[NORTH].tables.items()}


def filled(size: int, **at: str) -> str:
    """Return a line of ``size`` fields; ``_3="x"`` sets the field of index 3."""
    fields = [""] * size
    for place, text in at.items():
        fields[int(place[1:])] = text
    return ",".join(fields)


# ----------------------------------------------------------------------------------- medical


def test_a_device_is_an_exposure_on_each_of_its_days(tmp_path: Path) -> None:
    line = filled(48, _0="TO", _1="40", _2="1", _3="700090000", _4="1.5", _5="12", _6="2", _7="004")
    fields = line.split(",")
    fields[17 + 8] = "2"
    got = rows(prepared([uke(tmp_path / "a.UKE", receipt(1, ",".join(fields)))], "uke"))
    (device,) = got["device_exposure"]
    assert (device["quantity"], device["unit_source_value"]) == ("3", "004")
    assert device["device_exposure_start_date"] == date(2026, 3, 9)
    assert device["device_source_system"] == "urn:sekisho:receipt-master:t"
    (charged,) = (c for c in got["cost"] if c["cost_type_concept_id"] == 5032)
    assert (charged["total_charge"], charged["cost_domain_id"]) == ("240", "Device")


def test_points_stand_on_the_last_line_of_a_unit_and_are_charged_by_the_day(tmp_path: Path) -> None:
    lines = [
        days("SI,31,1,130000510,,,2", at=(4, 6)),
        days("IY,,1,622199001,2,168,2", at=(4, 6)),
    ]
    got = rows(prepared([uke(tmp_path / "a.UKE", receipt(1, *lines))], "uke"))
    items = [c for c in got["cost"] if c["cost_type_concept_id"] == 5032]
    assert [(c["incurred_date"].day, c["total_charge"]) for c in items] == [
        (4, "1680"),
        (6, "1680"),
    ]
    assert {c["cost_domain_id"] for c in items} == {"Drug"}


def test_a_receipt_s_month_is_insured_and_observed_but_not_as_enrolment(tmp_path: Path) -> None:
    payers = {"HO,06132013,12,345,1,100": (0, "06"), "HO,  138057,12,345,1,100": (32725, "00")}
    for number, (payer, expected) in enumerate(payers.items()):
        got = rows(prepared([uke(tmp_path / f"{number}", receipt(1, payer=payer))], "uke"))
        (insured,), (observed,) = got["payer_plan_period"], got["observation_period"]
        assert (insured["payer_concept_id"], insured["payer_source_value"]) == expected
        assert insured["payer_plan_period_start_date"] == date(2026, 3, 1)
        assert observed["observation_period_end_date"] == date(2026, 3, 31)
        assert observed["period_type_concept_id"] == 32810


def test_days_that_count_say_which_days_an_outpatient_came(tmp_path: Path) -> None:
    counted = filled(33, _0="JD", _1="1", _4="1", _9="1", _12="2")  # 3rd, 8th; the 11th not
    line = days("SI,60,1,160000310,,26,2", at=(3, 8))
    got = rows(prepared([uke(tmp_path / "a.UKE", receipt(1, counted, line))], "uke"))
    assert [v["visit_start_date"].day for v in got["visit_occurrence"]] == [3, 8]
    visits = {v["visit_start_date"]: v["visit_ref"] for v in got["visit_occurrence"]}
    for procedure in got["procedure_occurrence"]:
        assert procedure["visit_ref"] == visits[procedure["procedure_date"]]


def test_what_is_claimed_again_under_a_search_number_replaces_what_came_back(
    tmp_path: Path,
) -> None:
    """Another month of claims, another number: the payer's own number ties them."""

    def claimed(number: int, month: str, *lines: str) -> list[str]:
        head, *rest = receipt(number, *lines)
        fields = (head.split(",") + [""] * 38)[:38]
        fields[18] = "202604130000000001"
        return [IR.replace("202604", month), ",".join(fields), *rest]

    back = claimed(7, "202604", "SY,8833421,20260301,1,,,01,", "SY,2500013,20260301,1,,,,")
    again = claimed(2, "202606", "SY,8833421,20260301,1,,,01,")
    one = written(tmp_path / "a.UKE", *back, *again, "GO,2,200,99")
    assert len(rows(one)["condition_occurrence"]) == 1
    line = next(x for x in one.balance if x.record_type == "SY")
    assert (line.sent, line.superseded) == (1, 2)


def test_a_returned_file_s_prefix_is_no_part_of_the_lines(tmp_path: Path) -> None:
    lines = receipt(1, "SY,8833421,20260301,1,,,01,", days("SI,60,1,160000310,,26,1"))
    plain = written(tmp_path / "a.UKE", IR, *lines, "GO,1,100,99")
    prefixed = [f"1,{n},00,{line}" for n, line in enumerate([IR, *lines, "GO,1,100,99"], 1)]
    back = written(tmp_path / "b.UKE", *prefixed, "1,9,00,HI,x")
    assert rows(back) == rows(plain)
    assert back.set_aside["HI", "unknown-type"] == 1
    assert back.findings == ()


def test_a_payer_s_file_repeats_header_and_management_for_each_receipt(tmp_path: Path) -> None:
    lines: list[str] = []
    for number, code in ((1, "1234567"), (2, "7654321")):
        lines += [f"MN,{number},x", IR.replace("1234567", code), *receipt(number, "MF,00,,,")]
    one = written(tmp_path / "a.UKE", *lines)
    assert one.findings == ()
    assert one.set_aside["MN", "no-table"] == one.set_aside["MF", "no-table"] == 2
    assert "visit_occurrence" not in rows(one)  # neither receipt has a day
    assert len(rows(one)["person"]) == 2


def test_a_receipt_of_an_unknown_table_of_fees_is_refused_with_its_lines(tmp_path: Path) -> None:
    good = [IR, *receipt(1)]
    other = [IR.replace("IR,1,13,1", "IR,1,13,6"), *receipt(2, "SY,8833421,20260301,1,,,01,")]
    one = written(tmp_path / "a.UKE", *good, *other, "GO,2,200,99")
    assert [code for _, code in codes(one)] == ["uke.family", *["uke.receipt-refused"] * 3]


# --------------------------------------------------------------------------------------- DPC

CODING = "CD,{date},{block},0001,001,{code},{amount},,{unit},{count}"


def inpatient(*lines: str, admitted: str = "20260303") -> list[str]:
    return receipt(1, *lines, kind="1111", admitted=admitted)


def test_a_dpc_receipt_is_one_stay_with_its_group(tmp_path: Path) -> None:
    lines = [
        "BU,040080x099x0xx,20260305,20260312",
        "HH,1,2",
        "KK,x",
        days("SI,90,1,190000001,,9,1"),
    ]
    one = prepared([uke(tmp_path / "a.UKE", inpatient(*lines))], "uke")
    even(one)
    got = rows(one)
    (stay,) = got["visit_occurrence"]
    assert (stay["visit_start_date"], stay["visit_end_date"]) == (
        date(2026, 3, 5),
        date(2026, 3, 12),
    )
    (group,) = got["observation"]
    assert group["observation_source_value"] == "040080x099x0xx"
    assert group["visit_ref"] == stay["visit_ref"]
    (total,) = (c for c in got["cost"] if c["cost_type_concept_id"] == 5031)
    assert total["drg_source_value"] == "040080x099x0xx"
    assert one.set_aside["HH", "no-table"] == one.set_aside["KK", "no-table"] == 1


def test_the_diseases_of_a_stay_begin_with_it_and_keep_their_rank(tmp_path: Path) -> None:
    lines = [
        "BU,040080x099x0xx,20260305,",
        "SB,8833421,,,J189,11,,",
        "SB,0000999,,カナリア病,J13,21,,",
        "SB,2500013,8002,,E119,41,,",
    ]
    got = rows(prepared([uke(tmp_path / "a.UKE", inpatient(*lines))], "uke"))
    told = {
        c["condition_source_value"]: (c["condition_status_concept_id"], c["condition_start_date"])
        for c in got["condition_occurrence"]
    }
    start = date(2026, 3, 5)
    assert told == {"8833421": (32902, start), "J13": (32890, start)}
    assert "カナリア" not in str(got)
    suspected = [o for o in got["observation"] if o["value_source_value"] == "8002"]
    assert [o["observation_source_value"] for o in suspected] == ["2500013"]


def test_what_was_done_inside_the_flat_fee_stands_in_its_table_without_a_charge(
    tmp_path: Path,
) -> None:
    coding = [
        CODING.format(
            date="20260306", block="33", code="620000001", amount="1.5", unit="", count=2
        ),
        CODING.format(
            date="20260307", block="40", code="700090000", amount="2", unit="004", count=1
        ),
        CODING.format(date="20260308", block="60", code="160000310", amount="", unit="", count=1),
        CODING.format(date="20260308", block="60", code="810000001", amount="", unit="", count=1),
    ]
    one = prepared(
        [uke(tmp_path / "a.UKE", inpatient("BU,040080x099x0xx,20260305,", *coding))], "uke"
    )
    got = rows(one)
    assert [d["quantity"] for d in got["drug_exposure"]] == ["3"]
    assert [d["device_exposure_start_date"].day for d in got["device_exposure"]] == [7]
    assert [p["procedure_source_value"] for p in got["procedure_occurrence"]] == ["160000310"]
    assert {c["cost_type_concept_id"] for c in got["cost"]} == {5031}
    (stay,) = got["visit_occurrence"]
    assert stay["visit_end_date"] == date(2026, 3, 8)
    assert one.set_aside["CD", "no-table"] == 1


@pytest.mark.parametrize(
    "line",
    [
        "CD,33,20260306,0001,001,620000001,1",  # fields in another order
        "CD,20260306,33,0001,620000001,1,,,1",
        "BU,0400,20260305,",
        "SB,J189,,,8833421,11,,",
    ],
)
def test_a_line_of_another_layout_is_refused_and_never_guessed(tmp_path: Path, line: str) -> None:
    one = prepared([uke(tmp_path / "a.UKE", inpatient(line))], "uke")
    even(one)
    refused = {(x.record_type, x.refused) for x in one.balance if x.refused}
    assert (line[:2], 1) in refused


# ------------------------------------------------------------------------------------ dental

DENTIST = "IR,1,13,3,1234567,,202604,03,"


def dental(*lines: str, kind: str = "3112") -> list[str]:
    head = filled(
        27, _0="RE", _1="1", _2=kind, _3="202603", _4="カナリア", _5="1", _6="19500401",
        _9="20260302", _10="2", _15="K1",
    )  # fmt: skip
    return [DENTIST, head, "HO,06132013,12,345,1,100", "SN,1,01,,,,01,,", *lines, "GO,1,100,99"]


def test_a_dental_receipt_s_own_start_and_outcome_count_for_its_diseases(tmp_path: Path) -> None:
    lines = [
        "HS,,,110100,8830109,,,,,,,,",
        filled(109, _0="SS", _1="12", _2="1", _3="301000370", _76="58", _77="2", _79="1", _93="1"),
        filled(38, _0="SI", _1="60", _2="1", _3="160000310", _5="26", _6="1", _22="1"),
        filled(39, _0="IY", _1="21", _2="1", _3="620000001", _4="3", _5="9", _6="4", _9="4"),
        filled(45, _0="TO", _1="40", _2="1", _3="700090000", _4="2", _5="004", _12="7", _15="1"),
    ]
    one = written(tmp_path / "a.UKE", *dental(*lines))
    assert one.findings == ()
    got = rows(one)
    (disease,) = got["condition_occurrence"]
    assert disease["condition_source_value"] == "8830109"
    assert disease["condition_start_date"] == date(2026, 3, 2)
    assert disease["condition_end_date"] == date(2026, 3, 31)
    done = {
        (p["procedure_source_value"], p["procedure_date"].day) for p in got["procedure_occurrence"]
    }
    assert done == {("301000370", 2), ("301000370", 16), ("160000310", 16)}
    systems = {p["procedure_source_system"][-1] for p in got["procedure_occurrence"]}
    assert systems == {"h", "s"}
    (drug,), (device,) = got["drug_exposure"], got["device_exposure"]
    assert (drug["days_supply"], drug["quantity"]) == (4, "12")
    assert (device["quantity"], device["unit_source_value"]) == ("2", "004")
    assert [v["visit_start_date"].day for v in got["visit_occurrence"]] == [2, 16]
    charged = Counter(c["total_charge"] for c in got["cost"] if c["cost_type_concept_id"] == 5032)
    assert charged == {"580": 2, "260": 1, "360": 1, "70": 1}


# -------------------------------------------------------------------------------- dispensing

PHARMACY = "YK,1,13,4,1234567,カナリア薬局,202604,00,03"


def dispensed(*lines: str) -> list[str]:
    head = filled(
        42, _0="RE", _1="1", _2="4112", _3="202603", _4="カナリア", _5="2", _6="19500401",
        _9="13", _10="1", _11="7654321", _35="K1", _41="カナリア",
    )  # fmt: skip
    return [PHARMACY, head, "HO,06132013,12,345,2,100", "SN,1,01,,,,01,,", *lines, "GO,1,100,99"]


def dispensing(day: str, quantity: int) -> str:
    return filled(
        71, _0="CZ", _1="1", _2="20260301", _3=day, _4="1", _5=str(quantity), _6="1", _7="1",
        _8="01", _9="410001110", _10="24", _13="70", _15="1", _16="410002010", _17="5",
    )  # fmt: skip


def test_a_prescription_is_given_on_each_day_of_its_dispensing(tmp_path: Path) -> None:
    lines = [
        "SH,01,1,001,,5,,,,",
        dispensing("20260302", 14),
        "IY,1,620004422,3,,,,,,",
        "IY,1,620000001,1.5,,,,,,",
        dispensing("20260316", 7),  # the same prescription again, after its drugs
        "SH,02,5,,,9,,,,",
        dispensing("20260302", 2),
        "IY,1,622038501,5,,,,,,",
        "TO,1,700090000,1,004,10,",
    ]
    one = written(tmp_path / "a.UKE", *dispensed(*lines))
    assert one.findings == ()
    got = rows(one)
    assert "visit_occurrence" not in got
    given = {
        (
            d["drug_source_value"],
            d["drug_exposure_start_date"].day,
            d["quantity"],
            d["days_supply"],
            (d["drug_exposure_end_date"] - d["drug_exposure_start_date"]).days + 1,
        )
        for d in got["drug_exposure"]
    }
    assert given == {
        ("620004422", 2, "42", 14, 14),
        ("620004422", 16, "21", 7, 7),
        ("620000001", 2, "21", 14, 14),
        ("620000001", 16, "10.5", 7, 7),
        ("622038501", 2, "10", None, 1),  # not taken by mouth: doses, not days
    }
    assert {d["drug_type_concept_id"] for d in got["drug_exposure"]} == {32869}
    assert [d["quantity"] for d in got["device_exposure"]] == ["2"]
    fees = Counter(p["procedure_source_value"] for p in got["procedure_occurrence"])
    assert fees == {"410001110": 3, "410002010": 3}
    charged = Counter(
        (c["cost_domain_id"], c["total_charge"])
        for c in got["cost"]
        if c["cost_type_concept_id"] == 5032
    )
    assert charged == {("Procedure", "240"): 3, ("Procedure", "50"): 3, ("Drug", "700"): 3}
    (total,) = (c for c in got["cost"] if c["cost_type_concept_id"] == 5031)
    assert (total["total_charge"], total["cost_domain_id"]) == ("1000", "Drug")


def test_the_fees_of_a_day_at_the_pharmacy_are_procedures_with_their_charge(tmp_path: Path) -> None:
    line = filled(
        114, _0="KI", _1="20260302", _2="1", _3="1", _4="410003210", _5="42",
        _7="1", _8="440005110", _9="2", _10="10", _69="1", _70="410009910", _71="1", _72="3",
    )  # fmt: skip
    got = rows(written(tmp_path / "a.UKE", *dispensed(line, "TK,x", "ST,x")))
    done = {p["procedure_source_value"]: p["quantity"] for p in got["procedure_occurrence"]}
    assert done == {"410003210": 1, "440005110": 2, "410009910": 1}
    items = [c["total_charge"] for c in got["cost"] if c["cost_type_concept_id"] == 5032]
    assert sorted(items) == ["200", "30", "420"]


def test_a_drug_without_a_day_of_dispensing_is_set_aside(tmp_path: Path) -> None:
    one = written(tmp_path / "a.UKE", *dispensed("SH,01,1,,,5", "IY,1,620004422,3,,,,,,"))
    assert one.set_aside["IY", "no-day"] == 1


def test_a_pharmacy_and_a_clinic_meet_in_one_person(tmp_path: Path) -> None:
    clinic = uke(tmp_path / "a.UKE", receipt(1, days("SI,60,1,160000310,,26,1")))
    pharmacy = tmp_path / "b.UKE"
    lines = ["SH,01,1,,,5", dispensing("20260302", 14), "IY,1,620004422,3,,,,,,"]
    pharmacy.write_bytes("".join(f"{x}\r\n" for x in dispensed(*lines)).encode("cp932"))
    one = prepared([clinic, pharmacy], "uke")
    assert len(one.parts[NORTH].identities) == 1
    assert len(rows(one)["drug_exposure"]) == 1
