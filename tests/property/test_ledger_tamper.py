"""What is in the ledger stays: any split of appends is one tree; any change is found and named."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sekisho.common.randomness import seeded
from sekisho.control.ledger import Entry, Ledger, MemoryPending, TileLog, TreeHead, verify_ledger
from sekisho.control.ledger.checkpoint import sign_head
from sekisho.exchange import SigningKey

KEY = SigningKey.generate(seeded("ledger"))
ORIGIN = "sekisho/alpha"
AT = datetime(2026, 4, 1, tzinfo=UTC)
ENTRIES = [
    Entry("message.refused", AT, {"path": f"p{number}", "by": "b", "code": "c"}).to_bytes()
    for number in range(600)
]


def seal(size: int, root: bytes) -> bytes:
    return sign_head(TreeHead(ORIGIN, size, root), KEY)


def fast_write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def contents(folder: Path) -> dict[str, bytes]:
    files = (one for one in sorted(folder.rglob("*")) if one.is_file())
    return {one.relative_to(folder).as_posix(): one.read_bytes() for one in files}


def made(folder: Path, size: int) -> Path:
    store = MemoryPending()
    for entry in ENTRIES[:size]:
        store.stage(entry)
    Ledger(folder, ORIGIN, KEY, store, write=fast_write).integrate()
    return folder


def found(folder: Path) -> set[str]:
    return {problem.file for problem in verify_ledger(folder, ORIGIN, KEY.public)}


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(0, 300), max_size=6))
def test_any_split_of_appends_gives_the_same_files(tmp_path: Path, parts: list[int]) -> None:
    size = min(sum(parts), len(ENTRIES))
    shutil.rmtree(tmp_path, ignore_errors=True)
    split, start = TileLog(tmp_path / "split", fast_write), 0
    split.append([], seal)
    for part in parts:
        assert split.append(ENTRIES[start : min(start + part, size)], seal) == min(start, size)
        start += part
    TileLog(tmp_path / "whole", fast_write).append(ENTRIES[:size], seal)
    assert contents(tmp_path / "split") == contents(tmp_path / "whole")
    assert found(tmp_path / "split") == set()


def test_every_flipped_byte_of_a_small_ledger_is_found_and_its_file_named(tmp_path: Path) -> None:
    made(tmp_path, 4)
    assert found(tmp_path) == set()
    for name, data in contents(tmp_path).items():
        for place in range(len(data)):
            flipped = bytearray(data)
            flipped[place] ^= 1 << (place % 8)
            (tmp_path / name).write_bytes(flipped)
            assert found(tmp_path) == {name}, (name, place)
        (tmp_path / name).write_bytes(data)
    assert found(tmp_path) == set()


@pytest.fixture(scope="module")
def three_levels(tmp_path_factory) -> Path:
    return made(tmp_path_factory.mktemp("ledger"), 600)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_flipped_byte_of_a_larger_ledger_is_found_and_its_file_named(three_levels, data) -> None:
    name = data.draw(st.sampled_from(sorted(contents(three_levels))))
    whole = (three_levels / name).read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytearray(whole)
    flipped[place] ^= data.draw(st.integers(1, 255))
    try:
        (three_levels / name).write_bytes(flipped)
        assert found(three_levels) == {name}
    finally:
        (three_levels / name).write_bytes(whole)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_file_cut_short_lengthened_or_lost_is_named(three_levels, data) -> None:
    name = data.draw(st.sampled_from(sorted(contents(three_levels))))
    whole = (three_levels / name).read_bytes()
    change = data.draw(st.sampled_from(["cut", "lengthen", "lose"]))
    try:
        if change == "cut":
            (three_levels / name).write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
        elif change == "lengthen":
            (three_levels / name).write_bytes(whole + data.draw(st.binary(min_size=1, max_size=40)))
        else:
            (three_levels / name).unlink()
        assert found(three_levels) == {name}
    finally:
        (three_levels / name).write_bytes(whole)


def rewritten(folder: Path, entries: list[bytes]) -> set[str]:
    """Write a whole other history by the rules, then put the signed checkpoint back."""
    checkpoint = (folder / "checkpoint").read_bytes()
    shutil.rmtree(folder)
    TileLog(folder, fast_write).append(entries, seal)
    (folder / "checkpoint").write_bytes(checkpoint)
    return found(folder)


def test_a_rewritten_history_does_not_fit_the_checkpoint(tmp_path: Path) -> None:
    original = ENTRIES[:6]
    for other in (
        [*original[:2], original[3], original[2], *original[4:]],
        original[:5],
        [*original, ENTRIES[6]],
        [*original[:3], ENTRIES[7], *original[4:]],
        [original[0], *original[:5]],
    ):
        made(tmp_path / "ledger", 6)
        assert rewritten(tmp_path / "ledger", other)
        shutil.rmtree(tmp_path / "ledger")


def test_what_does_not_belong_there_is_named(tmp_path: Path) -> None:
    made(tmp_path, 4)
    (tmp_path / "tile/0/000.p/3").write_bytes((tmp_path / "tile/0/000.p/4").read_bytes()[:96])
    (tmp_path / "note.txt").write_text("x")
    (tmp_path / "tile/link").symlink_to("/etc")
    assert found(tmp_path) == {"tile/0/000.p/3", "note.txt", "tile/link (a link)"}


def test_a_file_that_is_a_link_elsewhere_is_named(tmp_path: Path) -> None:
    made(tmp_path / "ledger", 4)
    tile = tmp_path / "ledger/tile/0/000.p/4"
    tile.rename(tmp_path / "elsewhere")
    tile.symlink_to(tmp_path / "elsewhere")
    assert "tile/0/000.p/4 (a link)" in found(tmp_path / "ledger")


def test_leaves_that_are_no_entries_are_named(tmp_path: Path) -> None:
    TileLog(tmp_path, fast_write).append([ENTRIES[0], b"{}"], seal)
    assert found(tmp_path) == {"tile/entries/000.p/2"}


def test_another_ledgers_folder_does_not_pass(tmp_path: Path) -> None:
    made(tmp_path, 4)
    other = SigningKey.generate(seeded("other")).public
    assert verify_ledger(tmp_path, ORIGIN, other)
    assert verify_ledger(tmp_path, "sekisho/beta", KEY.public)
    assert verify_ledger(tmp_path / "nowhere", ORIGIN, KEY.public)
