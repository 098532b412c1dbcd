"""`sekisho verify` sees every changed, cut, missing or added byte, and says in which file."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from runs import Run

from sekisho.rehearsal.verification import verify

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("first-study")]

KINDS = {
    "checkpoint": "bodies/*/ledger/checkpoint",
    "co-signed checkpoint": "bodies/*/ledger/cosigned/*",
    "entries": "bodies/*/ledger/tile/entries/**/*",
    "tile": "bodies/*/ledger/tile/[0-9]/**/*",
    "landing receipt": "bodies/*/documents/receipts/[0-9a-f]*.jws",
    "extract receipt": "bodies/*/documents/receipts/extract-*.jws",
    "release receipt": "bodies/*/documents/receipts/release-*.jws",
    "receipt of a choice": "bodies/*/documents/choices/*",
    "opt-out list": "bodies/*/documents/lists/*",
    "decision": "bodies/*/documents/decisions/*",
    "permit": "bodies/*/documents/permits/*",
    "project table": "bodies/*/data/projects/*/data/*",
    "table outside": "projects/*/data/*",
    "released inside": "bodies/*/data/projects/*/released/**/*",
    "released": "released/*/*",
    "global key": "global-key.json",
}
every_kind = pytest.mark.parametrize("kind", KINDS)
RANDOM_PLACES = 20


@pytest.fixture(scope="module")
def folder(study: Callable[[str], Run], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of a run in which several bodies collect, decide and hold."""
    copy = tmp_path_factory.mktemp("verify") / "run"
    shutil.copytree(study("2-1").folder, copy)
    return copy


def files_of(folder: Path, kind: str) -> list[Path]:
    found = [file for file in sorted(folder.glob(KINDS[kind])) if file.is_file()]
    assert found, f"no file of kind {kind}"
    return found


def wrong_files(folder: Path) -> set[str]:
    return {problem.file for problem in verify(folder).problems}


@contextmanager
def changed(file: Path, data: bytes | None) -> Iterator[None]:
    """Let a file hold ``data``, or not be there, for a while."""
    before = file.read_bytes()
    try:
        file.unlink() if data is None else file.write_bytes(data)
        yield
    finally:
        file.write_bytes(before)


def test_an_untouched_run_holds(folder: Path) -> None:
    assert wrong_files(folder) == set()


@every_kind
def test_one_flipped_byte_is_found_and_named(folder: Path, kind: str) -> None:
    chance = random.Random(kind)
    files = files_of(folder, kind)
    places = [(f, at, 1) for f in files for at in {0, f.stat().st_size // 2, f.stat().st_size - 1}]
    for _ in range(RANDOM_PLACES):
        file = chance.choice(files)
        places.append((file, chance.randrange(file.stat().st_size), chance.randrange(1, 256)))
    missed = []
    for file, at, bits in places:
        data = bytearray(file.read_bytes())
        data[at] ^= bits
        with changed(file, bytes(data)):
            if file.relative_to(folder).as_posix() not in wrong_files(folder):
                missed.append((file.name, at, bits, len(data)))
    assert missed == []


@every_kind
def test_a_cut_file_is_found_and_named(folder: Path, kind: str) -> None:
    for file in files_of(folder, kind):
        data = file.read_bytes()
        for length in (0, len(data) // 2, len(data) - 1):
            with changed(file, data[:length]):
                assert file.relative_to(folder).as_posix() in wrong_files(folder)


@every_kind
def test_a_missing_file_is_found_and_named(folder: Path, kind: str) -> None:
    missed = []
    for file in files_of(folder, kind):
        with changed(file, None):
            if file.relative_to(folder).as_posix() not in wrong_files(folder):
                missed.append(file.relative_to(folder).as_posix())
    assert missed == []


@pytest.mark.parametrize(
    "kind",
    [kind for kind in KINDS if kind != "global key"],
)
def test_a_file_that_nobody_made_is_found_and_named(folder: Path, kind: str) -> None:
    first = files_of(folder, kind)[0]
    extra = first.with_name(f"{first.stem}x{first.suffix}")
    extra.write_bytes(b"made by nobody")
    try:
        assert extra.relative_to(folder).as_posix() in wrong_files(folder)
    finally:
        extra.unlink()


def test_two_swapped_receipts_are_found(folder: Path) -> None:
    one, other = files_of(folder, "landing receipt")[:2]
    with changed(one, other.read_bytes()), changed(other, one.read_bytes()):
        assert wrong_files(folder)


def test_a_checkpoint_of_another_body_is_found(folder: Path) -> None:
    one, other = files_of(folder, "checkpoint")[:2]
    with changed(one, other.read_bytes()):
        assert one.relative_to(folder).as_posix() in wrong_files(folder)


def test_the_command_ends_with_its_code_and_names_the_file(folder: Path) -> None:
    assert _verify(folder).returncode == 0
    file = files_of(folder, "released")[0]
    with changed(file, file.read_bytes() + b"1"):
        ended = _verify(folder)
    assert ended.returncode == 6
    assert file.relative_to(folder).as_posix() in ended.stdout


def test_a_folder_that_is_no_run_is_a_users_error(tmp_path: Path) -> None:
    ended = _verify(tmp_path)
    assert ended.returncode == 2
    assert "verify.no-run" in ended.stderr


def _verify(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sekisho", "verify", str(folder)]
    wide = {**os.environ, "COLUMNS": "300"}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=wide)
