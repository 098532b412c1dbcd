"""Files that grow as their people come: nothing waits in memory but what a file's end needs."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Final, Protocol

from sekisho.synthetic.care import Period
from sekisho.synthetic.provider import Institution, Patient

Counts = dict[str, int]
"""Record type → how many."""
MEMBERS: Final = 20_000
"""Most files in one archive: what a reader unpacks at once."""
_BUFFER: Final = 1 << 16
_FIXED_TIME: Final = (1980, 1, 1, 0, 0, 0)


class Writer(Protocol):
    """Writes what one provider has in one format, patient by patient."""

    def add(self, patient: Patient) -> None:
        """Write what is known of one patient."""

    def close(self) -> dict[Path, Counts]:
        """Finish; return each file, in the order to be sent, with its number of records by type."""
        ...


MakeWriter = Callable[[Institution, Period, Path], Writer]


class Lines:
    """Files of one folder, each made when something is put into it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, IO[bytes]] = {}
        self._counts: dict[str, Counter[str]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def put(self, name: str, data: bytes, kind: str = "") -> None:
        """Add to a file; ``kind``: the type of the one record that this is, if it is one."""
        if name not in self._files:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._files[name] = (self._folder / name).open("wb", buffering=_BUFFER)
            self._counts[name] = Counter()
        self._files[name].write(data)
        if kind:
            self._counts[name][kind] += 1

    def close(self, order: Iterable[str] | None = None) -> dict[Path, Counts]:
        """Close all files; return them in ``order``, or by name."""
        for file in self._files.values():
            file.close()
        names = sorted(self._files) if order is None else [n for n in order if n in self._files]
        return {self._folder / name: dict(self._counts[name]) for name in names}


class Packs:
    """Archives STEM-0001.zip, STEM-0002.zip, … of many small files, each of bounded size."""

    def __init__(self, folder: Path, stem: str) -> None:
        self._folder, self._stem = folder, stem
        self._open: zipfile.ZipFile | None = None
        self._members = 0
        self._written: dict[Path, Counter[str]] = {}

    def begin(self) -> None:
        """Say that what follows belongs together; a full archive is closed before it."""
        if self._open is not None and self._members >= MEMBERS:
            self._open.close()
            self._open = None

    def put(self, name: str, data: bytes, counts: Counts) -> None:
        """Add a file, with the number of its records by type."""
        if self._open is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"{self._stem}-{len(self._written) + 1:04}.zip"
            self._open, self._members = zipfile.ZipFile(path, "w"), 0
            self._written[path] = Counter()
        info = zipfile.ZipInfo(name, _FIXED_TIME)
        self._open.writestr(info, data, zipfile.ZIP_DEFLATED, compresslevel=1)
        self._members += 1
        next(reversed(self._written.values())).update(counts)

    def close(self) -> dict[Path, Counts]:
        """Close the last archive; return all in order."""
        if self._open is not None:
            self._open.close()
        return {path: dict(counts) for path, counts in self._written.items()}
