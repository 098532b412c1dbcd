"""Names and codes that nobody here wrote change nothing of a report but what stands in it."""

from __future__ import annotations

import json
import os
import unicodedata
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.csv as csv
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sekisho.common.visible import visible
from sekisho.provider.examining import examine, write_report
from sekisho.provider.inspecting import inspect
from sekisho.provider.showing import _write_table
from sekisho.quality import Fate, Measure, Problem, QualityReport, Text, Where, load_rules
from sekisho.quality.page import page
from submissions import NORTH, condition, laboratory, ndjson, patient, prepared

NASTY = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "=HYPERLINK(\"http://example.com\")",
    "+1", "-1", "@SUM(A1)", "＝1+1", "\t=1", "\r=1", "\n=1",
    "\u202eFDP.txt", "\u2066\u200f", "a\x00b", "\x1b[2J", "\ud800", "\udc83",
    "長" * 3000,
    "&amp;&#60;",
]  # fmt: skip
UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


class _Shape(HTMLParser):
    """Elements with their attributes' names, and the texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def report_with(text: str) -> QualityReport:
    """Return a report in which ``text`` stands wherever a provider's files say something."""
    said = Text("直す", "mend")
    return QualityReport(
        provider="1310000001",
        format="fhir-ndjson",
        day="2026-04-01",
        sent=False,
        rules="1",
        files=1,
        fates=(Fate(f"x{text}", 2, 1, 1, 0, 0, 0, 0),),
        problems=(Problem("held", "c", said, said, "r", 9, (Where(visible(f"x{text}"), 3),)),),
        measures=(
            Measure("measurement", 1, None, None, {}, 0, 0, {f"x{text}": 1}, None, None, None),
        ),
    )


@pytest.fixture(scope="module")
def plain() -> _Shape:
    return _Shape(page(report_with("y"), "ja"))


@settings(max_examples=25)
@given(text=st.text(max_size=60))
@example(text=NASTY[0])
@example(text=NASTY[1])
@example(text=NASTY[2])
@example(text=NASTY[3])
@example(text=NASTY[-2])
@example(text=NASTY[-1])
def test_no_text_adds_an_element_or_an_attribute_to_the_page(plain: _Shape, text: str) -> None:
    shape = _Shape(page(report_with(text), "ja"))
    assert shape.elements == plain.elements
    whole = "".join(shape.texts)
    if len(text) < 70:  # a longer name of a code system is cut
        assert whole.count(visible(f"x{text}")) >= 3
    assert {unicodedata.category(c) for c in whole if c != "\n"}.isdisjoint(UNSEEN)


@given(st.text(st.characters()) | st.sampled_from(NASTY), st.none() | st.integers(1, 50))
def test_what_is_shown_can_be_seen_and_written_and_is_never_much_longer(
    text: str, most: int | None
) -> None:
    shown = visible(text, most)
    assert not {unicodedata.category(c) for c in shown} & UNSEEN
    shown.encode()
    assert visible(shown) == shown
    if most is not None:
        assert len(shown) <= 10 * (most + 3)
    if text.isprintable() and most is None:
        assert shown == text


def test_a_name_from_a_windows_archive_is_read_as_it_was_written() -> None:
    assert visible(os.fsdecode("患者一覧.csv".encode("cp932"))) == "患者一覧.csv"
    assert visible(os.fsdecode(b"\x83.csv\xff\xff")) == "[0x83].csv[0xFF][0xFF]"


@pytest.mark.parametrize("number", range(len(NASTY)))
def test_hostile_names_and_codes_go_through_a_report_whole(
    root: Path, tmp_path: Path, number: int
) -> None:
    """From a file whose name and codes are hostile to a report that reads back."""
    nasty = NASTY[number]
    code = {"coding": [{"system": f"urn:{nasty}", "code": nasty}]}
    lines = [patient(1), condition(1, 1, code=code), laboratory(1, 1, code=code)]
    name = os.fsencode(nasty.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape"))
    name = name.replace(b"\0", b"").replace(b"/", b"_")[:200] + b".ndjson"
    file = ndjson(tmp_path / os.fsdecode(name), *lines, b"{broken")
    made = prepared([file])
    rules, day = load_rules(root / "rules" / "collection.toml"), date(2026, 4, 1)
    report = examine(
        made, inspect(made, rules, day), rules, day, provider="1310000001", format_id="fhir-ndjson"
    )
    written = write_report(report, tmp_path / "reports")
    told = json.loads(written[0].read_bytes())
    assert msgspec.json.decode(written[0].read_bytes(), type=QualityReport) == report
    assert sum(fate["read"] for fate in told["fates"]) == 4
    [bad] = [one for one in told["problems"] if one["code"] == "json.malformed"]
    assert {"file": visible(file.name), "line": 4} in bad["places"]
    for path in written[1:]:
        shape = _Shape(path.read_text("utf-8"))
        assert not {tag for tag, _ in shape.elements} & {"script", "img", "iframe", "a"}
        assert not [name for _, names in shape.elements for name in names if name[:2] == "on"]
        assert any(visible(file.name) in text for text in shape.texts)


def test_no_cell_of_a_shown_table_begins_a_formula(tmp_path: Path) -> None:
    code = [{"coding": [{"system": "urn:x", "code": text}]} for text in NASTY[4:9]]
    lines = [patient(1), *(condition(n, 1, code=one) for n, one in enumerate(code))]
    rows = prepared([ndjson(tmp_path / "a.ndjson", *lines)]).parts[NORTH].tables
    table = rows["condition_occurrence"]
    assert table.num_rows == len(code)
    _write_table(table, tmp_path / "shown")
    shown = csv.read_csv(
        tmp_path / "shown.csv",
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types={"condition_source_value": pa.string()}, strings_can_be_null=False
        ),
    )
    values = shown["condition_source_value"].to_pylist()
    assert all(value.startswith(("'", "-1")) for value in values)
    assert {value.removeprefix("'") for value in values} == set(
        table["condition_source_value"].to_pylist()
    )
