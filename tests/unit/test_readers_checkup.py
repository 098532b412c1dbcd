"""特定健診 as CDA: what counts, whose it is, and what a hostile file does (nothing)."""

from __future__ import annotations

import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from checkup_files import (
    DOCTOR,
    HDL,
    HEIGHT,
    IDS,
    PROTEIN,
    SMOKING,
    archive,
    checkup,
    item,
    total,
)
from sekisho.common.errors import UserError
from sekisho.provider import Limits, Prepared
from submissions import SOUTH, codes, even, prepared

ITEMS = (
    item(HEIGHT, "PQ", value="160.50", unit="cm"),
    item(HDL, "PQ", value="55", unit="mg/dL", method="2"),
    item(SMOKING, "CD", code="2", codeSystem="1.2.392.200119.6.2001"),
    item(PROTEIN, "CO", code="1", codeSystem="1.2.392.200119.6.2002"),
    item(DOCTOR, "ST", text="金糸雀医師"),
)


def sent(path: Path, data: bytes | None = None, limits: Limits | None = None) -> Prepared:
    if data is not None:
        path.write_bytes(data)
    one = prepared([path], "checkup-cda", limits=limits)
    even(one)
    return one


def table(one: Prepared, name: str) -> list[dict[str, Any]]:
    return [r for p in one.parts.values() if name in p.tables for r in p.tables[name].to_pylist()]


def test_items_go_to_their_tables_with_code_value_and_unit(tmp_path: Path) -> None:
    one = sent(tmp_path / "h.xml", checkup(*ITEMS))
    measured = {r["measurement_source_value"]: r for r in table(one, "measurement")}
    assert {
        code: (r["value_as_number"], r["value_source_value"], r["unit_source_value"])
        for code, r in measured.items()
    } == {
        HEIGHT: ("160.5", None, "cm"),
        HDL: ("55", None, "mg/dL"),
        PROTEIN: (None, "1", None),
    }
    asked = table(one, "observation")
    assert [(r["observation_source_value"], r["value_source_value"]) for r in asked] == [
        (SMOKING, "2")
    ]
    systems = {r["measurement_source_system"] for r in measured.values()}
    assert systems == {"urn:oid:1.2.392.200119.6.1005"}
    assert {r["measurement_date"] for r in measured.values()} == {date(2025, 6, 10)}
    assert one.set_aside == {("Item", "only-free-text"): 1}
    person = table(one, "person")
    assert [(r["gender_source_value"], r["year_of_birth"]) for r in person] == [("female", 1970)]


def test_a_coded_answer_names_its_system(tmp_path: Path) -> None:
    answers = item(SMOKING, "CD", code="2", codeSystem="1.2.392.200119.6.2104")
    (row,) = table(sent(tmp_path / "h.xml", checkup(answers)), "observation")
    assert row["value_source_value"] == "2"
    assert row["value_source_system"] == "urn:oid:1.2.392.200119.6.2104"


def test_a_value_outside_the_range_is_flagged(tmp_path: Path) -> None:
    low = item(HDL, "PQ", nullFlavor="NINF", unit="mg/dL")
    high = item(HEIGHT, "PQ", nullFlavor="PINF", value="999", unit="cm")
    rows = table(sent(tmp_path / "h.xml", checkup(low, high)), "measurement")
    assert {(r["value_as_number"], r["value_source_value"]) for r in rows} == {
        (None, "NINF"),
        ("999", "PINF"),
    }


def test_what_was_not_measured_is_counted_and_no_row(tmp_path: Path) -> None:
    one = sent(
        tmp_path / "h.xml",
        checkup(
            item(HEIGHT, "PQ", value="160", unit="cm"),
            item(HDL, "PQ", nullFlavor="NI"),
            item(HDL, "PQ", negated=True),
            item("9N001", "PQ", value="1"),
        ),
    )
    assert one.set_aside == {
        ("Item", "no-value"): 1,
        ("Item", "did-not-happen"): 1,
        ("Item", "no-code"): 1,
    }
    assert len(table(one, "measurement")) == 1


def test_parts_of_a_series_are_read_as_well(tmp_path: Path) -> None:
    inner = item(HDL, "PQ", value="55", unit="mg/dL").removeprefix("<entry>")
    inner = inner.removesuffix("</entry>")
    series = (
        f'<entry><observation><code code="{HEIGHT}" codeSystem="1.2.392.200119.6.1005"/>'
        f'<entryRelationship typeCode="COMP">{inner}</entryRelationship></observation></entry>'
    )
    one = sent(tmp_path / "h.xml", checkup(series))
    assert [r["measurement_source_value"] for r in table(one, "measurement")] == [HDL]
    assert one.set_aside == {("Item", "no-value"): 1}


def test_the_person_is_the_insured_number_with_its_branch(tmp_path: Path) -> None:
    keys = {
        key for p in sent(tmp_path / "h.xml", checkup(*ITEMS)).parts.values()
        for _, key in p.identities
    }  # fmt: skip
    assert {(k.value, k.method) for k in keys} == {("06132013:12:345:03", "number")}
    bare = {k: v for k, v in IDS.items() if k != "211"}
    without = sent(tmp_path / "b.xml", checkup(*ITEMS, ids=bare))
    assert {key.method for p in without.parts.values() for _, key in p.identities} == {"direct"}


def test_nothing_that_names_a_person_leaves(tmp_path: Path) -> None:
    one = sent(tmp_path / "h.xml", checkup(*ITEMS))
    text = str([t.to_pylist() for p in one.parts.values() for t in p.tables.values()])
    for word in ("金糸雀", "カナリア", "３４５", "345", "100-0001", "1312345678"):
        assert word not in text


def test_a_checkup_sent_again_replaces_the_earlier_one(tmp_path: Path) -> None:
    first, second = tmp_path / "h1.xml", tmp_path / "h2.xml"
    first.write_bytes(checkup(item(HEIGHT, "PQ", value="1", unit="cm"), *ITEMS[1:]))
    second.write_bytes(checkup(item(HEIGHT, "PQ", value="160", unit="cm")))
    one = prepared([first, second], "checkup-cda")
    even(one)
    assert [r["value_as_number"] for r in table(one, "measurement")] == ["160"]


def test_a_deletion_request_leaves_nothing_of_that_day(tmp_path: Path) -> None:
    kept, gone, deletion = (tmp_path / f"h{n}.xml" for n in range(3))
    kept.write_bytes(checkup(*ITEMS[:1], day="20240610"))
    gone.write_bytes(checkup(*ITEMS))
    deletion.write_bytes(checkup(report="19"))
    one = prepared([kept, gone, deletion], "checkup-cda")
    even(one)
    assert [r["measurement_date"] for r in table(one, "measurement")] == [date(2024, 6, 10)]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"ClinicalDocument", b"Document", "checkup.root"),
        (b'<code code="10"', b'<code code="x"', "checkup.report"),
        (b"</section>", b"", "xml.malformed"),
        (b"\xe3\x80\x80", b"\x83\x41", "line.encoding"),
        (b"<addr>", b"<addr>\0", "line.nul"),
        (b"19700203", b"19701345", "date.impossible"),
        (b'"20250610"', b'"yesterday"', "date.impossible"),
        (b"recordTarget", b"other", "person.no-subject"),
    ],
)
def test_a_document_that_cannot_be_used_is_refused_with_the_reason(
    tmp_path: Path, old: bytes, new: bytes, code: str
) -> None:
    bad = checkup(*ITEMS).replace(old, new)
    path = archive(
        tmp_path / "a.zip",
        {"DATA/h1.xml": checkup(*ITEMS), "DATA/h2.xml": bad, "ix08_V08.xml": total("index", 2)},
    )
    assert codes(sent(path)) == [(2, code)]


@pytest.mark.parametrize("day", ["", "20250610"])
def test_a_document_without_a_day_has_no_rows(tmp_path: Path, day: str) -> None:
    path = tmp_path / "h.xml"
    one = sent(path, checkup(*ITEMS[:1], day=day))
    assert len(table(one, "measurement")) == bool(day)
    assert [c for _, c in codes(one)] == ([] if day else ["date.missing"])


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)
FILE = '<!DOCTYPE x SYSTEM "file:///etc/hostname">'


@pytest.mark.parametrize("head", [BOMB, FILE])
def test_xml_with_entities_of_its_own_is_not_read(tmp_path: Path, head: str) -> None:
    files = {"DATA/h1.xml": checkup(*ITEMS), "DATA/h2.xml": checkup(*ITEMS, head=head)}
    path = archive(tmp_path / "a.zip", files | {"ix08_V08.xml": total("index", 2)})
    assert codes(sent(path)) == [(2, "xml.forbidden")]


def test_depth_and_size_of_a_document_are_bounded(tmp_path: Path) -> None:
    deep = b"<a>" * 100_000 + b"</a>" * 100_000
    files = {"DATA/h1.xml": checkup(*ITEMS), "DATA/h2.xml": deep, "DATA/h3.xml": b"<a/>" * 30_000}
    path = archive(tmp_path / "a.zip", files | {"ix08_V08.xml": total("index", 3)})
    one = sent(path, limits=Limits(document_bytes=100_000))
    assert codes(one) == [(2, "file.too-large"), (3, "file.too-large")]
    assert codes(sent(path)) == [(2, "checkup.root"), (3, "xml.malformed")]


def test_an_archive_is_read_and_its_totals_are_checked(tmp_path: Path) -> None:
    files = {
        "1312345678_06132013_202507011_1/DATA/h1.xml": checkup(*ITEMS),
        "1312345678_06132013_202507011_1/DATA/h2.xml": checkup(*ITEMS, day="20250611"),
        "1312345678_06132013_202507011_1/CLAIMS/c1.xml": b"<checkupClaim/>",
        "1312345678_06132013_202507011_1/XSD/hc08_V08.xsd": b"<schema/>",
        "1312345678_06132013_202507011_1/ix08_V08.xml": total("index", 2),
        "1312345678_06132013_202507011_1/su08_V08.xml": total("summary", 2),
    }
    one = sent(archive(tmp_path / "a.zip", files))
    assert codes(one) == []
    assert one.read == {
        "Checkup": 2, "Item": 10, "Claim": 1, "Schema": 1, "Index": 1, "Summary": 1,
    }  # fmt: skip
    assert len(table(one, "measurement")) == 6


@pytest.mark.parametrize(
    ("index", "summary", "found"),
    [
        (1, 1, []),
        (2, 1, ["checkup.index-count"]),
        (1, 2, ["checkup.summary-count"]),
        (None, None, ["checkup.index-missing"]),
    ],
)
def test_a_total_that_differs_is_told(
    tmp_path: Path, index: int | None, summary: int | None, found: list[str]
) -> None:
    files = {"DATA/h1.xml": checkup(*ITEMS)}
    files |= {} if index is None else {"ix08_V08.xml": total("index", index)}
    files |= {} if summary is None else {"su08_V08.xml": total("summary", summary)}
    assert [code for _, code in codes(sent(archive(tmp_path / "a.zip", files)))] == found


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("../DATA/h2.xml", b"<a/>", "archive.path"),
        ("DATA/h2.zip", b"PK\x03\x04", "archive.nested"),
        ("DATA/h2.xml", b" " * 40_000_000, "archive.bomb"),
    ],
)
def test_a_hostile_archive_is_refused_whole(
    tmp_path: Path, name: str, data: bytes, code: str
) -> None:
    path = archive(tmp_path / "a.zip", {"DATA/h1.xml": checkup(*ITEMS), name: data})
    with pytest.raises(UserError) as refusal:
        prepared([path], "checkup-cda")
    assert code in str(refusal.value)


def test_a_cut_archive_is_told(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {"DATA/h1.xml": checkup(*ITEMS)})
    assert zipfile.is_zipfile(path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UserError) as refusal:
        prepared([path], "checkup-cda")
    assert "archive.damaged" in str(refusal.value)


def test_guidance_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "g.xml"
    path.write_bytes(checkup(*ITEMS, report="21"))
    one = prepared([path], "checkup-cda")
    assert one.set_aside == {("Checkup", "no-table"): 1}
    assert SOUTH not in one.parts or not one.parts[SOUTH].tables
