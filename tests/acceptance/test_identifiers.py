"""One linked study under each value of `identifier`: links measured, and counted again by hand.

The count by hand reads the providers' files with json and csv and knows the made people; it uses
neither a reader nor a body.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cohort import EXTRACT_DAY
from msgspec.structs import replace
from runs import Rehearsals, Run, first_study

from sekisho.pseudonym import fold_kana, insured
from sekisho.rehearsal.scenario import Scenario
from sekisho.synthetic import person_of
from sekisho.synthetic.provider import chart_number

PERSONS, SEED = 80, 8
"""Among these people is every cause once at least; see the first test."""
VALUES = ("history", "number_only", "kana_birth_sex")
Seen = dict[int, set[Any]]
pytestmark = pytest.mark.xdist_group("identifiers")


def study(identifier: str) -> Scenario:
    """Return the first study with few people, no choices and no job, tied by ``identifier``."""
    plain = replace(first_study(), opt_out=(), view=(), job=(), seed=SEED).with_population(PERSONS)
    return plain.with_override("open", "identifier", identifier)


@pytest.fixture(scope="module")
def runs(rehearsals: Rehearsals) -> dict[str, Run]:
    return {v: rehearsals.get(f"identifier-{v}", lambda v=v: study(v)) for v in VALUES}


PEOPLE = {number: person_of(SEED, number) for number in range(PERSONS)}


def seen(run: Run) -> Iterator[tuple[int, str, Any, Any]]:
    """Yield whose a source record is, in which file, its number (or None) and its name."""
    for place, provider in enumerate(run.scenario.provider):
        home = run.folder / "providers" / provider.code
        whose = {chart_number(SEED, place, number): number for number in PEOPLE}
        for line in (home / "fhir" / "Patient.ndjson").read_bytes().splitlines():
            patient = json.loads(line)
            found = {i["system"]: i["value"] for i in patient["identifier"]}
            number = next((v for s, v in found.items() if "memberID" in s), None)
            key = insured(*number.split(":")) if number else (provider.code, patient["id"])
            kana = next(n["text"] for n in patient["name"] if "SYL" in str(n["extension"]))
            name = (fold_kana(kana), patient["birthDate"], patient["gender"])
            yield whose[patient["id"]], "fhir", key, name
        for file in sorted((home / "uke").iterdir()):
            for chart, key, name in _receipts(file):
                yield whose[chart], "uke", key, name


def _receipts(file: Path) -> Iterator[tuple[str, Any, Any]]:
    with file.open(encoding="cp932", newline="") as stream:
        lines = [*csv.reader(stream), ["RE"]]
    head: list[str] = []
    payer, branch = ["", "", ""], ""
    for line in lines:
        if line[0] == "RE":
            if head:
                birth = f"{head[6][:4]}-{head[6][4:6]}-{head[6][6:]}"
                sex = {"1": "male", "2": "female"}[head[5]]
                yield head[13], insured(*payer, branch), (fold_kana(head[36]), birth, sex)
            head, branch = line, ""
        elif line[0] == "HO":
            payer = line[1:4]
        elif line[0] == "SN":
            branch = line[6]


def counted(run: Run, identifier: str) -> tuple[set[int], set[int]]:
    """Return who is split and who is mixed up, by hand."""
    day = run.scenario.start + timedelta(days=EXTRACT_DAY)
    mine: Seen = defaultdict(set)
    groups: dict[Any, set[int]] = defaultdict(set)
    for number, _, key, name in seen(run):
        person = PEOPLE[number]
        known: Any = name if identifier == "kana_birth_sex" else key
        if identifier == "history" and not isinstance(key, tuple):
            known = person.root(key, day, run.scenario.period().first)
        mine[number].add(known)
        groups[known].add(number)
    split = {number for number, keys in mine.items() if len(keys) > 1}
    return split, {n for group in groups.values() if len(group) > 1 for n in group}


def test_these_people_have_every_cause(runs: dict[str, Run]) -> None:
    first, last = runs["history"].scenario.period().first, runs["history"].scenario.period().last
    reasons = {
        (one.reason, one.heard)
        for person in PEOPLE.values()
        for one in person.episodes[1:]
        if first < one.since <= last
    }
    assert reasons >= {("insurer-change", True), ("insurer-change", False), ("age-75", True)}
    assert any(not person.episodes for person in PEOPLE.values())
    assert len({(p.names[-1].kana, p.birth, p.sex) for p in PEOPLE.values()}) < PERSONS


@pytest.mark.parametrize("identifier", VALUES)
def test_measured_links_are_those_counted_by_hand(runs: dict[str, Run], identifier: str) -> None:
    run = runs[identifier]
    assert run.report["failed"] == []
    found = run.report["linkage"]
    split, mixed = counted(run, identifier)
    assert found["identifier"] == identifier
    assert (found["persons"], found["unknown"]) == (PERSONS, 0)
    assert (found["missed"]["persons"], found["false"]["persons"]) == (len(split), len(mixed))
    for side, wrong in (("missed", split), ("false", mixed)):
        for table in ("by_age", "by_sex", "by_cause"):
            assert sum(found[side][table].values()) == len(wrong)


def test_histories_find_what_numbers_alone_miss_and_names_mix_people_up(
    runs: dict[str, Run],
) -> None:
    found = {name: run.report["linkage"] for name, run in runs.items()}
    missed = {name: one["missed"]["persons"] for name, one in found.items()}
    assert missed["history"] < missed["number_only"]
    assert found["history"]["false"]["persons"] == found["number_only"]["false"]["persons"] == 0
    assert found["kana_birth_sex"]["false"]["by_cause"] == {"namesake": 2}
    causes = found["number_only"]["missed"]["by_cause"]
    assert "insurer-change" in causes
    assert set(found["kana_birth_sex"]["missed"]["by_cause"]) <= {"name-change", "mixed"}


def test_each_part_says_how_well_its_persons_are_known(runs: dict[str, Run]) -> None:
    for identifier, method in (("history", "number"), ("kana_birth_sex", "name")):
        for part in runs[identifier].report["projects"]["kidney"]["parts"].values():
            quality = part["linkage"]
            assert sum(quality["by_method"].values()) == quality["persons"] == part["persons"]
            assert quality["by_method"][method] > 0.8 * quality["persons"]
    used = [p["linkage"] for p in runs["history"].report["projects"]["kidney"]["parts"].values()]
    assert sum(one["aliases_used"] for one in used) > 0
    assert sum(one["merged"] for one in used) > 0


def test_the_same_people_are_in_the_project_however_they_are_found(runs: dict[str, Run]) -> None:
    """Numbers alone can only split people: the project then has as many rows or more."""
    rows = {name: run.table("kidney", "person").num_rows for name, run in runs.items()}
    assert rows["number_only"] >= rows["history"] > 0
