"""Who is erased is gone from every file of the lake, whatever version or log it is in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lake_rows import condition, held, person
from sekisho.common.errors import Defect
from sekisho.common.randomness import seeded
from sekisho.data.lake import DuckEngine, Lake, Snapshot, erasing
from sekisho.data.lake.sql import Sql

ROWS = Sql("SELECT source_id, person_key FROM condition_occurrence ORDER BY 1")
A, B, C = "a1" * 48, "b2" * 48, "c3" * 48
"""Wrapped pseudonyms."""
BOTH = ("basic", "additional", "hard")


def two_versions(folder: Path) -> tuple[Lake, dict[str, str], list[Snapshot]]:
    """Two persons; the second submission sends one record of each again, and a new one."""
    lake = Lake(folder)
    keys = lake.keys_for([A, B], seeded(1))
    snapshots = []
    for batch in (1, 2):
        rows = {
            "person": held(
                "person", [person(k, f"patient-{w[:2]}") for w, k in keys.items()], batch
            ),
            "condition_occurrence": held(
                "condition_occurrence",
                [condition(k, f"rec-{w[:2]}-{n}.1") for w, k in keys.items() for n in range(batch)],
                batch,
            ),
        }
        snapshots.append(Snapshot(batch, lake.land(batch, f"s{batch}", rows)))
    return lake, keys, snapshots


def everything(folder: Path) -> Iterator[bytes]:
    """Every byte of a lake, Parquet also as it reads once decompressed; names of files too."""
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        yield file.relative_to(folder).as_posix().encode()
        yield file.read_bytes()
        if file.suffix == ".parquet":
            yield repr(pq.read_table(file).to_pylist()).encode()


def found(lake: Lake, *words: str) -> int:
    return sum(word.encode() in data for data in everything(lake.folder) for word in words)


def test_nothing_of_an_erased_person_is_in_any_byte_of_the_lake(tmp_path: Path) -> None:
    lake, keys, snapshots = two_versions(tmp_path)
    gone = (keys[A], "patient-a1", "rec-a1", A)
    stays = (keys[B], "patient-b2", "rec-b2")
    assert all(found(lake, word) for word in gone), "the search itself must be able to find"

    done = lake.erase("list:1", {A: BOTH}, snapshots[-1])

    assert found(lake, *gone) == 0
    assert all(found(lake, word) for word in stays)
    assert done is not None
    assert (done.persons, done.searched > 5) == (1, True)
    assert done.rows == {"person": 2, "condition_occurrence": 3}


def test_older_snapshots_reproduce_without_the_rows_and_say_so(tmp_path: Path) -> None:
    lake, keys, (first, second) = two_versions(tmp_path)
    for snapshot in (first, second):
        assert lake.erased_since(snapshot) == ()

    lake.erase("list:1", {A: BOTH}, second)

    for number, snapshot in enumerate((first, second)):
        with lake.reading(snapshot) as session:
            rows = session.fetch(ROWS).to_pylist()
        assert {row["person_key"] for row in rows} == {keys[B]}
        assert len(rows) == number + 1
        assert [one.persons for one in lake.erased_since(snapshot)] == [1]
    assert lake.erased_since(Snapshot(3, lake.head())) == ()
    assert lake.head() == second.versions


def test_the_log_reads_as_delta_lake_with_true_counts(tmp_path: Path) -> None:
    from deltalake import DeltaTable

    lake, _, snapshots = two_versions(tmp_path)
    lake.erase("list:1", {A: BOTH}, snapshots[-1])
    table = DeltaTable(str(tmp_path / "tables" / "condition_occurrence"))
    actions = pa.table(table.get_add_actions(flatten=True))
    assert sorted(actions["num_records"].to_pylist()) == [1, 2]
    assert table.to_pyarrow_table().num_rows == 3
    assert table.transaction_version("submission:s2") == 2


def test_one_class_goes_and_the_person_stays_known_for_the_other(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    key = lake.keys_for([A], seeded(1))[A]
    rows = [condition(key, "one.1"), condition(key, "two.1", data_class="additional")]
    versions = lake.land(1, "s", {"condition_occurrence": held("condition_occurrence", rows)})
    snapshot = Snapshot(1, versions)

    lake.erase("a", {A: ("additional",)}, snapshot)

    assert (found(lake, "two.1"), found(lake, "one.1") > 0) == (0, True)
    assert lake.known_keys([A]) == {A: key}


def test_asking_twice_tells_the_same_and_who_is_unknown_is_nothing(tmp_path: Path) -> None:
    lake, _, snapshots = two_versions(tmp_path)
    assert lake.erase("list:0", {C: BOTH}, snapshots[-1]) is None
    once = lake.erase("list:1", {A: BOTH}, snapshots[-1])
    again = lake.erase("list:1", {A: BOTH}, snapshots[-1])
    assert once is not None
    assert again is not None
    assert (once.persons, once.rows) == (again.persons, again.rows)
    assert lake.erase("list:2", {A: BOTH}, snapshots[-1]) is None


@pytest.mark.parametrize("survived", range(6))
def test_an_erasure_that_broke_off_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    """The crash comes after ``survived`` files were written or replaced."""
    lake, keys, snapshots = two_versions(tmp_path)
    done = 0
    write = erasing.write_atomically

    def crash(*args: object) -> None:
        nonlocal done
        if done == survived:
            raise KeyboardInterrupt
        done += 1
        write(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(erasing, "write_atomically", crash)
        try:
            lake.erase("list:1", {A: BOTH}, snapshots[-1])
        except KeyboardInterrupt:
            with lake.reading(snapshots[-1]) as session:
                assert session.fetch(ROWS).num_rows >= 2  # the others can still be read

    completed = lake.erase("list:1", {A: BOTH}, snapshots[-1])

    assert found(lake, keys[A], "patient-a1", "rec-a1") == 0
    assert completed is not None
    assert completed.rows == {"person": 2, "condition_occurrence": 3}


def test_checkpoints_of_the_log_go_with_an_erasure(tmp_path: Path) -> None:
    from deltalake import DeltaTable

    lake, keys, snapshots = two_versions(tmp_path)
    folder = tmp_path / "tables" / "person"
    DeltaTable(str(folder)).create_checkpoint()
    lake.erase("list:1", {A: BOTH}, snapshots[-1])
    assert not list((folder / "_delta_log").glob("*checkpoint*"))
    assert DeltaTable(str(folder)).to_pyarrow_table().num_rows == 2
    assert found(lake, keys[A]) == 0


def test_what_is_left_is_found_by_the_proof(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted fault: an erasure that spares the tables does not pass its own search."""
    lake, _, snapshots = two_versions(tmp_path)
    monkeypatch.setattr(erasing, "erase_rows", lambda *_: 0)
    with pytest.raises(Defect, match="still holds"):
        lake.erase("list:1", {A: BOTH}, snapshots[-1])


def test_a_new_record_under_an_old_name_keeps_its_note(tmp_path: Path) -> None:
    """A record that moved from one person to another still replaces the older one."""
    lake = Lake(tmp_path, DuckEngine())
    keys = lake.keys_for([A, B], seeded(1))
    for batch, who in ((1, A), (2, B)):
        rows = held("condition_occurrence", [condition(keys[who], "moved.1")], batch)
        snapshot = Snapshot(batch, lake.land(batch, f"s{batch}", {"condition_occurrence": rows}))
    lake.erase("a", {A: BOTH}, snapshot)
    with lake.reading(snapshot) as session:
        assert session.fetch(ROWS).to_pylist() == [{"source_id": "moved.1", "person_key": keys[B]}]
