"""JP-CLINS bundles (電子カルテ情報共有サービス): one report a patient and type of resource.

Layout: formats A5. First the Patient, then resources of one type alone; references are those of the
bundle's own ``fullUrl``. Laboratory results carry a local code beside their JLAC10. Bundles come
many in one archive.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from sekisho.synthetic.care import Period
from sekisho.synthetic.fhir import resources_of
from sekisho.synthetic.provider import Institution, Patient
from sekisho.synthetic.writing import Counts, Packs

REPORTED = ("Condition", "Observation", "AllergyIntolerance", "MedicationRequest")
_BUNDLES = "http://jpfhir.jp/fhir/clins/bundle-identifier"
_TAG = "http://jpfhir.jp/fhir/clins/CodeSystem/BundleResourceType_CS"
_LOCAL = "http://jpfhir.jp/fhir/clins/CodeSystem/JP_CLINS_ObsLabResult_LocalCode_CS"
_NAMES = uuid.UUID("6a8f1a46-3c5e-5b0e-9d0b-0a4f3f6d2c11")


class ClinsWriter:
    """Writes archives of bundles; of who has no insured number there is none."""

    def __init__(self, institution: Institution, period: Period, folder: Path) -> None:
        self._institution, self._period, self._packs = institution, period, Packs(folder, "clins")

    def add(self, patient: Patient) -> None:
        if patient.person.insurance(patient.visits[-1].day) is None:
            return
        self._packs.begin()
        whole = list(resources_of(self._institution, patient))
        for kind in REPORTED:
            found = sum(1 for name, _ in whole if name == kind)
            if found:
                made = orjson.dumps(_bundle(self._institution, patient, self._period, whole, kind))
                counts = {"Patient": 1, kind: found}
                self._packs.put(f"{patient.chart}-{kind}.json", made, counts)

    def close(self) -> dict[Path, Counts]:
        return self._packs.close()


def _bundle(
    institution: Institution,
    patient: Patient,
    period: Period,
    whole: list[tuple[str, dict[str, Any]]],
    kind: str,
) -> dict[str, Any]:
    code = institution.spec.code
    local = f"{patient.chart}-{kind}"
    return {
        "resourceType": "Bundle",
        "meta": {"tag": [{"system": _TAG, "code": kind}]},
        "identifier": {"system": _BUNDLES, "value": f"{code}^{period.last.year}^{local}"},
        "type": "collection",
        "timestamp": f"{period.last.isoformat()}T18:00:00+09:00",
        "entry": list(_entries(code, patient, whole, kind)),
    }


def _entries(
    code: str, patient: Patient, whole: list[tuple[str, dict[str, Any]]], kind: str
) -> Iterator[dict[str, Any]]:
    subject = {"reference": _url(code, "Patient", patient.chart)}
    for name, resource in whole:
        if name not in ("Patient", kind):
            continue
        inside = {"resourceType": name, **resource}
        inside.pop("encounter", None)
        for key in ("subject", "patient"):
            if key in inside:
                inside[key] = subject
        if name == "Observation" and inside["category"][0]["coding"][0]["code"] == "laboratory":
            (coding,) = inside["code"]["coding"]
            local = {"system": _LOCAL, "code": f"L{coding['code'][:5]}"}
            inside["code"] = {"coding": [coding, local]}
        yield {"fullUrl": _url(code, name, str(resource["id"])), "resource": inside}


def _url(code: str, kind: str, id: str) -> str:
    return f"urn:uuid:{uuid.uuid5(_NAMES, f'{code}/{kind}/{id}')}"
