"""Bad files: each a finding with file and line, the rest lands, and the balance stays even."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from sekisho.common.errors import UserError
from sekisho.provider import EXPLANATIONS, Limits
from submissions import (
    NORTH,
    SOUTH,
    codes,
    condition,
    days,
    even,
    laboratory,
    ndjson,
    patient,
    prepared,
    receipt,
    uke,
)

GOOD = (patient(1), condition(1))


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"resourceType":"Condition","id":"c9"', "json.malformed"),
        (b'{"resourceType":"Condition","id":"c9","x":"\x83\x41"}', "line.encoding"),
        (b'{"resourceType":"Condition","id":"c\x009"}', "line.nul"),
        (b'{"id":"c9"}', "fhir.no-type"),
        (b"[1, 2]", "fhir.shape"),
        (b'{"resourceType":"Condition","id":9}', "fhir.shape"),
        (b'{"resourceType":"Bundle","entry":[]}', "fhir.bundle-in-ndjson"),
        (
            b'{"resourceType":"Condition","x":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
            "json.too-deep",
        ),
        (b'{"resourceType":"Condition","x":"' + b"a" * 3_000 + b'"}', "line.too-long"),
    ],
)
def test_an_unreadable_line_is_told_and_the_rest_lands(
    tmp_path: Path, line: bytes, code: str
) -> None:
    file = ndjson(tmp_path / "a.ndjson", patient(1), line, condition(1))
    limits = Limits(line_bytes=2_000) if code == "line.too-long" else None
    one = prepared([file], limits=limits)
    assert [(f.file, f.line, f.code) for f in one.findings] == [("a.ndjson", 2, code)]
    assert one.parts[NORTH].tables["condition_occurrence"].num_rows == 1
    even(one)
    # the type cannot be told, or the record is of a known type: either way its number is told
    assert any((r.line, r.code) == (2, code) for r in one.parts[NORTH].refusals)


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        (condition(9, subject=None), "person.no-subject"),
        (condition(9, subject={"display": "Canaryfamily"}), "person.no-subject"),
        (condition(9, subject={"reference": "Group/g1"}), "person.not-a-patient"),
        (condition(9, 77), "person.unknown"),
        (condition(9, onsetDateTime="9999-12-31"), "date.impossible"),
        (condition(9, onsetDateTime="2023-02-30"), "date.impossible"),
        (condition(9, onsetDateTime="2023-W01-1"), "date.impossible"),
        (condition(9, onsetDateTime="令和5年"), "date.impossible"),
        (condition(9, onsetDateTime=None), "date.missing"),
        (condition(9, onsetDateTime=["2020"]), "fhir.shape"),
    ],
)
def test_a_record_that_cannot_be_used_is_refused(
    tmp_path: Path, resource: dict[str, object], code: str
) -> None:
    one = prepared([ndjson(tmp_path / "a.ndjson", *GOOD, resource)])
    assert codes(one) == [(3, code)]
    line = next(x for x in one.balance if x.record_type == "Condition")
    assert (line.read, line.sent, line.refused) == (2, 1, 1)


@pytest.mark.parametrize("value", ["1e999", "123e400", '"NaN"'])
def test_a_number_out_of_range_is_refused(tmp_path: Path, value: str) -> None:
    text = json.dumps(laboratory(9)).replace("6.1", value)
    one = prepared([ndjson(tmp_path / "a.ndjson", *GOOD, laboratory(1), text)])
    assert codes(one) == [(4, "number.out-of-range")]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"identifier": []}, "person.no-identifier"),
        ({"identifier": [{"system": "urn:local", "value": "1"}]}, "person.no-identifier"),
        (
            {"identifier": [{"system": "http://hl7.org/fhir/sid/us-ssn", "value": "12"}]},
            "person.identifier",
        ),
        ({"birthDate": None}, "person.no-birth-date"),
        ({"birthDate": "1875-01-01"}, "date.impossible"),
    ],
)
def test_a_patient_that_cannot_be_used_is_refused(
    tmp_path: Path, more: dict[str, object], code: str
) -> None:
    one = prepared([ndjson(tmp_path / "a.ndjson", *GOOD, patient(2, **more))])
    assert codes(one) == [(3, code)]
    assert one.parts[NORTH].tables["person"].num_rows == 1


def test_records_of_a_patient_without_identifier_stay_too(tmp_path: Path) -> None:
    file = ndjson(tmp_path / "a.ndjson", *GOOD, condition(2, 2), patient(2, identifier=[]))
    one = prepared([file])
    assert codes(one) == [(3, "person.no-identifier"), (4, "person.no-identifier")]
    assert one.parts[NORTH].tables["condition_occurrence"].num_rows == 1
    even(one)


def test_a_my_number_is_refused_by_its_law(tmp_path: Path) -> None:
    wrong = {
        "system": "http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID",
        "value": "00012345::123456789018:01",
    }
    one = prepared([ndjson(tmp_path / "a.ndjson", *GOOD, patient(2, identifier=[wrong]))])
    assert codes(one) == [(3, "person.my-number")]
    assert "番号法" in one.findings[0].rule
    assert "123456789018" not in str(one.findings)


def test_a_last_line_cut_in_the_middle_is_called_cut(tmp_path: Path) -> None:
    file = tmp_path / "a.ndjson"
    ndjson(file, *GOOD)
    file.write_bytes(file.read_bytes() + b'{"resourceType":"Cond')
    assert codes(prepared([file])) == [(3, "json.truncated")]


def test_a_cut_gzip_gives_what_came_before_the_cut(tmp_path: Path) -> None:
    file = ndjson(tmp_path / "a.ndjson.gz", patient(1), *(condition(n) for n in range(4_000)))
    file.write_bytes(file.read_bytes()[:-4_000])
    one = prepared([file])
    assert {f.code for f in one.findings} == {"file.truncated-gzip", "json.truncated"}
    assert 0 < one.parts[NORTH].tables["condition_occurrence"].num_rows < 4_000
    even(one)


def test_whole_file_problems_do_not_stop_the_other_files(tmp_path: Path) -> None:
    good = ndjson(tmp_path / "good.ndjson", *GOOD)
    (tmp_path / "empty.ndjson").touch()
    (tmp_path / "folder.ndjson").mkdir()
    (tmp_path / "empty.ndjson.gz").write_bytes(gzip.compress(b""))
    names = ("empty.ndjson", "folder.ndjson", "empty.ndjson.gz", "missing.ndjson")
    one = prepared([*(tmp_path / name for name in names), good])
    assert {(f.file, f.code) for f in one.findings} == {
        ("empty.ndjson", "file.empty"),
        ("empty.ndjson.gz", "file.empty"),
        ("folder.ndjson", "file.folder"),
        ("missing.ndjson", "file.missing"),
    }
    assert one.parts[NORTH].tables["person"].num_rows == 1


@pytest.mark.parametrize("format_id", ["fhir-ndjson", "fhir-bundle", "uke"])
def test_nothing_readable_at_all_is_an_error_with_file_and_next_step(
    tmp_path: Path, format_id: str
) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(UserError) as caught:
        prepared([tmp_path / "empty"], format_id)
    assert caught.value.code == "submission.nothing-readable"
    assert "empty" in caught.value.message
    assert caught.value.next_step


def test_a_file_of_the_wrong_format_is_an_error_and_not_a_flood(tmp_path: Path) -> None:
    file = tmp_path / "a.UKE"
    uke(file, *(receipt(n) for n in range(1, 400)))
    with pytest.raises(UserError):
        prepared([file], "fhir-ndjson")


def test_many_alike_become_one_finding_with_a_count(tmp_path: Path) -> None:
    file = ndjson(tmp_path / "a.ndjson", *GOOD, *(condition(n, 77) for n in range(2, 1_002)))
    one = prepared([file])
    assert len(one.findings) == 201
    assert sum(f.count for f in one.findings) == 1_000


def test_bundle_entries_are_told_by_the_line_they_start_on(tmp_path: Path) -> None:
    entries = [{"resource": x} for x in (*GOOD, condition(2, 77))] + [{"fullUrl": "urn:uuid:1"}]
    entries.append({"request": {"method": "DELETE", "url": "Condition?code=c1"}})
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    text = json.dumps(bundle, indent=1)
    (tmp_path / "b.json").write_text(text)
    one = prepared([tmp_path / "b.json"], "fhir-bundle")
    start = 1 + text[: text.index('"c2"')].count("\n") - 2
    assert (start, "person.unknown") in codes(one)
    assert {"fhir.no-entry", "fhir.deletion"} <= {code for _, code in codes(one)}
    even(one)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b'{"resourceType":"Bundle","entry":[', "json.malformed"),
        (b"\xff\xfe{\x00", "line.nul"),
        (b'{"resourceType":"Bundle","entry":{}}', "fhir.shape"),
        (gzip.compress(b'{"resourceType":"Bundle"}', mtime=0)[:-9], "file.truncated-gzip"),
        (b" " * 5_000, "file.too-large"),
    ],
)
def test_a_bundle_that_cannot_be_read_leaves_the_others_alone(
    tmp_path: Path, content: bytes, code: str
) -> None:
    (tmp_path / "bad.json").write_bytes(content)
    (tmp_path / "good.json").write_text(json.dumps(patient(1)))
    one = prepared(
        [tmp_path / "bad.json", tmp_path / "good.json"],
        "fhir-bundle",
        limits=Limits(file_bytes=4_000),
    )
    assert [(f.file, f.code) for f in one.findings] == [("bad.json", code)]
    assert one.parts[NORTH].tables["person"].num_rows == 1


def test_a_made_up_resource_type_leaves_only_as_other(tmp_path: Path) -> None:
    file = ndjson(tmp_path / "a.ndjson", *GOOD, {"resourceType": "CanaryFamily", "id": "1"})
    one = prepared([file])
    assert one.set_aside == {("other", "no-table"): 1}
    assert "Canary" not in str(one.parts)


UKE_BAD = [
    (b"SY,8833421,99991231,1,,,,", "date.impossible", "SY"),
    (b"SY,8833421,20260230,1,,,,", "date.impossible", "SY"),
    (b"SY,8833421,,1,,,,", "date.missing", "SY"),
    (b"SY,883,20260301,1,,,,", "uke.field", "SY"),
    (b"SY,8833421", "uke.short-line", "SY"),
    (b"SI,11,1,111000110,,288,x1,,,,,,,x", "uke.field", "SI"),
    (b"IY,21,1,620000001,abc,10,1,,,,,,,1", "uke.field", "IY"),
    ("CO,99,1,810000001,文字".encode() + b"\x81", "line.encoding", "CO"),
    (b"SJ,1,\x00", "line.nul", "unreadable"),
    (b"garbage", "uke.short-line", "unreadable"),
]


@pytest.mark.parametrize(("line", "code", "kind"), UKE_BAD)
def test_a_bad_line_of_a_receipt_is_told_and_the_receipt_lands(
    tmp_path: Path, line: bytes, code: str, kind: str
) -> None:
    file = uke(tmp_path / "a.UKE", receipt(1, "SY,8833421,20260301,1,,,01,", "@@"), receipt(2))
    file.write_bytes(file.read_bytes().replace(b"@@", line))
    one = prepared([file], "uke")
    assert [(f.file, f.line, f.code, f.record_type) for f in one.findings] == [
        ("a.UKE", 6, code, kind)
    ]
    tables = one.parts[NORTH].tables
    assert tables["person"].num_rows == 2
    assert tables["condition_occurrence"].num_rows == 1
    even(one)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"month": "202613"}, "uke.month"),
        ({"month": "x"}, "uke.month"),
        ({"birth": "99991231"}, "date.impossible"),
        ({"birth": ""}, "date.missing"),
        ({"payer": ""}, "person.no-identifier"),
        ({"payer": "HO,abc,1,2,1,100"}, "person.identifier"),
    ],
)
def test_a_receipt_whose_head_is_wrong_stays_whole(
    tmp_path: Path, change: dict[str, str], code: str
) -> None:
    bad = receipt(1, "SY,8833421,20260301,1,,,01,", **change)  # type: ignore[arg-type]
    one = prepared([uke(tmp_path / "a.UKE", bad, receipt(2))], "uke")
    assert (2, code) in codes(one)
    assert one.parts[NORTH].tables["person"].num_rows == 1
    assert "condition_occurrence" not in one.parts[NORTH].tables
    even(one)


def test_lines_before_any_receipt_and_a_missing_ir_are_told(tmp_path: Path) -> None:
    file = uke(tmp_path / "a.UKE", receipt(1))
    lines = file.read_bytes().split(b"\r\n")
    file.write_bytes(b"\r\n".join([b"SY,8833421,20260301,1,,,,", *lines[:-1]]))
    assert codes(prepared([file], "uke")) == [(1, "uke.no-receipt")]
    file.write_bytes(b"\r\n".join(lines[1:]))
    with pytest.raises(UserError, match=r"uke\.no-institution"):
        prepared([file], "uke")


def test_unknown_record_types_are_counted_and_set_aside(tmp_path: Path) -> None:
    file = uke(tmp_path / "a.UKE", receipt(1, "ZZ,1,2", "ZX,3", "QQQ,4"))
    file.write_bytes(b"UK,1,13,1,1234567,,X,202604,,00\r\n" + file.read_bytes())
    one = prepared([file], "uke")
    reasons = {key: n for key, n in one.set_aside.items() if key[1] == "unknown-type"}
    assert reasons == {
        ("UK", "unknown-type"): 1,
        ("ZX", "unknown-type"): 1,
        ("ZZ", "unknown-type"): 1,
        ("other", "unknown-type"): 1,
    }
    assert one.findings == ()


def test_a_file_without_its_closing_record_may_have_been_cut(tmp_path: Path) -> None:
    file = uke(tmp_path / "a.UKE", receipt(1), go="")
    assert codes(prepared([file], "uke")) == [(4, "uke.go-missing")]


def test_wrong_control_totals_are_told(tmp_path: Path) -> None:
    file = uke(tmp_path / "a.UKE", receipt(1), go="GO,2,99,99")
    assert {code for _, code in codes(prepared([file], "uke"))} == {"uke.go-count", "uke.go-points"}


def test_a_receipt_without_end_is_bounded(tmp_path: Path) -> None:
    long = receipt(1, *(days("SI,11,1,111000110,,288,1") for _ in range(300)))
    one = prepared(
        [uke(tmp_path / "a.UKE", long, receipt(2))], "uke", limits=Limits(receipt_lines=99)
    )
    assert (2, "uke.too-long") in codes(one)
    assert one.parts[NORTH].tables["person"].num_rows == 1
    even(one)


def test_every_finding_has_both_languages_and_a_rule() -> None:
    for code, texts in EXPLANATIONS.items():
        assert all(texts), code
        assert texts.ja != texts.en


def test_findings_and_refusals_hold_no_value_and_no_file_name_leaves(tmp_path: Path) -> None:
    bad = [condition(2, 77), condition(3, onsetDateTime="Canarydate"), patient(4, identifier=[])]
    one = prepared([ndjson(tmp_path / "Canaryname.ndjson", *GOOD, *bad)])
    told = " ".join(map(str, one.findings))
    assert told.count("Canaryname.ndjson") == len(bad)
    assert "Canarydate" not in told
    for body in (NORTH, SOUTH):
        assert "Canary" not in str(one.parts[body])
