"""Files that nobody here wrote, through every framework; counted apart from the project's readers.

The same runs go through shared doors (`doors.submission`, `doors.application` = "shared"), and
every provider sends its files a second time.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from foreign import APPLICATION, CLINIC, HOSPITALS, expected_extract
from runs import FRAMEWORKS, Run

from sekisho.rehearsal.verification import verify

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("foreign")]
SHORT = ("1", "2-2-certified", "4-several")
"""One framework of each number of bodies that hold data; the others are long."""
every_framework = pytest.mark.parametrize(
    "framework",
    [pytest.param(f, marks=[] if f in SHORT else pytest.mark.long) for f in FRAMEWORKS],
)
Foreign = Callable[[str], Run]


@pytest.fixture(scope="session")
def expected(testdata: Path) -> dict[str, tuple[int, int]]:
    return expected_extract(testdata)


@every_framework
def test_the_extract_has_the_rows_and_persons_of_an_independent_count(
    foreign: Foreign, framework: str, expected: dict[str, tuple[int, int]]
) -> None:
    run = foreign(framework)
    found = {}
    for name in expected:
        persons = run.table(APPLICATION, name)["person_id"].to_pylist()
        found[name] = (len(persons), len(set(persons)))
    assert found == expected


@every_framework
def test_persons_at_both_hospitals_are_one_person(foreign: Foreign, framework: str) -> None:
    run = foreign(framework)
    counts = run.report["projects"][APPLICATION]["counts"]
    persons = run.table(APPLICATION, "person")["person_id"].to_pylist()
    assert sorted(persons) == list(range(1, len(persons) + 1))
    assert counts["included"] == len(persons)


@every_framework
def test_released_bytes_are_the_same_in_every_framework(foreign: Foreign, framework: str) -> None:
    here, there = (foreign(one).released(APPLICATION) for one in (framework, FRAMEWORKS[0]))
    assert here
    assert here == there


@every_framework
def test_everything_verifies_and_nothing_failed(foreign: Foreign, framework: str) -> None:
    run = foreign(framework)
    assert run.report["failed"] == []
    assert verify(run.folder).problems == ()


@every_framework
def test_a_shared_door_takes_one_submission_and_one_application(
    foreign: Foreign, framework: str
) -> None:
    report = foreign(framework).report
    for one in report["submissions"]:
        assert len(one["doors"]) == 1
        assert (one["submissions"], one["messages"]) in ((1, 2), (0, 0))
    assert set(report["measures"]["submissions_per_provider"].values()) == {1}
    assert report["measures"]["application_windows"] == 1
    (asked,) = report["applications"]
    assert len(asked["lanes"]) >= len(asked["windows"]) == 1


@every_framework
def test_files_that_were_sent_again_change_nothing(foreign: Foreign, framework: str) -> None:
    """That receipts stay byte for byte is asserted while it happens, in `runs.Resending`."""
    report = foreign(framework).report
    firsts, seconds = report["submissions"][::2], report["submissions"][1::2]
    assert [one["submissions"] for one in firsts] == [1, 1, 1]
    assert [one["submissions"] for one in seconds] == [0, 0, 0]


@every_framework
def test_the_balance_holds_for_every_record_type(foreign: Foreign, framework: str) -> None:
    receipts = list(foreign(framework).receipts())
    assert {one["provider"] for one in receipts} == {*HOSPITALS, CLINIC}
    for line in (line for one in receipts for line in one["balance"]):
        became = ("landed", "quarantined", "refused", "superseded", "set_aside")
        assert line["sent"] == sum(line[name] for name in became)


@every_framework
def test_every_line_of_the_files_is_in_a_balance(foreign: Foreign, framework: str) -> None:
    run = foreign(framework)
    sent: dict[str, Counter[tuple[str, str]]] = {}
    for receipt in run.receipts():
        lines = sent.setdefault(receipt["provider"], Counter())
        for line in receipt["balance"]:
            # a record without a class is told to every body
            key = (line["record_type"], line["data_class"])
            lines[key] = max(lines[key], line["sent"])
    for submission in run.scenario.submission:
        counted = _counted(submission.format, submission.files)
        told = sent[submission.provider]
        assert {kind for kind, _ in told} == set(counted)
        for (kind, _), number in told.items():
            assert number == counted[kind]


def _counted(format_id: str, files: tuple[Path, ...]) -> Counter[str]:
    """Return record type → records, by json and csv alone."""
    counted: Counter[str] = Counter()
    for file in files:
        if format_id == "uke":
            with file.open(encoding="cp932", newline="") as stream:
                counted.update(line[0] for line in csv.reader(stream))
        else:
            with file.open(encoding="utf-8") as stream:
                counted.update(_type(json.loads(line)) for line in stream)
    return counted


def _type(resource: dict[str, Any]) -> str:
    return str(resource["resourceType"])
