"""A log as its readers have it: entries, roots and proofs from its files, wherever they lie.

Nothing here is verified: a reader of another's files holds what it is given against a checkpoint
whose signature it has verified (`sekisho.control.ledger.verify`, `proof`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from sekisho.common.errors import TamperError
from sekisho.control.ledger.checkpoint import size_of
from sekisho.control.ledger.edge import WIDTH, Edge, widths
from sekisho.control.ledger.layout import (
    CHECKPOINT,
    ENTRIES,
    HASH,
    hashes_in,
    tile_path,
    unpack_bundle,
)
from sekisho.control.ledger.tree import (
    consistency_proof,
    inclusion_proof,
    node_hash,
    perfect_root,
    split_of,
)


class Files(Protocol):
    """A log's files by name: a folder, or an address at which they are served."""

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes; None where there is no such file."""
        ...

    def wider(self, level: int | str, index: int, width: int) -> Iterator[str]:
        """Yield the names under which a tile may lie that has become wider than ``width``."""
        ...

    def names(self) -> Iterator[str] | None:
        """Return every file there is; None where nobody can list them."""
        ...


class FolderFiles:
    """A log in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str) -> bytes | None:
        try:
            return (self.folder / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def wider(self, level: int | str, index: int, width: int) -> Iterator[str]:
        full = tile_path(level, index)
        partials = self.folder / f"{full}.p"
        found = sorted(int(one.name) for one in partials.glob("[0-9]*"))
        yield from (tile_path(level, index, each) for each in found if each > width)
        yield full

    def names(self) -> Iterator[str]:
        """Yield every file, and what is neither file nor folder, in order."""
        for file in sorted(self.folder.rglob("*")):
            if file.is_symlink() or not file.is_dir():
                name = file.relative_to(self.folder).as_posix()
                yield name + " (a link)" if file.is_symlink() else name


class TileReader:
    """One log, read only."""

    def __init__(self, files: Files) -> None:
        self.files = files

    @property
    def size(self) -> int:
        """The number of entries up to the checkpoint; 0 before there is one."""
        note = self.files.read(CHECKPOINT)
        return 0 if note is None else size_of(note)

    def edge(self, size: int | None = None) -> Edge:
        """Return the right edge of the log as its files have it."""
        size = self.size if size is None else size
        rows = [
            hashes_in(self._tile(level, size // WIDTH ** (level + 1), width)) if width else []
            for level, width in enumerate(widths(size))
        ]
        return Edge(size, rows)

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

    def tile(self, level: int | str, index: int, width: int) -> bytes:
        """Return the file of this tile, or of a wider one that took its place."""
        name = tile_path(level, index, width)
        data = self.files.read(name)
        if data is None and width < WIDTH:
            # Looked for only now: while a log grows, a wider one is there before this one goes.
            found = map(self.files.read, self.files.wider(level, index, width))
            data = next((one for one in found if one is not None), None)
        if data is None:
            raise TamperError("ledger.file-missing", f"The ledger lacks {name}.")
        return data

    def _bundle(self, index: int, size: int) -> list[bytes]:
        width = min(WIDTH, size - index * WIDTH)
        return unpack_bundle(self.tile(ENTRIES, index, width))[:width]

    def _tile(self, level: int, index: int, width: int) -> bytes:
        """Return the first ``width`` hashes of a tile."""
        data = self.tile(level, index, width)
        if len(data) < width * HASH:
            raise TamperError("ledger.tile-broken", "A tile of the ledger is cut short.")
        return data[: width * HASH]

    def _check_size(self, size: int) -> None:
        if not 0 <= size <= self.size:
            raise ValueError("the ledger has no such size")
