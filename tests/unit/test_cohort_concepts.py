"""A cohort by standard concepts: with what lies below them, and never without a vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

import exit_world as world
import extract_world as extracts
from exit_world import HEIR, LEAVER
from gate_rows import RULES as PROCESSING
from gate_rows import pseudonym
from lake_rows import condition, held
from memory_town import ROOT, MemoryTown
from sekisho.cdm import read_code_systems
from sekisho.common.errors import UserError
from sekisho.common.ids import BodyId
from sekisho.control.review import Cohort as Asked
from sekisho.data.lake import Lake, Snapshot
from sekisho.data.processing import (
    Cohort,
    ExtractOrder,
    Part,
    extract,
    gate,
    make_plan,
    read_rules,
    retag,
)
from sekisho.data.vocabulary import VocabularyStore

DIABETES, TYPE_2, ASTHMA = 201820, 201826, 317009
CONCEPT = f"""concept_id,concept_name,domain_id,vocabulary_id,concept_code,standard_concept
{DIABETES},Diabetes mellitus,Condition,SNOMED,73211009,S
{TYPE_2},Type 2 diabetes,Condition,SNOMED,44054006,S
{ASTHMA},Asthma,Condition,SNOMED,195967001,S
1567956,E11,Condition,ICD10,E11,
1569480,J45,Condition,ICD10,J45,
"""
MAPS = f"""concept_id_1,concept_id_2,relationship_id,invalid_reason
1567956,{TYPE_2},Maps to,
1569480,{ASTHMA},Maps to,
"""
BELOW = f"""ancestor_concept_id,descendant_concept_id,min_levels_of_separation
{DIABETES},{DIABETES},0
{DIABETES},{TYPE_2},1
{TYPE_2},{TYPE_2},0
{ASTHMA},{ASTHMA},0
"""
CODES = {"x": "E11", "y": "J45", "z": "M54"}
HOLDERS = (BodyId(HEIR), BodyId(LEAVER))


def vocabulary(folder: Path, store: VocabularyStore, *, ancestors: bool = True) -> str:
    files = {"concept.csv": CONCEPT, "maps.csv": MAPS}
    files |= {"below.csv": BELOW} if ancestors else {}
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    systems = read_code_systems(ROOT / "rules" / "code-systems.toml")
    return store.add([folder / name for name in files], systems, date(2026, 4, 1)).version


def members(folder: Path, cohort: Cohort, *, ancestors: bool = True) -> set[str]:
    """Return the persons, by their key, whom the gate lets in."""
    lake = Lake(folder / "lake")
    version = vocabulary(folder, VocabularyStore(lake.vocabularies), ancestors=ancestors)
    rows = [condition(person, person, code) for person, code in CODES.items()]
    tables = {"condition_occurrence": held("condition_occurrence", rows, 1)}
    head = Snapshot(1, lake.land(1, "s1", tables, vocabulary=version))
    asked = {"condition_occurrence": ("condition_start_date",)}
    order = ExtractOrder("kidney", "research", "one", "pseudonymised", ("basic",), asked, cohort)
    plan = make_plan(order, read_rules(PROCESSING))
    made = extract(lake, plan.at(head), {})
    tags = {key: f"{n:032x}" for n, key in enumerate(made.persons())}
    names = {tag: pseudonym(n) for n, tag in enumerate(tags.values())}
    result = gate(
        [Part("one", "basic", retag(made.parts["basic"], tags), names)], plan, [], lambda *_: False
    )
    (released,) = result.tables.values()
    assert "wanted" not in released.column_names
    person_of = {names[tag]: key for key, tag in tags.items()}
    return {person_of[one] for one in result.included}


@pytest.mark.parametrize(
    ("cohort", "expected"),
    [
        (Cohort(concepts=(TYPE_2,)), {"x"}),
        (Cohort(concepts=(DIABETES,)), {"x"}),  # by what lies below it
        (Cohort(concepts=(DIABETES, ASTHMA)), {"x", "y"}),
        (Cohort(concepts=(99,)), set()),
        (Cohort(codes=("M54",), concepts=(TYPE_2,)), {"x", "z"}),
        (Cohort(codes=("M54",)), {"z"}),
        (Cohort(concepts=(TYPE_2,), start=date(2020, 5, 2)), set()),
    ],
)
def test_a_concept_stands_for_itself_and_what_lies_below_it(
    tmp_path: Path, cohort: Cohort, expected: set[str]
) -> None:
    assert members(tmp_path, cohort) == expected


def test_without_ancestors_a_concept_stands_for_itself_alone(tmp_path: Path) -> None:
    assert members(tmp_path / "a", Cohort(concepts=(DIABETES,)), ancestors=False) == set()
    assert members(tmp_path / "b", Cohort(concepts=(TYPE_2,)), ancestors=False) == {"x"}


def test_who_is_below_is_a_part_of_the_vocabularys_version(tmp_path: Path) -> None:
    store = VocabularyStore(tmp_path / "store")
    with_them = vocabulary(tmp_path, store)
    assert vocabulary(tmp_path, store, ancestors=False) != with_them
    kinds = {source.kind for one in store.versions() for source in one.sources}
    assert kinds == {"concept", "relationship", "ancestor"}


@pytest.mark.parametrize("concepts", [[0], [-1], [2**31], [7, 7], ["7"]])
def test_what_is_no_concept_is_refused_in_the_application(concepts: Sequence[object]) -> None:
    with pytest.raises((UserError, msgspec.ValidationError)):
        msgspec.convert({"concepts": concepts}, Asked)


def town(folder: Path, versions: VocabularyStore | None) -> MemoryTown:
    """Return a town in which two persons have a condition each at two holders (E11)."""
    made = world.town("4-several", folder)
    if versions is not None:
        for service in made.services.values():
            config: Any = msgspec.structs.replace(
                service.body.config, vocabulary=str(versions.folder)
            )
            object.__setattr__(service.body, "config", config)
    world.submit(made, HEIR, "here", {1: ["h1"], 2: ["h2"]})
    world.submit(made, LEAVER, "there", {1: ["t1"]})
    made.begin()
    return made


def permitted(made: MemoryTown, application: str, *concepts: int) -> None:
    asked = {"concepts": concepts}
    extracts.send_out(made, extracts.permit(made, application, HOLDERS, "additional", cohort=asked))


def test_bodies_extract_a_cohort_by_concepts(tmp_path: Path) -> None:
    store = VocabularyStore(tmp_path / "store")
    vocabulary(tmp_path / "files", store)
    made = town(tmp_path, store)
    permitted(made, "diabetes", DIABETES)
    permitted(made, "asthma", ASTHMA)
    counts = {one: extracts.project(made, one)["counts"] for one in ("diabetes", "asthma")}
    assert (counts["diabetes"]["included"], counts["diabetes"]["outside_cohort"]) == (2, 0)
    assert (counts["asthma"]["included"], counts["asthma"]["outside_cohort"]) == (0, 2)


def test_concepts_are_refused_with_the_reason_where_no_vocabulary_was_imported(
    tmp_path: Path,
) -> None:
    made = town(tmp_path, None)
    permitted(made, "diabetes", DIABETES)
    state = extracts.project(made, "diabetes")
    assert state["state"] == "refused"
    assert state["problem"]["type"].endswith("extract.no-vocabulary")
    assert "sekisho vocab import" in state["problem"]["next"]
