"""What the lines of a receipt mean (formats A1, A9), one small file each."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from submissions import NORTH, days, even, prepared, receipt, uke


def tables(tmp_path: Path, *receipts: list[str]) -> dict[str, list[dict[str, Any]]]:
    one = prepared([uke(tmp_path / "RECEIPTC.UKE", *receipts)], "uke")
    even(one)
    assert one.findings == ()
    return {name: rows.to_pylist() for name, rows in one.parts[NORTH].tables.items()}


def test_an_inpatient_receipt_is_one_visit_from_admission_to_the_last_day_given(
    tmp_path: Path,
) -> None:
    lines = [days("SI,90,1,190000001,,100,3", at=(2, 9, 11))]
    got = tables(tmp_path, receipt(1, *lines, kind="1111", admitted="20260227"))
    (visit,) = got["visit_occurrence"]
    assert (visit["visit_concept_id"], visit["visit_type_concept_id"]) == (9201, 32810)
    assert visit["visit_start_date"] == date(2026, 2, 27)
    assert visit["visit_end_date"] == date(2026, 3, 11)
    assert {p["visit_ref"] for p in got["procedure_occurrence"]} == {visit["visit_ref"]}
    assert {p["procedure_type_concept_id"] for p in got["procedure_occurrence"]} == {32853}


def test_an_outpatient_has_a_visit_a_day_and_rows_belong_to_the_latest_before_them(
    tmp_path: Path,
) -> None:
    lines = [
        days("SI,11,1,111000110,,288,1", at=(3,)),
        days("SI,12,1,112007410,,,1", at=(20,)),
        days("SI,,1,112015770,,74,1", at=(20,)),  # a blank 診療識別 goes on with the block
        days("SI,60,1,160000310,,26,3", at=(3, 10, 25)),
    ]
    got = tables(tmp_path, receipt(1, *lines))
    visits = {v["visit_start_date"].day: v["visit_ref"] for v in got["visit_occurrence"]}
    assert sorted(visits) == [3, 20]
    tested = {
        p["procedure_date"].day: p["visit_ref"]
        for p in got["procedure_occurrence"]
        if p["procedure_source_value"] == "160000310"
    }
    assert tested == {3: visits[3], 10: visits[3], 25: visits[20]}


def test_without_a_consultation_the_first_day_of_any_service_is_the_visit(tmp_path: Path) -> None:
    got = tables(tmp_path, receipt(1, days("SI,80,1,120002910,,68,2", at=(7, 21))))
    assert [v["visit_start_date"].day for v in got["visit_occurrence"]] == [7]


def test_an_oral_medicine_is_supplied_for_its_count_of_days(tmp_path: Path) -> None:
    line = days("IY,21,1,620004422,1.50,20,14", count=14, at=(5,))
    (drug,) = tables(tmp_path, receipt(1, line))["drug_exposure"]
    assert (drug["days_supply"], drug["quantity"]) == (14, "21")
    assert drug["drug_exposure_end_date"] == date(2026, 3, 18)
    assert drug["drug_type_concept_id"] == 32869


def test_an_injection_is_one_exposure_a_day_in_its_block(tmp_path: Path) -> None:
    lines = ["SI,31,1,130000510,,20,2", days("IY,,1,622199001,2,168,2", at=(4, 6))]
    drugs = tables(tmp_path, receipt(1, days(lines[0], at=(4, 6)), lines[1]))["drug_exposure"]
    assert [(d["quantity"], d["days_supply"]) for d in drugs] == [("2", None)] * 2
    assert sorted(d["drug_exposure_start_date"].day for d in drugs) == [4, 6]


def test_a_line_of_an_old_layout_without_days_is_set_aside(tmp_path: Path) -> None:
    one = prepared([uke(tmp_path / "a.UKE", receipt(1, "SI,60,1,160000310,,26,1"))], "uke")
    assert one.set_aside["SI", "no-day"] == 1
    even(one)


@pytest.mark.parametrize("outcome", ["2", "3", "4"])
def test_an_ended_disease_ends_with_the_month(tmp_path: Path, outcome: str) -> None:
    got = tables(tmp_path, receipt(1, f"SY,8833421,20260105,{outcome},,,01,"))
    (condition,) = got["condition_occurrence"]
    assert condition["condition_start_date"] == date(2026, 1, 5)
    assert condition["condition_end_date"] == date(2026, 3, 31)
    assert ("death" in got) == (outcome == "3")
    if outcome == "3":
        assert got["death"][0]["death_type_concept_id"] == 32812


def test_a_suspected_disease_is_an_observation_whatever_else_modifies_it(tmp_path: Path) -> None:
    got = tables(tmp_path, receipt(1, "SY,4659007,20260301,1,20578002,疑い,,"))
    assert "condition_occurrence" not in got
    assert got["observation"][0]["value_source_value"] == "8002"
    assert got["observation"][0]["value_source_system"] == (
        "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/masterZ-disease-modifier"
    )


def test_era_and_western_dates_are_one(tmp_path: Path) -> None:
    lines = ("SY,8833421,5080301,1,,,01,", days("SI,60,1,160000310,,26,1", at=(5,)))
    old = receipt(1, *lines, month="50803", birth="3250401")
    new = receipt(2, lines[0].replace("5080301", "20260301"), lines[1])
    one = prepared([uke(tmp_path / "a.UKE", old, new)], "uke")
    assert len(one.parts[NORTH].identities) == 1
    for rows in one.parts[NORTH].tables.values():
        kept = rows.drop_columns(["source_id", "visit_ref"]).to_pylist()
        told = sorted(map(str, kept))
        assert told[::2] == told[1::2]


def test_the_cost_is_the_visit_total_at_the_month_s_end(tmp_path: Path) -> None:
    (cost,) = tables(tmp_path, receipt(1, month="202602"))["cost"]
    assert (cost["total_charge"], cost["currency_concept_id"]) == ("1000", 44818592)
    assert cost["incurred_date"] == date(2026, 2, 28)
    assert cost["cost_type_concept_id"] == 5031


def test_a_receipt_of_public_assistance_alone_is_keyed_and_charged_by_ko(tmp_path: Path) -> None:
    made = receipt(1, payer="KO,12131023,1234567,,1,77,0", branch="")
    one = prepared([uke(tmp_path / "a.UKE", made, go="GO,1,77,99")], "uke")
    ((_, key),) = one.parts[NORTH].identities
    assert key.system.endswith("JP_PublicPayer_memberID")
    assert one.parts[NORTH].tables["cost"].column("total_charge").to_pylist() == ["770"]
    assert [finding.code for finding in one.findings] == ["identifier.check-digit"]


def test_a_payer_whose_check_digit_is_wrong_is_told_and_used(tmp_path: Path) -> None:
    right, wrong = "HO,06132013,12,345,1,100", "HO,06132014,12,345,1,100"
    for payer, codes in ((right, []), (wrong, ["identifier.check-digit"])):
        one = prepared([uke(tmp_path / "a.UKE", receipt(1, payer=payer))], "uke")
        assert [finding.code for finding in one.findings] == codes
        assert len(one.parts[NORTH].identities) == 1


def test_a_branch_number_joins_and_its_absence_adds_birth_and_sex(tmp_path: Path) -> None:
    receipts = [
        receipt(1),
        receipt(2, payer="HO,06132013,12,345,1,100"),  # half width: the same number
        receipt(3, branch="SN,1,01,,,,02,,"),
        receipt(4, branch=""),
        receipt(5, branch="", sex="1"),
        receipt(6, branch="", birth="19800101"),
        receipt(7, branch=""),
    ]
    one = prepared([uke(tmp_path / "a.UKE", *receipts)], "uke")
    keys = [key for _, key in one.parts[NORTH].identities]
    assert len(keys) == 5
    assert sorted(key.method for key in keys) == ["direct"] * 3 + ["number"] * 2


def test_a_receipt_sent_again_replaces_the_whole_of_the_earlier(tmp_path: Path) -> None:
    """A part that the later one lacks does not stay (返戻・再請求)."""
    first = receipt(1, "SY,8833421,20260301,1,,,01,", "SY,2500013,20260301,1,,,,")
    again = receipt(1, "SY,8833421,20260301,1,,,01,")
    one = prepared([uke(tmp_path / "a.UKE", first, receipt(2), again)], "uke")
    even(one)
    assert one.parts[NORTH].tables["condition_occurrence"].num_rows == 1
    assert one.parts[NORTH].tables["person"].num_rows == 2
    line = next(x for x in one.balance if x.record_type == "SY")
    assert (line.read, line.sent, line.superseded) == (3, 1, 2)
    # and within one unit, parts have one unit's name
    sources = one.parts[NORTH].tables["condition_occurrence"].column("source_id").to_pylist()
    assert sources[0].endswith(".3")


def test_free_text_never_leaves(tmp_path: Path) -> None:
    lines = (
        "CO,99,1,810000001,カナリア文字",
        "SJ,1,カナリア症状",
        "SY,0000999,20260301,1,,カナリア病,,",
    )
    one = prepared([uke(tmp_path / "カナリア.UKE", receipt(1, *lines))], "uke")
    assert "カナリア" not in str([t.to_pydict() for t in one.parts[NORTH].tables.values()])
    assert one.set_aside["CO", "no-table"] == one.set_aside["SJ", "no-table"] == 1
    codes = one.parts[NORTH].tables["condition_occurrence"].column("condition_source_value")
    assert codes.to_pylist() == ["0000999"]


def test_an_amount_beyond_all_numbers_is_a_finding_and_no_crash(tmp_path: Path) -> None:
    line = days("IY,21,1,620004422,9e999999,20,14", count=14, at=(5,))
    one = prepared([uke(tmp_path / "a.UKE", receipt(1, line))], "uke")
    assert [(f.record_type, f.code) for f in one.findings] == [("IY", "uke.field")]
