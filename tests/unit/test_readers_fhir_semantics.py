"""What FHIR resources become, where the foreign files do not show it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sekisho.provider import Prepared
from submissions import NORTH, SOUTH, condition, even, laboratory, ndjson, patient, prepared


def one_file(tmp_path: Path, *resources: dict[str, Any]) -> Prepared:
    made = prepared([ndjson(tmp_path / "a.ndjson", patient(1), *resources)])
    even(made)
    return made


def rows(one: Prepared, table: str) -> list[dict[str, Any]]:
    parts = [part.tables[table].to_pylist() for part in one.parts.values() if table in part.tables]
    return [row for part in parts for row in part]


@pytest.mark.parametrize("status", ["refuted", "entered-in-error"])
def test_a_refuted_condition_is_set_aside(tmp_path: Path, status: str) -> None:
    refuted = condition(2, verificationStatus={"coding": [{"code": status}]})
    one = one_file(tmp_path, condition(1), refuted)
    assert one.set_aside == {("Condition", "did-not-happen"): 1}


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("Procedure", "not-done"),
        ("Immunization", "not-done"),
        ("MedicationRequest", "cancelled"),
        ("MedicationAdministration", "not-done"),
        ("Observation", "entered-in-error"),
        ("Encounter", "planned"),
        ("ExplanationOfBenefit", "draft"),
    ],
)
def test_what_did_not_happen_is_set_aside(tmp_path: Path, kind: str, status: str) -> None:
    one = one_file(tmp_path, condition(1), {"resourceType": kind, "id": "x", "status": status})
    assert one.set_aside == {(kind, "did-not-happen"): 1}


def test_text_without_a_code_is_set_aside(tmp_path: Path) -> None:
    one = one_file(tmp_path, condition(1), condition(2, code={"text": "Canarytext"}))
    assert one.set_aside == {("Condition", "no-code"): 1}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"valueQuantity": {"value": 6.10, "unit": "%"}}, ("6.1", None, "%")),
        ({"valueQuantity": {"value": 5, "comparator": "<", "code": "mg"}}, ("5", "<5", "mg")),
        ({"valueInteger": 7}, ("7", None, None)),
        ({"valueBoolean": True}, (None, "true", None)),
        ({"valueCodeableConcept": {"coding": [{"code": "LA1"}]}}, (None, "LA1", None)),
        (
            {"valueCodeableConcept": {"coding": [{"code": "LA1", "system": "http://loinc.org"}]}},
            (None, "LA1", None, "http://loinc.org"),
        ),
    ],
)
def test_each_kind_of_value_has_its_column(
    tmp_path: Path, value: dict[str, Any], expected: tuple[str | None, ...]
) -> None:
    one = one_file(tmp_path, {**laboratory(1, valueQuantity=None), **value})
    (row,) = rows(one, "measurement")
    columns = ("value_as_number", "value_source_value", "unit_source_value", "value_source_system")
    assert tuple(row[column] for column in columns) == (*expected, None)[:4]


@pytest.mark.parametrize(
    "value",
    [
        {"valueString": "Canarytext"},
        {"valueCodeableConcept": {"text": "Canarytext"}},
        {"valueQuantity": {"unit": "%"}},
        {"dataAbsentReason": {"coding": [{"code": "unknown"}]}},
    ],
)
def test_an_observation_without_number_or_code_is_set_aside(
    tmp_path: Path, value: dict[str, Any]
) -> None:
    one = one_file(tmp_path, laboratory(1), {**laboratory(2, valueQuantity=None), **value})
    assert sum(one.set_aside.values()) == 1
    assert len(rows(one, "measurement")) == 1


def test_components_without_a_value_are_dropped_and_counted(tmp_path: Path) -> None:
    code = {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]}
    components = [
        {"code": code, "valueQuantity": {"value": 120, "code": "mm[Hg]"}},
        {"code": code},
        {"code": {"text": "Canarytext"}, "valueQuantity": {"value": 1}},
    ]
    one = one_file(tmp_path, laboratory(1, valueQuantity=None, component=components))
    assert len(rows(one, "measurement")) == 1
    assert one.dropped == {"Observation": 2}


def test_values_outside_laboratory_and_vital_signs_are_observations(tmp_path: Path) -> None:
    survey = laboratory(1, category=[{"coding": [{"code": "survey"}]}])
    one = one_file(tmp_path, survey)
    assert len(rows(one, "observation")) == 1
    assert rows(one, "measurement") == []


@pytest.mark.parametrize(
    ("code", "concept"), [("IMP", 9201), ("AMB", 9202), ("EMER", 9203), ("VR", 0)]
)
def test_the_class_of_an_encounter_is_its_concept(tmp_path: Path, code: str, concept: int) -> None:
    visit = {
        "resourceType": "Encounter",
        "id": "e1",
        "class": {"code": code},
        "subject": {"reference": "Patient/p1"},
        "period": {"start": "2020-01-01T10:00:00Z"},
    }
    linked = condition(1, encounter={"reference": "Encounter/e1/_history/2"})
    one = one_file(tmp_path, visit, linked)
    (row,) = rows(one, "visit_occurrence")
    assert row["visit_concept_id"] == concept
    assert row["visit_end_date"] == row["visit_start_date"]
    assert rows(one, "condition_occurrence")[0]["visit_ref"] == row["visit_ref"]


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Patient/p1"},
        {"reference": "https://hospital.example/fhir/Patient/p1"},
        {"reference": "Patient/p1/_history/3"},
        {"reference": "Patient?identifier=http://hl7.org/fhir/sid/us-ssn|999-00-0001"},
        {"identifier": {"system": "http://hl7.org/fhir/sid/us-ssn", "value": "999-00-0001"}},
        {"identifier": {"system": "http://hl7.org/fhir/sid/us-ssn", "value": "999000001"}},
    ],
)
def test_every_way_of_naming_a_patient_is_the_same_person(
    tmp_path: Path, subject: dict[str, Any]
) -> None:
    one = one_file(tmp_path, condition(1, subject=subject))
    assert len(one.parts[NORTH].identities) == 1
    assert len(rows(one, "condition_occurrence")) == 1


def test_a_medication_inside_the_request_gives_the_code(tmp_path: Path) -> None:
    request = {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "active",
        "subject": {"reference": "Patient/p1"},
        "authoredOn": "2020-02-03",
        "contained": [
            {"resourceType": "Medication", "id": "m", "code": {"coding": [{"code": "123"}]}}
        ],
        "medicationReference": {"reference": "#m"},
        "dosageInstruction": [
            {"timing": {"repeat": {"boundsDuration": {"value": 400, "code": "d"}}}}
        ],
    }
    (row,) = rows(one_file(tmp_path, request), "drug_exposure")
    assert (row["drug_source_value"], row["days_supply"]) == ("123", 400)
    assert (row["drug_exposure_end_date"] - row["drug_exposure_start_date"]).days == 179


def test_two_resources_with_one_id_the_last_wins_and_the_earlier_is_counted(
    tmp_path: Path,
) -> None:
    files = [
        ndjson(tmp_path / "a.ndjson", patient(1), condition(1, onsetDateTime="2020-01-01")),
        ndjson(tmp_path / "b.ndjson", condition(1, onsetDateTime="2021-01-01")),
    ]
    one = prepared(files)
    even(one)
    (row,) = rows(one, "condition_occurrence")
    assert row["condition_start_date"].year == 2021
    line = next(x for x in one.balance if x.record_type == "Condition")
    assert (line.read, line.sent, line.superseded) == (2, 1, 1)


def test_a_refused_record_takes_the_place_of_none(tmp_path: Path) -> None:
    one = one_file(tmp_path, condition(1), condition(1, onsetDateTime="9999-01-01"))
    assert len(rows(one, "condition_occurrence")) == 1
    assert len(one.findings) == 1


def bundle(tmp_path: Path, name: str, *entries: dict[str, Any], **more: Any) -> Path:
    made = {"resourceType": "Bundle", "type": "collection", "entry": list(entries), **more}
    (tmp_path / name).write_text(json.dumps(made))
    return tmp_path / name


def test_a_bundle_with_an_identifier_replaces_the_whole_of_the_earlier(tmp_path: Path) -> None:
    named = {"identifier": {"system": "urn:bundles", "value": "1310000001^2026^7"}}
    first = [{"resource": x} for x in (patient(1), condition(1), condition(2))]
    again = [{"resource": x} for x in (patient(1), condition(1))]
    files = [
        bundle(tmp_path, "a.json", *first, **named),
        bundle(tmp_path, "b.json", *again, **named),
    ]
    one = prepared(files, "fhir-bundle")
    even(one)
    assert len(rows(one, "condition_occurrence")) == 1
    line = next(x for x in one.balance if x.record_type == "Condition")
    assert (line.sent, line.superseded) == (1, 2)


def test_ids_made_up_inside_bundles_never_mix_up_two_patients(tmp_path: Path) -> None:
    """Hospitals that call every patient ``pat`` inside a bundle: ``fullUrl`` tells them apart."""
    files = []
    for number in (1, 2):
        him = {**patient(number), "id": "pat"}
        his = condition(1, subject={"reference": f"urn:uuid:0000000{number}"})
        entries = [
            {
                "fullUrl": f"urn:uuid:0000000{number}",
                "resource": him,
                "request": {"method": "POST"},
            },
            {
                "fullUrl": f"urn:uuid:1000000{number}",
                "resource": his,
                "request": {"method": "POST"},
            },
        ]
        files.append(bundle(tmp_path, f"{number}.json", *entries, type="transaction"))
    one = prepared(files, "fhir-bundle")
    assert len(one.parts[NORTH].identities) == 2
    tags = [row["tag"] for row in rows(one, "condition_occurrence")]
    assert len(set(tags)) == 2


def test_a_death_needs_a_day(tmp_path: Path) -> None:
    dead = [patient(2, deceasedDateTime="2021-03"), patient(3, deceasedBoolean=True)]
    one = one_file(tmp_path, *dead)
    assert len(one.parts[SOUTH].tables["death"]) == 1
    assert len(one.parts[NORTH].tables["person"]) == 3
