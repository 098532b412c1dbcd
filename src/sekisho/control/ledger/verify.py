"""Whole verification of a ledger's folder: every byte of every file, in bounded memory.

Entries are read a bundle at a time; every tile is made anew from them and compared byte for byte;
the root must be the checkpoint's, and every head that a witness or another reader holds must lie
on the way to it. A file that the tree does not have is a problem, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

from sekisho.common.errors import SekishoError, TamperError
from sekisho.control.ledger.checkpoint import Checkpoint, TreeHead, origin_of, read_checkpoint
from sekisho.control.ledger.edge import WIDTH, Edge, Tile
from sekisho.control.ledger.entry import Entry
from sekisho.control.ledger.layout import (
    CHECKPOINT,
    ENTRIES,
    HASH,
    cosigned_path,
    files_of,
    hashes_in,
    tile_path,
    unpack_bundle,
    witness_of,
)
from sekisho.control.ledger.reading import Files, FolderFiles
from sekisho.control.ledger.tree import EMPTY, leaf_hash
from sekisho.exchange.keys import VerifyKey

MOST = 100
"""Problems reported at most: enough to act on, and bounded."""


@dataclass(frozen=True)
class Problem:
    """One file that is not what was recorded, and what is wrong with it."""

    file: str
    what: str


@dataclass(frozen=True)
class Held:
    """A head of this ledger that somebody else holds, and who: the ledger must go on from it."""

    by: str
    head: TreeHead


def verify_ledger(
    files: Files | Path,
    origin: str,
    key: VerifyKey,
    *,
    witnesses: Mapping[str, VerifyKey] | None = None,
    held: Iterable[Held] = (),
    visits: Mapping[str, TreeHead] | None = None,
    check: Callable[[bytes], object] = Entry.from_bytes,
) -> list[Problem]:
    """Return what is wrong with a ledger; nothing if it holds.

    Args:
        files: its folder, or where it is served. It must be at rest: verify a copy of a running
            body's.
        witnesses: the bodies whose co-signatures may lie beside the checkpoint, by id.
        held: heads that others hold, from this ledger's own past.
        visits: what each witness says that it co-signed last; it must lie beside the checkpoint.
        check: raises `TamperError` for a leaf that is no entry.
    """
    files = FolderFiles(files) if isinstance(files, Path) else files
    note = _read(files, CHECKPOINT)
    if note is None:
        return [Problem(CHECKPOINT, "missing or unreadable")]
    try:
        head = read_checkpoint(note, origin, key).head
    except TamperError as error:
        return [Problem(CHECKPOINT, error.message)]
    cosigned, problems = _cosigned(files, origin, key, witnesses or {})
    for witness, visit in (visits or {}).items():
        if witness not in cosigned or cosigned[witness].size < visit.size:
            text = f"lacks what {witness} co-signed at {visit.size} entries"
            problems.append(Problem(cosigned_path(witness), text))
    claims = [_Claim(cosigned_path(name), "the witness", one) for name, one in cosigned.items()]
    claims += [_Claim(CHECKPOINT, one.by, one.head) for one in (*held, *_visited(visits or {}))]
    problems += _Verification(files, head, check, claims, set(cosigned)).run()
    return problems[:MOST]


def read_cosigned(
    files: Files, origin: str, key: VerifyKey, witness: str, witness_key: VerifyKey
) -> Checkpoint | None:
    """Return the checkpoint that ``witness`` co-signed last; None where there is none.

    Raises:
        TamperError: it does not hold.
    """
    note = _read(files, cosigned_path(witness))
    if note is None:
        return None
    checkpoint = read_checkpoint(note, origin, key, {origin_of(witness): witness_key})
    if not checkpoint.witnessed:
        raise TamperError("ledger.not-cosigned", f"It is not co-signed by {witness}.")
    return checkpoint


def _cosigned(
    files: Files, origin: str, key: VerifyKey, witnesses: Mapping[str, VerifyKey]
) -> tuple[dict[str, TreeHead], list[Problem]]:
    found: dict[str, TreeHead] = {}
    problems = []
    for witness, witness_key in witnesses.items():
        try:
            checkpoint = read_cosigned(files, origin, key, witness, witness_key)
        except TamperError as error:
            problems.append(Problem(cosigned_path(witness), error.message))
            continue
        if checkpoint is not None:
            found[witness] = checkpoint.head
    return found, problems


def _visited(visits: Mapping[str, TreeHead]) -> Iterator[Held]:
    return (Held(f"the witness {witness}", head) for witness, head in visits.items())


def _read(files: Files, name: str) -> bytes | None:
    """Return a file's bytes; None where it cannot be read."""
    try:
        return files.read(name)
    except OSError:
        return None


@dataclass(frozen=True)
class _Claim:
    """A head that must lie on the ledger's way, and the file to name if it does not."""

    file: str
    by: str
    head: TreeHead


@dataclass
class _Verification:
    files: Files
    head: TreeHead
    check: Callable[[bytes], object]
    claims: Sequence[_Claim]
    witnesses: Set[str]
    problems: list[Problem] = field(default_factory=list)
    differing: list[int] = field(default_factory=list)
    """Indexes of bundles whose entries do not hash to their tile."""

    def run(self) -> list[Problem]:
        self._check_names()
        # Two trees: one from the entries, one from the level-0 tiles as they lie there. If a
        # bundle and its tile differ, the one that leads to the signed root is the right one.
        # They are the same tree, made once, up to the first difference.
        entries = tiles = _Rebuilt(self._read, {one.head.size for one in self.claims})
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
        if not self.problems:
            self._check_claims(entries.roots)
        return self.problems

    def _check_claims(self, roots: Mapping[int, bytes]) -> None:
        """Every head that somebody holds must be one through which this ledger went."""
        for claim in self.claims:
            if claim.head.size > self.head.size:
                text = f"is cut short: {claim.by} holds {claim.head.size} entries"
                self._report(CHECKPOINT, text)
            elif roots[claim.head.size] != claim.head.root:
                text = f"another history than {claim.by} holds at {claim.head.size} entries"
                self._report(claim.file, text)

    def _check_names(self) -> None:
        names = self.files.names()
        if names is None:
            return
        wanted = set(files_of(self.head.size)) | {CHECKPOINT}
        for name in names:
            if name in wanted:
                wanted.discard(name)
            elif witness_of(name) not in self.witnesses:
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
        return _read(self.files, name) or b""

    def _report(self, name: str, what: str) -> None:
        problem = Problem(name, what)
        if len(self.problems) < MOST and problem not in self.problems:
            self.problems.append(problem)


class _Rebuilt:
    """A tree made anew from leaf hashes; its tiles above level 0 are held against the files."""

    def __init__(self, read: Callable[[str], bytes], marks: Set[int]) -> None:
        self._edge = Edge()
        self._read = read
        self._marks = marks
        self._wrong: list[str] = []
        self.roots = {0: EMPTY}
        """The root at each size that somebody asked for."""

    def fork(self) -> _Rebuilt:
        """Return a tree that has come as far as this one and goes on by itself."""
        other = _Rebuilt(self._read, self._marks)
        other._edge, other._wrong = self._edge.copy(), list(self._wrong)
        other.roots = dict(self.roots)
        return other

    def push(self, hashes: Iterable[bytes]) -> None:
        for hash_ in hashes:
            self._compare(self._edge.push(hash_))
            if self._edge.size in self._marks:
                self.roots[self._edge.size] = self._edge.root()

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
