"""ZIP and TAR files opened once, safely: bounded in bytes and members, under names of our own.

What is inside is written to a private folder that is gone afterwards. No member's name becomes a
path, so that a trick in it reaches nothing; an archive with one is refused whole all the same, for
whoever made it did not mean to send records. The bounds hold for what is read, never for what a
header declares.
"""

from __future__ import annotations

import errno
import io
import stat
import struct
import tarfile
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from sekisho.provider.sources import Limits, SourceProblem, Stream, open_source

_PIECE = 1 << 16
_HEADERS = 1 << 20
"""Most bytes of headers before a member of a TAR file: long names, attributes, sparse maps."""
_DIRECTORY_ENTRY = 256
"""Bytes that a member of a ZIP file may take in its directory, on average."""
_START = 512
_ZIPS: Final = (b"PK\x03\x04", b"PK\x05\x06")
_PACKED: Final = (*_ZIPS, b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a")
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The others' dictionaries are as large as their header says."""
_UNREADABLE = (
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RecursionError,
    RuntimeError,
    struct.error,
    tarfile.TarError,
    UnicodeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Member:
    """A file of an archive. ``name`` is for its reader only: it may hold a patient's name."""

    name: str
    path: Path


@dataclass
class _Room:
    """What is left of the bounds while an archive is unpacked."""

    folder: Path
    bytes: int
    members: int

    def file(self, number: int) -> Path:
        return self.folder / f"{number:06}"

    def spend(self, read: int, *, ratio: bool) -> None:
        self.bytes -= read
        if self.bytes < 0:
            raise SourceProblem("archive.bomb" if ratio else "archive.too-large")


def is_archive(path: Path) -> bool:
    """Return whether the file's first bytes are those of ZIP, TAR or TAR in gzip."""
    return _kind_of(path) is not None


@contextmanager
def unpacked(
    path: Path, limits: Limits, ignored: list[str] | None = None
) -> Iterator[tuple[Member, ...]]:
    """Yield the files of an archive, in its order; they are there as long as the context is.

    What macOS puts beside the files is left out; its names are added to ``ignored``.

    Raises:
        SourceProblem: as `open_source`; no archive; damaged; too large or too many members; packed
            beyond the ratio; encrypted; a link, a path that leaves it, a name that stands twice, or
            an archive inside.
    """
    kind = _kind_of(path)
    if kind is None:
        raise SourceProblem("archive.kind")
    by_ratio = max(limits.archive_floor, limits.archive_ratio * path.stat().st_size)
    with tempfile.TemporaryDirectory(prefix="sekisho-") as folder:
        room = _Room(Path(folder), min(by_ratio, limits.archive_bytes), limits.archive_members)
        ratio = by_ratio < limits.archive_bytes
        members = _guarded(lambda: kind(path, room, ratio))
        beside = [one.name for one in members if _is_beside(one.name)]
        if ignored is not None:
            ignored.extend(beside)
        yield tuple(one for one in members if one.name not in beside)


def _guarded(unpack: Callable[[], tuple[Member, ...]]) -> tuple[Member, ...]:
    try:
        return unpack()
    except _UNREADABLE as problem:  # their messages quote names: none goes further
        if isinstance(problem, OSError) and problem.errno not in (None, errno.EINVAL):
            raise  # the disk's fault, not the archive's (a place before its start: EINVAL)
        raise SourceProblem("archive.damaged") from None


_Unpack = Callable[[Path, _Room, bool], tuple[Member, ...]]


def _kind_of(path: Path) -> _Unpack | None:
    with open_source(path) as stream:
        try:
            start = stream.read(_START)
        except (EOFError, OSError, zlib.error):
            return None
    if start.startswith(_ZIPS):
        return _from_zip
    return _from_tar if _is_tar(start) else None


def _is_tar(start: bytes) -> bool:
    return start[257:262] == b"ustar"


def _from_zip(path: Path, room: _Room, ratio: bool) -> tuple[Member, ...]:
    with path.open("rb") as file:
        archive = _zip_of(_Piecewise(file, max(_HEADERS, room.members * _DIRECTORY_ENTRY)))
        found = [info for info in archive.infolist() if not info.is_dir()]
        if len(found) > room.members:
            raise SourceProblem("archive.too-many")
        names = _names([info.orig_filename for info in found])
        made = []
        for number, info in enumerate(found):
            _check_zipped(info)
            with archive.open(info) as source:
                _write(source, room, number, ratio)
            made.append(Member(names[number], room.file(number)))
    return tuple(made)


def _zip_of(file: _Piecewise) -> zipfile.ZipFile:
    """Open it; names without the UTF-8 flag are Japanese, or else nobody's."""
    try:
        return zipfile.ZipFile(file, metadata_encoding="cp932")
    except UnicodeDecodeError:
        return zipfile.ZipFile(file)


def _check_zipped(info: zipfile.ZipInfo) -> None:
    if info.flag_bits & 0x1:
        raise SourceProblem("archive.encrypted")
    if info.compress_type not in _METHODS:
        raise SourceProblem("archive.method")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise SourceProblem("archive.link")


def _from_tar(path: Path, room: _Room, ratio: bool) -> tuple[Member, ...]:
    names: list[str] = []
    made: list[Path] = []
    headers = 0
    with open_source(path) as stream:
        metered = _Metered(stream, _HEADERS)
        with tarfile.open(fileobj=metered, mode="r|") as archive:
            while (info := archive.next()) is not None:
                headers += 1
                if headers > room.members:
                    raise SourceProblem("archive.too-many")
                if info.isdir():
                    continue
                if not info.isreg() or info.issparse():
                    raise SourceProblem("archive.link")
                names.append(info.name)
                source = archive.extractfile(info)
                metered.left = None
                if source is not None:
                    _write(source, room, len(made), ratio)
                metered.left = _HEADERS
                made.append(room.file(len(made)))
    checked = _names(names)
    return tuple(Member(name, file) for name, file in zip(checked, made, strict=True))


def _write(source: IO[bytes], room: _Room, number: int, ratio: bool) -> None:
    piece = source.read(_PIECE)
    if piece.startswith(_PACKED) or _is_tar(piece):
        raise SourceProblem("archive.nested")
    with room.file(number).open("xb") as target:
        while piece:
            room.spend(len(piece), ratio=ratio)
            target.write(piece)
            piece = source.read(_PIECE)


def _names(raw: list[str]) -> list[str]:
    """Return the names, each spelled one way.

    Raises:
        SourceProblem: one leaves the archive, or two are one.
    """
    made: list[str] = []
    seen: set[str] = set()
    for name in raw:
        parts = [part for part in name.replace("\\", "/").split("/") if part != "."]
        plain = ":" not in name and not any(c < " " or c == "\x7f" for c in name)
        if not plain or any(part in ("", "..") for part in parts):
            raise SourceProblem("archive.path")
        spelled = "/".join(parts)
        alike = unicodedata.normalize("NFKC", spelled).casefold()
        if alike in seen:
            raise SourceProblem("archive.duplicate")
        seen.add(alike)
        made.append(spelled)
    return made


def _is_beside(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.endswith(".DS_Store")


class _Piecewise(io.RawIOBase):
    """A file of which nobody reads more than ``most`` bytes at once (a directory without end)."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self._file, self._most = file, most

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            here = self._file.tell()
            size = self._file.seek(0, io.SEEK_END) - here
            self._file.seek(here)
        if size > self._most:
            raise SourceProblem("archive.too-many")
        return self._file.read(size)


class _Metered(io.RawIOBase):
    """A stream that gives at most ``left`` bytes more; None: as many as there are."""

    def __init__(self, stream: Stream, left: int | None) -> None:
        self._stream, self.left = stream, left

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            raise SourceProblem("archive.damaged")
        data = self._stream.read(size)
        if self.left is not None:
            self.left -= len(data)
            if self.left < 0:
                raise SourceProblem("archive.damaged")
        return data
