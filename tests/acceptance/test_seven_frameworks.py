"""The first study in every framework of frameworks/: the route differs, the science must not."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable
from typing import Any

import cohort
import pyarrow as pa
import pytest
from runs import FRAMEWORKS, ROOT, Run, documented

from sekisho.rehearsal.verification import verify

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("first-study")]

APPLICATION = "kidney"
every_framework = pytest.mark.parametrize("framework", FRAMEWORKS)
Study = Callable[[str], Run]

LANES = {
    "1": 1,
    "2-1": 3,
    "2-2-public": 1,
    "2-2-certified": 1,
    "3": 1,
    "4-single": 1,
    "4-several": 2,
}
"""Bodies that decide on basic and additional data together: the design's matrix, section 3."""


def test_the_matrix_is_about_the_frameworks_that_are_there() -> None:
    assert set(LANES) == set(FRAMEWORKS)


@every_framework
def test_the_run_holds_and_nothing_failed(study: Study, framework: str) -> None:
    run = study(framework)
    assert run.report["failed"] == []
    assert run.report["refused"] == {}
    assert verify(run.folder).problems == ()


@every_framework
def test_the_report_fits_the_schema_of_the_documentation(study: Study, framework: str) -> None:
    run = study(framework)
    assert run.report["studies"], "the study ran, so that its part of the schema is held too"
    documented(run)


@every_framework
def test_released_bytes_are_the_same_in_every_framework(study: Study, framework: str) -> None:
    here, there = (study(one).released(APPLICATION) for one in (framework, FRAMEWORKS[0]))
    assert here
    assert here == there


@every_framework
def test_the_study_saw_the_same_rows_in_every_framework(study: Study, framework: str) -> None:
    for name in ("person", "condition_occurrence", "measurement", "drug_exposure"):
        here, there = (study(one).table(APPLICATION, name) for one in (framework, FRAMEWORKS[0]))
        assert _by_person(here) == _by_person(there)


@every_framework
def test_one_lane_where_the_matrix_has_one_decider(study: Study, framework: str) -> None:
    report = study(framework).report
    (asked,) = report["applications"]
    assert len(asked["lanes"]) == LANES[framework]
    assert len(asked["windows"]) == len(asked["lanes"])  # doors per body
    assert report["measures"]["review_lanes"] == LANES[framework]
    assert report["measures"]["application_windows"] == LANES[framework]
    assert set(report["lanes"]) == set(asked["lanes"])


@every_framework
def test_a_provider_submits_once_to_every_body_that_must_have_its_data(
    study: Study, framework: str
) -> None:
    run = study(framework)
    assert len(run.report["submissions"]) == 6
    for one in run.report["submissions"]:
        operator = run.scenario.provider_of(one["provider"]).operator
        classes = ("basic",) if one["format"] == "uke" else ("basic", "additional")
        wanted = {_collector(framework, data_class, operator) for data_class in classes}
        assert set(one["doors"]) == set(one["bodies"]) == wanted
        assert one["submissions"] == len(wanted)
        assert one["messages"] == 2 * len(wanted)  # the door, and the first converter
        assert one["bytes"] > 0
        assert one["withheld"] == {}


@every_framework
def test_the_report_has_the_figures_that_differ(study: Study, framework: str) -> None:
    run = study(framework)
    report, measures = run.report, run.report["measures"]
    codes = {provider.code for provider in run.scenario.provider}
    for name in ("submissions_per_provider", "provider_messages", "provider_bytes"):
        assert set(measures[name]) == codes
        assert all(number > 0 for number in measures[name].values())
    raw = _framework(framework)
    assert measures["opt_out_desks"] == len(_bodies_of(raw, "opt_out"))
    assert measures["fields_typed"] >= 10 * measures["application_windows"]
    collectors = _bodies_of(raw, "collection")
    assert {body for body, rows in measures["records_held"].items() if rows} == collectors
    assert measures["bodies_holding_records"] == len(collectors)
    bodies = {body["id"] for body in raw["body"]}
    assert set(report["traffic"]) == set(report["ledgers"]) == bodies
    assert all(report["traffic"][b]["in"]["bytes"] > 0 for b in bodies)
    out = [report["traffic"][b]["out"] for b in bodies]
    assert measures["messages"] == sum(one["messages"] for one in out) > 0
    assert measures["bytes"] == sum(one["bytes"] for one in out) > 0


@every_framework
def test_the_same_records_are_held_in_every_framework(study: Study, framework: str) -> None:
    assert _held(study(framework)) == _held(study(FRAMEWORKS[0]))


@every_framework
def test_exactly_the_members_who_did_not_opt_out_are_in_the_project(
    study: Study, framework: str
) -> None:
    """Promise 1, by an independent count: who is which number follows from both secrets."""
    run = study(framework)
    ill, gone = cohort.members(run), cohort.out(run, "basic")
    assert len(gone) == 4
    assert len(gone & ill) >= 2  # some would be members
    wanted = cohort.expected_facts(run, APPLICATION, ill - gone)
    assert cohort.facts(run, APPLICATION) == wanted
    assert cohort.facts(run, APPLICATION) != cohort.expected_facts(run, APPLICATION, ill)


@every_framework
def test_who_opted_out_of_one_class_has_no_rows_of_it(study: Study, framework: str) -> None:
    run = study(framework)
    included = cohort.members(run) - cohort.out(run, "basic")
    numbers = cohort.numbered(run, APPLICATION, included)
    half = {numbers[key] for key in cohort.out(run, "additional") & included}
    assert half
    measured = set(run.table(APPLICATION, "measurement")["person_id"].to_pylist())
    assert not half & measured
    assert half <= set(run.table(APPLICATION, "condition_occurrence")["person_id"].to_pylist())


@every_framework
def test_every_holder_drops_them_and_the_gate_finds_none(study: Study, framework: str) -> None:
    run = study(framework)
    lost = run.report["lost"]["projects"][APPLICATION]
    for part, dropped in lost["dropped_by_holders"].items():
        data_class = part.rpartition(":")[2]
        assert 0 < dropped <= len(cohort.out(run, data_class))
    assert (lost["opted_out_at_gate"], lost["incidents"]) == (0, [])


@every_framework
def test_who_took_a_choice_back_or_refused_another_use_is_there(
    study: Study, framework: str
) -> None:
    run = study(framework)
    included = cohort.members(run) - cohort.out(run, "basic")
    known = {person.number: key for key, person in cohort.people(run).items()}
    assert {known[123], known[113]} <= included


def _framework(name: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / "frameworks" / f"{name}.toml").read_text("utf-8"))


def _bodies_of(raw: dict[str, Any], function: str) -> set[str]:
    given = (one for one in raw["assignment"] if one["function"] == function)
    return {body for one in given for body in one["bodies"]}


def _collector(framework: str, data_class: str, operator: str | None) -> str:
    """Return who collects a class from a provider, read from the file alone."""
    bodies = {
        body
        for one in _framework(framework)["assignment"]
        if one["function"] == "collection" and data_class in one["data"]
        for body in one["bodies"]
    }
    assert operator is not None
    return bodies.pop() if len(bodies) == 1 else operator


def _held(run: Run) -> Counter[tuple[str, str, str]]:
    found: Counter[tuple[str, str, str]] = Counter()
    for counts in run.report["held"].values():
        for one in counts:
            found[one["table"], one["data_class"], one["provider"]] += one["rows"]
    return found


def _by_person(table: pa.Table) -> Counter[tuple[Any, ...]]:
    """Return each person's rows without any surrogate key, as a multiset over persons."""
    content = [name for name in table.column_names if not name.endswith("_id")]
    rows: dict[int, list[tuple[str, ...]]] = {}
    for row in table.to_pylist():
        rows.setdefault(row["person_id"], []).append(tuple(str(row[name]) for name in content))
    return Counter(tuple(sorted(one)) for one in rows.values())
