"""A vocabulary is made from the user's own files and tells what each code means."""

from __future__ import annotations

import csv
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from sekisho.cdm import CodeSystems, read_code_systems
from sekisho.commands import app
from sekisho.common.errors import UserError
from sekisho.data.vocabulary import VocabularyStore

RULES = Path(__file__).resolve().parents[2] / "rules"
DAY = date(2026, 4, 1)


@pytest.fixture(scope="module")
def systems() -> CodeSystems:
    return read_code_systems(RULES / "code-systems.toml")


@pytest.fixture(scope="module")
def masters(testdata: Path) -> list[Path]:
    return sorted((testdata / "uke-receiptisan" / "master-2022").glob("*.csv"))


@pytest.fixture(scope="module")
def concepts(testdata: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("omop")
    with zipfile.ZipFile(testdata / "synthea-omop54" / "Synthea27Nj_5.4.zip") as archive:
        names = ("CONCEPT.csv", "CONCEPT_RELATIONSHIP.csv")
        return [Path(archive.extract(name, folder)) for name in names]


def own_map(folder: Path, *lines: str) -> Path:
    header = (
        "source_code,source_concept_id,source_vocabulary_id,source_code_description,"
        "target_concept_id,target_vocabulary_id,valid_start_date,valid_end_date,invalid_reason"
    )
    file = folder / "own.csv"
    file.write_text("\n".join((header, *lines)) + "\n")
    return file


def made(
    folder: Path, files: list[Path], systems: CodeSystems
) -> dict[tuple[str, str], dict[str, Any]]:
    store = VocabularyStore(folder / "store")
    manifest = store.add(files, systems, DAY)
    rows = pq.read_table(store.files(manifest.version).map).to_pylist()
    return {(row["vocabulary"], row["code"]): row for row in rows}


def test_a_disease_has_one_name_in_all_its_japanese_systems(
    tmp_path: Path, masters: list[Path], systems: CodeSystems
) -> None:
    got = made(tmp_path, masters, systems)
    with masters[0].open(encoding="cp932", newline="") as file:
        lines = [line for line in csv.reader(file) if line[2] != "0000999"]
    assert len(lines) == 4
    for line in lines:
        icd = f"ICD10|{line[15].rstrip('-')}"
        assert got["receipt-disease", line[2]]["canonical"] == icd
        assert got["disease-number", line[10]]["canonical"] == icd
        assert got["disease-exchange", line[12]]["canonical"] == icd
        assert got["ICD10", line[15].rstrip("-")]["canonical"] == icd
    assert ("receipt-disease", "0000999") not in got  # says that there is no code


def test_a_drug_of_a_receipt_has_the_name_that_hospitals_use(
    tmp_path: Path, masters: list[Path], systems: CodeSystems
) -> None:
    got = made(tmp_path, masters, systems)
    assert got["receipt-drug", "610406079"]["canonical"] == "yj|2325003B2029"
    assert got["yj", "2325003B2029"]["canonical"] == "yj|2325003B2029"
    assert got["receipt-drug", "630010002"]["canonical"] == "receipt-drug|630010002"  # no YJ


def test_concepts_agree_with_what_another_group_mapped(
    tmp_path: Path, testdata: Path, concepts: list[Path], systems: CodeSystems
) -> None:
    got = made(tmp_path, concepts, systems)
    archive = zipfile.ZipFile(testdata / "synthea-omop54" / "Synthea27Nj_5.4.zip")
    with archive, archive.open("CONDITION_OCCURRENCE.csv") as raw:
        rows = list(csv.DictReader(line.decode() for line in raw))
    assert len(rows) == 470
    agreed = 0
    for row in rows:
        found = got["SNOMED", row["condition_source_value"]]
        assert found["source_concept_id"] == int(row["condition_source_concept_id"])
        agreed += found["concept_id"] == int(row["condition_concept_id"])
    assert agreed == 470


def test_units_agree_with_what_another_group_mapped(
    tmp_path: Path, testdata: Path, concepts: list[Path], systems: CodeSystems
) -> None:
    got = made(tmp_path, concepts, systems)
    archive = zipfile.ZipFile(testdata / "synthea-omop54" / "Synthea27Nj_5.4.zip")
    with archive, archive.open("MEASUREMENT.csv") as raw:
        rows = list(csv.DictReader(line.decode() for line in raw))
    theirs = {row["unit_source_value"]: int(row["unit_concept_id"]) for row in rows}
    known = {unit: concept for unit, concept in theirs.items() if concept}
    assert len(known) == 20
    ours = {unit: got["UCUM", unit]["concept_id"] for unit in known if ("UCUM", unit) in got}
    assert ours == known


def test_a_map_of_ones_own_goes_through_the_master_to_every_name(
    tmp_path: Path, masters: list[Path], concepts: list[Path], systems: CodeSystems
) -> None:
    line = "I67.5,0,ICD10,,372328,SNOMED,1970-01-01,2099-12-31,"
    got = made(tmp_path, [*masters, *concepts, own_map(tmp_path, line)], systems)
    for key in (("ICD10", "I675"), ("receipt-disease", "4375001"), ("disease-exchange", "CET2")):
        assert got[key]["canonical"] == "concept|372328"
        assert (got[key]["concept_id"], got[key]["domain_id"]) == (372328, "Condition")
    assert got["ICD10", "T149"]["concept_id"] == 0


def test_the_same_files_give_the_same_version_in_any_order(
    tmp_path: Path, masters: list[Path], systems: CodeSystems
) -> None:
    store = VocabularyStore(tmp_path)
    first = store.add(masters, systems, DAY)
    assert store.add(list(reversed(masters)), systems, date(2027, 1, 1)) == first
    second = store.add(masters[:2], systems, DAY)
    assert [one.version for one in store.versions()] == [first.version, second.version]
    assert store.newest() == second
    assert {one.kind for one in first.sources} == {"master"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv", b"a,b,c\n1,2,3\n"),
        ("b.csv", b'"0","B",""\n'),
        ("b.csv", b'"0","B","4375001"\x81\n'),
    ],
)
def test_a_file_that_is_no_vocabulary_is_refused_by_name(
    tmp_path: Path, systems: CodeSystems, name: str, content: bytes
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(UserError, match=name.replace(".", r"\.")):
        VocabularyStore(tmp_path / "store").add([file], systems, DAY)
    assert not VocabularyStore(tmp_path / "store").versions()


def test_relationships_without_concepts_are_refused(
    tmp_path: Path, concepts: list[Path], systems: CodeSystems
) -> None:
    with pytest.raises(UserError) as refused:
        VocabularyStore(tmp_path).add([concepts[1]], systems, DAY)
    assert refused.value.code == "vocabulary.no-concepts"


def test_the_command_imports_and_shows(tmp_path: Path, masters: list[Path]) -> None:
    store = str(tmp_path / "store")
    run = CliRunner().invoke
    done = run(app, ["vocab", "import", *map(str, masters), "--store", store, "--json"])
    assert done.exit_code == 0, done.output
    shown = run(app, ["vocab", "show", "--store", store, "--json"])
    assert shown.stdout == done.stdout
    assert "receipt-disease" in run(app, ["vocab", "show", "--store", store]).stdout
