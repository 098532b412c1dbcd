"""Files as bounded streams of lines, plain or gzip; a damaged end keeps what came before it."""

from __future__ import annotations

import gzip
import hmac
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from io import BufferedReader, BytesIO
from math import inf
from pathlib import Path

from msgspec import Struct

_HASHED_AT_ONCE = 1 << 16
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Limits:
    """How much one file may ask of the reader's memory.

    Args:
        line_bytes: longest line.
        file_bytes: largest file that is read as a whole (a bundle), unpacked.
        receipt_lines: most lines of one receipt.
        document_bytes: largest XML document; as a tree it takes up to a hundred times as much.
        piece_bytes: how much is read at once; what is made of it should fit a core's own cache.
        block_bytes: about how much of a file of receipts is read in columns at once.
        batch_units: fewest receipts in a row that are; fewer are read faster one by one.
        table_bytes: how much of one table waits in memory before it goes to disk.
        archive_bytes: most bytes that an archive may unpack to.
        archive_members: most files in an archive.
        archive_ratio: how many times its own size it, or a file in gzip, may unpack to, beyond the
            first ``archive_floor`` bytes. Deflate reaches 1,032; files of records stay below 100.
    """

    line_bytes: int = 16 << 20
    file_bytes: int = 256 << 20
    receipt_lines: int = 20_000
    document_bytes: int = 4 << 20
    piece_bytes: int = 1 << 16
    block_bytes: int = 4 << 20
    batch_units: int = 64
    table_bytes: int = 16 << 20
    archive_bytes: int = 16 << 30
    archive_members: int = 100_000
    archive_ratio: int = 200
    archive_floor: int = 16 << 20

    def __post_init__(self) -> None:
        if min(astuple(self)) < 1:
            raise ValueError("limits are positive")


class SourceProblem(Exception):
    """A file cannot be read, or not further; ``code`` is a finding's, ``line`` where it stopped."""

    def __init__(self, code: str, line: int = 0) -> None:
        super().__init__(code)
        self.code = code
        self.line = line


class Line(Struct, frozen=True, gc=False):
    """One line without its end. ``data`` is None where it was longer than the limit."""

    number: int
    data: bytes | None
    ended: bool = True


Stream = BufferedReader | gzip.GzipFile


def open_source(path: Path) -> Stream:
    """Open a file, through gzip where its first bytes say so (the suffix does not count).

    Raises:
        SourceProblem: missing, a folder, unreadable or empty.
    """
    if path.is_dir():
        raise SourceProblem("file.folder")
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise SourceProblem("file.missing") from None
    except (OSError, ValueError):  # ValueError: a NUL in the name
        raise SourceProblem("file.unreadable") from None
    start = file.peek(2)[:2]
    if start == b"\x1f\x8b":
        file.close()
        return gzip.open(path, "rb")
    if not start:
        file.close()
        raise SourceProblem("file.empty")
    return file


class Block(Struct, frozen=True, gc=False):
    """Whole lines, ``before`` of the file's others standing before them.

    ``data`` is None where it stands for one line that was longer than the limit.
    """

    before: int
    data: bytes | None


def blocks(path: Path, limits: Limits) -> Iterator[Block]:
    """Yield a file as whole lines, some at once; only the last may lack its end.

    Raises:
        SourceProblem: at the start, or after the lines before the damage.
    """
    before = 0
    for data in _runs(path, limits):
        yield Block(_sound(before, data), data)
        before += 1 if data is None else data.count(b"\n")


def lines(path: Path, limits: Limits) -> Iterator[Line]:
    """Yield the lines of a file; blank ones are skipped but counted.

    Raises:
        SourceProblem: at the start, or after the lines before the damage.
    """
    for run in runs(path, limits):
        yield from lines_in(run, limits)


class Run(Struct, frozen=True, gc=False):
    """Some lines with their ends, ``before`` of the file's others standing before them.

    ``lines`` is None where it stands for one line that was longer than the limit.
    """

    before: int
    data: bytes
    lines: list[bytes] | None


def runs(path: Path, limits: Limits) -> Iterator[Run]:
    """Yield the lines of a file, some at once; only the last may lack its end.

    Raises:
        SourceProblem: at the start, or after the lines before the damage.
    """
    before = 0
    for data in _runs(path, limits):
        # over twice as fast as to split
        found = None if data is None else BytesIO(data).readlines()
        yield Run(_sound(before, data), data or b"", found)
        before += 1 if found is None else len(found)


def _sound(before: int, data: bytes | None) -> int:
    """Return how many lines stand before ``data``, unless the stream is damaged here."""
    if isinstance(data, _Damage):
        raise SourceProblem("file.truncated-gzip", before + 1)
    return before


def lines_in(run: Run, limits: Limits) -> list[Line]:
    """Return the lines of a run as `lines` does."""
    if run.lines is None:
        return [Line(run.before + 1, None)]
    return _lines(run.before, run.lines, limits)


def lines_of(block: Block, limits: Limits) -> list[Line]:
    """Return the lines of a block as `lines` does."""
    if block.data is None:
        return [Line(block.before + 1, None)]
    return _lines(block.before, BytesIO(block.data).readlines(), limits)


def _lines(before: int, pieces: Iterable[bytes], limits: Limits) -> list[Line]:
    """Return lines that are not blank; the last may lack its end."""
    made, longest = list[Line](), limits.line_bytes
    for number, piece in enumerate(pieces, before + 1):
        data = piece.rstrip(b"\r\n")
        if not data or data.isspace():
            continue
        ended = piece.endswith(b"\n")
        made.append(Line(number, data if len(piece) - ended <= longest else None, ended))
    return made


def _runs(path: Path, limits: Limits) -> Iterator[bytes | None]:
    """Yield whole lines, some at once; None for one that is too long, `_Damage` at an early end."""
    held, size, skipping, empty = list[bytes](), 0, False, True
    with open_source(path) as stream:
        for piece in _pieces(stream, limits):
            if isinstance(piece, _Damage):
                yield from _tail(held, skipping)
                yield piece
                return
            if empty:
                piece, empty = piece.removeprefix(_BOM), False
            cut = piece.rfind(b"\n") + 1
            if cut:
                if skipping:
                    yield None
                    start = piece.find(b"\n") + 1
                    piece, cut = piece[start:], cut - start
                data = b"".join((*held, memoryview(piece)[:cut]))
                if data:
                    yield data
                piece, held, size, skipping = piece[cut:], [], 0, False
            if not skipping:
                held.append(piece)
                size += len(piece)
                if size > limits.line_bytes:
                    held, skipping = [], True
    if empty:
        raise SourceProblem("file.empty")
    yield from _tail(held, skipping)


def whole(path: Path, limits: Limits) -> bytes:
    """Return the bytes of a file that must be read as one.

    Raises:
        SourceProblem: as `open_source`; too large; damaged.
    """
    pieces, size = [], 0
    with open_source(path) as stream:
        for piece in _pieces(stream, limits):
            if isinstance(piece, _Damage):
                raise SourceProblem("file.truncated-gzip")
            size += len(piece)
            if size > limits.file_bytes:
                raise SourceProblem("file.too-large")
            pieces.append(piece)
    data = b"".join(pieces).removeprefix(_BOM)
    if not data.strip():
        raise SourceProblem("file.empty")
    return data


def keyed_digest(path: Path, key: bytes) -> str | None:
    """Return HMAC-SHA256 of a file's bytes as hex: equal for equal files, silent otherwise.

    None where the file cannot be read (the reader says why).
    """
    state = hmac.new(key, digestmod="sha256")
    try:
        with path.open("rb") as file:
            while piece := file.read(_HASHED_AT_ONCE):
                state.update(piece)
    except (OSError, ValueError):
        return None
    return state.hexdigest()


class _Damage(bytes):
    """Marks where a stream could not be read further."""


def _pieces(stream: Stream, limits: Limits) -> Iterator[bytes]:
    left: float = inf
    if isinstance(stream, gzip.GzipFile):
        packed = os.fstat(stream.fileno()).st_size
        left = max(limits.archive_floor, limits.archive_ratio * packed)
    while True:
        try:
            piece = stream.read1(limits.piece_bytes)  # read() would lose what precedes the damage
        except (EOFError, zlib.error, OSError):
            yield _Damage()
            return
        if not piece:
            return
        left -= len(piece)
        if left < 0:
            raise SourceProblem("archive.bomb")
        yield piece


def _tail(held: list[bytes], skipping: bool) -> Iterator[bytes | None]:
    rest = b"".join(held)
    if skipping:
        yield None
    elif rest:
        yield rest
