"""What belongs to each tag of a batch, on disk: read in order or by tag, in bounded memory.

The file has no name (``O_TMPFILE`` where the system has it), so that nothing of it outlives its
process and no copy of a folder holds it: pseudonyms lie in it unwrapped.
"""

from __future__ import annotations

import heapq
import os
import tempfile
from bisect import bisect_right
from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
from pathlib import Path
from typing import IO, Final, Generic, TypeVar

from sekisho.common.errors import Refusal
from sekisho.common.ids import Tag
from sekisho.pseudonym.batch import TAG_SIZE

V = TypeVar("V", bound=bytes)
SORTED: Final = 2**17
"""Records that are sorted in memory at a time."""
BLOCK: Final = 256
"""Records between two whose tags are in memory."""


class Tagged(Mapping[Tag, V], Generic[V]):
    """Values of one length by tag, in order of the tags. Made by `Tagging`."""

    def __init__(self, file: IO[bytes], size: int, count: int, firsts: list[bytes]) -> None:
        self._file, self._width, self._count = file, TAG_SIZE + size, count
        self._firsts = firsts

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Tag]:
        return (tag for tag, _ in self.in_order())

    def __getitem__(self, tag: Tag) -> V:
        found = self.take([tag])
        if tag not in found:
            raise KeyError  # it may not be told: a tag is of one person
        return found[tag]

    def items(self) -> ItemsView[Tag, V]:
        return _Items(self)

    def values(self) -> ValuesView[V]:
        return _Values(self)

    def in_order(self) -> Iterator[tuple[Tag, V]]:
        """Yield all, in order of the tags."""
        for number in range(len(self._firsts)):
            for tag, value in self._block(number):
                yield Tag(tag.hex()), value

    def take(self, tags: Iterable[Tag]) -> dict[Tag, V]:
        """Return the values of those of ``tags`` that are here."""
        found: dict[Tag, V] = {}
        read, block = -1, dict[bytes, V]()
        for raw in sorted(it for it in map(_raw, set(tags)) if it is not None):
            number = bisect_right(self._firsts, raw) - 1
            if number < 0:
                continue
            if number != read:
                read, block = number, dict(self._block(number))
            if raw in block:
                found[Tag(raw.hex())] = block[raw]
        return found

    def _block(self, number: int) -> Iterator[tuple[bytes, V]]:
        data = os.pread(self._file.fileno(), BLOCK * self._width, number * BLOCK * self._width)
        for at in range(0, len(data), self._width):
            yield data[at : at + TAG_SIZE], data[at + TAG_SIZE : at + self._width]  # type: ignore[misc]  # a NewType of bytes


class _Items(ItemsView[Tag, V]):
    def __init__(self, of: Tagged[V]) -> None:
        super().__init__(of)
        self._of = of

    def __iter__(self) -> Iterator[tuple[Tag, V]]:
        return self._of.in_order()


class _Values(ValuesView[V]):
    def __init__(self, of: Tagged[V]) -> None:
        super().__init__(of)
        self._of = of

    def __iter__(self) -> Iterator[V]:
        return (value for _, value in self._of.in_order())


class Tagging(Generic[V]):
    """Takes values of ``size`` bytes; then gives them sorted by tag (an external sort).

    Args:
        folder: where the files without a name are; made where it is missing.
    """

    def __init__(self, size: int, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._size, self._folder = size, folder
        self._waiting: list[bytes] = []
        self._runs: list[IO[bytes]] = []

    def add(self, tag: Tag, value: V) -> None:
        """Take one; none after `done`.

        Raises:
            Refusal: the tag is none.
        """
        raw = _raw(tag)
        if raw is None:
            raise Refusal("batch.not-a-tag", "What should be a tag is none.")
        self._waiting.append(raw + value)
        if len(self._waiting) == SORTED:
            run = self._file()
            run.writelines(sorted(self._waiting))
            run.seek(0)
            self._runs.append(run)
            self._waiting = []

    def done(self) -> Tagged[V]:
        """Return all that was taken.

        Raises:
            Refusal: a tag stands twice.
        """
        width = TAG_SIZE + self._size
        file, count, firsts, before = self._file(), 0, list[bytes](), b""
        runs = [_records(run, width) for run in self._runs]
        for record in heapq.merge(*runs, sorted(self._waiting)):
            tag = record[:TAG_SIZE]
            if tag == before:
                raise Refusal("batch.duplicate-tag", "A tag stands twice in one batch.")
            if count % BLOCK == 0:
                firsts.append(tag)
            file.write(record)
            count, before = count + 1, tag
        file.flush()
        for run in self._runs:
            run.close()
        return Tagged(file, self._size, count, firsts)

    def _file(self) -> IO[bytes]:
        made: IO[bytes] = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115  # open while used
        return made


def tagged(pairs: Iterable[tuple[Tag, V]], size: int, folder: Path) -> Tagged[V]:
    """Return ``pairs`` sorted by tag, as `Tagging` does."""
    made = Tagging[V](size, folder)
    for tag, value in pairs:
        made.add(tag, value)
    return made.done()


def _records(run: IO[bytes], width: int) -> Iterator[bytes]:
    while record := run.read(width):
        yield record


def _raw(tag: str) -> bytes | None:
    """Return a tag's bytes; None for what is no tag, which a sender may have put in its place."""
    try:
        raw = bytes.fromhex(tag)
    except ValueError:
        return None
    return raw if len(raw) == TAG_SIZE and raw.hex() == tag else None
