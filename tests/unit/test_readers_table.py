"""Tables by a declared layout: foreign files, the shipped layout, what a layout may not say."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sekisho.common.errors import UserError
from sekisho.common.randomness import seeded
from sekisho.framework.kinds import load_kinds
from sekisho.provider import Prepared, Profile, described_names, format_of, prepare
from sekisho.provider.readers.table_layout import load_layout
from submissions import KEY, SOUTH, TWO_BODIES, classify, codes, even

LAYOUT = Path(__file__).parents[1] / "layouts" / "synthea.toml"
HERE = Profile(institution="1310000001")


def read(format_id: str, paths: Sequence[Path]) -> Prepared:
    one = prepare(paths, format_id, classify, KEY, TWO_BODIES, seeded(1), profile=HERE)
    even(one)
    return one


def rows(one: Prepared, table: str) -> list[dict[str, Any]]:
    return one.parts[SOUTH].tables[table].to_pylist()


# ------------------------------------------------------------------------------ foreign files

NAMES = ("patients", "encounters", "conditions", "observations", "supplies", "payers")


@pytest.fixture(scope="module")
def source(testdata: Path) -> dict[str, list[dict[str, str]]]:
    made = {}
    for name in NAMES:
        with (testdata / "synthea-csv" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            made[name] = list(csv.DictReader(file))
    return made


@pytest.fixture(scope="module")
def one(testdata: Path) -> Prepared:
    return read(f"table:{LAYOUT}", [testdata / "synthea-csv" / f"{name}.csv" for name in NAMES])


def test_every_line_is_in_the_balance_and_undescribed_files_are_set_aside(
    source: dict[str, list[dict[str, str]]], one: Prepared
) -> None:
    expected = {name: len(lines) for name, lines in source.items()}
    expected["other"] = expected.pop("payers")
    assert one.read == expected
    assert one.findings == ()
    text = sum(line["TYPE"] != "numeric" for line in source["observations"])
    assert one.set_aside == {
        ("observations", "no-table"): text,
        ("other", "unknown-type"): expected["other"],
    }


def test_persons_are_those_of_their_number_wherever_they_are_spoken_of(
    source: dict[str, list[dict[str, str]]], one: Prepared
) -> None:
    numbers = {line["SSN"].replace("-", "") for line in source["patients"]}
    assert {key.value for _, key in one.parts[SOUTH].identities} == numbers
    births = {p["tag"]: p["year_of_birth"] for p in rows(one, "person")}
    expected = Counter(
        next(p["BIRTHDATE"][:4] for p in source["patients"] if p["Id"] == line["PATIENT"])
        for line in source["conditions"]
    )
    told = Counter(str(births[c["tag"]]) for c in rows(one, "condition_occurrence"))
    assert told == expected


def test_values_dates_and_codes_are_those_of_the_file(
    source: dict[str, list[dict[str, str]]], one: Prepared
) -> None:
    expected = Counter(
        (line["DATE"][:10], line["CODE"], Decimal(line["VALUE"]), line["UNITS"])
        for line in source["observations"]
        if line["TYPE"] == "numeric"
    )
    got = Counter(
        (
            m["measurement_date"].isoformat(),
            m["measurement_source_value"],
            Decimal(m["value_as_number"]),
            m["unit_source_value"],
        )
        for m in rows(one, "measurement")
    )
    assert got == expected
    deaths = {line["DEATHDATE"][:10] for line in source["patients"] if line["DEATHDATE"]}
    assert {d["death_date"].isoformat() for d in rows(one, "death")} == deaths


def test_rows_belong_to_the_visit_that_the_file_names(
    source: dict[str, list[dict[str, str]]], one: Prepared
) -> None:
    starts = {line["Id"]: line["START"][:10] for line in source["encounters"]}
    expected = Counter(starts[line["ENCOUNTER"]] for line in source["conditions"])
    begun = {v["visit_ref"]: v["visit_start_date"].isoformat()
             for v in rows(one, "visit_occurrence")}  # fmt: skip
    assert Counter(begun[c["visit_ref"]] for c in rows(one, "condition_occurrence")) == expected


def test_no_name_or_address_of_the_file_leaves(
    source: dict[str, list[dict[str, str]]], one: Prepared
) -> None:
    held = "".join(str(t.to_pydict()) for t in one.parts[SOUTH].tables.values())
    for line in source["patients"]:
        for column in ("SSN", "LAST", "ADDRESS", "Id"):
            assert line[column] not in held


# -------------------------------------------------------------------------- the shipped layout

CARE = [
    "1,0,0,3,7131,,1370000001,00,1,202603",
    "2,1,7131,01,202603,1370000001,138057,0000012345,,,,,,,19400401,2,22,,",
    "2,2,7131,02,202603,1370000001,138057,0000012345,11,1111,404,8,0,0,0,3232",
    "2,3,7131,02,202603,1370000001,138057,0000012345,15,1241,658,4,0,0,0,2632",
    "2,4,7171,01,202603,1370000001,138057,0000012345",
    "3,5",
]


def test_a_care_claim_gives_person_level_and_services_and_says_that_it_is_experimental(
    tmp_path: Path,
) -> None:
    path = tmp_path / "care.csv"
    path.write_bytes("\r\n".join(CARE).encode("cp932"))
    assert described_names() == ["table:care-claims"]
    one = read("table:care-claims", [path])
    assert codes(one) == [(0, "table.experimental")]
    assert one.set_aside == {("other", "unknown-type"): 3}
    (person,), (level,) = rows(one, "person"), rows(one, "observation")
    assert (person["year_of_birth"], person["gender_concept_id"]) == (1940, 8532)
    assert level["value_source_value"] == "22"
    done = {(p["procedure_source_value"], p["quantity"]) for p in rows(one, "procedure_occurrence")}
    assert done == {("111111", 8), ("151241", 4)}
    assert {p["procedure_date"] for p in rows(one, "procedure_occurrence")} == {date(2026, 3, 1)}
    ((_, key),) = one.parts[SOUTH].identities
    assert key.method == "local"


def test_the_kind_of_a_described_format_is_a_rule(root: Path) -> None:
    kinds = load_kinds(root / "rules" / "data-kinds.toml")
    assert kinds.placed("table:care-claims", "claim-detail") == (("care", "additional"),)
    assert kinds.placed("table:unknown", "x") == ()


# ------------------------------------------------------------------------------ small layouts

SMALL = """
id = "ward"
source = "the hospital"
encoding = "{encoding}"
[[record]]
name = "meal"
person = ["番号"]
[record.identity]
system = "insured"
insurer = "保険者"
symbol = "記号"
number = "番"
birth = "生年月日"
sex = "性別"
[[record.row]]
table = "observation"
[record.row.columns]
observation_date = {{ columns = ["日"] }}
observation_source_value = {{ columns = ["食"], map = {{ "常食" = "regular" }} }}
"""
HEADINGS = "番号,保険者,記号,番,生年月日,性別,日,食\n"
LINES = HEADINGS + "1,06132013,１２,３４５,S25.4.1,女,令和8年3月2日,常食\n"


@pytest.mark.parametrize("encoding", ["utf-8", "cp932", "iso-2022-jp"])
def test_encodings_era_dates_and_insured_numbers_are_read(tmp_path: Path, encoding: str) -> None:
    layout, path = tmp_path / "ward.toml", tmp_path / "a.csv"
    layout.write_text(SMALL.format(encoding=encoding), "utf-8")
    path.write_bytes(LINES.encode(encoding))
    one = read(f"table:{layout}", [path])
    (meal,) = rows(one, "observation")
    assert (meal["observation_date"], meal["observation_source_value"]) == (
        date(2026, 3, 2),
        "regular",
    )
    ((_, key),) = one.parts[SOUTH].identities
    assert (key.method, key.birth_date) == ("direct", date(1950, 4, 1))


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("2,06132013,12,345,S25.4.1,女,2026-02-30,常食", "date.impossible"),
        ("2,06132013,12,345,S25.4.1,女,,常食", "date.missing"),
        ("2,06132013,12,345,S25.4.1,女,2026-03-02,粥", "table.code"),
        (",06132013,12,345,S25.4.1,女,2026-03-02,常食", "person.no-subject"),
        ("2,06132013,12", "table.columns"),
        ("2,x,12,345,S25.4.1,女,2026-03-02,常食", "person.identifier"),
    ],
)
def test_a_wrong_line_is_refused_alone(tmp_path: Path, line: str, code: str) -> None:
    layout, path = tmp_path / "ward.toml", tmp_path / "a.csv"
    layout.write_text(SMALL.format(encoding="utf-8"), "utf-8")
    path.write_text(f"{LINES}{line}\n", "utf-8")
    one = read(f"table:{layout}", [path])
    assert codes(one) == [(3, code)]
    assert len(rows(one, "observation")) == 1


def test_a_heading_that_is_not_there_refuses_the_file_with_the_reason(tmp_path: Path) -> None:
    layout, path = tmp_path / "ward.toml", tmp_path / "a.csv"
    layout.write_text(SMALL.format(encoding="utf-8"), "utf-8")
    path.write_text(LINES.replace("食", "食事", 1), "utf-8")
    with pytest.raises(UserError, match=r"table\.headings"):
        read(f"table:{layout}", [path])


ROW = """id = "x"
source = "y"
[[record]]
name = "r"
person = [1]
[[record.row]]
table = "{table}"
[record.row.columns]
{columns}
"""


@pytest.mark.parametrize(
    ("table", "columns", "said"),
    [
        ("meals", "a = { value = 1 }", "no table 'meals'"),
        ("death", "note = { value = 'x' }", "no column 'note'"),
        ("death", "death_type_concept_id = { value = 1 }", "death needs death_date"),
        ("death", "death_date = { value = '2026-01-01' }", "a day comes from a column"),
        ("death", "death_date = { }", "either columns or a value"),
        (
            "death",
            "death_date = { columns = [1] }\ndeath_type_concept_id = { value = 'x' }",
            "whole",
        ),
        ("person", "year_of_birth = { columns = [1], read = 'month-start' }", "gives a day"),
        ("person", "gender_source_value = { columns = [1], otherwise = 'x' }", "belongs to a map"),
        ("death", "death_date = { columns = [0] }", ">= 1"),
    ],
)
def test_a_layout_that_cannot_be_right_is_refused_with_its_line(
    tmp_path: Path, table: str, columns: str, said: str
) -> None:
    path = tmp_path / "x.toml"
    path.write_text(ROW.format(table=table, columns=columns), "utf-8")
    with pytest.raises(UserError, match=said) as caught:
        load_layout(path)
    assert "x.toml:" in str(caught.value)


def test_another_program_cannot_name_a_layout_file() -> None:
    assert format_of(f"table:{LAYOUT}").id == "table:synthea"
    with pytest.raises(UserError, match=r"format\.unknown"):
        format_of(f"table:{LAYOUT}", own_layouts=False)
    assert format_of("table:care-claims", own_layouts=False).id == "table:care-claims"
