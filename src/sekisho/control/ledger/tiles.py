"""A log in files: entries and hashes in C2SP tiles, the checkpoint last.

The checkpoint is the one file that says how far the log goes. Every other file is written before
it, whole, and holds what any later attempt would write there again; so a crash between two files
loses nothing and doubles nothing: the same entries are appended once more to the size that the
checkpoint names. Files beyond it are leftovers, and `sweep` removes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from sekisho.common.atomicfile import write_atomically
from sekisho.common.errors import TamperError
from sekisho.control.ledger.edge import WIDTH, widths
from sekisho.control.ledger.layout import (
    CHECKPOINT,
    ENTRIES,
    HASH,
    files_of,
    hashes_in,
    is_unfinished,
    pack_bundle,
    reach_of,
    tile_path,
)
from sekisho.control.ledger.reading import FolderFiles, TileReader
from sekisho.control.ledger.tree import leaf_hash

Write = Callable[[Path, bytes], None]
Seal = Callable[[int, bytes], bytes]
"""From size and root to the signed checkpoint."""


class TileLog(TileReader):
    """One log's folder. Only one process may append to it at a time (`book` sees to that)."""

    def __init__(self, folder: Path, write: Write = write_atomically) -> None:
        super().__init__(FolderFiles(folder))
        self.folder = folder
        self._write = write

    def append(self, entries: Sequence[bytes], seal: Seal) -> int:
        """Append entries and write the checkpoint that ``seal`` makes; return the first index.

        The caller has checked that the edge on disk is that of the checkpoint it once signed.
        """
        first = self.size
        edge = self.edge(first)
        start = first - first % WIDTH
        bundle = self._open_bundle(first)
        for entry in entries:
            bundle.append(entry)
            for level, index, data in edge.push(leaf_hash(entry)):
                self.write(tile_path(level, index), data)
            if len(bundle) == WIDTH:
                self.write(tile_path(ENTRIES, start // WIDTH), pack_bundle(bundle))
                bundle, start = [], start + WIDTH
        if bundle:
            self.write(tile_path(ENTRIES, start // WIDTH, len(bundle)), pack_bundle(bundle))
        for level, index, data in edge.partial():
            self.write(tile_path(level, index, len(data) // HASH), data)
        self.write(CHECKPOINT, seal(edge.size, edge.root()))
        self._drop_superseded(first, edge.size)
        return first

    def sweep(self, known: int) -> None:
        """Remove what a crash left: superseded or premature tiles, unfinished files. Nothing else.

        ``known`` is the number of entries that are in the log or still wait for it. A tile that
        reaches further is no leftover of ours: the checkpoint was put back to an older one.
        """
        keep = set(files_of(self.size))
        leftovers = []
        for file in sorted(self.folder.rglob("*"), reverse=True):
            name = file.relative_to(self.folder).as_posix()
            reach = reach_of(name)
            if reach is not None and reach > known:
                raise TamperError(
                    "ledger.checkpoint-older",
                    "The ledger's checkpoint is older than its files.",
                    next_step="run sekisho verify and restore the checkpoint; nothing was removed",
                )
            if is_unfinished(name) or (reach is not None and name not in keep):
                leftovers.append(file)
        for file in leftovers:
            file.unlink()
            _remove_if_empty(file.parent)

    def write(self, name: str, data: bytes) -> None:
        """Write one of the log's files, whole."""
        self._write(self.folder / name, data)

    def _open_bundle(self, size: int) -> list[bytes]:
        """Return the entries of the unfinished bundle, held against their hashes."""
        width = size % WIDTH
        if not width:
            return []
        entries = self._bundle(size // WIDTH, size)
        hashes = hashes_in(self._tile(0, size // WIDTH, width))
        if [leaf_hash(entry) for entry in entries] != hashes:
            raise TamperError(
                "ledger.bundle-changed",
                "The ledger's last entries are not those that were recorded.",
                next_step="run sekisho verify and restore the ledger; nothing was appended",
            )
        return entries

    def _drop_superseded(self, old: int, new: int) -> None:
        if old == new:
            return
        for name in set(files_of_edge(old)) - set(files_of_edge(new)):
            file = self.folder / name
            file.unlink(missing_ok=True)
            _remove_if_empty(file.parent)


def files_of_edge(size: int) -> Iterator[str]:
    """Yield the partial files of a tree of ``size``."""
    if size % WIDTH:
        yield tile_path(ENTRIES, size // WIDTH, size % WIDTH)
    for level, width in enumerate(widths(size)):
        if width:
            yield tile_path(level, size // WIDTH ** (level + 1), width)


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # not empty, or gone already
        folder.rmdir()
