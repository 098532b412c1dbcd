"""Whole verification of a ledger's folder: every byte of every file, in bounded memory.

Entries are read a bundle at a time; every tile is made anew from them and compared byte for byte;
the root must be the checkpoint's. A file that the tree does not have is a problem, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sekisho.common.errors import SekishoError, TamperError
from sekisho.control.ledger.checkpoint import TreeHead, read_checkpoint
from sekisho.control.ledger.edge import WIDTH, Edge, Tile
from sekisho.control.ledger.entry import Entry
from sekisho.control.ledger.layout import (
    CHECKPOINT,
    ENTRIES,
    HASH,
    files_of,
    hashes_in,
    tile_path,
    unpack_bundle,
)
from sekisho.control.ledger.tree import leaf_hash
from sekisho.exchange.keys import VerifyKey

MOST = 100
"""Problems reported at most: enough to act on, and bounded."""


@dataclass(frozen=True)
class Problem:
    """One file that is not what was recorded, and what is wrong with it."""

    file: str
    what: str


def verify_ledger(
    folder: Path,
    origin: str,
    key: VerifyKey,
    *,
    witnesses: Mapping[str, VerifyKey] | None = None,
    required: frozenset[str] = frozenset(),
    check: Callable[[bytes], object] = Entry.from_bytes,
) -> list[Problem]:
    """Return what is wrong with the ledger in ``folder``; nothing if it holds.

    ``required`` names the witnesses that must have co-signed. ``check`` raises `TamperError` for
    a leaf that is no entry. The folder must be at rest: verify a copy of a running body's.
    """
    try:
        note = (folder / CHECKPOINT).read_bytes()
        checkpoint = read_checkpoint(note, origin, key, witnesses)
    except OSError:
        return [Problem(CHECKPOINT, "missing or unreadable")]
    except TamperError as error:
        return [Problem(CHECKPOINT, error.message)]
    problems = [
        Problem(CHECKPOINT, f"not co-signed by {name}")
        for name in sorted(required - checkpoint.witnessed.keys())
    ]
    problems += _Verification(folder, checkpoint.head, check).run()
    return problems[:MOST]


@dataclass
class _Verification:
    folder: Path
    head: TreeHead
    check: Callable[[bytes], object]
    problems: list[Problem] = field(default_factory=list)
    differing: list[int] = field(default_factory=list)
    """Indexes of bundles whose entries do not hash to their tile."""

    def run(self) -> list[Problem]:
        self._check_names()
        # Two trees: one from the entries, one from the level-0 tiles as they lie there. If a
        # bundle and its tile differ, the one that leads to the signed root is the right one.
        # They are the same tree, made once, up to the first difference.
        entries = tiles = _Rebuilt(self._read)
        for index in range(-(-self.head.size // WIDTH)):
            from_bundle = [leaf_hash(entry) for entry in self._bundle(index)]
            from_tile = self._hashes(index)
            if from_bundle != from_tile:
                tiles = entries.fork() if tiles is entries else tiles
                if len(self.differing) < MOST:
                    self.differing.append(index)
            entries.push(from_bundle)
            if tiles is not entries:
                tiles.push(from_tile)
        self._judge(entries, tiles)
        return self.problems

    def _check_names(self) -> None:
        wanted = set(files_of(self.head.size)) | {CHECKPOINT}
        for name in _names(self.folder):
            if name in wanted:
                wanted.discard(name)
            else:
                self._report(name, "not a file of this ledger")
        for name in sorted(wanted):
            self._report(name, "missing or no ordinary file")

    def _bundle(self, index: int) -> list[bytes]:
        width = min(WIDTH, self.head.size - index * WIDTH)
        name = tile_path(ENTRIES, index, width)
        try:
            entries = unpack_bundle(self._read(name))
        except TamperError as error:
            self._report(name, error.message)
            return []
        if len(entries) != width:
            self._report(name, f"holds {len(entries)} entries instead of {width}")
        for place, entry in enumerate(entries):
            try:
                self.check(entry)
            except SekishoError:
                self._report(name, f"entry {index * WIDTH + place} is no entry of ours")
        return entries

    def _hashes(self, index: int) -> list[bytes]:
        width = min(WIDTH, self.head.size - index * WIDTH)
        return hashes_in(self._read(tile_path(0, index, width)))

    def _judge(self, entries: _Rebuilt, tiles: _Rebuilt) -> None:
        entries_hold, tiles_hold = (one.root() == self.head.root for one in (entries, tiles))
        for index in self.differing:
            width = min(WIDTH, self.head.size - index * WIDTH)
            if not entries_hold:
                self._report(tile_path(ENTRIES, index, width), "entries are not those recorded")
            if not tiles_hold:
                self._report(tile_path(0, index, width), "hashes are not those recorded")
        for name in (tiles if tiles_hold else entries).wrong():
            self._report(name, "not the hashes of the level below")
        if not entries_hold and not self.problems:
            self._report(CHECKPOINT, "its root is not that of the entries")

    def _read(self, name: str) -> bytes:
        """Return a file's bytes; one that is not there has been reported by name already."""
        try:
            return (self.folder / name).read_bytes()
        except OSError:
            return b""

    def _report(self, name: str, what: str) -> None:
        problem = Problem(name, what)
        if len(self.problems) < MOST and problem not in self.problems:
            self.problems.append(problem)


class _Rebuilt:
    """A tree made anew from leaf hashes; its tiles above level 0 are held against the files."""

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._edge = Edge()
        self._read = read
        self._wrong: list[str] = []

    def fork(self) -> _Rebuilt:
        """Return a tree that has come as far as this one and goes on by itself."""
        other = _Rebuilt(self._read)
        other._edge, other._wrong = self._edge.copy(), list(self._wrong)
        return other

    def push(self, hashes: Iterable[bytes]) -> None:
        for hash_ in hashes:
            self._compare(self._edge.push(hash_))

    def root(self) -> bytes:
        return self._edge.root()

    def wrong(self) -> list[str]:
        """Return the files above level 0 that are not what this tree has there."""
        self._compare(self._edge.partial())
        return self._wrong

    def _compare(self, tiles: Iterable[Tile]) -> None:
        for level, index, data in tiles:
            name = tile_path(level, index, len(data) // HASH)
            if level and len(self._wrong) < MOST and self._read(name) != data:
                self._wrong.append(name)


def _names(folder: Path) -> Iterator[str]:
    """Yield every file below ``folder``, and what is neither file nor folder, in order."""
    for file in sorted(folder.rglob("*")):
        if file.is_symlink() or not file.is_dir():
            name = file.relative_to(folder).as_posix()
            yield name + " (a link)" if file.is_symlink() else name
