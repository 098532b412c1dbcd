"""What records keep beside their rows (images, a person's variants), each in a file of its own.

A file lies under its class and its person's key, so that erasure is the removal of a folder; it is
sealed to the body's own key and named by a digest of provider, record and batch, which its row has
as well. A record that is sent again leaves the earlier object where it was, as its rows do.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

import pyarrow as pa

from sekisho.cdm import object_schema
from sekisho.common.atomicfile import sync_folder
from sekisho.common.canonical import canonical_json, digest
from sekisho.common.errors import PeerError
from sekisho.exchange.keys import SealKey
from sekisho.exchange.seal import open_sealed, seal_file

_WORD: Final = re.compile(r"[a-z]{1,20}")
_KEY: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Stored:
    """How many objects were stored, their bytes, and a digest over all, whatever their order."""

    objects: int
    bytes: int
    digest: str


Record = tuple[str, str, str]
"""Person key, source id, data class."""


class Objects:
    """The objects of one body.

    Args:
        folder: ``<class>/<person key>/<name>.<kind>``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(
        self,
        rows: Iterable[pa.Table],
        records: Iterable[pa.Table],
        person: Callable[[str], str],
        key: SealKey,
        *,
        provider: str,
        batch: int,
    ) -> Stored:
        """Store the objects of ``records``; doing it again changes nothing.

        Args:
            rows: as `object_schema` says, some at a time.
            records: tables of these records, under tags.
            person: tag → person key.

        Raises:
            PeerError: the pieces are not as a provider's program writes them.
        """
        known = {record for table in records for record in _records(table)}
        writing: _Writing | None = None
        done: list[_Writing] = []
        try:
            for here, piece, data in _pieces(rows):
                if writing is None or here != writing.what:
                    if writing is not None:
                        done.append(writing.close(key))
                    tag, source, data_class, kind = here
                    place = None
                    if (tag, source, data_class) in known:
                        place = self.place(data_class, person(tag), provider, source, batch, kind)
                    writing = _Writing(here, place)
                writing.add(piece, data)
            if writing is not None:
                done.append(writing.close(key))
        finally:
            if writing is not None:
                writing.forget()
        kept = [one for one in done if one.place is not None]
        said = sorted(f"{one.what[1]}:{one.state.hexdigest()}" for one in kept)
        return Stored(len(kept), sum(one.size for one in kept), digest(canonical_json(said)))

    def place(
        self, data_class: str, person_key: str, provider: str, source: str, batch: int, kind: str
    ) -> Path:
        """Return where the object of one row lies."""
        name = digest(canonical_json([provider, source, batch]))[:32]
        return self.folder / data_class / person_key / f"{name}.{kind}"

    def find(self, record: Record, provider: str, batch: int) -> Path | None:
        """Return where the object of a record lies; None where it has none."""
        person_key, source, data_class = record
        any_kind = self.place(data_class, person_key, provider, source, batch, "*")
        return next(any_kind.parent.glob(any_kind.name), None)

    def lend(self, to: Objects, record: Record, provider: str, batch: int, as_batch: int) -> None:
        """Put a record's object into another store as well, under another batch."""
        if (held := self.find(record, provider, batch)) is None:
            return
        person_key, source, data_class = record
        kind = held.suffix.removeprefix(".")
        target = to.place(data_class, person_key, provider, source, as_batch, kind)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            os.link(held, target)
            sync_folder(target.parent)

    def read(self, place: Path, key: SealKey) -> bytes:
        """Return an object."""
        return open_sealed(place.read_bytes(), key)

    def of(self, person_keys: Collection[str]) -> Iterator[Path]:
        """Yield the folders of persons, in every class."""
        for folder in self._folders():
            if folder.name in person_keys:
                yield folder

    def erase(self, classes: Mapping[str, Collection[str]]) -> int:
        """Remove persons' objects from the disk; return how many.

        Args:
            classes: person key → the data classes that go.
        """
        gone = 0
        for folder in list(self.of(classes)):
            if folder.parent.name in classes[folder.name]:
                gone += sum(1 for file in folder.iterdir() if not file.name.startswith("."))
                shutil.rmtree(folder)
                sync_folder(folder.parent)
        return gone

    def _folders(self) -> Iterator[Path]:
        if self.folder.is_dir():
            yield from (f for f in sorted(self.folder.glob("*/*")) if _KEY.fullmatch(f.name))


def _records(table: pa.Table) -> Iterator[tuple[str, str, str]]:
    columns = [table[name].to_pylist() for name in ("tag", "source_id", "data_class")]
    return zip(*columns, strict=True)


_What = tuple[str, str, str, str]
"""Tag, source id, data class, kind of object."""


class _Writing:
    """One object while its pieces come: it lies open for as long as it is being sealed."""

    def __init__(self, what: _What, place: Path | None) -> None:
        self.what, self.place = what, place
        self.state, self.size, self._pieces = sha256(), 0, 0
        self._file: BinaryIO | None = None
        if place is not None:
            place.parent.mkdir(parents=True, exist_ok=True)
            self._open = place.with_name(f".{place.name}.open")
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            self._file = os.fdopen(os.open(self._open, flags, 0o600), "wb")

    def add(self, piece: int, data: bytes) -> None:
        if piece != self._pieces:
            raise _broken()
        self._pieces += 1
        self.size += len(data)
        self.state.update(data)
        if self._file is not None:
            self._file.write(data)

    def close(self, key: SealKey) -> _Writing:
        if self._file is not None and self.place is not None:
            self._file.close()
            seal_file(self._open, self.place, key.recipient)
            sync_folder(self.place.parent)
        self.forget()
        return self

    def forget(self) -> None:
        """Remove what lies open."""
        if self._file is not None:
            self._file.close()
            self._open.unlink(missing_ok=True)


def _pieces(rows: Iterable[pa.Table]) -> Iterator[tuple[_What, int, bytes]]:
    for some in rows:
        if not some.schema.equals(object_schema()):
            raise _broken()
        for row in some.to_batches():
            columns = [column.to_pylist() for column in row.columns]
            for tag, source, data_class, kind, piece, data in zip(*columns, strict=True):
                words = (data_class, kind)
                if not all(isinstance(word, str) and _WORD.fullmatch(word) for word in words):
                    raise _broken()
                if tag is None or source is None or data is None:
                    raise _broken()
                yield (tag, source, data_class, kind), piece, data


def _broken() -> PeerError:
    return PeerError(
        "objects.malformed",
        "What came beside the rows is not as a provider's program writes it.",
        next_step="have the provider update its program and send again",
    )
