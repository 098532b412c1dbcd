"""JP-CLINS on the guide's own examples: whole or not at all, by what rule, and whose it is.

Variants of an example are made in memory: the guide's licence allows no edited copies.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sekisho.common.errors import UserError
from sekisho.provider import Prepared, Record, read
from submissions import codes, even, prepared

Bundle = dict[str, Any]
MEMBER = "http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID"
LOCAL = "http://jpfhir.jp/fhir/clins/CodeSystem/JP_CLINS_ObsLabResult_LocalCode_CS"


@pytest.fixture(scope="module")
def examples(testdata: Path) -> Path:
    return testdata / "jp-clins-examples"


@pytest.fixture
def report(examples: Path) -> Bundle:
    """Return the guide's report of laboratory results: a Patient and four Observations."""
    return json.loads((examples / "Bundle-Bundle-CLINS-Observations-Example-01.json").read_bytes())


def sent(folder: Path, *bundles: Bundle) -> Prepared:
    files = []
    for number, bundle in enumerate(bundles):
        files.append(folder / f"{number}.json")
        files[-1].write_text(json.dumps(bundle, ensure_ascii=False))
    one = prepared(files, "jp-clins")
    even(one)
    return one


def rows(one: Prepared, table: str) -> list[dict[str, Any]]:
    return [r for p in one.parts.values() if table in p.tables for r in p.tables[table].to_pylist()]


def test_each_example_is_read_and_counted(examples: Path) -> None:
    files = sorted(examples.glob("*.json"))
    assert len(files) == 61
    counted: Counter[str] = Counter()
    for path in files:
        it = json.loads(path.read_bytes())
        inside = [e["resource"] for e in it.get("entry", [])] if "entry" in it else [it]
        counted.update(one["resourceType"] for one in inside)
    records = [x for x in read("jp-clins", files) if isinstance(x, Record)]
    assert Counter(r.record_type for r in records) == counted
    one = prepared(files, "jp-clins")
    even(one)
    assert one.read == counted


def test_every_result_of_a_report_is_a_row_under_its_standard_code(
    tmp_path: Path, report: Bundle
) -> None:
    expected = Counter()
    for entry in report["entry"][1:]:
        coding = entry["resource"]["code"]["coding"]
        shared = next(c for c in coding if c["system"] != LOCAL)
        value = entry["resource"].get("valueQuantity", {}).get("value")
        expected[shared["code"], None if value is None else str(value)] += 1
    made = rows(sent(tmp_path, report), "measurement")
    assert Counter((r["measurement_source_value"], r["value_as_number"]) for r in made) == expected
    assert sum(expected.values()) == 4


def test_an_insured_number_is_one_whatever_its_width(tmp_path: Path, report: Bundle) -> None:
    wide = copy.deepcopy(report)
    number = "００012345:あいう:１８７:０１"
    wide["entry"][0]["resource"]["identifier"][1]["value"] = number
    keys = [
        {key for p in sent(tmp_path, one).parts.values() for _, key in p.identities}
        for one in (report, wide)
    ]
    assert keys[0] == keys[1]
    assert {key.value for key in keys[0]} == {"00012345:あいう:187:01"}


def test_a_document_gives_rows_and_its_words_stay(examples: Path) -> None:
    path = examples / "Bundle-Bundle-CLINS-Referral-Example-01.json"
    entries = [e["resource"] for e in json.loads(path.read_bytes())["entry"]]
    dated = [
        r for r in entries if r["resourceType"] == "Condition" and "onsetDateTime" in r
    ]  # fmt: skip
    one = prepared([path], "jp-clins")
    even(one)
    assert len(rows(one, "condition_occurrence")) == len(dated) == 4
    allergies = [r for r in entries if r["resourceType"] == "AllergyIntolerance"]
    assert len(rows(one, "observation")) == len(allergies) == 3
    text = str([t.to_pylist() for p in one.parts.values() for t in p.tables.values()])
    for word in ("牧野", "爛漫", "腹痛", "000999739", "１８７"):
        assert word not in text
    assert one.set_aside["DocumentReference", "no-table"] == 1


def test_the_checkup_report_takes_its_person_from_the_coverage(testdata: Path) -> None:
    path = next((testdata / "jp-echeckup-example").glob("*.json"))
    entries = [e["resource"] for e in json.loads(path.read_bytes())["entry"]]
    found = [r for r in entries if r["resourceType"] == "Observation"]
    with_value = [
        r for r in found if any(k in r for k in ("valueQuantity", "valueCodeableConcept"))
    ]
    for format_id in ("jp-clins", "fhir-bundle"):
        one = prepared([path], format_id)
        even(one)
        keys = {key for p in one.parts.values() for _, key in p.identities}
        assert {(k.value, k.method) for k in keys} == {("06123456:12345:67890:01", "number")}
        made = rows(one, "measurement"), rows(one, "observation")
        assert sum(map(len, made)) == len(with_value) == 43
        assert {r["measurement_type_concept_id"] for r in made[0]} == {32836}


def test_a_quoted_identifier_of_the_coverage_serves_as_well(testdata: Path, tmp_path: Path) -> None:
    path = next((testdata / "jp-echeckup-example").glob("*.json"))
    bundle = json.loads(path.read_bytes())
    for entry in bundle["entry"]:
        if entry["resource"]["resourceType"] == "Coverage":
            entry["resource"].pop("extension", None)
        if entry["resource"]["resourceType"] == "Organization":
            for one in entry["resource"]["identifier"]:
                one["system"] = one["system"].replace(
                    "urn:oid:1.2.392.100495.20.3.61",
                    "http://jpfhir.jp/fhir/core/mhlw/IdSystem/InsurerNumber",
                )
    keys = {key for p in sent(tmp_path, bundle).parts.values() for _, key in p.identities}
    assert {key.value for key in keys} == {"06123456:12345:67890:01"}


def test_one_bad_entry_refuses_the_report_and_is_named(tmp_path: Path, report: Bundle) -> None:
    bad = copy.deepcopy(report)
    bad["identifier"]["value"] = "1318814790^2024^other"
    bad["entry"][3]["resource"]["effectiveDateTime"] = "2021-13-45"
    one = sent(tmp_path, report, bad)
    assert [(f.line, f.code) for f in one.findings if f.file == "1.json"] == [
        (1, "clins.bundle-refused"),
        (2, "clins.bundle-refused"),
        (3, "clins.bundle-refused"),
        (4, "date.impossible"),
        (5, "clins.bundle-refused"),
    ]
    assert len(rows(one, "measurement")) == 4


def _second_type(bundle: Bundle) -> None:
    bundle["entry"][2]["resource"]["resourceType"] = "Condition"


def _other_tag(bundle: Bundle) -> None:
    bundle["meta"]["tag"][0]["code"] = "Condition"


def _patient_last(bundle: Bundle) -> None:
    bundle["entry"].append(bundle["entry"].pop(0))


def _two_patients(bundle: Bundle) -> None:
    again = copy.deepcopy(bundle["entry"][0])
    again["fullUrl"] = "urn:uuid:00000000-0000-4000-8000-000000000000"
    bundle["entry"].append(again)


def _no_local_code(bundle: Bundle) -> None:
    coding = bundle["entry"][1]["resource"]["code"]["coding"]
    bundle["entry"][1]["resource"]["code"]["coding"] = [c for c in coding if c["system"] != LOCAL]


def _other_subject(bundle: Bundle) -> None:
    bundle["entry"][1]["resource"]["subject"] = {"reference": "Patient/other"}


def _same_url(bundle: Bundle) -> None:
    bundle["entry"][2]["fullUrl"] = bundle["entry"][1]["fullUrl"]


def _bad_identifier(bundle: Bundle) -> None:
    bundle["identifier"]["value"] = "2024^1318814790^x"


def _pseudonym(bundle: Bundle) -> None:
    bundle["entry"][0]["resource"]["identifier"] = [
        {"system": f"{MEMBER}_Pseudonymized", "value": "8f14e45fceea167a"}
    ]


def _searchset(bundle: Bundle) -> None:
    bundle["type"] = "searchset"


def _document(bundle: Bundle) -> None:
    bundle["type"] = "document"


@pytest.mark.parametrize(
    ("spoil", "code", "entry"),
    [
        (_second_type, "clins.mixed", 3),
        (_other_tag, "clins.mixed", 2),
        (_patient_last, "clins.patient", 1),
        (_two_patients, "clins.patient", 6),
        (_no_local_code, "clins.local-code", 2),
        (_other_subject, "clins.subject", 2),
        (_same_url, "clins.full-url", 3),
        (_bad_identifier, "clins.identifier", 1),
        (_pseudonym, "person.pseudonymised", 1),
        (_searchset, "clins.type", 1),
        (_document, "clins.composition", 1),
    ],
)
def test_a_report_that_breaks_a_rule_is_refused_whole(
    tmp_path: Path, report: Bundle, spoil: Callable[[Bundle], None], code: str, entry: int
) -> None:
    spoil(report)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(report))
    records = [x for x in read("jp-clins", [path]) if isinstance(x, Record)]
    assert len(records) == len(report["entry"])
    told = {r.line: r.code for r in records}
    assert told.pop(entry) == code
    assert set(told.values()) == {"clins.bundle-refused"}
    with pytest.raises(UserError):
        prepared([path], "jp-clins")


def test_the_guides_wrong_result_is_refused_in_a_report(
    examples: Path, tmp_path: Path, report: Bundle
) -> None:
    wrong = json.loads((examples / "Observation-ErrorExample-ObsLabo-eGFR.json").read_bytes())
    wrong["subject"] = {"reference": report["entry"][0]["fullUrl"]}
    report["entry"][4]["resource"] = wrong
    other = copy.deepcopy(report)
    other["entry"].pop(4)
    assert (5, "clins.local-code") in codes(sent(tmp_path, report, other))


def test_a_type_that_the_service_does_not_handle_is_set_aside(
    tmp_path: Path, report: Bundle
) -> None:
    url = "urn:uuid:00000000-0000-4000-8000-000000000001"
    report["entry"].append({"fullUrl": url, "resource": {"resourceType": "CarePlan", "id": "x"}})
    one = sent(tmp_path, report)
    assert one.set_aside == {("CarePlan", "no-table"): 1}
    assert len(rows(one, "measurement")) == 4


def test_a_diagnosis_that_nobody_may_see_stays(examples: Path, tmp_path: Path) -> None:
    system = "http://jpfhir.jp/fhir/clins/CodeSystem/JP_ehrshrs_indication"
    path = examples / "Bundle-Bundle-CLINS-PCS-Example-01.json"
    bundle = json.loads(path.read_bytes())
    hidden = next(
        e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Condition"
    )
    hidden["meta"]["tag"] = [{"system": system, "code": "UNDELIVERED"}]
    one = sent(tmp_path, bundle)
    assert one.set_aside["Condition", "held-back"] == 1
    assert len(rows(one, "condition_occurrence")) == 1


def test_a_later_report_of_one_triple_replaces_the_earlier(tmp_path: Path, report: Bundle) -> None:
    later, other = copy.deepcopy(report), copy.deepcopy(report)
    later["entry"] = later["entry"][:2]
    other["entry"][0]["resource"]["identifier"][1]["value"] = "00012345:あいう:１８７:02"
    one = sent(tmp_path, report, other, later)
    assert len(rows(one, "measurement")) == 4 + 1


def test_a_patient_alone_takes_the_report_back(tmp_path: Path, report: Bundle) -> None:
    other, back = copy.deepcopy(report), copy.deepcopy(report)
    other["identifier"]["value"] = "1318814790^2024^other"
    back["entry"] = back["entry"][:1]
    del back["meta"]["tag"]
    one = sent(tmp_path, report, other, back)
    assert len(rows(one, "measurement")) == 4
    assert one.set_aside == {("Patient", "withdrawn"): 1}
