"""FHIR R4 as $export gives it: one NDJSON file a resource type.

Patients carry the 被保険者個人識別子 of JP-CLINS and the provider's own number. Half of the
providers write ICD-10 as ICD10-2013-full (no dot), half as WHO does. Numbers are decimals.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from sekisho.synthetic.care import Period, Visit
from sekisho.synthetic.identities import Registered, heard_otherwise
from sekisho.synthetic.provider import Institution, Patient
from sekisho.synthetic.tables import codes, condition, drug_for, result
from sekisho.synthetic.writing import Counts, Lines

MEMBER_ID = "http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID"
LOCAL_ID = "urn:oid:1.2.392.100495.20.3.51.1"  # + institution code
_ICD10_JP = "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/ICD10-2013-full"
_ICD10 = "http://hl7.org/fhir/sid/icd-10"
_MEDIS = "http://medis.or.jp/CodeSystem/master-disease-keyNumber"
_YJ = "http://capstandard.jp/iyaku.info/CodeSystem/YJ-code"
_JLAC10 = "http://medis.or.jp/CodeSystem/master-JLAC10-17digits"
_LOINC = "http://loinc.org"
_UCUM = "http://unitsofmeasure.org"
_TERMS = "http://terminology.hl7.org/CodeSystem"
_FOOD = "http://jpfhir.jp/fhir/core/CodeSystem/JP_JfagyFoodAllergen_CS"
_REPRESENTATION = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"

TYPES = (
    "Patient",
    "Encounter",
    "Condition",
    "MedicationRequest",
    "Observation",
    "AllergyIntolerance",
)
Made = Iterator[tuple[str, dict[str, Any]]]
"""Resource type and resource."""


class FhirWriter:
    """Writes one file a type; a type without resources has no file."""

    def __init__(self, institution: Institution, period: Period, folder: Path) -> None:
        del period  # what is known lies in the visits
        self._institution, self._lines = institution, Lines(folder)

    def add(self, patient: Patient) -> None:
        for kind, resource in resources_of(self._institution, patient):
            line = orjson.dumps(
                {"resourceType": kind, **resource}, option=orjson.OPT_APPEND_NEWLINE
            )
            self._lines.put(_file(kind), line, kind)

    def close(self) -> dict[Path, Counts]:
        return self._lines.close(map(_file, TYPES))


def _file(kind: str) -> str:
    return f"{kind}.ndjson"


def resources_of(institution: Institution, patient: Patient) -> Made:
    """Yield what one provider has about a patient, the Patient first."""
    yield "Patient", _patient(institution, patient)
    subject = {"reference": f"Patient/{patient.chart}"}
    if patient.person.allergy is not None:
        yield (
            "AllergyIntolerance",
            {
                "id": f"A{patient.chart}",
                "clinicalStatus": _concept(f"{_TERMS}/allergyintolerance-clinical", "active"),
                "patient": subject,
                "recordedDate": patient.visits[0].day.isoformat(),
                "code": _concept(_FOOD, codes().allergy[patient.person.allergy].code),
            },
        )
    for visit in patient.visits:
        stem = f"{patient.chart}-{visit.day:%Y%m%d}"
        yield "Encounter", _encounter(stem, visit, subject)
        about = {"subject": subject, "encounter": {"reference": f"Encounter/E{stem}"}}
        for n, id in enumerate(visit.noted):
            yield "Condition", _condition(institution, f"C{stem}-{n}", id, visit, about)
        for n, id in enumerate(visit.treated):
            if drug_for(id):
                yield "MedicationRequest", _request(f"M{stem}-{n}", id, visit, about)
        yield from _observations(stem, visit, about)


def _patient(institution: Institution, patient: Patient) -> dict[str, Any]:
    person, last = patient.person, patient.visits[-1]
    insurance, called = person.insurance(last.day), person.called(last.day)
    known = insurance is not None and institution.knows_number(patient)
    it = Registered(
        called.family[0],
        called.given[0],
        called.family[1],
        called.given[1],
        person.birth.isoformat(),
        person.sex,
        None,
        person.address,
        person.phone,
    )
    if insurance is not None and not known:
        it = heard_otherwise(it, institution.place, person.number)
    names = [_name(it.family, it.given, "IDE"), _name(it.family_kana, it.given_kana, "SYL")]
    made: dict[str, Any] = {
        "id": patient.chart,
        "identifier": [
            {"system": f"{LOCAL_ID}{institution.spec.code}", "value": patient.chart},
            *([{"system": MEMBER_ID, "value": insurance.member_id}] if insurance and known else []),
        ],
        "name": [name for name in names if name],
        "telecom": [{"system": "phone", "value": it.phone, "use": "home"}],
        "gender": person.sex,
        "birthDate": it.birth_date,
        "address": [{"text": it.address}],
    }
    if last.dies:
        made["deceasedDateTime"] = last.day.isoformat()
    return made


def _name(family: str | None, given: str | None, kind: str) -> dict[str, Any] | None:
    if family is None and given is None:
        return None
    return {
        "extension": [{"url": _REPRESENTATION, "valueCode": kind}],
        "text": f"{family or ''} {given or ''}".strip(),
        "family": family,
        "given": [given] if given else [],
    }


def _encounter(stem: str, visit: Visit, subject: dict[str, str]) -> dict[str, Any]:
    return {
        "id": f"E{stem}",
        "status": "finished",
        "class": {"system": f"{_TERMS}/v3-ActCode", "code": "AMB"},
        "subject": subject,
        "period": {
            "start": f"{visit.day.isoformat()}T09:00:00+09:00",
            "end": f"{visit.day.isoformat()}T10:30:00+09:00",
        },
    }


def _condition(
    institution: Institution, id: str, condition_id: str, visit: Visit, about: dict[str, Any]
) -> dict[str, Any]:
    found = condition(condition_id)
    codings = [{"system": _ICD10, "code": found.dotted}]
    if not institution.dotted:
        codings = [
            {"system": _ICD10_JP, "code": found.icd10},
            {"system": _MEDIS, "code": found.medis},
        ]
    return {
        "id": id,
        "clinicalStatus": _concept(f"{_TERMS}/condition-clinical", "active"),
        "verificationStatus": _concept(f"{_TERMS}/condition-ver-status", "confirmed"),
        "category": [_concept(f"{_TERMS}/condition-category", "encounter-diagnosis")],
        "code": {"coding": codings, "text": found.name},
        **about,
        "onsetDateTime": visit.day.isoformat(),
        "recordedDate": visit.day.isoformat(),
    }


def _request(id: str, condition_id: str, visit: Visit, about: dict[str, Any]) -> dict[str, Any]:
    drug = drug_for(condition_id)
    assert drug is not None
    supply = {"value": drug.days, "unit": "日", "system": _UCUM, "code": "d"}
    return {
        "id": id,
        "status": "completed",
        "intent": "order",
        "medicationCodeableConcept": {
            "coding": [{"system": _YJ, "code": drug.yj}],
            "text": drug.name,
        },
        **about,
        "authoredOn": visit.day.isoformat(),
        "dispenseRequest": {
            "quantity": {"value": drug.days, "unit": "回分"},
            "expectedSupplyDuration": supply,
        },
    }


def _observations(stem: str, visit: Visit, about: dict[str, Any]) -> Made:
    pressure = ("systolic", "diastolic")
    for n, (id, value) in enumerate(visit.results.items()):
        if id not in pressure:
            yield (
                "Observation",
                {
                    **_observed(f"O{stem}-{n}", "laboratory", visit, about),
                    "code": _concept(_JLAC10, result(id).code),
                    "valueQuantity": _quantity(id, value),
                },
            )
    if pressure[0] in visit.results:
        yield (
            "Observation",
            {
                **_observed(f"O{stem}-P", "vital-signs", visit, about),
                "code": _concept(_LOINC, "85354-9"),
                "component": [
                    {
                        "code": _concept(_LOINC, result(id).code),
                        "valueQuantity": _quantity(id, visit.results[id]),
                    }
                    for id in pressure
                ],
            },
        )


def _observed(id: str, category: str, visit: Visit, about: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": id,
        "status": "final",
        "category": [_concept(f"{_TERMS}/observation-category", category)],
        **about,
        "effectiveDateTime": f"{visit.day.isoformat()}T09:20:00+09:00",
    }


def _quantity(id: str, value: int) -> dict[str, Any]:
    found = result(id)
    return {
        "value": orjson.Fragment(found.spelled(value).encode()),
        "unit": found.unit,
        "system": _UCUM,
        "code": found.unit,
    }


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}
