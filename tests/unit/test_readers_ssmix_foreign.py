"""A storage that nobody here wrote, counted straight from its lines."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sekisho.common.errors import UserError
from sekisho.provider import Prepared, Profile
from sekisho.pseudonym.identifiers import JP_LOCAL
from ssmix_files import INSTITUTION, sent
from submissions import NORTH, SOUTH, even


@pytest.fixture(scope="module")
def storage(testdata: Path) -> Path:
    return testdata / "ssmix2" / "standard_root"


@pytest.fixture(scope="module")
def one(storage: Path, root: Path) -> Prepared:
    return sent(storage, kinds=root / "rules" / "data-kinds.toml")


def lines(path: Path) -> list[list[str]]:
    """Return the fields of the file's segments by a plain split."""
    text = path.read_bytes().decode("iso2022_jp", "replace")
    return [line.split("|") for line in text.split("\r") if line.strip()]


def sound(storage: Path) -> list[Path]:
    """Return the files whose folders, name and PID-3 agree."""
    found = []
    for path in sorted(p for p in storage.rglob("*") if p.is_file()):
        patient, day, kind = path.parts[-4:-1]
        pid = [f[3].split("^")[0] for f in lines(path) if f[0] == "PID" and len(f) > 3]
        if path.name.startswith(f"{patient}_{day}_{kind}_") and pid == [patient]:
            found.append(path)
    return found


def test_every_file_is_counted_and_the_balance_is_even(storage: Path, one: Prepared) -> None:
    even(one)
    files = [p for p in storage.rglob("*") if p.is_file()]
    assert len(files) == 22
    assert len(one.findings) == len(files) - len(sound(storage)) == 13


def test_a_file_whose_patient_is_in_doubt_is_refused_with_the_reason(one: Prepared) -> None:
    reasons = {(f.record_type, f.code) for f in one.findings}
    assert {("PPR-01", "ssmix.patient"), ("OML-11", "ssmix.patient")} <= reasons
    assert ("unreadable", "ssmix.misplaced") in reasons
    assert Counter(f.code for f in one.findings) == {"ssmix.patient": 12, "ssmix.misplaced": 1}


def test_each_drug_ordered_or_given_is_one_row(storage: Path, one: Prepared) -> None:
    expected: Counter[tuple[str, str]] = Counter()
    for path in sound(storage):
        kind, segments = path.parent.name, lines(path)
        if not kind.startswith("OMP"):
            continue
        mixed = any(f[0] == "RXC" for f in segments)
        code = {"RXA": 5, "RXC": 2} if mixed else {"RXA": 5, "RXE": 2}
        for fields in segments:
            if fields[0] in code:
                expected[kind, fields[code[fields[0]]].split("^")[0]] += 1
    made = [
        row
        for part in one.parts.values()
        if "drug_exposure" in part.tables
        for row in part.tables["drug_exposure"].to_pylist()
    ]
    assert Counter((r["record_type"], r["drug_source_value"]) for r in made) == expected
    assert sum(expected.values()) == 13


def test_a_prescription_has_its_days_and_amount(one: Prepared) -> None:
    rows = one.parts[NORTH].tables["drug_exposure"].to_pylist()
    ordered = {r["drug_source_value"]: r for r in rows if r["record_type"] == "OMP-01"}
    assert {code: (r["days_supply"], r["quantity"]) for code, r in ordered.items()} == {
        "108665201": (5, "15"),
        "110626901": (5, "30"),
        "100607002": (14, "1400"),
    }
    for r in ordered.values():
        assert (r["drug_exposure_end_date"] - r["drug_exposure_start_date"]).days + 1 == r[
            "days_supply"
        ]


def test_values_of_the_basic_record_are_measurements(storage: Path, one: Prepared) -> None:
    path = next(p for p in sound(storage) if p.parent.name == "ADT-00")
    expected = {
        (f[3].split("^")[0], f[5].split("^")[0] if f[2] != "NM" else None)
        for f in lines(path)
        if f[0] == "OBX"
    }
    rows = one.parts[SOUTH].tables["measurement"].to_pylist()
    assert {(r["measurement_source_value"], r["value_source_value"]) for r in rows} == expected
    assert sorted(r["value_as_number"] for r in rows if r["value_as_number"]) == ["167.8", "63.5"]


def test_a_patient_without_an_insured_number_is_the_hospitals_own(one: Prepared) -> None:
    keys = {key for part in one.parts.values() for _, key in part.identities}
    assert {(key.system, key.value, key.method) for key in keys} == {
        (f"{JP_LOCAL}{INSTITUTION}", "9999013", "local")
    }


def test_without_the_institution_a_local_number_ties_nothing(storage: Path, root: Path) -> None:
    with pytest.raises(UserError, match="Nothing in the files"):
        sent(storage, kinds=root / "rules" / "data-kinds.toml", profile=Profile())
