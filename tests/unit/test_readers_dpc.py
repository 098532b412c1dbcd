"""DPC survey files: EF, D and 様式1, person by the hospital's own number.

No public file of the survey is at hand: columns follow formats A2 and, for 様式1, a public program.
"""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from sekisho.common.randomness import seeded
from sekisho.provider import Prepared, Profile, prepare
from sekisho.pseudonym.identifiers import insured
from submissions import KEY, SOUTH, TWO_BODIES, classify, codes, even

FACILITY, PERSON = "131234567", "0000000697"
STAY = ("20260310", "20260302")  # discharge, admission


def ef(
    order: int,
    detail: int,
    code: str,
    *,
    stay: tuple[str, str] = STAY,
    person: str = PERSON,
    block: str = "33",
    used: str = "",
    points: str = "0",
    count: str = "1",
    done: str = "20260303",
    yen: str = "0",
) -> str:
    fields = [
        FACILITY,
        person,
        *stay,
        block,
        f"{order:04d}",
        f"{detail:03d}",
        "A" * 12,
        code,
        "",
        "",
    ]
    fields += [used, "008", "0", yen, "0", "000000000000", points, "0", "0", count]
    fields += ["06132013", "1111", done, "01", "010", "カナリア医師", "01", "1", "1", "01"]
    assert len(fields) == 31
    return "\t".join(fields)


def flat(code: str, group: str, points: str, days: str, done: str = "20260303") -> str:
    fields = [FACILITY, PERSON, *STAY, "93", "0001", "", code, "", "", points, "0", "0", "0", days]
    fields += [
        "06132013",
        "1111",
        done,
        "01",
        "010",
        "",
        "01",
        "1",
        "1",
        "01",
        "",
        "",
        "",
        group,
        "1",
    ]
    assert len(fields) == 30
    return "\t".join(fields)


def form1(code: str, *payload: str) -> str:
    fields = [FACILITY, PERSON, STAY[1], "0", "0", code, "20140401", "0"]
    return "\t".join((fields + list(payload) + [""] * 9)[:17])


def read(path: Path, *lines: str, profile: Profile | None = None) -> Prepared:
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode("cp932"))
    one = prepare([path], "dpc-ef", classify, KEY, TWO_BODIES, seeded(1), profile=profile)
    even(one)
    return one


def rows(one: Prepared) -> dict[str, list[dict[str, Any]]]:
    return {name: table.to_pylist() for name, table in one.parts[SOUTH].tables.items()}


def test_an_act_is_charged_once_and_told_by_its_details(tmp_path: Path) -> None:
    lines = [
        ef(1, 0, "130004410", points="120", count="2"),
        ef(1, 1, "130004410", count="2"),
        ef(1, 2, "620000001", used="1.5", count="2"),
        ef(1, 3, "700090000", used="3", count="2"),
        ef(1, 4, "810000001"),
    ]
    one = read(tmp_path / "EFn", *lines)
    assert one.read == {"EF/E": 1, "EF/F": 4}
    assert one.set_aside == {("EF/F", "no-table"): 1}
    got = rows(one)
    (charge,) = got["cost"]
    assert (charge["total_charge"], charge["cost_domain_id"]) == ("2400", "Procedure")
    assert [p["quantity"] for p in got["procedure_occurrence"]] == [2]
    assert [d["quantity"] for d in got["drug_exposure"]] == ["3"]
    assert [d["quantity"] for d in got["device_exposure"]] == ["6"]
    (stay,) = got["visit_occurrence"]
    assert (stay["visit_start_date"], stay["visit_end_date"]) == (
        date(2026, 3, 2),
        date(2026, 3, 10),
    )
    refs = {row["visit_ref"] for name in got for row in got[name] if name != "visit_occurrence"}
    assert refs == {stay["visit_ref"]}


def test_drugs_by_mouth_are_supplied_for_their_count_and_yen_are_no_points(tmp_path: Path) -> None:
    lines = [
        ef(1, 0, "620000001", block="21", points="70", count="7"),
        ef(1, 1, "620000001", block="21", used="3", count="7"),
        ef(2, 0, "190000001", points="500", yen="1"),
    ]
    got = rows(read(tmp_path / "EFn", *lines))
    (drug,) = got["drug_exposure"]
    assert (drug["days_supply"], drug["quantity"]) == (7, "21")
    assert drug["drug_exposure_end_date"] == date(2026, 3, 9)
    assert sorted(c["total_charge"] for c in got["cost"]) == ["4900", "500"]


def test_an_outpatient_has_a_visit_a_day(tmp_path: Path) -> None:
    none = ("00000000", "00000000")
    lines = [
        ef(n, 1, "160000310", stay=none, done=f"202603{day:02d}")
        for n, day in enumerate((3, 3, 17), 1)
    ]
    got = rows(read(tmp_path / "EFg", *lines))
    visits = {v["visit_ref"]: v["visit_start_date"].day for v in got["visit_occurrence"]}
    assert sorted(visits.values()) == [3, 17]
    assert {v["visit_concept_id"] for v in got["visit_occurrence"]} == {9202}
    for procedure in got["procedure_occurrence"]:
        assert visits[procedure["visit_ref"]] == procedure["procedure_date"].day


def test_the_flat_fee_is_charged_and_belongs_to_the_stay_of_its_ef(tmp_path: Path) -> None:
    group = "040080x099x0xx"
    paths = [tmp_path / "D", tmp_path / "EFn"]
    paths[0].write_text(flat("930000001", group, "2500", "4") + "\n")
    paths[1].write_text(ef(1, 1, "160000310") + "\n")
    one = prepare(paths, "dpc-ef", classify, KEY, TWO_BODIES, seeded(1))
    got = rows(one)
    (charge,), (told,), (stay,) = got["cost"], got["observation"], got["visit_occurrence"]
    assert (charge["total_charge"], charge["drg_source_value"]) == ("100000", group)
    assert told["observation_source_value"] == group
    assert charge["visit_ref"] == told["visit_ref"] == stay["visit_ref"]


def test_a_line_of_headings_is_no_record(tmp_path: Path) -> None:
    heading = "\t".join(["施設コード", "データ識別番号", *["x"] * 29])
    with_it = read(tmp_path / "a", heading, ef(1, 1, "160000310"))
    without = read(tmp_path / "b", ef(1, 1, "160000310"))
    assert with_it.read == without.read == {"EF/F": 1}
    assert rows(with_it) == rows(without)


def test_a_month_sent_again_replaces_what_it_said_and_no_other_month(tmp_path: Path) -> None:
    march = [ef(1, 1, "160000310"), ef(2, 1, "160000410")]
    april = [ef(1, 1, "160000510", done="20260401")]
    one = read(tmp_path / "a", *march, *april, ef(1, 1, "160000310", person="0000000001"))
    assert Counter(x.superseded for x in one.balance) == {0: 1}
    first, again = tmp_path / "1", tmp_path / "2"
    first.write_text("\n".join([*march, *april]))
    again.write_text(march[0])
    both = prepare([first, again], "dpc-ef", classify, KEY, TWO_BODIES, seeded(1))
    even(both)
    done = {p["procedure_source_value"] for p in rows(both)["procedure_occurrence"]}
    assert done == {"160000310", "160000510"}


def test_lines_out_of_order_lose_nothing(tmp_path: Path) -> None:
    other = ef(1, 1, "160000310", person="0000000001")
    one = read(tmp_path / "a", ef(1, 1, "160000310"), other, ef(2, 1, "160000410"))
    assert len(rows(one)["procedure_occurrence"]) == 3
    assert len({v["visit_ref"] for v in rows(one)["visit_occurrence"]}) == 2


def test_the_hospital_s_mapping_says_who_a_number_is_and_without_it_it_stays_local(
    tmp_path: Path,
) -> None:
    key = insured("06132013", "12", "345", "01")
    mapped = read(tmp_path / "a", ef(1, 1, "160000310"), profile=Profile(mapping={PERSON: key}))
    ((_, person),) = mapped.parts[SOUTH].identities
    assert person == key
    ((_, alone),) = read(tmp_path / "b", ef(1, 1, "160000310")).parts[SOUTH].identities
    assert alone.method == "local"
    assert alone.system.endswith("1311234567")  # the institution, so that it meets nobody else's


def test_form_1_gives_person_stay_diseases_and_death_and_says_that_it_is_experimental(
    tmp_path: Path,
) -> None:
    lines = [
        form1("A000010", "19500401", "2", "1000001"),
        form1("A000030", "20260310", "1", "6"),
        form1("A006010", "", "J189", "", "", "", "", "", "", "カナリア肺炎"),
        form1("A006020", "", "J13"),
        form1("A006040", "", "E119"),
        form1("A007010", "x"),
    ]
    one = read(tmp_path / "FF1", *lines)
    assert codes(one) == [(1, "dpc.experimental")]
    got = rows(one)
    (person,), (stay,), (death,) = got["person"], got["visit_occurrence"], got["death"]
    assert (person["year_of_birth"], person["gender_concept_id"]) == (1950, 8532)
    assert stay["visit_end_date"] == death["death_date"] == date(2026, 3, 10)
    told = {c["condition_source_value"]: c["condition_status_concept_id"]
            for c in got["condition_occurrence"]}  # fmt: skip
    assert told == {"J189": 32902, "J13": 32890, "E119": 32908}
    assert one.set_aside == {("FF1/other", "no-table"): 1}
    assert "カナリア" not in str(got)
    assert "1000001" not in str(got)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("a\tb", "dpc.columns"),
        (ef(1, 1, "160000310").replace(FACILITY, "1312"), "dpc.facility"),
        (ef(1, 1, "160000310", person="カナリア"), "dpc.person"),
        (ef(1, 1, "160000310", done="20261340"), "date.impossible"),
        (ef(1, 1, "1600"), "uke.field"),
        (form1("A006010", "", "肺炎"), "dpc.icd"),
        (form1("A000030", "20260101"), "date.impossible"),
    ],
)
def test_a_malformed_line_is_refused_alone(tmp_path: Path, line: str, code: str) -> None:
    one = read(tmp_path / "a", ef(1, 1, "160000310"), line)
    assert (2, code) in codes(one)
    assert len(rows(one)["procedure_occurrence"]) == 1
