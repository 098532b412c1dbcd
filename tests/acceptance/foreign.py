"""The scenario on files that nobody here wrote, and what must come out of it, counted apart.

48 Synthea patients are split over two hospitals, so that a third of them are at both; a third
provider sends the sample receipts of `uke-receiptisan`. The expected extract is counted with DuckDB
and the csv module straight from the source files; none of the project's readers is used.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

ROOT = Path(__file__).resolve().parents[2]

APPLICATION = "linked"
TABLES = ("person", "condition_occurrence", "measurement", "drug_exposure")
CODES = (
    *("444814009", "162864005", "38341003", "15777000", "44054006"),  # SNOMED CT
    *("8833421", "2500013"),  # 傷病名コード
)
HOSPITALS = ("1310000001", "1310000002")
CLINIC = "1210000000"  # the institution that the sample's IR record names
SSN = "http://hl7.org/fhir/sid/us-ssn"

_RECEIPTS = "uke-receiptisan/RECEIPTC_GAIRAI_SAMPLE.UKE"
_SUSPECTED = "8002"
_ALL, _ADDITIONAL = "all", "data:additional"


@dataclass(frozen=True)
class ReceiptPerson:
    """Who a receipt is about: a person's number, completed by birth date and sex."""

    insurer: str
    symbol: str
    number: str
    branch: str
    birth: str
    sex: str


@dataclass(frozen=True)
class Choice:
    """One opt-out: of a Synthea patient (its id) or of a receipt's person."""

    person: str | ReceiptPerson
    scope: str


def write_foreign_scenario(testdata: Path, folder: Path, framework: str) -> Path:
    """Write the providers' files and the scenario below ``folder``; return the scenario's path."""
    _write_hospitals(testdata, folder / "data")
    clinic = folder / "data" / "clinic"
    clinic.mkdir(parents=True)
    (clinic / "RECEIPTC.UKE").write_bytes((testdata / _RECEIPTS).read_bytes())
    lines = [f'framework = "{framework}"', "start = 2026-04-01", "seed = 11"]
    operators = (*zip(HOSPITALS, ("alpha", "beta"), strict=True), (CLINIC, "beta"))
    for code, operator in operators:
        lines += ["[[provider]]", f'code = "{code}"', f'name = "Provider {code}"']
        lines += [f'operator = "{operator}"']
    for n, code in enumerate(HOSPITALS, 1):
        lines += ["[[submission]]", f'provider = "{code}"', "day = 0", 'format = "fhir-ndjson"']
        lines += [f'files = ["data/hospital-{n}/*.ndjson"]']
    lines += ["[[submission]]", f'provider = "{CLINIC}"', "day = 1", 'format = "uke"']
    lines += ['files = ["data/clinic/RECEIPTC.UKE"]']
    numbers = _ssn(testdata)
    for day, choice in enumerate(opt_outs(testdata), 1):
        if isinstance(choice.person, str):
            who = f'{{ system = "{SSN}", value = "{numbers[choice.person]}" }}'
        else:
            it = choice.person
            insured = f"{it.insurer}:{it.symbol}:{it.number}:{it.branch}"
            who = f'{{ insured = "{insured}", birth = {it.birth}, sex = "{it.sex}" }}'
        lines += ["[[opt_out]]", f"day = {day}", f"person = {who}", f'scope = "{choice.scope}"']
    lines += ["[[application]]", f'id = "{APPLICATION}"', "day = 10"]
    lines += ['applicant = "Example University"', 'purpose = "research"']
    lines += [f"tables = {json.dumps(TABLES)}", "linkage = true", 'form = "pseudonymised"']
    lines += [f"cohort = {{ codes = {json.dumps(CODES)} }}"]
    lines += ["[[job]]", f'application = "{APPLICATION}"', "day = 40"]
    lines += [f"study = {json.dumps(str(ROOT / 'studies' / 'linked'))}"]
    path = folder / "foreign.toml"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def hospitals_of(testdata: Path) -> dict[str, frozenset[int]]:
    """Return where each Synthea patient has records: 1, 2 or both.

    By place in the sorted ids: every third patient is at both hospitals, in even years at the
    first and in odd ones at the second; the others are at the first or at the second alone.
    """
    years = defaultdict(set)
    for resource in _resources(testdata, "Encounter"):
        years[_subject(resource)].add(int(resource["period"]["start"][:4]))
    made = {}
    for place, patient in enumerate(sorted(years)):
        both = frozenset(1 + year % 2 for year in years[patient])
        made[patient] = (frozenset((1,)), frozenset((2,)), both | {1})[place % 3]
    return made


def opt_outs(testdata: Path) -> tuple[Choice, ...]:
    """Return the five opt-outs: three of the cohort, one outside it, one of the receipts."""
    ill = _synthea_cohort(testdata)
    places = hospitals_of(testdata)
    both, first, second = frozenset((1, 2)), frozenset((1,)), frozenset((2,))

    def one(where: frozenset[int], cohort: bool) -> str:
        return next(p for p in sorted(places) if places[p] == where and (p in ill) is cohort)

    receipt = next(r for r in _receipts(testdata) if "8833421" in _conditions(r))
    return (
        Choice(one(both, cohort=True), _ALL),
        Choice(one(first, cohort=True), _ALL),
        Choice(one(second, cohort=True), _ADDITIONAL),
        Choice(one(second, cohort=False), _ALL),
        Choice(_receipt_person(receipt), _ALL),
    )


def expected_extract(testdata: Path) -> dict[str, tuple[int, int]]:
    """Return table → (rows, persons) of the extract, where every body's data can be joined."""
    stopped = {c.person for c in opt_outs(testdata) if c.scope == _ALL}
    basic_only = {c.person for c in opt_outs(testdata) if c.scope == _ADDITIONAL}
    rows: dict[str, Counter[str | ReceiptPerson]] = {table: Counter() for table in TABLES}
    patients = _synthea_cohort(testdata) - stopped
    rows["person"].update(patients)
    for table, counts in _synthea_rows(testdata).items():
        for (patient, data_class), number in counts.items():
            hidden = data_class == "additional" and patient in basic_only
            if patient in patients and not hidden:
                rows[table][patient] += number
    receipts = [(_receipt_person(r), r) for r in _receipts(testdata)]
    members = {who for who, receipt in receipts if set(_conditions(receipt)) & set(CODES)}
    for who, receipt in receipts:
        if who in members - stopped:
            rows["person"][who] = 1
            rows["condition_occurrence"][who] += len(_conditions(receipt))
            rows["drug_exposure"][who] += _drug_days(receipt)
    return {
        table: (sum(counts.values()), sum(1 for number in counts.values() if number))
        for table, counts in rows.items()
    }


def _synthea_cohort(testdata: Path) -> set[str]:
    found = _query(
        testdata,
        "SELECT DISTINCT subject.reference FROM {Condition}"
        " WHERE code.coding[1].code IN (SELECT unnest(?))",
        [list(CODES)],
    )
    return {str(reference).removeprefix("Patient/") for (reference,) in found}


def _synthea_rows(testdata: Path) -> dict[str, dict[tuple[str, str], int]]:
    """Return table → (patient, data class) → rows. Values without a number or code are none."""
    count = "SELECT {0}.reference, count(*) FROM {{{1}}} GROUP BY ALL"
    queries = {
        "condition_occurrence": [("basic", count.format("subject", "Condition"))],
        "drug_exposure": [
            ("basic", count.format("subject", "MedicationRequest")),
            ("additional", count.format("patient", "Immunization")),
        ],
        "measurement": [("additional", _MEASURED)],
    }
    return {
        table: {
            (str(reference).removeprefix("Patient/"), data_class): int(number)
            for data_class, query in several
            for reference, number in _query(testdata, query)
        }
        for table, several in queries.items()
    }


# One row per value: the observation's own and each component's.
_MEASURED = """
WITH measured AS (
    SELECT subject.reference AS person, valueQuantity, valueCodeableConcept, component
    FROM {Observation} WHERE category[1].coding[1].code IN ('laboratory', 'vital-signs')
), part AS (
    SELECT person, unnest(component, recursive := true) FROM measured
), own AS (
    SELECT person, valueQuantity.value AS number, valueCodeableConcept.coding[1].code AS coded
    FROM measured
)
SELECT person, count(*) FROM (
    SELECT person FROM own WHERE number IS NOT NULL OR coded IS NOT NULL
    UNION ALL
    SELECT person FROM part WHERE value IS NOT NULL
) GROUP BY ALL
"""

_CONCEPT = "STRUCT(coding STRUCT(code VARCHAR)[])"
_FIELDS = {
    "code": _CONCEPT,
    "subject": "STRUCT(reference VARCHAR)",
    "patient": "STRUCT(reference VARCHAR)",
    "category": f"{_CONCEPT}[]",
    "valueQuantity": "STRUCT(value VARCHAR)",
    "valueCodeableConcept": _CONCEPT,
    "component": "STRUCT(valueQuantity STRUCT(value VARCHAR))[]",
}


def _query(testdata: Path, query: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
    """Run a query in which ``{Type}`` is the file of a resource type."""
    columns = ", ".join(f"{name}: '{kind}'" for name, kind in _FIELDS.items())
    for kind in ("Condition", "MedicationRequest", "Immunization", "Observation"):
        path = testdata / "synthea-fhir-r4" / "ndjson" / f"{kind}.ndjson.gz"
        source = f"read_json('{path}', format = 'newline_delimited', columns = {{{columns}}})"
        query = query.replace(f"{{{kind}}}", source)
    return duckdb.connect().execute(query, values or []).fetchall()


def _ssn(testdata: Path) -> dict[str, str]:
    return {
        patient["id"]: identifier["value"]
        for patient in _resources(testdata, "Patient")
        for identifier in patient["identifier"]
        if identifier["system"] == SSN
    }


def _resources(testdata: Path, kind: str) -> Iterator[dict[str, Any]]:
    path = testdata / "synthea-fhir-r4" / "ndjson" / f"{kind}.ndjson.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _subject(resource: dict[str, Any]) -> str:
    reference = resource.get("subject") or resource.get("patient")
    return str(reference["reference"]).removeprefix("Patient/")


def _write_hospitals(testdata: Path, folder: Path) -> None:
    """Write each resource to the hospital of its encounter, lines as they are in the source."""
    places = hospitals_of(testdata)
    where = {
        encounter["id"]: _hospital(places[_subject(encounter)], encounter["period"]["start"])
        for encounter in _resources(testdata, "Encounter")
    }
    for number in (1, 2):
        (folder / f"hospital-{number}").mkdir(parents=True)
    for source in sorted((testdata / "synthea-fhir-r4" / "ndjson").glob("*.ndjson.gz")):
        lines: dict[int, list[str]] = {1: [], 2: []}
        with gzip.open(source, "rt", encoding="utf-8") as stream:
            for line in stream:
                for number in _destinations(json.loads(line), places, where):
                    lines[number].append(line)
        for number, kept in lines.items():
            path = folder / f"hospital-{number}" / source.name.removesuffix(".gz")
            if kept:
                path.write_text("".join(kept), "utf-8")


def _destinations(
    resource: dict[str, Any], places: dict[str, frozenset[int]], where: dict[str, int]
) -> tuple[int, ...]:
    kind = resource["resourceType"]
    if kind in ("Practitioner", "Organization"):
        return (1, 2)
    if kind == "Patient":
        return tuple(sorted(places[resource["id"]]))
    if kind == "Encounter":
        return (where[resource["id"]],)
    reference = resource.get("encounter")
    for item in resource.get("item", ()):  # Claim, ExplanationOfBenefit
        reference = reference or next(iter(item.get("encounter", ())), None)
    if reference:
        return (where[reference["reference"].removeprefix("Encounter/")],)
    return (min(places[_subject(resource)]),)


def _hospital(places: frozenset[int], start: str) -> int:
    return 1 + int(start[:4]) % 2 if len(places) == 2 else min(places)


def _receipts(testdata: Path) -> Iterator[list[list[str]]]:
    receipt: list[list[str]] = []
    with (testdata / _RECEIPTS).open(encoding="cp932", newline="") as stream:
        for line in csv.reader(stream):
            if line[0] in ("RE", "GO"):
                if receipt:
                    yield receipt
                receipt = []
            if line[0] not in ("IR", "GO"):
                receipt.append(line)


def _receipt_person(receipt: list[list[str]]) -> ReceiptPerson:
    """Return the person; one whose receipt only public assistance pays has a number of its own."""
    head = receipt[0]
    birth = f"{head[6][:4]}-{head[6][4:6]}-{head[6][6:]}"
    sex = {"1": "male", "2": "female"}[head[5]]
    payer = next(line for line in receipt if line[0] in ("HO", "KO"))
    if payer[0] == "KO":
        return ReceiptPerson(payer[1], "", payer[2], "", "", "")
    branch = next((line[6] for line in receipt if line[0] == "SN" and line[1] == "1"), "")
    if branch in ("", "00"):
        return ReceiptPerson(payer[1], _half(payer[2]), _half(payer[3]), "", birth, sex)
    return ReceiptPerson(payer[1], _half(payer[2]), _half(payer[3]), branch, "", "")


def _half(text: str) -> str:
    return "".join(chr(ord(c) - 0xFEE0) if "！" <= c <= "～" else c for c in text)


def _conditions(receipt: list[list[str]]) -> list[str]:
    return [line[1] for line in receipt if line[0] == "SY" and _SUSPECTED not in line[4]]


def _drug_days(receipt: list[list[str]]) -> int:
    return sum(
        1 for line in receipt if line[0] == "IY" for count in line[13:44] if count not in ("", "0")
    )
