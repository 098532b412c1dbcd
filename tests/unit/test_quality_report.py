"""The quality report: every record has a fate, every problem a place, and no value is quoted."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from markupsafe import escape

from sekisho.cdm import transit_schema
from sekisho.provider import EXPLANATIONS
from sekisho.provider.examining import examine, write_report
from sekisho.provider.inspecting import inspect
from sekisho.provider.mending import MENDS, mend_of
from sekisho.quality import CollectionRules, Measures, QualityReport, load_rules
from sekisho.quality.drawing import BAR_WIDTH, columns, stacked
from sekisho.quality.page import page
from submissions import condition, laboratory, ndjson, patient, prepared

DAY = date(2026, 4, 1)
ICD10 = "http://hl7.org/fhir/sid/icd-10"


@pytest.fixture(scope="session")
def rules(root: Path) -> CollectionRules:
    return load_rules(root / "rules" / "collection.toml")


def report_of(
    rules: CollectionRules, files: list[Path], format_id: str = "fhir-ndjson"
) -> QualityReport:
    made = prepared(files, format_id)
    inspected = inspect(made, rules, DAY)
    return examine(made, inspected, rules, DAY, provider="1310000001", format_id=format_id)


def coded(code: str) -> dict[str, Any]:
    return {"coding": [{"system": ICD10, "code": code}]}


@pytest.fixture
def mixed(tmp_path: Path, rules: CollectionRules) -> QualityReport:
    """One of each: fine, refused (no patient, no JSON), held (before birth), noted (sex)."""
    file = ndjson(
        tmp_path / "カナリア&<b>.ndjson",
        patient(1),
        condition(1),
        condition(2, 9),
        condition(3, onsetDateTime="1950-01-01"),
        patient(2, gender="male"),
        condition(4, 2, code=coded("C53.9")),
        laboratory(1),
    )
    with file.open("ab") as more:
        more.write(b"{broken\n")
    return report_of(rules, [file])


def test_every_record_has_one_fate(mixed: QualityReport) -> None:
    fates = {fate.record_type: fate for fate in mixed.fates}
    assert mixed.total("read") == 8
    assert (fates["Condition"].good, fates["Condition"].held, fates["Condition"].refused) == (
        2,
        1,
        1,
    )
    assert fates["Patient"].good == 2
    assert fates["unreadable"].refused == 1
    assert not mixed.clean


def test_every_problem_is_placed_in_the_providers_own_files(mixed: QualityReport) -> None:
    found = {
        (problem.level, problem.code): [at.line for at in problem.places]
        for problem in mixed.problems
    }
    assert found[("refused", "person.unknown")] == [3]
    assert found[("refused", "json.malformed")] == [8]
    assert found[("held", "date.before-birth")] == [4]
    assert found[("noted", "code.other-sex")] == [6]
    assert {at.file for p in mixed.problems for at in p.places} == {"カナリア&<b>.ndjson"}


def test_a_record_for_two_bodies_is_counted_once(tmp_path: Path, rules: CollectionRules) -> None:
    """A patient goes with both classes, under another name in each."""
    file = ndjson(tmp_path / "a.ndjson", patient(1, birthDate="2027-01-01"), laboratory(1))
    report = report_of(rules, [file])
    (born,) = [p for p in report.problems if p.code == "date.born-after-submission"]
    assert (born.records, [at.line for at in born.places]) == (1, [1])
    assert next(f for f in report.fates if f.record_type == "Patient").held == 1


def test_the_foreign_receipts_are_told_as_an_independent_count_has_them(
    testdata: Path, rules: CollectionRules
) -> None:
    file = testdata / "uke-receiptisan" / "RECEIPTC_GAIRAI_SAMPLE.UKE"
    report = report_of(rules, [file], "uke")
    lines = file.read_bytes().decode("cp932").splitlines()
    counted = Counter(line[:2] for line in lines if line.strip("\x1a"))
    assert {fate.record_type: fate.read for fate in report.fates} == counted
    by_code = {problem.code: problem for problem in report.problems}
    assert by_code["uke.go-count"].level == "file"
    # one receipt's person is born after the month of care: that receipt's lines, and no others
    wrong = by_code["date.before-birth"]
    starts = [number for number, line in enumerate(lines, 1) if line.startswith("RE,")]
    first = max(number for number in starts if number <= wrong.places[0].line)
    after = min((number for number in starts if number > first), default=len(lines))
    assert all(first <= at.line < after for at in wrong.places)
    assert lines[first - 1].split(",")[6] > lines[first - 1].split(",")[3]


@pytest.mark.parametrize("language", ["ja", "en"])
def test_a_page_needs_nothing_but_itself_and_escapes_what_it_shows(
    mixed: QualityReport, language: Any
) -> None:
    made = page(mixed, language)
    assert "カナリア&amp;&lt;b&gt;.ndjson" in made
    assert "<b>.ndjson" not in made
    assert "<script" not in made
    assert not re.search(r"(?:src|href)=", made)
    for problem in mixed.problems:
        assert escape(problem.title.of(language)) in made
        assert escape(problem.mend.of(language)) in made


def test_neither_page_nor_json_names_a_patient_or_a_result(mixed: QualityReport) -> None:
    for text in (mixed.as_json().decode(), page(mixed, "ja"), page(mixed, "en")):
        assert "Canary" not in text
        assert "999-00" not in text
        assert "6.1" not in text


def test_a_clean_submission_says_so(tmp_path: Path, rules: CollectionRules) -> None:
    visit = {
        "resourceType": "Encounter",
        "id": "v",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": "Patient/p1"},
        "period": {"start": "2020-01-02", "end": "2020-01-02"},
    }
    file = ndjson(tmp_path / "a.ndjson", patient(1), visit)
    report = report_of(rules, [file])
    assert report.clean
    assert report.problems == ()
    assert "直すべきものはありません" in page(report, "ja")
    assert "Nothing has to be mended" in page(report, "en")


def test_the_report_is_written_in_both_languages_and_reads_back(
    mixed: QualityReport, tmp_path: Path
) -> None:
    names = {file.name for file in write_report(mixed, tmp_path)}
    stem = "quality-fhir-ndjson-2026-04-01"
    assert names == {f"{stem}.json", f"{stem}.ja.html", f"{stem}.en.html"}
    told = json.loads((tmp_path / f"{stem}.json").read_bytes())
    assert sum(fate["read"] for fate in told["fates"]) == 8


@pytest.mark.parametrize("code", sorted(EXPLANATIONS))
def test_every_finding_says_how_it_is_mended(code: str) -> None:
    said = mend_of(code)
    assert said.ja
    assert said.en


def test_a_mend_is_for_codes_that_exist() -> None:
    families = {code.partition(".")[0] for code in EXPLANATIONS} | {""} | set(EXPLANATIONS)
    assert set(MENDS) <= families


def test_bars_fill_the_width_and_nothing_is_invisible(mixed: QualityReport) -> None:
    for fate in mixed.fates:
        pieces = stacked(fate, fate.read)
        assert sum(piece.number for piece in pieces) == fate.read
        assert all(piece.width >= 1.5 for piece in pieces)
        assert abs(sum(piece.width for piece in pieces) - BAR_WIDTH) < 3 * len(pieces)


def test_a_month_without_rows_is_a_gap_and_not_left_out() -> None:
    drawn = columns({"2024-11": 2, "2025-02": 1})
    assert [(one.month, one.number) for one in drawn] == [
        ("2024-11", 2),
        ("2024-12", 0),
        ("2025-01", 0),
        ("2025-02", 1),
    ]


def test_months_of_a_chart_end_with_the_day_of_the_examination() -> None:
    schema = transit_schema("measurement")
    days = [date(2019, 1, 1), date(2025, 12, 31), date(2026, 3, 1), date(2090, 1, 1)]
    rows = pa.Table.from_pylist([{"measurement_date": day} for day in days], schema)
    counted = Measures()
    counted.add({"measurement": rows})
    (one,) = counted.told(DAY)
    assert one.months == {"2025-12": 1, "2026-03": 1}
    assert (one.earlier, one.later, one.rows) == (1, 1, 4)
    assert (one.first, one.last) == ("2019-01-01", "2090-01-01")
