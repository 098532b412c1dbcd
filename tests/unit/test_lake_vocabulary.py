"""Codes are read by the vocabulary that counts for their batch, and rows stay as they came."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from lake_rows import condition, held
from sekisho.cdm import read_code_systems
from sekisho.data.lake import Lake, Snapshot
from sekisho.data.lake.sql import Sql
from sekisho.data.vocabulary import VocabularyStore

RULES = Path(__file__).resolve().parents[2] / "rules"
CONCEPT = """concept_id,concept_name,domain_id,vocabulary_id,concept_code,standard_concept
201826,Type 2 diabetes,Condition,SNOMED,44054006,S
4214376,Hyperglycemia,Condition,SNOMED,80394007,S
4145513,Finding of smoking,Observation,SNOMED,365981007,S
1567956,E11,Condition,ICD10,E11,
1567957,R73.9,Condition,ICD10,R73.9,
1567958,Z72.0,Condition,ICD10,Z72.0,
"""
MAPS = """concept_id_1,concept_id_2,relationship_id,invalid_reason
1567956,201826,Maps to,
1567957,4214376,Maps to,
1567958,4145513,Maps to,
"""
OWN = (
    "source_code,source_concept_id,source_vocabulary_id,source_code_description,target_concept_id,"
    "target_vocabulary_id,valid_start_date,valid_end_date,invalid_reason\n"
)
MASTER = "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/masterB-disease"


class World:
    """A lake, and vocabularies beside it."""

    def __init__(self, folder: Path) -> None:
        self.lake = Lake(folder / "lake")
        self.store = VocabularyStore(self.lake.vocabularies)
        self.folder = folder

    def vocabulary(self, *own: str, concepts: bool = True) -> str:
        files = {"concept.csv": CONCEPT, "maps.csv": MAPS} if concepts else {}
        if own:
            files["own.csv"] = OWN + "".join(f"{line}\n" for line in own)
        paths = [self.folder / name for name in files]
        for path in paths:
            path.write_text(files[path.name])
        systems = read_code_systems(RULES / "code-systems.toml")
        return self.store.add(paths, systems, date(2026, 4, 1)).version

    def land(self, batch: int, *rows: dict[str, Any], vocabulary: str | None = None) -> Snapshot:
        tables = {"condition_occurrence": held("condition_occurrence", rows, batch)}
        versions = self.lake.land(batch, f"s{batch}", tables, vocabulary=vocabulary)
        return Snapshot(batch, versions)

    def read(self, snapshot: Snapshot, table: str) -> dict[str, dict[str, Any]]:
        with self.lake.reading(snapshot, [table], meant=True) as session:
            rows = session.fetch(Sql(f"SELECT * FROM {table} ORDER BY source_id")).to_pylist()
        return {row["source_id"]: row for row in rows}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_code_gets_its_concepts_and_keeps_itself(world: World) -> None:
    head = world.land(
        1, condition("x", "1", "E11"), condition("x", "2", "r739"), vocabulary=world.vocabulary()
    )
    rows = world.read(head, "condition_occurrence")
    assert rows["1"]["condition_concept_id"] == 201826
    assert rows["1"]["condition_source_concept_id"] == 1567956
    assert rows["1"]["condition_source_value"] == "E11"
    assert rows["2"]["canonical"] == "concept|4214376"  # without its dot, in small letters


def test_a_row_stands_in_the_table_of_its_concepts_domain(world: World) -> None:
    smoker = condition("x", "1", "Z72.0", condition_type_concept_id=32859, visit_ref="v")
    head = world.land(1, smoker, condition("x", "2"), vocabulary=world.vocabulary())
    assert set(world.read(head, "condition_occurrence")) == {"2"}
    (moved,) = world.read(head, "observation").values()
    assert moved["observation_concept_id"] == 4145513
    assert moved["observation_source_value"] == "Z72.0"
    assert moved["observation_date"] == date(2020, 5, 1)
    assert moved["observation_type_concept_id"] == 32859
    assert (moved["person_key"], moved["visit_ref"]) == ("x", "v")
    assert moved["value_as_number"] is None


def test_without_a_vocabulary_everything_stays_where_and_what_it_is(world: World) -> None:
    head = world.land(1, condition("x", "1", "Z72.0"))
    (row,) = world.read(head, "condition_occurrence").values()
    assert row["condition_concept_id"] == 0
    assert row["canonical"] is None
    assert not world.read(head, "observation")


def test_a_concept_that_came_with_the_file_is_believed(world: World) -> None:
    given = condition("x", "1", "Z72.0", condition_concept_id=99, condition_source_concept_id=98)
    head = world.land(1, given, vocabulary=world.vocabulary())
    (row,) = world.read(head, "condition_occurrence").values()
    assert (row["condition_concept_id"], row["condition_source_concept_id"]) == (99, 98)


def test_a_better_vocabulary_counts_from_the_next_snapshot_on(world: World) -> None:
    first = world.vocabulary()
    local = condition("x", "1", "DM2", condition_source_system="urn:hospital:own")
    world.land(1, local, vocabulary=first)
    before = world.land(2, condition("y", "2", "E11"))
    own = "DM2,0,urn:hospital:own,,201826,SNOMED,1970-01-01,2099-12-31,"
    second = world.vocabulary(own)
    versions = world.lake.recode(second, before)
    after = Snapshot(3, versions)
    assert world.lake.recode(second, before) == versions
    assert {
        r["condition_concept_id"] for r in world.read(before, "condition_occurrence").values()
    } == {0}
    rows = world.read(after, "condition_occurrence")
    assert {row["condition_concept_id"] for row in rows.values()} == {201826}
    assert world.lake.vocabularies_of(before) == [first]
    assert world.lake.vocabularies_of(after) == [second]
    held_rows = world.lake.everything(after)["condition_occurrence"].to_pylist()
    assert {row["condition_concept_id"] for row in held_rows} == {0}  # as they came


def test_landing_again_after_a_crash_names_the_vocabulary_once(world: World) -> None:
    version = world.vocabulary()
    head = world.land(1, condition("x", "1"), vocabulary=version)
    assert world.land(1, condition("x", "1"), vocabulary=version) == head
    assert len(world.read(head, "condition_occurrence")) == 1


def test_a_code_without_a_system_is_mapped_only_by_a_map_that_says_so(world: World) -> None:
    nameless = condition("x", "1", "E11", condition_source_system=None)
    head = world.land(1, nameless, vocabulary=world.vocabulary())
    assert world.read(head, "condition_occurrence")["1"]["condition_concept_id"] == 0
    own = "E11,0,,,201826,SNOMED,1970-01-01,2099-12-31,"
    after = Snapshot(2, world.lake.recode(world.vocabulary(own), head))
    assert world.read(after, "condition_occurrence")["1"]["condition_concept_id"] == 201826


def measurement(source: str, **more: Any) -> dict[str, Any]:
    return {
        "person_key": "x",
        "source_id": source,
        "measurement_date": date(2020, 5, 1),
        "measurement_source_value": "3D010000001926101",
        "measurement_source_system": "urn:oid:1.2.392.200119.4.504",
        **more,
    }


def landed(world: World, table: str, rows: list[dict[str, Any]], *own: str) -> Snapshot:
    tables = {table: held(table, rows, 1)}
    return Snapshot(1, world.lake.land(1, "s1", tables, vocabulary=world.vocabulary(*own)))


def test_units_and_coded_values_get_their_concepts_and_keep_themselves(world: World) -> None:
    rows = [
        measurement("1", unit_source_value="mg/dL", value_source_value="P"),
        measurement("2", unit_source_value="㎎／ｄＬ", unit_concept_id=7),
        measurement("3", value_source_value="P", value_source_system="urn:hospital:result"),
        measurement("4", value_source_value="R73.9", value_source_system="urn:oid:1.2"),
        measurement(
            "5",
            value_source_value="r739",
            value_source_system="http://hl7.org/fhir/sid/icd-10",
            unit_source_value="㎎／ｄＬ",
        ),
    ]
    head = landed(
        world,
        "measurement",
        rows,
        "mg/dL,0,UCUM,,8840,UCUM,1970-01-01,2099-12-31,",
        "㎎／ｄＬ,0,UCUM,,8840,UCUM,1970-01-01,2099-12-31,",
        "P,0,urn:hospital:result,,45884084,LOINC,1970-01-01,2099-12-31,",
    )
    got = world.read(head, "measurement")
    said = {key: (row["unit_concept_id"], row["value_as_concept_id"]) for key, row in got.items()}
    assert said == {
        "1": (8840, 0),  # a value that names no system is none of the map's codes
        "2": (7, 0),  # the file's own concept is believed
        "3": (0, 45884084),
        "4": (0, 0),
        "5": (8840, 4214376),
    }
    assert got["5"]["value_source_value"] == "r739"
    assert got["5"]["unit_source_value"] == "㎎／ｄＬ"


def test_without_a_vocabulary_units_and_values_stay_codes(world: World) -> None:
    rows = [measurement("1", unit_source_value="mg/dL", unit_concept_id=0, value_as_concept_id=0)]
    head = Snapshot(1, world.lake.land(1, "s1", {"measurement": held("measurement", rows, 1)}))
    (row,) = world.read(head, "measurement").values()
    assert (row["unit_concept_id"], row["value_as_concept_id"]) == (0, 0)
    assert row["unit_source_value"] == "mg/dL"
    assert row["measurement_mapped_by"] is None


def test_a_code_that_states_a_value_as_well_gives_both(world: World) -> None:
    (world.folder / "more.csv").write_text(MAPS + "1567958,4145513,Maps to value,\n")
    (world.folder / "concept.csv").write_text(CONCEPT)
    files = [world.folder / "more.csv", world.folder / "concept.csv"]
    systems = read_code_systems(RULES / "code-systems.toml")
    version = world.store.add(files, systems, date(2026, 4, 1)).version
    head = world.land(1, condition("x", "1", "Z72.0"), condition("x", "2"), vocabulary=version)
    (moved,) = world.read(head, "observation").values()
    assert (moved["observation_concept_id"], moved["value_as_concept_id"]) == (4145513, 4145513)


GLUCOSE, SERUM, WHOLE = 3000001, 3000002, 3000003


@pytest.mark.parametrize(
    ("own", "concept", "by"),
    [
        (("3D010,{GLUCOSE}",), GLUCOSE, "analyte"),
        (("3D010,{GLUCOSE}", "3D0100000019,{SERUM}"), SERUM, "analyte-and-material"),
        (("3D010,{GLUCOSE}", "3D010000001926101,{WHOLE}"), WHOLE, "code"),
        (("3D01,{GLUCOSE}",), 0, None),  # four characters are no analyte
    ],
)
def test_a_laboratory_code_that_no_map_knows_is_read_by_its_analyte_and_says_so(
    world: World, own: tuple[str, ...], concept: int, by: str | None
) -> None:
    lines = []
    for one in own:
        code, _, target = one.partition(",")
        number = {"{GLUCOSE}": GLUCOSE, "{SERUM}": SERUM, "{WHOLE}": WHOLE}[target]
        lines.append(f"{code},0,jlac10,,{number},LOINC,1970-01-01,2099-12-31,")
    given = measurement("2", measurement_concept_id=9)
    head = landed(world, "measurement", [measurement("1"), given], *lines)
    got = world.read(head, "measurement")
    assert (got["1"]["measurement_concept_id"], got["1"]["measurement_mapped_by"]) == (concept, by)
    assert got["1"]["measurement_source_value"] == "3D010000001926101"
    assert got["1"]["measurement_source_concept_id"] == 0
    assert (got["2"]["measurement_concept_id"], got["2"]["measurement_mapped_by"]) == (9, None)
    # Of one analyte in blood and in urine neither is the other: only whole codes are compared.
    assert got["1"]["canonical"] == (f"concept|{WHOLE}" if by == "code" else None)


def test_an_analyte_decides_on_the_table_of_its_code(world: World) -> None:
    lines = "3D010,0,jlac10,,4145513,SNOMED,1970-01-01,2099-12-31,"
    head = landed(world, "measurement", [measurement("1", value_as_number="98")], lines)
    assert not world.read(head, "measurement")
    (moved,) = world.read(head, "observation").values()
    assert moved["observation_mapped_by"] == "analyte"
    assert moved["value_as_number"] == "98"


def test_a_row_about_a_diagnosis_or_drug_is_never_read_as_one(world: World) -> None:
    suspected = {
        "person_key": "x",
        "source_id": "1",
        "observation_date": date(2020, 5, 1),
        "observation_source_value": "E11",
        "observation_source_system": "http://hl7.org/fhir/sid/icd-10",
        "value_source_value": "8002",
    }
    head = landed(world, "observation", [suspected])
    assert not world.read(head, "condition_occurrence")
    (row,) = world.read(head, "observation").values()
    assert row["observation_concept_id"] == 201826
