"""The files: laid out as C2SP tlog-tiles says, and found again."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from sekisho.common.errors import TamperError
from sekisho.control.ledger import TileLog, leaf_hash
from sekisho.control.ledger.layout import (
    files_of,
    is_unfinished,
    pack_bundle,
    reach_of,
    tile_path,
    unpack_bundle,
)
from sekisho.control.ledger.tree import continues, includes, perfect_root, root_of


def seal(size: int, root: bytes) -> bytes:
    """A note that nobody signed: enough for a log, which does not judge signatures."""
    import base64

    return f"o\n{size}\n{base64.b64encode(root).decode()}\n\n— o AAAA\n".encode()


def entries(size: int) -> list[bytes]:
    return [b"entry %d" % number for number in range(size)]


def names(folder: Path) -> set[str]:
    return {one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file()}


def test_paths_are_those_of_the_specification() -> None:
    assert tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert tile_path("entries", 0) == "tile/entries/000"
    assert tile_path(1, 1000, 17) == "tile/1/x001/000.p/17"


def test_seventy_thousand_entries_have_the_files_that_the_specification_counts() -> None:
    """273 full and one partial (112) tile at level 0, one full and 17 at level 1, 1 at level 2."""
    files = set(files_of(70_000))
    assert len(files) == 2 * 274 + 2 + 1
    partial = {name for name in files if ".p/" in name}
    assert partial == {
        "tile/entries/273.p/112",
        "tile/0/273.p/112",
        "tile/1/001.p/17",
        "tile/2/000.p/1",
    }
    assert set(files_of(256)) == {"tile/entries/000", "tile/0/000", "tile/1/000.p/1"}
    assert set(files_of(0)) == set()


def test_a_tiles_name_says_how_far_it_reaches() -> None:
    assert all((reach_of(name) or 0) <= 70_000 for name in files_of(70_000))
    assert reach_of("tile/1/001.p/17") == (256 + 17) * 256
    assert reach_of("tile/entries/x001/000") == 1001 * 256
    for other in ("checkpoint", "notes.txt", "tile/0/0", "tile/entries/000.p/"):
        assert reach_of(other) is None
    assert is_unfinished("tile/0/.000.123.new")
    assert is_unfinished(".checkpoint.123.new")
    assert not is_unfinished("tile/0/.000.new")


def test_bundles_hold_entries_after_their_lengths() -> None:
    assert pack_bundle([b"", b"ab"]) == b"\x00\x00\x00\x02ab"
    assert unpack_bundle(b"\x00\x00\x00\x02ab") == [b"", b"ab"]
    for broken in (b"\x00", b"\x00\x02a", b"\x00\x00\x00"):
        with pytest.raises(TamperError):
            unpack_bundle(broken)


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> TileLog:
    log = TileLog(tmp_path_factory.mktemp("ledger"))
    written = entries(66_000)
    for start in range(0, 66_000, 9_000):
        log.append(written[start : start + 9_000], seal)
    return log


def test_a_large_log_holds_exactly_its_files_and_its_entries(log: TileLog) -> None:
    assert log.size == 66_000
    assert names(log.folder) == {*files_of(66_000), "checkpoint"}
    assert list(log.entries()) == entries(66_000)
    assert list(log.entries(65_999)) == [b"entry 65999"]
    assert log.entry(12_345) == b"entry 12345"
    for outside in (-1, 66_000):
        with pytest.raises(IndexError):
            log.entry(outside)


def test_proofs_from_tiles_convince(log: TileLog) -> None:
    hashes = [leaf_hash(entry) for entry in entries(66_000)]
    assert log.root() == root_of(hashes)
    for size in (1, 255, 256, 257, 4_097, 65_536, 65_537, 66_000):
        root = root_of(hashes[:size])
        assert log.root(size) == root
        for index in {0, size // 2, size - 1}:
            assert includes(hashes[index], index, size, log.inclusion(index, size), root)
        for old in (1, size // 3 + 1, size):
            proof = log.consistency(old, size)
            assert continues(old, size, root_of(hashes[:old]), root, proof)
    with pytest.raises(ValueError):
        log.inclusion(0, 66_001)


def test_a_level_one_tile_holds_the_roots_of_full_tiles(log: TileLog) -> None:
    hashes = [leaf_hash(entry) for entry in entries(256)]
    tile = (log.folder / "tile/1/000").read_bytes()
    assert len(tile) == 8192
    assert tile[:32] == perfect_root(hashes)
    assert (log.folder / "tile/0/000").read_bytes() == b"".join(hashes)
    assert hashes[0] == sha256(b"\x00entry 0").digest()


def test_a_reader_with_an_older_checkpoint_takes_the_wider_tile(tmp_path: Path) -> None:
    log = TileLog(tmp_path)
    log.append(entries(300), seal)
    hashes = [leaf_hash(entry) for entry in entries(300)]
    for size in (1, 44, 256, 299):
        proof = log.inclusion(0, size)
        assert includes(hashes[0], 0, size, proof, root_of(hashes[:size]))


def test_nothing_is_appended_to_a_changed_bundle(tmp_path: Path) -> None:
    log = TileLog(tmp_path)
    log.append(entries(3), seal)
    bundle = tmp_path / "tile/entries/000.p/3"
    bundle.write_bytes(bundle.read_bytes().replace(b"entry 1", b"entry X"))
    before = (tmp_path / "checkpoint").read_bytes()
    with pytest.raises(TamperError):
        log.append([b"more"], seal)
    assert (tmp_path / "checkpoint").read_bytes() == before


def test_a_lost_tile_is_named(tmp_path: Path) -> None:
    log = TileLog(tmp_path)
    log.append(entries(3), seal)
    (tmp_path / "tile/0/000.p/3").unlink()
    with pytest.raises(TamperError, match=r"tile/0/000\.p/3"):
        log.append([b"more"], seal)
