"""A receipt file that nobody here wrote, counted with Python's csv module."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path

import pytest

from sekisho.data.collection import balance, read_declared, survey_of
from sekisho.provider import Prepared
from sekisho.quality import check, load_rules
from submissions import NORTH, even, prepared


@pytest.fixture(scope="module")
def path(testdata: Path) -> Path:
    return testdata / "uke-receiptisan" / "RECEIPTC_GAIRAI_SAMPLE.UKE"


@pytest.fixture(scope="module")
def source(path: Path) -> list[list[str]]:
    with path.open(encoding="cp932", newline="") as file:
        return list(csv.reader(file))


@pytest.fixture(scope="module")
def one(path: Path) -> Prepared:
    return prepared([path], "uke")


def receipts(source: list[list[str]]) -> list[list[list[str]]]:
    """Split the file at RE."""
    made: list[list[list[str]]] = []
    for line in source:
        if line[0] == "RE":
            made.append([])
        if made and line[0] != "GO":
            made[-1].append(line)
    return made


def test_every_line_is_in_the_balance(source: list[list[str]], one: Prepared) -> None:
    assert one.read == Counter(line[0] for line in source)
    even(one)
    assert all(line.refused == 0 for line in one.balance)


def test_each_day_of_a_service_or_a_medicine_is_one_row(
    source: list[list[str]], one: Prepared
) -> None:
    tables = one.parts[NORTH].tables
    for kind, table in (("SI", "procedure_occurrence"), ("IY", "drug_exposure")):
        used = sum(bool(text) for line in source if line[0] == kind for text in line[13:44])
        assert tables[table].num_rows == used


def test_counts_of_services_are_those_of_the_day_columns(
    source: list[list[str]], one: Prepared
) -> None:
    done = Counter[str]()
    for line in source:
        if line[0] == "SI":
            done[line[3]] += sum(int(text) for text in line[13:44] if text)
    rows = one.parts[NORTH].tables["procedure_occurrence"].to_pylist()
    got = Counter[str]()
    for row in rows:
        got[row["procedure_source_value"]] += row["quantity"]
    assert got == done


def test_suspected_diseases_are_observations_and_the_others_conditions(
    source: list[list[str]], one: Prepared
) -> None:
    diseases = [line for line in source if line[0] == "SY"]
    suspected = [line for line in diseases if "8002" in line[4]]
    tables = one.parts[NORTH].tables
    assert tables["condition_occurrence"].num_rows == len(diseases) - len(suspected)
    assert tables["observation"].num_rows == len(suspected) == 1
    main = sum(line[6] == "01" for line in diseases if line not in suspected)
    statuses = tables["condition_occurrence"].column("condition_status_concept_id").to_pylist()
    assert statuses.count(32902) == main


def test_costs_are_ten_yen_a_point(source: list[list[str]], one: Prepared) -> None:
    points = 0
    for lines in receipts(source):
        payers = [x for x in lines if x[0] == "HO"] or [x for x in lines if x[0] == "KO"]
        points += int(payers[0][5])
    costs = one.parts[NORTH].tables["cost"].to_pylist()
    charged = Counter[int]()
    for cost in costs:
        charged[cost["cost_type_concept_id"]] += int(cost["total_charge"])
    assert charged[5031] == points * 10 == 86_392 * 10
    # whoever made the file charged each unit of account: they add up to the receipts
    assert charged[5032] == charged[5031]


def test_the_units_of_account_add_up_to_their_receipt(
    source: list[list[str]], one: Prepared
) -> None:
    totals: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for cost in one.parts[NORTH].tables["cost"].to_pylist():
        receipt, _, _ = cost["source_id"].partition(".")
        totals[receipt][cost["cost_type_concept_id"]] += int(cost["total_charge"])
    assert len(totals) == len(receipts(source)) == 75
    assert all(total[5031] == total[5032] for total in totals.values())


def test_persons_are_told_apart_by_number_birth_and_sex(
    source: list[list[str]], one: Prepared
) -> None:
    persons = set()
    for lines in receipts(source):
        head = lines[0]
        ho = next((x for x in lines if x[0] == "HO"), None)
        branch = next((x[6] for x in lines if x[0] == "SN" and x[1] == "1" and x[6]), "")
        if ho is None:
            ko = next(x for x in lines if x[0] == "KO")
            persons.add(("public", ko[1], ko[2].zfill(7)))
        elif branch not in ("", "00"):  # "00" says that there is none
            persons.add((*ho[1:4], branch))
        else:
            persons.add((*ho[1:4], head[6], head[5]))
    assert len(one.parts[NORTH].identities) == len(persons)


def test_an_outpatient_has_a_visit_for_each_day_of_first_or_repeat_consultation(
    source: list[list[str]], one: Prepared
) -> None:
    expected = 0
    for lines in receipts(source):
        block, visited, used = "", set[int](), set[int]()
        for line in lines:
            if line[0] not in ("SI", "IY", "CO"):
                continue
            block = line[1] or block
            on = {n for n, text in enumerate(line[13:44], 1) if text}
            used |= on
            if line[0] == "SI" and block in ("11", "12"):
                visited |= on
        expected += len(visited) or bool(used)
    visits = one.parts[NORTH].tables["visit_occurrence"]
    assert visits.num_rows == expected
    assert set(visits.column("visit_concept_id").to_pylist()) == {9202}


def test_the_wrong_receipt_count_in_go_is_told(one: Prepared) -> None:
    assert [(f.line, f.code) for f in one.findings] == [(636, "uke.go-count")]


def test_no_name_text_or_number_of_a_person_is_in_the_tables(
    source: list[list[str]], one: Prepared
) -> None:
    held = "\n".join(str(t.to_pydict()) for t in one.parts[NORTH].tables.values())
    for line in source:
        if line[0] == "RE":
            assert line[4] not in held
            assert line[36] not in held
        if line[0] == "HO" and len(line[1] + line[2]) > 10:
            assert line[2] not in held
        if line[0] == "CO" and len(line[4]) > 4:
            assert line[4] not in held


def test_the_one_patient_born_after_the_month_of_care_is_quarantined(
    root: Path, source: list[list[str]], one: Prepared
) -> None:
    wrong = [x for x in receipts(source) if x[0][6] > x[0][3] + "31"]
    assert len(wrong) == 1
    part = one.parts[NORTH]
    rules = load_rules(root / "rules" / "collection.toml")
    landed = check(
        part.tables,
        rules,
        day=date(2026, 4, 1),
        tags={tag for tag, _ in part.identities},
    )
    made = balance(read_declared(part.declared()), survey_of(landed))
    holding = {rule.id for rule in rules.rule if rule.verdict == "hold"}
    assert {b.rule for b in landed.breaches} & holding == {"date.before-birth"}
    held = {line.record_type: line.quarantined for line in made.lines if line.quarantined}
    expected = Counter(x[0] for x in wrong[0] if x[0] in ("RE", "HO", "SI"))
    assert held == expected
