"""Values that tell who a person is are taken out; codes and rare values stay."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from sekisho.common.errors import Refusal
from sekisho.data.processing import Rules, process, read_rules

CODED = "http://snomed.info/sct"


@pytest.fixture(scope="module")
def rules(root: Path) -> Rules:
    return read_rules(root / "rules" / "processing" / "pseudonymised.toml")


def measured(values: list[str | None], codes: list[str] | None = None) -> dict[str, pa.Table]:
    size = len(values)
    return {
        "measurement": pa.table(
            {
                "tag": [f"t{n}" for n in range(size)],
                "measurement_source_value": pa.array(codes or ["718-7"] * size, pa.string()),
                "measurement_source_system": pa.array(
                    [CODED if codes is None else None] * size, pa.string()
                ),
                "value_source_value": pa.array(values, pa.string()),
            }
        )
    }


# 123456789018: check digit computed by hand from the ordinance's formula.
@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("123456789018", "my-number"),
        ("個人番号 1234-5678-9018", "my-number"),
        ("１２３４５６７８９０１８", "my-number"),
        ("06132013:12:345:01", "insured-number"),
        ("06132013:１２・３:345", "insured-number"),
        ("記号 12 番号 345", "insured-symbol-number"),
        ("999-12-3456", "foreign-social-security"),
        ("call 03-1234-5678 please", "telephone"),
        ("090-1234-5678", "telephone"),
        ("０３－１２３４－５６７８", "telephone"),
        ("09012345678", "telephone-plain"),
        ("taro@example.jp", "e-mail"),
        ("https://example.jp/taro", "web-address"),
        ("3528b5de-9f60-a69a-ca36-d508f1f31852", "source-row-id"),
        ("長" * 121, "free-text"),
    ],
)
def test_telling_value_is_blanked_and_counted(rules: Rules, text: str, rule: str) -> None:
    done = process(measured(["(+)", text, None, text]), rules)
    assert done.tables["measurement"].column("value_source_value").to_pylist() == [
        "(+)",
        None,
        None,
        None,
    ]
    assert done.blanked == {rule: 2}


@pytest.mark.parametrize(
    "text",
    [
        "123456789017",
        "0.5",
        "1:80",
        "12.25",
        "2020-01-02",
        "20200102",
        "0123",
        "271649006",
        "A型",
        "a-123456789018",
    ],
)
def test_ordinary_value_stays(rules: Rules, text: str) -> None:
    done = process(measured([text]), rules)
    assert done.tables["measurement"].column("value_source_value").to_pylist() == [text]
    assert not done.blanked


def test_code_of_a_named_system_may_look_like_a_number(rules: Rules) -> None:
    """SNOMED CT has ids of twelve digits; one in eleven ends in a valid check digit."""
    coded = measured(["1"])["measurement"].set_column(
        1, "measurement_source_value", [["123456789018"]]
    )
    uncoded = measured(["1"], codes=["123456789018"])["measurement"]
    kept = process({"measurement": coded}, rules).tables["measurement"]
    gone = process({"measurement": uncoded}, rules).tables["measurement"]
    assert kept.column("measurement_source_value").to_pylist() == ["123456789018"]
    assert gone.column("measurement_source_value").to_pylist() == [None]


def test_column_that_is_not_of_the_table_is_refused(rules: Rules) -> None:
    with pytest.raises(Refusal, match="patient_name"):
        process({"person": pa.table({"tag": ["t"], "patient_name": ["x"]})}, rules)


def test_blanked_column_keeps_its_place_and_is_counted(rules: Rules) -> None:
    import msgspec

    from sekisho.data.processing.rules import ColumnRule

    blank = ColumnRule("measurement", "value_source_value", "blank", "this test")
    stricter = msgspec.structs.replace(rules, column=(*rules.column, blank))
    done = process(measured(["1", None]), stricter)
    assert done.tables["measurement"].column_names[-1] == "value_source_value"
    assert done.tables["measurement"].column("value_source_value").null_count == 2
    assert done.blanked == {"measurement.value_source_value": 1}
    assert done.rules != process(measured([]), rules).rules


def test_processing_twice_is_processing_once(rules: Rules) -> None:
    once = process(measured(["090-1234-5678", "5"]), rules)
    twice = process(once.tables, rules)
    assert twice.tables["measurement"].equals(once.tables["measurement"])
    assert not twice.blanked


def test_no_code_of_another_groups_records_is_taken_for_a_person(
    rules: Rules, testdata: Path
) -> None:
    """Codes and values of 28 patients in OMOP CDM 5.4, written by others."""
    archive = zipfile.ZipFile(testdata / "synthea-omop54" / "Synthea27Nj_5.4.zip")
    for table in ("measurement", "observation", "condition_occurrence", "drug_exposure"):
        with archive.open(f"{table.upper()}.csv") as file:
            rows = list(csv.DictReader(io.TextIOWrapper(file, "utf-8")))
        stem = table.split("_")[0]
        wanted = [f"{stem}_source_value", "value_source_value", "unit_source_value"]
        columns = [column for column in wanted if column in rows[0]]
        sent = pa.table({c: pa.array([r[c] or None for r in rows], pa.string()) for c in columns})
        done = process({table: sent}, rules)
        assert len(rows) > 300
        assert not done.blanked, (table, done.blanked)
