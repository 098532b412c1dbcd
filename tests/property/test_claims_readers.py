"""Whatever is in a file of receipts, of the DPC survey or of a CDM, nothing crashes or is lost."""

from __future__ import annotations

import tempfile
import zipfile
from collections import Counter
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sekisho.common.errors import UserError
from sekisho.common.randomness import seeded
from sekisho.provider import Limits, Profile, Record, prepare, read
from submissions import KEY, TWO_BODIES, classify, even

LIMITS = Limits(line_bytes=5_000, receipt_lines=40, batch_units=1)
HERE = Profile(institution="1310000001")
quick = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def settled(data: bytes, name: str, format_id: str) -> None:
    """Assert that the file is read without a crash and that every record has one fate."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        records = [x for x in read(format_id, [path], LIMITS) if isinstance(x, Record)]
        try:
            one = prepare(
                [path], format_id, classify, KEY, TWO_BODIES, seeded(1), None, LIMITS, HERE
            )
        except UserError as error:
            if error.code != "submission.nothing-readable":
                raise
            return
    even(one)
    assert one.read == Counter(record.record_type for record in records)


def noisy(lines: Sequence[str], noise: bytes, place: int, encoding: str) -> bytes:
    data = "\r\n".join(lines).encode(encoding, "replace")
    return data[:place] + noise + data[place:]


cell = st.sampled_from(
    ["", "0", "1", "２", "20260303", "50803", "620000001", "160000310", "x", '"']
)
KINDS = ("RE", "HO", "KO", "SN", "JD", "MF", "SY", "SI", "IY", "TO", "CO", "SJ", "HS", "SS", "SH",
         "CZ", "KI", "BU", "SB", "CD", "GO", "MN", "IR", "YK", "ZZ")  # fmt: skip
kinds = st.sampled_from(KINDS)
receipt_lines = st.builds(
    lambda kind, cells: ",".join([kind, *cells]), kinds, st.lists(cell, max_size=80)
)
heads = [
    "RE,1,1112,202603,x,1,19500401,,,,,,,K1",
    "RE,1,3112,202603,x,1,19500401,,,20260302,2",
    "HO,06132013,12,345,1,100",
    "SN,1,01,,,,01,,",
]


@quick
@given(
    st.sampled_from(
        [
            "IR,1,13,1,1234567,,X,202604",
            "IR,1,13,3,1234567,,202604",
            "YK,1,13,4,1234567,X,202604",
            "IR,1,13,6,1234567,,X,202604",
        ]
    ),
    st.lists(receipt_lines | st.sampled_from(heads), max_size=25),
    st.booleans(),
    st.binary(max_size=10),
    st.integers(0, 300),
)
def test_any_family_of_receipts_is_read_and_balanced(
    header: str, lines: list[str], returned: bool, noise: bytes, place: int
) -> None:
    whole = [header, *heads[:1], *heads[2:], *lines]
    if returned:
        whole = [f"1,{n},00,{line}" for n, line in enumerate(whole, 1)]
    settled(noisy(whole, noise, place, "cp932"), "a.UKE", "uke")


good_act = [
    "131234567",
    "0000000697",
    "20260310",
    "20260302",
    "33",
    "0001",
    "001",
    "A",
    "620000001",
]
survey_lines = st.builds(
    lambda start, cells, width: "\t".join(([*good_act[:start], *cells] + ["1"] * 40)[:width]),
    st.integers(0, 9),
    st.lists(cell, max_size=31),
    st.sampled_from([31, 30, 17, 16, 1]),
)


@quick
@given(st.lists(survey_lines, max_size=20), st.binary(max_size=10), st.integers(0, 300))
def test_any_survey_file_is_read_and_balanced(lines: list[str], noise: bytes, place: int) -> None:
    settled(noisy(lines, noise, place, "cp932"), "EFn.txt", "dpc-ef")


HEADINGS = {
    "person": "person_id,gender_concept_id,year_of_birth,month_of_birth",
    "measurement": "measurement_id,person_id,measurement_concept_id,measurement_date,"
    "value_as_number,visit_occurrence_id",
    "cost": "cost_id,cost_event_id",
    "someone": "a,b",
}
table_cell = st.sampled_from(
    [
        "",
        "0",
        "7",
        "-1.50",
        "1e400",
        "NaN",
        "2026-03-02",
        "2026-02-30",
        "x",
        '"',
        '"a\n,b"',
        "カナリア",
    ]
)
table_lines = st.lists(table_cell, max_size=7).map(",".join)


@quick
@given(
    st.sampled_from(sorted(HEADINGS)),
    st.lists(table_lines, max_size=15),
    st.booleans(),
    st.binary(max_size=10),
    st.integers(0, 300),
)
def test_any_table_of_a_cdm_is_read_and_balanced(
    name: str, lines: list[str], packed: bool, noise: bytes, place: int
) -> None:
    data = noisy([HEADINGS[name], *lines], noise, place, "utf-8")
    if packed:
        whole = BytesIO()
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{name}.csv", data)
            archive.writestr(f"__MACOSX/._{name}.csv", b"\0")
        settled(whole.getvalue(), "cdm.zip", "omop-csv")
    else:
        settled(data, f"{name}.csv", "omop-csv")


LAYOUT = Path(__file__).parents[1] / "layouts" / "synthea.toml"
OBSERVATIONS = "DATE,PATIENT,ENCOUNTER,CATEGORY,CODE,DESCRIPTION,VALUE,UNITS,TYPE"
CARE = st.sampled_from(["2", "7131", "01", "02", "202603", "138057", "0000012345", "", "x", '"'])


@quick
@given(
    st.lists(table_lines, max_size=15), st.booleans(), st.binary(max_size=10), st.integers(0, 99)
)
def test_any_table_of_a_layout_is_read_and_balanced(
    lines: list[str], named: bool, noise: bytes, place: int
) -> None:
    whole = [OBSERVATIONS, *lines] if named else lines
    settled(noisy(whole, noise, place, "utf-8"), "observations.csv", f"table:{LAYOUT}")


@quick
@given(
    st.lists(st.lists(CARE, max_size=18).map(",".join), max_size=15),
    st.binary(max_size=10),
    st.integers(0, 99),
)
def test_any_care_claim_is_read_and_balanced(lines: list[str], noise: bytes, place: int) -> None:
    start = ["2,1,7131,01,202603,1370000001,138057,0000012345,,,,,,,19400401,2,22"]
    settled(noisy([*start, *lines], noise, place, "cp932"), "care.csv", "table:care-claims")
