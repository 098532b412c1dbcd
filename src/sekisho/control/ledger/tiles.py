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
from sekisho.control.ledger.checkpoint import size_of
from sekisho.control.ledger.edge import WIDTH, Edge, widths
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
    unpack_bundle,
)
from sekisho.control.ledger.tree import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    perfect_root,
    split_of,
)

Write = Callable[[Path, bytes], None]
Seal = Callable[[int, bytes], bytes]
"""From size and root to the signed checkpoint."""


class TileLog:
    """One log's folder. Only one process may append to it at a time (`book` sees to that)."""

    def __init__(self, folder: Path, write: Write = write_atomically) -> None:
        self.folder = folder
        self._write = write

    @property
    def size(self) -> int:
        """The number of entries up to the checkpoint; 0 before there is one."""
        file = self.folder / CHECKPOINT
        return size_of(file.read_bytes()) if file.exists() else 0

    def edge(self, size: int | None = None) -> Edge:
        """Return the right edge of the log as its files have it."""
        size = self.size if size is None else size
        rows = [
            hashes_in(self._tile(level, size // WIDTH ** (level + 1), width)) if width else []
            for level, width in enumerate(widths(size))
        ]
        return Edge(size, rows)

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

    def entry(self, index: int) -> bytes:
        """Return one entry."""
        size = self.size
        if not 0 <= index < size:
            raise IndexError("the ledger has no such entry")
        return self._bundle(index // WIDTH, size)[index % WIDTH]

    def entries(self, start: int = 0) -> Iterator[bytes]:
        """Yield the entries from ``start`` on, a bundle at a time."""
        size = self.size
        for index in range(start // WIDTH, -(-size // WIDTH)):
            skip = max(start - index * WIDTH, 0)
            yield from self._bundle(index, size)[skip:]

    def root(self, size: int | None = None) -> bytes:
        """Return the root of the first ``size`` entries."""
        size = self.size if size is None else size
        return self.subtree(0, size) if size else Edge().root()

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Return the proof that entry ``index`` is in the tree of the first ``size``."""
        self._check_size(size)
        return inclusion_proof(index, size, self.subtree)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Return the proof that the tree of ``new`` entries continues that of ``old``."""
        self._check_size(new)
        return consistency_proof(old, new, self.subtree)

    def subtree(self, start: int, end: int) -> bytes:
        """Return the hash over a range of leaves, from as few tiles as possible."""
        width = end - start
        if width & (width - 1):
            middle = start + split_of(width)
            return node_hash(self.subtree(start, middle), self.subtree(middle, end))
        level = (width.bit_length() - 1) // 8
        span = WIDTH**level  # leaves under one hash of this level
        index, offset = divmod(start // span, WIDTH)
        wanted = offset + width // span
        hashes = hashes_in(self._tile(level, index, wanted))
        return perfect_root(hashes[offset:wanted])

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

    def _bundle(self, index: int, size: int) -> list[bytes]:
        width = min(WIDTH, size - index * WIDTH)
        return unpack_bundle(self._read(ENTRIES, index, width))[:width]

    def _tile(self, level: int, index: int, width: int) -> bytes:
        """Return the first ``width`` hashes of a tile."""
        data = self._read(level, index, width)
        if len(data) < width * HASH:
            raise TamperError("ledger.tile-broken", "A tile of the ledger is cut short.")
        return data[: width * HASH]

    def _read(self, level: int | str, index: int, width: int) -> bytes:
        """Read the tile of this width, or the next wider one that took its place."""
        full = self.folder / tile_path(level, index)
        narrow = self.folder / tile_path(level, index, width)
        partials = narrow.parent if width < WIDTH else full.with_name(full.name + ".p")
        wider = (int(one.name) for one in partials.glob("[0-9]*")) if width < WIDTH else ()
        for name in (narrow, *(partials / str(w) for w in sorted(wider) if w > width), full):
            try:
                return name.read_bytes()
            except FileNotFoundError:
                continue
        raise TamperError(
            "ledger.file-missing", f"The ledger lacks {tile_path(level, index, width)}."
        )

    def _drop_superseded(self, old: int, new: int) -> None:
        if old == new:
            return
        for name in set(files_of_edge(old)) - set(files_of_edge(new)):
            file = self.folder / name
            file.unlink(missing_ok=True)
            _remove_if_empty(file.parent)

    def _check_size(self, size: int) -> None:
        if not 0 <= size <= self.size:
            raise ValueError("the ledger has no such size")


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
