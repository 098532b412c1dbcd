"""What a submission holds in memory: a bounded share of the rows, and nothing after its end."""

from __future__ import annotations

import stat
from pathlib import Path

import pyarrow as pa
import pytest

from sekisho.cdm import SLICES
from sekisho.common.errors import UserError
from sekisho.provider import Limits, columns, prepare
from sekisho.provider.records import Shape
from sekisho.provider.scratch import Scratch
from sekisho.provider.units import Units
from submissions import (
    KEY,
    NORTH,
    SOUTH,
    TWO_BODIES,
    classify,
    condition,
    laboratory,
    ndjson,
    patient,
    prepared,
    seeded,
)

SMALL = Limits(table_bytes=1)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "_BATCH", 16)


@pytest.fixture
def two_files(tmp_path: Path) -> list[Path]:
    """The second file sends some records of the first again, and a person nobody knows."""
    first = [patient(n) for n in range(9)]
    first += [condition(n, n % 9) for n in range(150)] + [laboratory(n, n % 9) for n in range(70)]
    second = [condition(n, 1) for n in range(140, 200)] + [condition(900, 77)]
    return [ndjson(tmp_path / "a.ndjson", *first), ndjson(tmp_path / "b.ndjson", *second)]


def test_rows_that_went_to_disk_are_the_rows_that_stayed_in_memory(
    two_files: list[Path],
) -> None:
    inside, outside = prepared(two_files), prepared(two_files, limits=SMALL)
    assert outside.parts[NORTH].tables["condition_occurrence"].num_rows == 200
    for body in (NORTH, SOUTH):
        assert dict(inside.parts[body].tables) == dict(outside.parts[body].tables)
    assert (inside.balance, inside.findings) == (outside.balance, outside.findings)


def test_rows_leave_in_order_of_source_id_a_record_in_one_batch(
    two_files: list[Path],
) -> None:
    part = prepared(two_files, limits=SMALL).parts[NORTH]
    batches = list(part.tables.rows["condition_occurrence"].batches())
    assert len(batches) > 10
    names = [name for batch in batches for name in batch["source_id"].to_pylist()]
    assert names == sorted(names)
    turned = prepared(two_files[::-1], limits=SMALL).parts[NORTH]
    again = turned.tables["condition_occurrence"]["source_id"].to_pylist()
    assert again == names


@pytest.mark.parametrize("limits", [Limits(), SMALL])
def test_rows_that_are_sorted_in_parts_are_the_same_in_the_same_order(
    two_files: list[Path], limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = dict(prepared(two_files).parts[NORTH].tables)
    monkeypatch.setattr(columns, "AT_ONCE_BYTES", 2_000)
    part = prepared(two_files, limits=limits).parts[NORTH]
    assert len(list(part.tables.rows["condition_occurrence"].batches())) > 10
    assert dict(part.tables) == whole


def test_what_lies_on_disk_is_its_owners_alone_and_gone_at_the_end(
    two_files: list[Path], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with prepare(
        two_files, "fhir-ndjson", classify, KEY, TWO_BODIES, seeded(1), limits=SMALL, home=home
    ) as made:
        assert made.parts[NORTH].tables["person"].num_rows == 9
        (folder,) = home.iterdir()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert list(folder.iterdir())
    assert not list(home.iterdir())


def test_what_lies_on_disk_is_gone_after_an_error_too(
    two_files: list[Path], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()

    def stop(files: int, records: int) -> None:
        if files == 2:
            assert list(home.iterdir()), "nothing was on disk"
            raise UserError("test.stop", "It ends here.")

    with pytest.raises(UserError, match="ends here"):
        prepare(
            two_files,
            "fhir-ndjson",
            classify,
            KEY,
            TWO_BODIES,
            seeded(1),
            stop,
            SMALL,
            home=home,
        )
    assert not list(home.iterdir())


def test_a_folder_nobody_asks_for_is_not_made(tmp_path: Path) -> None:
    Scratch(tmp_path).close()
    assert not list(tmp_path.iterdir())


def test_units_are_found_again_in_whichever_slice_they_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sekisho.provider.units._AT_ONCE", 7)
    monkeypatch.setattr("sekisho.provider.long_columns.PIECE", 9)
    units = Units(Scratch(tmp_path).file)
    units.extend((str(number % 150) for number in range(200)), range(200))
    assert sorted(units.replaced()) == list(range(50))


def test_a_table_is_cut_where_its_rows_were_sorted(tmp_path: Path) -> None:
    store = columns.Columns("death", Scratch(tmp_path), 1)
    shape = Shape("death", (), {})
    for number in range(500):
        name = f"{number * 2654435761 % 2**32:032x}"[::-1]
        store.add(shape, [(0, number, name, None, "k", "basic", "R")])
    slices = list(store.finished().slices(cut=True))
    assert len(slices) == SLICES
    assert pa.concat_tables(slices).num_rows == 500
    assert len({name[:2] for one in slices[1:2] for name in one["source_id"].to_pylist()}) <= 4
