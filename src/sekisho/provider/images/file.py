"""DICOM files in bounded memory: the header is read, pixels stay in the file until they are copied.

The 128 bytes before the header may be another program's file (a polyglot); they are not looked at
and never written. Source: DICOM PS3.10 section 7 (file), PS3.5 section 7 and A (encoding, items).
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from sekisho.provider.sources import SourceProblem

HEAD_BYTES: Final = 8 << 20
"""Most bytes before the pixels: what pydicom makes of them takes some thirty times as much."""
ITEMS: Final = 50_000
"""Most items of sequences in a header, each an object of its own in memory."""
_ITEM: Final = b"\xfe\xff\x00\xe0"
_END: Final = b"\xfe\xff\xdd\xe0"
_PIXELS: Final = (b"\xe0\x7f\x10\x00", b"\xe0\x7f\x09\x00", b"\xe0\x7f\x08\x00")
_PREFIX, _START = b"DICM", 132
_OPEN: Final = 0xFFFFFFFF
_LONG: Final = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"UN", b"SQ", b"UC", b"UR", b"UT")
_PIECE: Final = 1 << 20


class ImageProblem(Exception):
    """A file is no image that can be used; ``code`` is a finding's."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Head:
    """What stands before the pixels.

    Args:
        pixels: first byte and size of the pixels' element in the file; None where there is none.
        encapsulated: the pixels are a compressed stream, which may hold comments of its own.
    """

    data: Dataset
    meta: FileMetaDataset
    pixels: tuple[int, int] | None
    encapsulated: bool


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom from telling anyone of values: its warnings and its log quote them."""
    log = logging.getLogger("pydicom")
    before, log.disabled = log.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.disabled = before


def open_head(path: Path) -> Head:
    """Read the header of a file, inside `quiet`; values are decoded when they are looked at.

    Raises:
        SourceProblem: the file cannot be opened.
        ImageProblem: no DICOM file, cut, too large a header, or an encoding that is not read.
    """
    if path.is_dir():
        raise SourceProblem("file.folder")
    try:
        with path.open("rb") as file:
            start = file.read(HEAD_BYTES)
            size = file.seek(0, 2)
            return _head(file, start, size)
    except FileNotFoundError:
        raise SourceProblem("file.missing") from None
    except (OSError, ValueError):
        raise SourceProblem("file.unreadable") from None


def header_of(head: Head, data: Dataset) -> bytes:
    """Return ``data`` as the header of a file with the encoding of ``head``.

    Raises:
        ImageProblem: it cannot be written.
    """
    meta = FileMetaDataset()
    whole = Dataset(data)
    header = BytesIO()
    try:
        meta.TransferSyntaxUID = head.meta.TransferSyntaxUID
        meta.MediaStorageSOPClassUID = data.SOPClassUID
        meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        whole.file_meta = meta
        dcmwrite(header, whole, enforce_file_format=True)
    except Exception:  # the words of the library may quote a value
        raise ImageProblem("dicom.malformed") from None
    return header.getvalue()


def write_object(path: Path, head: Head, data: Dataset, target: BinaryIO) -> None:
    """Write ``data`` as the header, and the pixels of ``path`` as they are, a piece at a time.

    Raises:
        ImageProblem: the header cannot be written, or the file is not the one that was read.
    """
    target.write(header_of(head, data))
    if head.pixels is None:
        return
    place, left = head.pixels
    with path.open("rb") as file:
        file.seek(place)
        while left:
            piece = file.read(min(_PIECE, left))
            if not piece:
                raise ImageProblem("dicom.truncated")
            left -= len(piece)
            target.write(piece)


def _head(file: BinaryIO, start: bytes, size: int) -> Head:
    if not start:
        raise SourceProblem("file.empty")
    if start[_START - 4 : _START] != _PREFIX:
        raise ImageProblem("dicom.no-prefix")
    if start.count(_ITEM) > ITEMS:
        raise ImageProblem("dicom.too-complex")
    _check_syntax(start)
    stream = BytesIO(start)
    try:
        data = dcmread(stream, stop_before_pixels=True)
        syntax = data.file_meta.TransferSyntaxUID
        if not syntax.is_transfer_syntax or syntax.is_private:
            raise ImageProblem("dicom.transfer-syntax")
        encapsulated = bool(syntax.is_encapsulated)
    except ImageProblem:
        raise
    except RecursionError:
        raise ImageProblem("dicom.too-deep") from None
    except Exception:  # the parser fails in as many ways as there are bytes; none may go further
        raise ImageProblem("dicom.malformed") from None
    place = stream.tell()
    if place >= len(start) and size > len(start):
        raise ImageProblem("dicom.head-too-large")
    implicit = syntax == ImplicitVRLittleEndian
    pixels = _pixels(file, place, size, implicit) if place < size else None
    return Head(data, data.file_meta, pixels, encapsulated)


def _check_syntax(start: bytes) -> None:
    """Refuse encodings before the parser sees them: a deflated file would be inflated at once."""
    place, found = _START, b""
    while start[place : place + 2] == b"\x02\x00" and place + 12 <= len(start):
        long = start[place + 4 : place + 6] in _LONG
        at, wide = (place + 8, 4) if long else (place + 6, 2)
        length = int.from_bytes(start[at : at + wide], "little")
        if start[place + 2 : place + 4] == b"\x10\x00":
            found = start[at + wide : at + wide + length]
        place = at + wide + length
    syntax = found.strip(b"\0 ").decode("ascii", "replace")
    if syntax in ("", DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian):
        raise ImageProblem("dicom.transfer-syntax")


def _pixels(file: BinaryIO, place: int, size: int, implicit: bool) -> tuple[int, int] | None:
    """Return place and size of the pixels' element, which must be whole."""
    file.seek(place)
    head = file.read(12)
    if head[:4] not in _PIXELS:
        return None  # the data set ended before it
    width = 8 if implicit else 12
    length = int.from_bytes(head[width - 4 : width], "little")
    if length != _OPEN:
        if place + width + length > size:
            raise ImageProblem("dicom.truncated")
        return place, width + length
    end = place + width
    while True:
        file.seek(end)
        item = file.read(8)
        if item == _END + bytes(4):
            return place, end + 8 - place
        length = int.from_bytes(item[4:], "little")
        end += 8 + length
        if item[:4] != _ITEM or length == _OPEN or end + 8 > size:
            raise ImageProblem("dicom.truncated")
