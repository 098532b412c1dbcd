"""FHIR files that nobody here wrote: rows counted by other libraries, straight from the source."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path

import duckdb
import polars
import pyarrow as pa
import pytest

from sekisho.provider import Prepared
from sekisho.quality import persons_content
from submissions import NORTH, SOUTH, even, prepared


@pytest.fixture(scope="module")
def folder(testdata: Path) -> Path:
    return testdata / "synthea-fhir-r4"


@pytest.fixture(scope="module")
def ndjson(folder: Path) -> Prepared:
    return prepared(sorted((folder / "ndjson").glob("*.ndjson.gz")))


@pytest.fixture(scope="module")
def bundles(folder: Path) -> Prepared:
    return prepared(sorted((folder / "bundles").glob("*.json.gz")), "fhir-bundle")


def rows(one: Prepared, table: str) -> pa.Table:
    parts = [part.tables[table] for part in one.parts.values() if table in part.tables]
    return pa.concat_tables(parts)


def lines(folder: Path, kind: str) -> str:
    """Return a DuckDB source of one JSON column ``json``, one row a line."""
    path = folder / "ndjson" / f"{kind}.ndjson.gz"
    return f"read_ndjson_objects('{path}', maximum_object_size=100000000)"


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        ("Encounter", "visit_occurrence"),
        ("Condition", "condition_occurrence"),
        ("MedicationRequest", "drug_exposure"),
        ("Immunization", "drug_exposure"),
        ("Procedure", "procedure_occurrence"),
        ("AllergyIntolerance", "observation"),
        ("ExplanationOfBenefit", "cost"),
    ],
)
def test_every_resource_of_a_table_is_one_row(
    folder: Path, ndjson: Prepared, kind: str, table: str
) -> None:
    counted = duckdb.sql(f"SELECT count(*) FROM {lines(folder, kind)}").fetchall()
    kept = [r for r in rows(ndjson, table).column("record_type").to_pylist() if r == kind]
    assert counted == [(len(kept),)]


def test_every_value_and_component_of_an_observation_is_one_row(
    folder: Path, ndjson: Prepared
) -> None:
    counted = duckdb.sql(
        f"""
        SELECT (category IN ('laboratory', 'vital-signs')) AS measured,
          sum(own + components)::INT AS values
        FROM (SELECT json->>'$.category[0].coding[0].code' AS category,
            ((json->'$.valueQuantity') IS NOT NULL
              OR (json->'$.valueCodeableConcept') IS NOT NULL)::INT AS own,
            coalesce(json_array_length(json->'$.component'), 0) AS components
          FROM {lines(folder, "Observation")})
        GROUP BY measured"""
    ).fetchall()
    found = dict(counted)
    assert rows(ndjson, "measurement").num_rows == found[True]
    observed = Counter(rows(ndjson, "observation").column("record_type").to_pylist())
    assert observed["Observation"] == found[False]


def test_numbers_keep_every_digit_of_the_source(folder: Path, ndjson: Prepared) -> None:
    """Measured values against Python's json with decimals, as multisets of (code, day, value)."""
    expected: Counter[tuple[str, str, Decimal, str]] = Counter()
    with gzip.open(folder / "ndjson" / "Observation.ndjson.gz") as file:
        for line in file:
            it = json.loads(line, parse_float=Decimal, parse_int=Decimal)
            if it["category"][0]["coding"][0]["code"] not in ("laboratory", "vital-signs"):
                continue
            for one in (it, *it.get("component", [])):
                if "valueQuantity" in one:
                    quantity = one["valueQuantity"]
                    code, when = one["code"]["coding"][0]["code"], it["effectiveDateTime"][:10]
                    expected[code, when, quantity["value"], quantity["code"]] += 1
    measured = rows(ndjson, "measurement").to_pylist()
    got = Counter(
        (
            row["measurement_source_value"],
            row["measurement_date"].isoformat(),
            Decimal(row["value_as_number"]),
            row["unit_source_value"],
        )
        for row in measured
    )
    assert got == expected


def test_persons_births_and_deaths_are_those_of_the_source(folder: Path, ndjson: Prepared) -> None:
    source = polars.read_ndjson(
        gzip.decompress((folder / "ndjson" / "Patient.ndjson.gz").read_bytes()),
        infer_schema_length=None,
    )
    person = ndjson.parts[NORTH].tables["person"]
    assert person.num_rows == source.height
    births = Counter(source["birthDate"].str.slice(0, 7).to_list())
    assert births == Counter(
        f"{y:04d}-{m:02d}"
        for y, m in zip(
            person.column("year_of_birth").to_pylist(),
            person.column("month_of_birth").to_pylist(),
            strict=True,
        )
    )
    died = source["deceasedDateTime"].drop_nulls().str.slice(0, 10).sort().to_list()
    deaths = ndjson.parts[NORTH].tables["death"].column("death_date").to_pylist()
    assert sorted(day.isoformat() for day in deaths) == died


def test_charges_add_up_to_the_source(folder: Path, ndjson: Prepared) -> None:
    total = Decimal(0)
    with gzip.open(folder / "ndjson" / "ExplanationOfBenefit.ndjson.gz") as file:
        for line in file:
            total += json.loads(line, parse_float=Decimal)["total"][0]["amount"]["value"]
    charged = rows(ndjson, "cost").column("total_charge").to_pylist()
    assert sum(map(Decimal, charged)) == total


def test_resources_without_a_table_are_set_aside_and_counted(
    folder: Path, ndjson: Prepared
) -> None:
    kinds = ("Claim", "CarePlan", "DiagnosticReport", "Goal", "Organization", "Practitioner")
    for kind in (*kinds, "ImagingStudy"):
        counted = duckdb.sql(f"SELECT count(*) FROM {lines(folder, kind)}").fetchall()
        assert counted == [(ndjson.set_aside[kind, "no-table"],)]
    even(ndjson)
    assert ndjson.findings == ()


def test_visits_of_one_class_resolve(ndjson: Prepared) -> None:
    """Each condition's visit is a visit that went to the same body; tests the key per class."""
    tables = ndjson.parts[NORTH].tables
    known = set(tables["visit_occurrence"].column("visit_ref").to_pylist())
    for table in ("condition_occurrence", "drug_exposure"):
        assert set(tables[table].column("visit_ref").to_pylist()) <= known
    elsewhere = ndjson.parts[SOUTH].tables["measurement"].column("visit_ref").to_pylist()
    assert not known & set(elsewhere)


def test_bundles_and_ndjson_of_the_same_patients_give_the_same_content(
    ndjson: Prepared, bundles: Prepared
) -> None:
    for body in (NORTH, SOUTH):
        one, other = ndjson.parts[body], bundles.parts[body]
        assert {t: r.num_rows for t, r in one.tables.items()} == {
            t: r.num_rows for t, r in other.tables.items()
        }
        assert sorted(persons_content(one.tables)) == sorted(persons_content(other.tables))
        assert len(one.identities) == len(other.identities) == 48
    even(bundles)


def test_an_organization_that_stands_in_many_bundles_counts_once(bundles: Prepared) -> None:
    line = next(x for x in bundles.balance if x.record_type == "Organization")
    assert (line.read, line.set_aside, line.superseded) == (68, 42, 26)


def test_a_bulk_export_folder_with_its_log_and_missing_files_is_read(testdata: Path) -> None:
    files = sorted((testdata / "bulk-fhir-10-patients").glob("*.gz"))
    one = prepared(files)
    even(one)
    for path in files:
        kind = path.name.partition(".")[0]
        with gzip.open(path) as file:
            count = sum(1 for _ in file)
        assert one.read["unreadable" if kind == "log" else kind] == count
    assert {f.file for f in one.findings} == {"log.ndjson.gz"}
    assert {f.code for f in one.findings} == {"fhir.no-type"}
    assert one.set_aside["DocumentReference", "no-table"] == 1215  # notes never leave
    assert len(one.parts[NORTH].identities) == 13


@pytest.fixture(scope="module")
def clins(testdata: Path) -> Prepared:
    files = sorted((testdata / "jp-clins-examples").glob("*.json"))
    return prepared(files, "fhir-bundle")


class TestJpClins:
    """61 official examples, some with errors on purpose, some without what a table needs."""

    def test_all_is_accounted_for(self, clins: Prepared) -> None:
        even(clins)
        assert sum(clins.read.values()) == 94

    def test_full_width_insured_numbers_make_one_person(self, clins: Prepared) -> None:
        """``…:１８７:05`` is in most files; one bundle has 枝番 01: another person."""
        assert len(clins.parts[NORTH].identities) == 2

    def test_a_laboratory_value_is_named_by_its_national_code(self, clins: Prepared) -> None:
        measured = clins.parts[SOUTH].tables["measurement"]
        found = set(measured.column("measurement_source_value").to_pylist())
        assert "3H015000002326101" in found
        assert not any(code.startswith("00001") for code in found)

    def test_prescribed_days_and_amounts_are_read(self, clins: Prepared) -> None:
        drugs = clins.parts[NORTH].tables["drug_exposure"].to_pylist()
        assert ("28", 28) in {(d["quantity"], d["days_supply"]) for d in drugs}
        ended = [d for d in drugs if d["days_supply"] == 28]
        span = ended[0]["drug_exposure_end_date"] - ended[0]["drug_exposure_start_date"]
        assert span.days == 27

    def test_free_text_findings_never_leave(self, clins: Prepared) -> None:
        assert ("Observation", "only-free-text") in clins.set_aside
        for part in clins.parts.values():
            assert all("圧痛" not in str(table.to_pydict()) for table in part.tables.values())

    def test_a_record_without_a_date_is_told_by_file_and_line(self, clins: Prepared) -> None:
        told = {(f.file, f.code) for f in clins.findings}
        assert ("Condition-Example-JP-Condition-eCS-ABDPAIN.json", "date.missing") in told
        assert all(f.line > 0 for f in clins.findings)
