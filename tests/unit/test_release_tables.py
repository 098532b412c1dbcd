"""Collector and trusted builder: what hostile code wrote is parsed strictly and counted here."""

from __future__ import annotations

import io
import os
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sekisho.common.errors import Refusal
from sekisho.data.analysis.study import Output, StudyPackage, Title
from sekisho.data.release import Caps, build, collect, count_outputs

IDS = pa.array(range(1, 101), pa.int64())


def output(*dimensions: str, **more: object) -> Output:
    values: dict[str, object] = {
        "name": "out",
        "type": "table",
        "source": "people",
        "dimensions": dimensions,
        "measure": "persons",
        "purpose": "test",
        **more,
    }
    return Output(**values)  # type: ignore[arg-type]


def study(*outputs: Output) -> StudyPackage:
    title = Title("調べ", "Study")
    return StudyPackage("s", title, "python", "main.py", ("person",), 1, outputs)


def parquet(table: pa.Table, **options: object) -> bytes:
    target = io.BytesIO()
    pq.write_table(table, target, **options)
    return target.getvalue()


PEOPLE = pa.table({"person_id": list(range(1, 41)), "sex": ["F"] * 25 + ["M"] * 15})


def test_parquet_and_csv_give_the_same_released_bytes(tmp_path: Path) -> None:
    for suffix, content in (
        ("parquet", parquet(PEOPLE)),
        (
            "csv",
            (
                "person_id,sex\n"
                + "".join(f"{p},{s}\n" for p, s in zip(*PEOPLE.to_pydict().values(), strict=True))
            ).encode(),
        ),
    ):
        folder = tmp_path / suffix
        folder.mkdir()
        (folder / f"people.{suffix}").write_bytes(content)
        (folder / "more.csv").write_text("x")
        collected = collect(folder, study(output("sex")))
        assert collected.ignored == 1
        made = build(output("sex"), collected.tables["people"], IDS)
        assert made.bytes == b"sex,persons\nF,25\nM,15\n"


def test_codes_with_leading_zeros_stay_as_written(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("person_id,code\n1,010\n2,10\n3,1e5\n4,true\n5,\n")
    table = collect(tmp_path, study(output("code"))).tables["people"]
    labels = build(output("code"), table, IDS).levels
    assert labels == (("010", "10", "1e5", "true", "(missing)"),)


def bomb() -> bytes:
    return parquet(pa.table({"person_id": [1] * 3_000_000, "sex": ["F" * 30] * 3_000_000}))


BAD: dict[str, tuple[str, bytes, str]] = {
    "missing": ("other.csv", b"x", "collector.table"),
    "not parquet": ("people.parquet", b"PAR1" + b"x" * 100 + b"PAR1", "collector.unreadable"),
    "cut parquet": ("people.parquet", parquet(PEOPLE)[:-20], "collector.unreadable"),
    "empty": ("people.parquet", b"", "collector.unreadable"),
    "parquet bomb": ("people.parquet", bomb(), "collector.too-large"),
    "csv with many columns": ("people.csv", b"," * 5000 + b"\n", "collector.too-large"),
    "csv with many rows": (
        "people.csv",
        b"person_id,sex\n" + b"1,F\n" * 200_000,
        "collector.too-large",
    ),
    "large file": ("people.csv", b"x" * 2_000_000, "collector.file"),
    "csv with NUL": ("people.csv", b"person_id,sex\n1,\0\n", "collector.unreadable"),
    "csv in another encoding": (
        "people.csv",
        "person_id,sex\n1,男\n".encode("cp932"),
        "collector.unreadable",
    ),
    "csv with a doubled column": ("people.csv", b"person_id,sex,sex\n1,F,M\n", "collector.column"),
    "csv without person_id": ("people.csv", b"id,sex\n1,F\n", "collector.column"),
    "csv with a text as person_id": (
        "people.csv",
        b"person_id,sex\nE11-secret,F\n",
        "collector.unreadable",
    ),
    "csv with a ragged row": ("people.csv", b"person_id,sex\n1,F,extra\n", "collector.unreadable"),
    "nested parquet": (
        "people.parquet",
        parquet(pa.table({"person_id": [1], "sex": [["F"]]})),
        "collector.nested",
    ),
    "parquet without the dimension": (
        "people.parquet",
        parquet(pa.table({"person_id": [1]})),
        "collector.column",
    ),
}
TIGHT = Caps(file_bytes=1_000_000, table_bytes=20_000_000, rows=100_000, columns=64)


@pytest.mark.parametrize(("name", "content", "code"), BAD.values(), ids=BAD.keys())
def test_what_is_not_a_plain_table_is_refused_without_a_value(
    tmp_path: Path, name: str, content: bytes, code: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Refusal) as caught:
        collect(tmp_path, study(output("sex")), TIGHT)
    assert caught.value.code == code
    assert "secret" not in str(caught.value)


def test_a_lying_footer_does_not_get_past_the_caps(tmp_path: Path) -> None:
    """The sizes that a file states of itself are not believed: what comes out is measured."""
    content = bomb()
    (tmp_path / "people.parquet").write_bytes(content)
    caps = Caps(file_bytes=10**9, table_bytes=10**8, rows=10**9)
    meta = pq.ParquetFile(io.BytesIO(content)).metadata
    stated = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
    assert stated < caps.table_bytes  # dictionaries make the stated size small
    with pytest.raises(Refusal, match="larger than allowed"):
        collect(tmp_path, study(output("sex")), caps)


@pytest.mark.parametrize("make", ["symlink", "hard link", "fifo", "folder", "twice"])
def test_only_one_plain_file_is_read(tmp_path: Path, make: str) -> None:
    secret = tmp_path / "secret.parquet"
    secret.write_bytes(parquet(PEOPLE))
    out = tmp_path / "out"
    out.mkdir()
    target = out / "people.parquet"
    if make == "symlink":
        target.symlink_to(secret)
    elif make == "hard link":
        target.hardlink_to(secret)
    elif make == "fifo":
        os.mkfifo(target)
    elif make == "folder":
        target.mkdir()
    else:
        target.write_bytes(parquet(PEOPLE))
        (out / "people.csv").write_text("person_id,sex\n1,F\n")
    with pytest.raises(Refusal):
        collect(out, study(output("sex")))


def test_persons_are_counted_once_whatever_the_study_repeats() -> None:
    table = pa.concat_tables([PEOPLE, PEOPLE, PEOPLE.slice(3, 9)])
    assert build(output("sex"), table, IDS).bytes == b"sex,persons\nF,25\nM,15\n"


def test_a_person_with_two_values_is_refused() -> None:
    table = pa.concat_tables([PEOPLE, pa.table({"person_id": [1], "sex": ["M"]})])
    with pytest.raises(Refusal) as caught:
        build(output("sex"), table, IDS)
    assert caught.value.code == "builder.person-twice"
    assert build(output(), table, IDS).counts == (40,)


@pytest.mark.parametrize(
    "ids",
    [
        pa.array([1, 2, 101]),
        pa.array([1, None, 3]),
        pa.array([1.0, 2.0, 3.0]),
        pa.array(["1", "2", "3"]),
        pa.array([2**64 - 1, 1, 2], pa.uint64()),
        pa.array([-1, 1, 2]),
    ],
    ids=["invented", "none", "floats", "texts", "too large", "negative"],
)
def test_a_forged_person_id_is_refused(ids: pa.Array) -> None:
    with pytest.raises(Refusal, match="person_id"):
        build(output("sex"), pa.table({"person_id": ids, "sex": ["F"] * 3}), IDS)


def test_all_combinations_of_levels_are_there_and_empty_ones_are_zero() -> None:
    table = pa.table({"person_id": [1, 2, 3], "a": ["x", "x", "y"], "b": [1, 2, 2]})
    assert build(output("a", "b"), table, IDS).bytes == (
        b"a,b,persons\nx,1,1\nx,2,1\ny,1,0\ny,2,1\n"
    )


def test_declared_levels_keep_their_order_and_show_zero() -> None:
    declared = output("sex", levels={"sex": ("M", "F", "other")})
    assert build(declared, PEOPLE, IDS).bytes == b"sex,persons\nM,15\nF,25\nother,0\n"
    with pytest.raises(Refusal) as caught:
        build(output("sex", levels={"sex": ("M",)}), PEOPLE, IDS)
    assert caught.value.code == "builder.undeclared-level"


def test_levels_are_ordered_by_value_and_not_by_text() -> None:
    table = pa.table(
        {
            "person_id": [1, 2, 3, 4],
            "n": [10, 9, -1, None],
            "d": [date(2020, 2, 1), date(2019, 12, 31), None, date(2020, 1, 1)],
            "b": [True, False, None, True],
        }
    )
    made = build(output("n"), table, IDS)
    assert made.levels == (("-1", "9", "10", "(missing)"),)
    assert build(output("d"), table, IDS).levels[0][0] == "2019-12-31"
    assert build(output("b"), table, IDS).levels == (("false", "true", "(missing)"),)


@pytest.mark.parametrize(
    "text",
    [
        "=HYPERLINK('x')",
        "+1+1",
        "@SUM(A1)",
        "-cmd",
        "",
        " x",
        "x\n",
        "x\0",
        "a\u202eb",
        "か\u3099",
        "x" * 65,
        "-",
        "(missing)",
        "(small)",
    ],
)
def test_a_text_that_cannot_be_a_label_is_refused_and_not_repeated(text: str) -> None:
    table = pa.table({"person_id": [1], "sex": [text]})
    with pytest.raises(Refusal) as caught:
        build(output("sex"), table, IDS)
    assert caught.value.code == "builder.label"
    if len(text) > 2 and not text.startswith("("):
        assert text not in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [[1.5], [datetime(2020, 1, 1)], [b"x"], [{"a": 1}]],
    ids=["float", "time", "bytes", "struct"],
)
def test_a_dimension_has_one_of_four_types(values: list[object]) -> None:
    with pytest.raises(Refusal) as caught:
        build(output("sex"), pa.table({"person_id": [1], "sex": values}), IDS)
    assert caught.value.code == "builder.dimension-type"


def test_person_ids_hidden_in_a_dimension_are_too_many_levels() -> None:
    ids = pa.array(range(1000))
    table = pa.table({"person_id": ids, "sex": ids})
    with pytest.raises(Refusal) as caught:
        build(output("sex"), table, ids)
    assert caught.value.code == "builder.too-many-levels"
    wide = pa.table(
        {"person_id": ids, "a": [n % 200 for n in range(1000)], "b": [n % 199 for n in range(1000)]}
    )
    with pytest.raises(Refusal) as caught:
        build(output("a", "b"), wide, ids)
    assert caught.value.code == "builder.too-many-cells"


def test_outputs_are_counted_against_the_projects_own_persons(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "out").mkdir()
    pq.write_table(PEOPLE, tmp_path / "data" / "person.parquet")
    pq.write_table(PEOPLE, tmp_path / "out" / "people.parquet")
    (made,) = count_outputs(study(output("sex")), tmp_path / "out", tmp_path / "data")
    assert made.counts == (25, 15)
    pq.write_table(PEOPLE.slice(1), tmp_path / "data" / "person.parquet")
    with pytest.raises(Refusal):
        count_outputs(study(output("sex")), tmp_path / "out", tmp_path / "data")
