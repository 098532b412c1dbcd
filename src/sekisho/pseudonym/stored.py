"""A batch where it lies in a file: converted and opened in bounded memory.

The layout is that of `sekisho.pseudonym.batch`. Whatever the number of persons, memory holds a few
chunks and one bucket of the shuffle.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Final

from sekisho.common.errors import Refusal
from sekisho.common.ids import Tag
from sekisho.common.randomness import RandomBytes, shuffle
from sekisho.pseudonym.batch import HEADER_SIZE, ITEM_SIZE, TAG_SIZE, header, read_header
from sekisho.pseudonym.convert import Step, check_key, convert_items
from sekisho.pseudonym.elgamal import decrypt_many
from sekisho.pseudonym.group import Element, Scalar
from sekisho.pseudonym.workers import Workers

CHUNK: Final = 256
"""Persons that are read, and given to a worker, at a time: some 50 ms of work, so that the workers
of a batch end together."""
WORTH_WORKERS: Final = 4096
"""Persons from which on workers are faster than the converter alone: each takes about 0.2 s of CPU
to start, as long as 1,000 conversions (benchmarks/identity.py)."""
BUCKET: Final = 32_768
"""Persons that one bucket of the shuffle has about; it is shuffled in memory."""
SORTED: Final = 2**18
"""Tags that are sorted in memory at a time."""
_LARGEST: Final = 2**10


@dataclass(frozen=True)
class StoredBatch:
    """``size`` bytes of ``file`` from ``start`` on: ``count`` persons under ``public``."""

    file: Path
    start: int
    size: int
    count: int
    public: Element

    @classmethod
    def open(cls, file: Path, start: int, size: int) -> StoredBatch:
        """Read a batch's header; refuse what is no batch, as `unpack` does."""
        with file.open("rb") as source:
            source.seek(start)
            count, public = read_header(source.read(min(HEADER_SIZE, size)), size)
        return cls(file, start, size, count, public)

    def __len__(self) -> int:
        return self.count

    def chunks(self, persons: int = CHUNK) -> Iterator[bytes]:
        """Yield whole items, at most ``persons`` at a time."""
        with self.file.open("rb") as source:
            source.seek(self.start + HEADER_SIZE)
            left = self.count
            while left:
                taken = min(persons, left)
                yield source.read(taken * ITEM_SIZE)
                left -= taken


def open_stored(batch: StoredBatch, secret: Scalar) -> Iterator[tuple[Tag, Element]]:
    """Yield what `open_batch` returns, of a batch in a file."""
    check_key(batch.public, secret)
    for items in batch.chunks():
        pieces = [items[at : at + ITEM_SIZE] for at in range(0, len(items), ITEM_SIZE)]
        elements = decrypt_many([piece[TAG_SIZE:] for piece in pieces], secret)
        for piece, element in zip(pieces, elements, strict=True):
            yield Tag(piece[:TAG_SIZE].hex()), element


def convert_stored(
    batch: StoredBatch, step: Step, out: BinaryIO, random: RandomBytes, processes: int = 1
) -> None:
    """Write ``batch`` converted and permuted to ``out``.

    Args:
        processes: how many work side by side, where there is enough for them.

    Raises:
        Refusal: a tag stands twice, or an item is no ciphertext; ``out`` is then of no use.
    """
    with ExitStack() as open_:
        scratch = Path(open_.enter_context(_scratch(out)))
        convert: Callable[[Iterable[bytes]], Iterator[bytes]] = partial(_alone, step, random)
        if processes > 1 and batch.count >= WORTH_WORKERS:
            # They start while the tags are looked at.
            convert = open_.enter_context(Workers(step, processes)).converted
        check_tags_once(batch, scratch)
        permuted = open_.enter_context(Shuffled(scratch, batch.count, random))
        for converted in convert(batch.chunks()):
            permuted.add(converted)
        out.write(header(batch.count, step.public))
        for items in permuted.buckets():
            out.write(items)


def _alone(step: Step, random: RandomBytes, chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        yield convert_items(chunk, step, random)


def _scratch(out: BinaryIO) -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(dir=Path(out.name).parent)


def check_tags_once(batch: StoredBatch, scratch: Path) -> None:
    """Refuse a batch in which a tag stands twice (an external sort)."""
    with ExitStack() as files:
        runs: list[Iterable[bytes]] = []
        for items in batch.chunks(SORTED):
            tags = sorted(items[at : at + TAG_SIZE] for at in range(0, len(items), ITEM_SIZE))
            if batch.count <= SORTED:
                runs.append(tags)
                continue
            file = scratch / f"tags-{len(runs)}"
            file.write_bytes(b"".join(tags))
            runs.append(_fixed(files.enter_context(file.open("rb")), TAG_SIZE))
        if any(one == other for one, other in pairwise(heapq.merge(*runs))):
            raise Refusal("batch.duplicate-tag", "A tag stands twice in one batch.")


def _fixed(source: BinaryIO, size: int) -> Iterator[bytes]:
    while piece := source.read(size):
        yield piece


class Shuffled:
    """A uniform permutation of more items than fit into memory (Rao and Sandelius).

    Each item goes to a bucket drawn for it alone; each bucket is shuffled in memory. As long as
    buckets are drawn uniformly and independently, every permutation is equally likely.
    """

    def __init__(self, scratch: Path, count: int, random: RandomBytes) -> None:
        self._random = random
        wanted = -(-count // BUCKET)
        self._count = min(_LARGEST, 1 << (wanted - 1).bit_length()) if wanted > 1 else 1
        self._memory: list[bytes] = []
        self._files: Sequence[BinaryIO] = ()
        if self._count > 1:
            self._files = [
                (scratch / f"bucket-{n}").open("w+b", buffering=16_384) for n in range(self._count)
            ]

    def __enter__(self) -> Shuffled:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()

    def add(self, items: bytes) -> None:
        """Put whole items into buckets."""
        pieces = [items[at : at + ITEM_SIZE] for at in range(0, len(items), ITEM_SIZE)]
        if not self._files:
            self._memory += pieces
            return
        # The number of buckets is a power of two, so that the low bits of two bytes are uniform.
        drawn, mask = self._random(2 * len(pieces)), self._count - 1
        for n, piece in enumerate(pieces):
            self._files[int.from_bytes(drawn[2 * n : 2 * n + 2], "big") & mask].write(piece)

    def buckets(self) -> Iterator[bytes]:
        """Yield all items, permuted, a bucket at a time."""
        if not self._files:
            shuffle(self._random, self._memory)
            yield b"".join(self._memory)
        for file in self._files:
            file.seek(0)
            items = list(_fixed(file, ITEM_SIZE))
            shuffle(self._random, items)
            yield b"".join(items)
