"""An OMOP CDM 5.4 archive that nobody here wrote, counted with zipfile and csv; and small ones."""

from __future__ import annotations

import csv
import io
import zipfile
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sekisho.cdm import table
from sekisho.common.randomness import seeded
from sekisho.provider import Prepared, Profile, prepare
from sekisho.pseudonym.identifiers import insured
from submissions import KEY, SOUTH, TWO_BODIES, classify, codes, even

HERE = Profile(institution="1310000001")
Source = dict[str, list[dict[str, str]]]


def read(*paths: Path, profile: Profile = HERE) -> Prepared:
    one = prepare(paths, "omop-csv", classify, KEY, TWO_BODIES, seeded(1), profile=profile)
    even(one)
    return one


def rows(one: Prepared, name: str) -> list[dict[str, Any]]:
    return one.parts[SOUTH].tables[name].to_pylist()


@pytest.fixture(scope="module")
def archive(testdata: Path) -> Path:
    return testdata / "synthea-omop54" / "Synthea27Nj_5.4.zip"


@pytest.fixture(scope="module")
def source(archive: Path) -> Source:
    made: Source = {}
    with zipfile.ZipFile(archive) as file:
        for name in file.namelist():
            if name.startswith("__MACOSX"):
                continue
            with file.open(name) as member:
                text = io.TextIOWrapper(member, "utf-8-sig", newline="")
                made[name.removesuffix(".csv").lower()] = list(csv.DictReader(text))
    return made


@pytest.fixture(scope="module")
def one(archive: Path) -> Prepared:
    return read(archive)


def test_every_row_of_every_table_is_in_the_balance(source: Source, one: Prepared) -> None:
    assert len(source) == 39
    assert one.read == {name: len(lines) for name, lines in source.items() if lines}
    assert all(line.refused == 0 for line in one.balance)
    aside = {name: n for (name, _), n in one.set_aside.items()}
    sent = {name: t.num_rows for name, t in one.parts[SOUTH].tables.items()}
    assert one.read == aside | sent
    assert not aside.keys() & sent.keys()


def test_what_macos_added_is_left_out_and_said(one: Prepared) -> None:
    assert codes(one) == [(0, "archive.ignored")]


def test_the_concepts_of_the_file_stay(source: Source, one: Prepared) -> None:
    for name in ("condition_occurrence", "drug_exposure", "measurement", "observation"):
        column = next(c.name for c in table(name).content if c.name.endswith("_concept_id"))
        expected = Counter(int(line[column]) for line in source[name])
        assert Counter(row[column] for row in rows(one, name)) == expected
        assert expected.keys() - {0}


def test_numbers_and_days_are_those_of_the_file(source: Source, one: Prepared) -> None:
    column, place = "value_as_number", "measurement_date"
    expected = Counter(
        (line[place][:10], Decimal(line[column])) for line in source["measurement"] if line[column]
    )
    got = Counter(
        (row[place].isoformat(), Decimal(row[column]))
        for row in rows(one, "measurement")
        if row[column] is not None
    )
    assert got == expected


def test_visits_are_those_that_the_file_names(source: Source, one: Prepared) -> None:
    starts = {v["visit_occurrence_id"]: v["visit_start_date"] for v in source["visit_occurrence"]}
    expected = Counter(
        (line["procedure_date"], starts.get(line["visit_occurrence_id"]))
        for line in source["procedure_occurrence"]
    )
    begun = {v["visit_ref"]: v["visit_start_date"].isoformat()
             for v in rows(one, "visit_occurrence")}  # fmt: skip
    got = Counter(
        (row["procedure_date"].isoformat(), begun.get(row["visit_ref"]))
        for row in rows(one, "procedure_occurrence")
    )
    assert got == expected


def test_a_person_is_the_database_s_own_number_and_no_source_value_leaves(
    source: Source, one: Prepared
) -> None:
    keys = [key for _, key in one.parts[SOUTH].identities]
    assert {key.value for key in keys} == {line["person_id"] for line in source["person"]}
    assert {key.method for key in keys} == {"local"}
    held = "".join(str(t.to_pydict()) for t in one.parts[SOUTH].tables.values())
    for line in source["person"]:
        assert line["person_source_value"] not in held


PERSON = "person_id,gender_concept_id,year_of_birth,month_of_birth,person_source_value\n"
DRUG = "drug_exposure_id,person_id,drug_concept_id,drug_exposure_start_date,quantity,sig\n"


def test_a_folder_of_files_is_read_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "cdm"
    folder.mkdir()
    (folder / "PERSON.csv").write_text(PERSON + "7,8507,1950,4,060123456789\n")
    (folder / "drug_exposure.CSV").write_text(
        DRUG + '1,7,1125315,2026-03-02,"1.50","カナリア\n文"\n'
    )
    (folder / "カナリア花子.csv").write_text("a,b\n1,2\n")
    (folder / "notes.txt").write_text("x")
    one = read(folder)
    assert one.read == {"person": 1, "drug_exposure": 1, "other": 1}
    assert one.set_aside == {("other", "unknown-type"): 1}
    assert one.dropped == {"drug_exposure": 1}
    (drug,) = rows(one, "drug_exposure")
    assert (drug["quantity"], drug["drug_concept_id"]) == ("1.5", 1125315)
    assert drug["drug_exposure_start_date"] == date(2026, 3, 2)
    assert "カナリア" not in str(drug)


def test_the_provider_s_mapping_says_who_a_number_is(tmp_path: Path) -> None:
    key = insured("06132013", "12", "345", "01")
    path = tmp_path / "person.csv"
    path.write_text(PERSON + "7,8507,1950,4,\n")
    ((_, mapped),) = read(path, profile=Profile(mapping={"7": key})).parts[SOUTH].identities
    assert mapped == key


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("1,7,1125315,2026-03-02,x,", "table.number"),
        ("1,7,aspirin,2026-03-02,1,", "table.number"),
        ("1,7,1125315,2026-02-30,1,", "date.impossible"),
        ("1,7,1125315,,1,", "date.missing"),
        (",7,1125315,2026-03-02,1,", "omop.key"),
        ("1,,1125315,2026-03-02,1,", "person.no-subject"),
        ("1,7,1125315,2026-03-02", "table.columns"),
        ('1,7,1125315,2026-03-02,1,"x', "table.quote"),
    ],
)
def test_a_wrong_row_is_refused_alone(tmp_path: Path, line: str, code: str) -> None:
    path = tmp_path / "drug_exposure.csv"
    path.write_text(f"{DRUG}{line}\n2,7,1125315,2026-03-02,1,\n")
    one = read(path)
    assert codes(one) == [(2, code)]
    assert len(rows(one, "drug_exposure")) == 1


def test_a_table_without_a_needed_column_is_refused_with_the_reason(tmp_path: Path) -> None:
    good, bad = tmp_path / "person.csv", tmp_path / "condition_occurrence.csv"
    good.write_text(PERSON + "7,8507,1950,4,\n")
    bad.write_text("condition_occurrence_id,person_id\n1,7\n")
    assert [code for _, code in codes(read(good, bad))] == ["omop.columns", "omop.columns"]


def test_a_cost_without_a_person_is_set_aside(tmp_path: Path) -> None:
    good, cost = tmp_path / "person.csv", tmp_path / "cost.csv"
    good.write_text(PERSON + "7,8507,1950,4,\n")
    cost.write_text("cost_id,cost_event_id,total_charge\n1,2,300\n")
    assert read(good, cost).set_aside == {("cost", "no-person"): 1}
