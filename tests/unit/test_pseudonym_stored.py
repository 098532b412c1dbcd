"""Converting from file to file: the same persons as in memory, any size, on any number of cores."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from pseudonym_world import A, T, World, person

from sekisho.common.errors import Refusal
from sekisho.common.ids import IDENTITY, new_tag
from sekisho.common.randomness import seeded, system_random
from sekisho.pseudonym import Batch, open_batch, pack, pieces, stored, unpack
from sekisho.pseudonym.batch import HEADER_SIZE, ITEM_SIZE
from sekisho.pseudonym.convert import step_of
from sekisho.pseudonym.group import IDENTITY as NOBODY
from sekisho.pseudonym.pieces import Encrypting
from sekisho.pseudonym.stored import Shuffled, StoredBatch, convert_stored, open_stored

PEOPLE = [person(n) for n in range(40)]


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=3)


def kept(folder: Path, data: bytes) -> StoredBatch:
    """Put a batch into the middle of a file, as it lies in a message."""
    file = folder / "message"
    file.write_bytes(b"before" + data + b"after")
    return StoredBatch.open(file, 6, len(data))


def converted(folder: Path, world: World, batch: Batch, processes: int = 1) -> Batch:
    for number, converter in enumerate(world.converters):
        source = kept(folder, pack(batch))
        step = step_of(converter, source.public, IDENTITY, A, world.epoch)
        with (folder / f"out-{number}").open("wb") as out:
            convert_stored(source, step, out, system_random, processes)
        batch = unpack((folder / f"out-{number}").read_bytes())
    return batch


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("bucket", [4, 1000])
def test_a_stored_batch_gives_the_pseudonyms_that_one_in_memory_gives(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch, processes: int, bucket: int
) -> None:
    monkeypatch.setattr(stored, "CHUNK", 7)
    monkeypatch.setattr(stored, "WORTH_WORKERS", len(PEOPLE))
    monkeypatch.setattr(stored, "BUCKET", bucket)
    monkeypatch.setattr(stored, "SORTED", 8)
    batch = world.batch(PEOPLE)
    made = converted(tmp_path, world, batch, processes)
    opened = dict(open_batch(made, world.key(A)))
    assert [opened[tag] for tag, _ in batch.items] == world.ingest(PEOPLE, A)
    assert [tag for tag, _ in made.items] != [tag for tag, _ in batch.items]


def test_a_batch_is_written_and_opened_in_pieces(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is encrypted piece by piece has the stated length, and every person is found again."""
    monkeypatch.setattr(pieces, "SOME", 7)
    monkeypatch.setattr(stored, "CHUNK", 9)
    persons = [(new_tag(system_random), one) for one in PEOPLE]
    made = Encrypting(persons, world.public, system_random)
    data = b"".join(made.pieces())
    assert len(data) == made.size
    assert max(len(piece) for piece in made.pieces()) == 7 * ITEM_SIZE
    through = converted(tmp_path, world, unpack(data))
    opened = dict(open_stored(kept(tmp_path, pack(through)), world.key(A)))
    assert [opened[tag] for tag, _ in persons] == world.ingest(PEOPLE, A)
    with pytest.raises(Refusal) as refused:
        list(open_stored(kept(tmp_path, pack(through)), world.key(T)))
    assert refused.value.code == "batch.other-key"


@pytest.mark.parametrize("processes", [1, 2])
def test_an_item_that_is_no_ciphertext_is_refused_whoever_finds_it(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    monkeypatch.setattr(stored, "CHUNK", 7)
    monkeypatch.setattr(stored, "WORTH_WORKERS", len(PEOPLE))
    data = bytearray(pack(world.batch(PEOPLE)))
    data[-32:] = NOBODY
    source = kept(tmp_path, bytes(data))
    step = step_of(world.converters[0], source.public, IDENTITY, A, world.epoch)
    with (tmp_path / "out").open("wb") as out, pytest.raises(Refusal) as refused:
        convert_stored(source, step, out, system_random, processes)
    assert refused.value.code == "element.identity"


def test_a_tag_that_stands_twice_is_found_by_the_external_sort(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "SORTED", 8)
    data = bytearray(pack(world.batch(PEOPLE)))
    data[HEADER_SIZE : HEADER_SIZE + 16] = data[-ITEM_SIZE : 16 - ITEM_SIZE]
    source = kept(tmp_path, bytes(data))
    step = step_of(world.converters[0], source.public, IDENTITY, T, world.epoch)
    with (tmp_path / "out").open("wb") as out, pytest.raises(Refusal) as refused:
        convert_stored(source, step, out, system_random)
    assert refused.value.code == "batch.duplicate-tag"


@pytest.mark.parametrize("bucket", [1, 100])
def test_every_permutation_is_equally_likely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bucket: int
) -> None:
    """Chi-squared over the 24 orders of four items, in memory and with buckets of about one."""
    monkeypatch.setattr(stored, "BUCKET", bucket)
    items = [bytes([n]) * ITEM_SIZE for n in range(4)]
    random, rounds = seeded("permutations", bucket), 4800
    seen: Counter[bytes] = Counter()
    for number in range(rounds):
        place = tmp_path / str(number % 2)
        place.mkdir(exist_ok=True)
        with Shuffled(place, len(items), random) as permuted:
            permuted.add(b"".join(items))
            seen[b"".join(permuted.buckets())[::ITEM_SIZE]] += 1
    expected = rounds / 24
    chi = sum((count - expected) ** 2 / expected for count in seen.values())
    assert len(seen) == 24
    assert chi < 49.7  # the 0.1 % point of chi-squared with 23 degrees of freedom


def test_memory_does_not_grow_with_the_batch(tmp_path: Path) -> None:
    """Peak memory of passing 40 times as many persons through the shuffle and the sort of tags."""
    peaks = []
    for count in (5_000, 200_000):
        done = subprocess.run(
            [sys.executable, "-c", _PASS, str(tmp_path), str(count)],
            check=True,
            capture_output=True,
            text=True,
        )
        peaks.append(int(done.stdout))
    assert peaks[1] - peaks[0] < 24 * 1024  # KiB; the larger batch alone has 15 MiB


_PASS = """
import sys
from pathlib import Path
from sekisho.common.randomness import system_random
from sekisho.pseudonym import stored
from sekisho.pseudonym.batch import header
folder, count = Path(sys.argv[1]), int(sys.argv[2])
key = bytes.fromhex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76")
stored.SORTED, stored.BUCKET = 4096, 4096
stored.convert_items = lambda items, step, random: items
class Step: public = key
with (folder / "in").open("wb") as file:
    file.write(header(count, key))
    for n in range(count):
        file.write(n.to_bytes(16, "big") + bytes(64))
batch = stored.StoredBatch.open(folder / "in", 0, 44 + 80 * count)
with (folder / "out").open("wb") as out:
    stored.convert_stored(batch, Step, out, system_random)
assert (folder / "out").stat().st_size == 44 + 80 * count
status = Path("/proc/self/status").read_text()
print(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
"""
