"""The whole data wing on records that nobody here wrote, against counts made with csv alone.

28 synthetic patients in OMOP CDM 5.4 by another group; their records are split over two holders,
so that most persons are at both.
"""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from gate_rows import rules
from lake_rows import held
from sekisho.cdm import table
from sekisho.common.randomness import seeded
from sekisho.data.lake import Lake, Snapshot
from sekisho.data.processing import (
    Cohort,
    ExtractOrder,
    GateResult,
    OptOuts,
    Part,
    extract,
    gate,
    make_plan,
    process,
    retag,
    write_tables,
)

NAMES = ("person", "visit_occurrence", "condition_occurrence", "drug_exposure", "measurement")
CODES = ("195662009", "444814009")
"""Acute viral pharyngitis and viral sinusitis (SNOMED CT): common in these records."""
COHORT = Cohort(codes=CODES, start=date(2000, 1, 1), min_age=18)
OUT = 5

Rows = dict[str, list[dict[str, str]]]


@dataclass(frozen=True)
class Foreign:
    rows: Rows
    out: frozenset[str]


@pytest.fixture(scope="module")
def foreign(testdata: Path) -> Foreign:
    archive = zipfile.ZipFile(testdata / "synthea-omop54" / "Synthea27Nj_5.4.zip")
    rows: Rows = {}
    for name in NAMES:
        with archive.open(f"{name.upper()}.csv") as file:
            rows[name] = list(csv.DictReader(io.TextIOWrapper(file, "utf-8")))
    return Foreign(rows, frozenset(sorted({row["person_id"] for row in rows["person"]})[:OUT]))


def owner(person: str) -> bytes:
    return hashlib.sha256(f"project {person}".encode()).digest()


def drops(scopes: Collection[str], data_class: str, holder: str, purpose: str) -> bool:
    return "all" in scopes


def in_the_lake(name: str, row: dict[str, str]) -> dict[str, Any]:
    """Return a row of theirs in the held layout, its person under the source's own number."""
    made: dict[str, Any] = {"person_key": row["person_id"], "record_type": name}
    made["source_id"] = row[table(name).key or "person_id"]
    made["visit_ref"] = row.get("visit_occurrence_id")
    for column in table(name).content:
        text = row.get(column.name)
        if column.name.endswith("_source_system") and text is None:
            text = "http://snomed.info/sct"
        if not text:
            continue
        kinds = {"int64": int, "date": date.fromisoformat}
        made[column.name] = kinds.get(column.type, str)(text)
    return made


def landed(foreign: Foreign, folder: Path, holders: int) -> list[tuple[Lake, Snapshot]]:
    """Split visits with all that hangs on them over ``holders``; everyone has the person row."""
    lakes = []
    for holder in range(holders):
        lake = Lake(folder / str(holder))
        tables = {}
        for name, rows in foreign.rows.items():
            here = [
                in_the_lake(name, row)
                for row in rows
                if name == "person" or int(row["visit_occurrence_id"] or 0) % holders == holder
            ]
            tables[name] = held(name, here)
        lakes.append((lake, Snapshot(1, lake.land(1, "whole", tables))))
    return lakes


def passed(foreign: Foreign, folder: Path, holders: int, filtered: bool = True) -> GateResult:
    parts = []
    order = ExtractOrder(
        application="foreign",
        purpose="research",
        operator="any",
        form="pseudonymised",
        classes=("basic",),
        tables=dict.fromkeys(NAMES, ()),
        cohort=COHORT,
    )
    plan = make_plan(order, rules())
    random = seeded(holders)
    for holder, (lake, snapshot) in enumerate(landed(foreign, folder, holders)):
        out = {"basic": foreign.out} if filtered else {}
        taken = extract(lake, plan.at(snapshot), out)
        tags = {person: random(16).hex() for person in taken.persons()}
        done = process(retag(taken.parts["basic"], tags), rules())
        assert set(done.blanked) == {"source-row-id"}  # their visits carry the source's UUID
        owners = {tag: owner(person) for person, tag in tags.items()}
        parts.append(Part(str(holder), "basic", done.tables, owners))
    lists = [OptOuts("registry", {owner(person): {"all"} for person in foreign.out})]
    return gate(parts, plan, lists, drops)


def members(foreign: Foreign) -> set[str]:
    """Count the cohort straight from the files."""
    born = {
        row["person_id"]: (int(row["year_of_birth"]), int(row["month_of_birth"]))
        for row in foreign.rows["person"]
    }
    found = set()
    for row in foreign.rows["condition_occurrence"]:
        day = date.fromisoformat(row["condition_start_date"])
        year, month = born[row["person_id"]]
        adult = (day.year - year, day.month - month) >= (18, 0)
        if row["condition_source_value"] in CODES and day >= date(2000, 1, 1) and adult:
            found.add(row["person_id"])
    return found - foreign.out


def test_rows_and_persons_are_those_of_the_files(foreign: Foreign, tmp_path: Path) -> None:
    result = passed(foreign, tmp_path, holders=2)
    expected = members(foreign)
    assert 5 < len(expected) < len(foreign.rows["person"]) - OUT
    assert result.counts.included == len(expected)
    assert result.counts.received == len(foreign.rows["person"]) - OUT
    for name, rows in foreign.rows.items():
        wanted = sum(row["person_id"] in expected for row in rows)
        assert result.counts.rows[name] == wanted, name
    assert result.counts.linked == result.counts.included
    linked = result.tables["measurement"].column("visit_occurrence_id")
    assert linked.null_count == sum(
        not row["visit_occurrence_id"]
        for row in foreign.rows["measurement"]
        if row["person_id"] in expected
    )


def test_one_holder_or_three_give_the_same_files(foreign: Foreign, tmp_path: Path) -> None:
    digests = []
    for holders in (1, 3):
        folder = tmp_path / str(holders)
        result = passed(foreign, folder, holders)
        digests.append(write_tables(result.tables, folder / "out"))
    assert digests[0] == digests[1]


def test_holders_without_a_filter_change_nothing_but_raise_incidents(
    foreign: Foreign, tmp_path: Path
) -> None:
    sound = passed(foreign, tmp_path / "sound", holders=2)
    faulty = passed(foreign, tmp_path / "faulty", holders=2, filtered=False)
    assert not sound.incidents
    rows = sum(r["person_id"] in foreign.out for n in NAMES[1:] for r in foreign.rows[n])
    assert sum(incident.rows for incident in faulty.incidents) == rows + 2 * OUT
    assert {incident.persons for incident in faulty.incidents} == {OUT}
    for name, rows_here in sound.tables.items():
        assert faulty.tables[name].equals(rows_here)
