"""Submissions for tests: files written small, prepared with a plain classification."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sekisho.common.ids import BodyId
from sekisho.common.randomness import seeded
from sekisho.provider import Limits, Prepared, Withheld, prepare

KEY = b"a key of the provider, 32 bytes."
NORTH, SOUTH = BodyId("north"), BodyId("south")
TWO_BODIES: dict[str, BodyId | Withheld] = {"basic": NORTH, "additional": SOUTH}
CORE = ("Encounter", "Condition", "AllergyIntolerance", "MedicationRequest")
SSN = "http://hl7.org/fhir/sid/us-ssn"


def classify(format_id: str, record_type: str) -> Sequence[tuple[str, str]]:
    """Return kinds and classes by the design's default: section 6, default classes."""
    if format_id == "uke":
        return [("receipt", "basic")]
    if record_type == "Patient":
        return [("patient", "basic"), ("patient", "additional")]
    return [("core", "basic") if record_type in CORE else ("detail", "additional")]


def prepared(
    files: Sequence[Path],
    format_id: str = "fhir-ndjson",
    recipients: Mapping[str, BodyId | Withheld] = TWO_BODIES,
    seed: int = 1,
    limits: Limits | None = None,
) -> Prepared:
    return prepare(files, format_id, classify, KEY, recipients, seeded(seed), limits=limits)


def patient(number: int = 1, ssn: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": f"p{number}",
        "identifier": [{"system": SSN, "value": ssn or f"999-00-{number:04d}"}],
        "name": [{"family": "Canaryfamily", "given": ["Canarygiven"]}],
        "gender": "female",
        "birthDate": "1980-05-17",
        **more,
    }


def condition(number: int = 1, person: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": f"c{number}",
        "subject": {"reference": f"Patient/p{person}", "display": "Canaryfamily"},
        "code": {
            "coding": [
                {"system": "http://snomed.info/sct", "code": "44054006", "display": "Canary"}
            ],
            "text": "Canarytext",
        },
        "note": [{"text": "Canarynote"}],
        "onsetDateTime": "2020-01-02T03:04:05+09:00",
        **more,
    }


def laboratory(number: int = 1, person: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "category": [{"coding": [{"code": "laboratory"}]}],
        "subject": {"reference": f"Patient/p{person}"},
        "code": {"coding": [{"system": "http://loinc.org", "code": "4548-4"}]},
        "effectiveDateTime": "2020-01-02",
        "valueQuantity": {"value": 6.10, "unit": "%", "code": "%"},
        **more,
    }


def ndjson(path: Path, *resources: Any) -> Path:
    """Write one resource a line; bytes and texts are written as they are."""
    lines = []
    for one in resources:
        if isinstance(one, bytes):
            lines.append(one)
        else:
            lines.append((one if isinstance(one, str) else json.dumps(one)).encode())
    data = b"\n".join(lines) + b"\n"
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


IR = "IR,1,13,1,1234567,,X,202604,00,03"


def receipt(
    number: int = 1,
    *lines: str,
    kind: str = "1112",
    month: str = "202603",
    sex: str = "2",
    birth: str = "19500401",
    admitted: str = "",
    payer: str = "HO,06132013,１２,３４５,1,100",
    branch: str = "SN,1,01,,,,01,,",
) -> list[str]:
    """Return the lines of one receipt; ``payer`` and ``branch`` may be empty."""
    head = f"RE,{number},{kind},{month},カナリア　花子,{sex},{birth},,{admitted},,,,,K{number}"
    return [head, *(x for x in (payer, branch) if x), *lines]


def days(line: str, *, count: int = 1, at: Sequence[int] = (5,)) -> str:
    """Return an SI or IY line with ``count`` in the given day columns."""
    fields = (line.split(",") + [""] * 44)[:44]
    for day in at:
        fields[12 + day] = str(count)
    return ",".join(fields)


def uke(path: Path, *receipts: Sequence[str], go: str | None = None) -> Path:
    """Write a file of receipts in CP932 with a fitting GO unless one is given."""
    payers = [x.split(",") for receipt in receipts for x in receipt if x.startswith("HO,")]
    points = sum(int(x[5]) for x in payers if len(x) > 5 and x[5].isdigit())
    closing = f"GO,{len(receipts)},{points},99" if go is None else go
    lines = [IR, *(line for one in receipts for line in one), *([closing] if closing else [])]
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode("cp932"))
    return path


def even(one: Prepared) -> None:
    """Assert that every record read is in the balance of each of its classes."""
    for line in one.balance:
        assert line.read == one.read[line.record_type]
        parts = (line.sent, line.refused, line.superseded, line.set_aside, line.withheld)
        assert sum(parts) == line.read
    assert {line.record_type for line in one.balance} == set(one.read)


def codes(one: Prepared) -> list[tuple[int, str]]:
    """Return (line, code) of the findings."""
    return [(finding.line, finding.code) for finding in one.findings]
