"""Monthly receipts are told as stays and courses: what goes on is one row in an extract."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate_rows import RULES as PROCESSING
from gate_rows import pseudonym
from lake_rows import held
from sekisho.data.lake import Lake, Snapshot, hold
from sekisho.data.processing import (
    ExtractOrder,
    Part,
    extract,
    gate,
    make_plan,
    read_rules,
    read_same_fact,
    retag,
)
from submissions import prepared, receipt

ROOT = Path(__file__).resolve().parents[2]
SAME = read_same_fact(ROOT / "rules" / "same-fact.toml")
TABLES = ("visit_occurrence", "condition_occurrence", "drug_exposure")
Json = dict[str, Any]


def released(lake: Lake, head: Snapshot, *, chained: bool = True) -> dict[str, list[Json]]:
    order = ExtractOrder(
        "kidney", "research", "one", "pseudonymised", ("basic",), dict.fromkeys(TABLES, ())
    )
    plan = make_plan(order, read_rules(PROCESSING), same=SAME if chained else None)
    made = extract(lake, plan.at(head), {})
    keys = made.persons()
    tags = {key: f"{n:032x}" for n, key in enumerate(keys)}
    names = {tags[key]: pseudonym(n) for n, key in enumerate(keys)}
    part = Part("one", "basic", retag(made.parts["basic"], tags), names)
    result = gate([part], plan, [], lambda *_: False)
    return {name: table.to_pylist() for name, table in result.tables.items()}


def landed(folder: Path, *batches: dict[str, list[Json]]) -> tuple[Lake, Snapshot]:
    lake = Lake(folder / "lake")
    for number, tables in enumerate(batches, 1):
        rows = {name: held(name, rows, number) for name, rows in tables.items()}
        head = Snapshot(number, lake.land(number, f"s{number}", rows))
    return lake, head


def month(
    number: int, *, ended: bool = False, code: str = "4375001", **more: Any
) -> dict[str, list[Json]]:
    """Return one month's receipt of a stay since 20 January and a diagnosis since 5 January."""
    last = date(2020, number + 1, 1).toordinal() - 1
    own = {"person_key": "x", "kind": "receipt", "record_type": "SY", **more}
    visit = f"v{number}"
    return {
        "visit_occurrence": [
            {**own, "source_id": f"r{number}.0", "visit_ref": visit, "visit_concept_id": 9201,
             "visit_start_date": date(2020, 1, 20), "visit_end_date": date.fromordinal(last)}
        ],
        "condition_occurrence": [
            {**own, "source_id": f"r{number}.1", "visit_ref": visit, "condition_concept_id": 0,
             "condition_start_date": date(2020, 1, 5), "condition_source_value": code,
             "condition_end_date": date.fromordinal(last) if ended else None,
             "condition_source_system": "b"}
        ],
        "drug_exposure": [
            {**own, "source_id": f"r{number}.2", "visit_ref": visit, "drug_concept_id": 0,
             "drug_exposure_start_date": date(2020, number, 25), "drug_source_value": "6"}
        ],
    }  # fmt: skip


@pytest.mark.parametrize("months", [(1, 2, 3), (3, 1, 2)])
def test_a_stay_over_months_is_one_visit_and_its_rows_belong_to_it(
    tmp_path: Path, months: tuple[int, ...]
) -> None:
    lake, head = landed(tmp_path, *map(month, months))
    got = released(lake, head)
    [visit] = got["visit_occurrence"]
    assert (visit["visit_start_date"], visit["visit_end_date"]) == (
        date(2020, 1, 20),
        date(2020, 3, 31),
    )
    assert len(got["drug_exposure"]) == 3
    assert {row["visit_occurrence_id"] for row in got["drug_exposure"]} == {
        visit["visit_occurrence_id"]
    }
    assert len(released(lake, head, chained=False)["visit_occurrence"]) == 3


def test_a_diagnosis_is_one_row_to_the_end_of_the_last_month_that_carries_it(
    tmp_path: Path,
) -> None:
    lake, head = landed(tmp_path, month(2), month(3))
    [row] = released(lake, head)["condition_occurrence"]
    assert row["condition_start_date"] == date(2020, 1, 5)
    assert row["condition_end_date"] == date(2020, 3, 31)


def test_a_diagnosis_as_old_as_its_only_receipt_has_no_known_end(tmp_path: Path) -> None:
    lake, head = landed(tmp_path, month(1))
    [row] = released(lake, head)["condition_occurrence"]
    assert row["condition_end_date"] is None


def test_an_end_that_a_receipt_states_counts(tmp_path: Path) -> None:
    lake, head = landed(tmp_path, month(1, ended=True))
    [row] = released(lake, head)["condition_occurrence"]
    assert row["condition_end_date"] == date(2020, 1, 31)


def test_a_receipt_that_is_sent_again_shortens_what_it_carried(tmp_path: Path) -> None:
    without = {name: rows for name, rows in month(3).items() if name == "drug_exposure"}
    lake, head = landed(tmp_path, month(2), month(3), without)
    got = released(lake, head)
    assert got["condition_occurrence"][0]["condition_end_date"] == date(2020, 2, 29)
    assert got["visit_occurrence"][0]["visit_end_date"] == date(2020, 2, 29)


@pytest.mark.parametrize(
    ("other", "visits", "conditions"),
    [
        ({"provider": "p2"}, 2, 2),
        ({"person_key": "y"}, 2, 2),
        ({"kind": "record-core"}, 1, 1),  # a record of the same stay and diagnosis: it counts alone
    ],
)
def test_other_providers_persons_and_kinds_are_not_chained(
    tmp_path: Path, other: dict[str, str], visits: int, conditions: int
) -> None:
    lake, head = landed(tmp_path, month(2), month(3, **other))
    got = released(lake, head)
    assert len(got["visit_occurrence"]) == visits
    assert len(got["condition_occurrence"]) == conditions


def test_uncoded_names_and_two_lines_of_one_receipt_stay_apart(tmp_path: Path) -> None:
    lake, head = landed(tmp_path, month(2, code="0000999"), month(3, code="0000999"))
    assert len(released(lake, head)["condition_occurrence"]) == 2
    left_and_right = [month(2), month(3)]
    for one in left_and_right:
        row = one["condition_occurrence"][0]
        one["condition_occurrence"].append({**row, "source_id": row["source_id"] + "1"})
    lake, head = landed(tmp_path / "two", *left_and_right)
    ends = [row["condition_end_date"] for row in released(lake, head)["condition_occurrence"]]
    assert ends == [date(2020, 3, 31)] * 2


@settings(max_examples=15, deadline=None)
@given(st.permutations([1, 2, 3, 4]), st.sets(st.integers(1, 4), min_size=1))
def test_chains_do_not_depend_on_the_order_of_arrival(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], sent: set[int]
) -> None:
    folder = tmp_path_factory.mktemp("chains")
    in_order = released(*landed(folder / "a", *(month(n) for n in sorted(sent))))
    shuffled = released(*landed(folder / "b", *(month(n) for n in order if n in sent)))
    assert in_order == shuffled


def test_receipts_of_three_months_read_by_the_reader_are_one_stay(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    for number, when in enumerate(("202601", "202602", "202603"), 1):
        lines = receipt(1, "SY,4375001,20260105,1,,,01,", kind="1111", month=when,
                        admitted="20260120")  # fmt: skip
        file = tmp_path / f"{when}.UKE"
        text = "\r\n".join([f"IR,1,13,1,1234567,,X,{when},00,03", *lines, "GO,1,100,99"]) + "\r\n"
        file.write_bytes(text.encode("cp932"))
        (part,) = [one for one in prepared([file], "uke").parts.values() if one.tables]
        tables = {
            name: hold(name, rows, dict.fromkeys(rows["tag"].to_pylist(), "x"),
                       provider="p", batch=number)
            for name, rows in part.tables.items()
        }  # fmt: skip
        head = Snapshot(number, lake.land(number, when, tables))
    got = released(lake, head)
    [visit] = got["visit_occurrence"]
    assert visit["visit_start_date"] == date(2026, 1, 20)
    [row] = got["condition_occurrence"]
    assert row["condition_start_date"] == date(2026, 1, 5)
    assert row["visit_occurrence_id"] == visit["visit_occurrence_id"]


def test_the_foreign_receipts_have_one_visit_per_person_and_day(
    tmp_path: Path, testdata: Path
) -> None:
    file = testdata / "uke-receiptisan" / "RECEIPTC_GAIRAI_SAMPLE.UKE"
    (part,) = [one for one in prepared([file], "uke").parts.values() if one.tables]
    keys = {tag: tag for rows in part.tables.values() for tag in rows["tag"].to_pylist()}
    tables = {
        name: hold(name, rows, keys, provider="p", batch=1) for name, rows in part.tables.items()
    }
    lake = Lake(tmp_path / "lake")
    head = Snapshot(1, lake.land(1, "s", tables))
    chained, as_came = released(lake, head), released(lake, head, chained=False)
    assert chained["visit_occurrence"] == as_came["visit_occurrence"]
    assert len(chained["condition_occurrence"]) == len(as_came["condition_occurrence"]) > 0
    days = {(row["person_id"], row["visit_start_date"]) for row in chained["visit_occurrence"]}
    receipts = sum(
        line.startswith("RE,") for line in file.read_bytes().decode("cp932").splitlines()
    )
    assert receipts == 75
    assert len(days) <= len(chained["visit_occurrence"]) >= 60
