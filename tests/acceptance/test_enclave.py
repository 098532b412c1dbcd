"""Persons without a number, matched in an enclave: measured with it and without, and forgotten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from runs import ROOT, Rehearsals, Run

from sekisho.rehearsal.scenario import Scenario, read_scenario
from sekisho.synthetic import person_of
from sekisho.synthetic.provider import chart_number

pytest.importorskip("splink", reason="the extra 'enclave' is not installed")
pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("enclave")]

WITH, WITHOUT = "matched", "numbers"
MEMBER = "JP_Insurance_memberID"


def scenario() -> Scenario:
    return read_scenario(ROOT / "scenarios" / "without-numbers.toml")


@pytest.fixture(scope="module")
def run(rehearsals: Rehearsals) -> Run:
    return rehearsals.get("enclave", scenario)


def charts(run: Run, place: int) -> dict[str, bool]:
    """Return the charts of a hospital, and whether it knows an insured number for each."""
    code = run.scenario.provider[place].code
    file = run.folder / "providers" / code / "fhir" / "Patient.ndjson"
    read = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    return {one["id"]: any(MEMBER in i["system"] for i in one["identifier"]) for one in read}


def to_be_found(run: Run) -> set[int]:
    """Return the persons whom one hospital knows without a number and the other with one."""
    known = [charts(run, place) for place in (0, 1)]
    made = run.scenario.population
    assert made is not None
    found = set()
    for number in range(made.persons):
        here = [known[p].get(chart_number(run.scenario.seed, p, number)) for p in (0, 1)]
        if None not in here and here != [True, True]:
            found.add(number)
    return found


def test_most_who_could_not_be_linked_are_and_nobody_else(run: Run) -> None:
    projects = run.report["projects"]
    assert run.report["failed"] == []
    assert {one["state"] for one in projects.values()} == {"ready"}
    united = projects[WITHOUT]["counts"]["received"] - projects[WITH]["counts"]["received"]
    # Person 7 is opted out: the other number's records are dropped at the gate.
    expected = len(to_be_found(run) - {7})
    assert 0.7 * expected <= united <= expected
    assert projects[WITH]["links"]["conflicts"] == 0
    assert "links" not in projects[WITHOUT]


def test_a_choice_under_one_number_counts_for_the_records_under_the_other(run: Run) -> None:
    assert 7 in to_be_found(run)
    assert run.report["projects"][WITH]["links"]["opted_out"] == 1
    assert run.report["projects"][WITH]["counts"]["opted_out"] == 1
    assert run.report["projects"][WITH]["incidents"] == []
    assert run.report["projects"][WITHOUT]["counts"]["opted_out"] == 0


def test_the_weight_reaches_the_project_for_each_united_person(run: Run) -> None:
    sure = run.table(WITH, "linkage_weight").to_pylist()
    persons = set(run.table(WITH, "person")["person_id"].to_pylist())
    assert len(sure) == run.report["projects"][WITH]["links"]["persons"] > 0
    assert {one["person_id"] for one in sure} <= persons
    assert all(one["match_weight"] > 0 and one["identities"] > 1 for one in sure)
    assert not (run.folder / "projects" / WITHOUT / "data" / "linkage_weight.parquet").exists()


def test_identity_fields_are_nowhere_on_any_bodys_disk_in_the_end(run: Run) -> None:
    words = set()
    for number in range(run.scenario.population.persons):  # type: ignore[union-attr]
        person = person_of(run.scenario.seed, number)
        called = person.names[-1]
        words |= {person.phone, person.address, called.kana, called.name}
        words |= {"".join((*called.family[:1], *called.given[:1])), called.kana.replace(" ", "")}
    needles = {word.encode() for word in words if len(word.encode()) >= 12}
    for body in sorted((run.folder / "bodies").iterdir()):
        assert found_in(body, needles) == set(), body.name


def found_in(folder: Path, needles: set[bytes]) -> set[bytes]:
    everything = b"\0".join(f.read_bytes() for f in folder.rglob("*") if f.is_file())
    return {word for word in needles if word in everything}


def test_the_case_is_destroyed_on_its_day_with_an_entry(run: Run) -> None:
    (history,) = run.report["enclaves"]
    assert run.report["enclaves"][history][WITH]["state"] == "destroyed"
    assert run.report["ledgers"][history]["kinds"]["enclave.destroyed"] == 1
    home = run.folder / "bodies" / history
    assert not (home / "data" / "enclave" / WITH).exists()
    assert not (home / "keys" / f"enclave-{WITH}").exists()
