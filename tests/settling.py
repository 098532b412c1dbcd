"""Any file as any format: read without a crash, every record with one fate, nothing of it told.

Shared by the property tests (Hypothesis) and by `make fuzz` (atheris).
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from sekisho.common.errors import UserError
from sekisho.common.ids import BodyId
from sekisho.common.randomness import seeded
from sekisho.framework.kinds import DataKinds, load_kinds
from sekisho.provider import FORMATS, Limits, Note, Outcome, Profile, Record, prepare
from sekisho.provider.objects import Packed
from submissions import KEY, NORTH, SOUTH, even

ROOT = Path(__file__).resolve().parents[1]
TESTDATA = Path(os.environ.get("SEKISHO_TESTDATA", ROOT.parent / "shared" / "data"))
LIMITS = Limits(
    line_bytes=20_000,
    file_bytes=200_000,
    receipt_lines=50,
    batch_units=1,
    archive_bytes=1 << 20,
    archive_members=50,
    archive_floor=1 << 20,
)
INSTITUTION = "1310000001"
_LARGEST, _OF_A_KIND = 100_000, 3


@dataclass(frozen=True)
class Seed:
    """A file that nobody here wrote, and where it lies: some readers look at names and folders."""

    place: str
    data: bytes


@cache
def seeds(format_id: str) -> tuple[Seed, ...]:
    """Return some of the foreign files of which the format's reader can use a record.

    They are found by reading, so that a new format is covered without a new line.
    """
    return tuple(
        Seed(path.relative_to(TESTDATA).as_posix(), path.read_bytes())
        for path in _candidates()
        if _reads(format_id, path)
    )


@cache
def _candidates() -> tuple[Path, ...]:
    """Return the first few files of each folder and ending."""
    kinds: Counter[tuple[Path, str]] = Counter()
    found = []
    for path in sorted(TESTDATA.rglob("*")):
        if path.is_file() and 0 < path.stat().st_size <= _LARGEST:
            kind = (path.parent, path.suffix)
            kinds[kind] += 1
            if kinds[kind] <= _OF_A_KIND:
                found.append(path)
    return tuple(found)


def is_usable(format_id: str, place: str, data: bytes) -> bool:
    """Whether the format's reader can use a record of a file that lies at ``place``."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return _reads(format_id, path)


def _reads(format_id: str, path: Path) -> bool:
    good = (Outcome.SENT, Outcome.SUPERSEDED)
    read = FORMATS[format_id].read(path, LIMITS)
    return any(isinstance(one, Record) and one.outcome in good for one in read)


def settle(path: Path, format_id: str) -> None:
    """Assert that a file is read without a crash and that every record has one fate."""
    reader = FORMATS[format_id]
    read = [one for file in reader.arrange([path]) for one in reader.read(file, LIMITS)]
    records = [one for one in read if isinstance(one, Record)]
    _silent(read)
    bodies = {"basic": BodyId(NORTH), "additional": BodyId(SOUTH), "hard": BodyId(SOUTH)}
    kinds = _kinds()
    profile = Profile(institution=INSTITUTION)
    try:
        one = prepare(
            [path], format_id, kinds.placed, KEY, bodies, seeded(1), limits=LIMITS, profile=profile
        )
    except UserError as error:
        if error.code != "submission.nothing-readable":
            raise
        return
    even(one)
    assert one.read == Counter(record.record_type for record in records)
    for part in one.parts.values():
        for name in part.tables:
            assert part.tables[name].num_rows
        for pieces in Packed(part.objects, part.tables).batches():
            assert pieces.num_rows


@cache
def _kinds() -> DataKinds:
    return load_kinds(ROOT / "rules" / "data-kinds.toml")


def _silent(read: list[Record | Note]) -> None:
    """Codes and types are words of ours, never text of the file."""
    for one in read:
        for word in (one.code, one.record_type):
            assert len(word) <= 60, "a word of the program is short"
            assert word.isprintable()


def mutated(seed: bytes, changes: list[tuple[int, int, int, bytes]]) -> bytes:
    """Return ``seed`` after changes: (what, where, how much, bytes)."""
    data = seed
    for what, where, size, piece in changes:
        at = where % (len(data) + 1)
        end = min(len(data), at + size)
        match what % 5:
            case 0:
                data = data[:at] + piece + data[at:]
            case 1:
                data = data[:at] + piece + data[at + len(piece) :]
            case 2:
                data = data[:at] + data[end:]
            case 3:
                data = data[:end] + data[at:end] * (1 + size % 3) + data[end:]
            case _:
                data = data[:at]
    return data
