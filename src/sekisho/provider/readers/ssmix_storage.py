"""SS-MIX2 標準化ストレージ as folders: where message files lie, and what their names say.

Source: JAMI SS-MIX2 標準化ストレージ 仕様書 Ver.1.2 (HS026). A file lies at
``{ID 1–3}/{ID 4–6}/{ID}/{診療日 or -}/{データ種別}/`` and is called
``{ID}_{診療日 or -}_{データ種別}_{オーダNo}_{発生日時}_{診療科 or -}_{condition}``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from sekisho.provider.records import OTHER, Unreadable

VALID, DELETED, PENDING = "1", "0", "2"
_KIND = re.compile(r"(?:ADT|PPR|OMD|OMP|OML|OMG)(?:-\d\d)?", re.ASCII)
_NAME = re.compile(
    r"(?P<patient>[0-9A-Za-z.\-]{1,64})_(?P<day>\d{8}|-)_(?P<kind>[A-Z]{3}(?:-\d\d)?)"
    r"_(?P<order>[0-9A-Za-z.\-]{1,40})_(?P<moment>\d{17})_(?P<department>[0-9A-Za-z.\-]{1,40})"
    r"_(?P<condition>[012])",
    re.ASCII,
)
_KIND_FOLDER = re.compile(r"[A-Z]{3}(?:-\d\d)?", re.ASCII)
_DAY_FOLDER = re.compile(r"\d{8}|-", re.ASCII)
_WHOLE = "PPR-01"  # all diagnoses of a patient in one file: the next file replaces it


@dataclass(frozen=True, order=True)
class MessageName:
    """What a file's name says. In order, the last of a unit is the one that counts."""

    patient: str
    kind: str
    day: str
    order: str
    moment: str
    settled: bool
    """A deletion comes last where two files are of one moment."""
    condition: str

    @classmethod
    def of(cls, path: PurePath) -> MessageName:
        """Read the name of a file, and hold it against the folders above it.

        Raises:
            Unreadable: it has another form, or its folders say otherwise.
        """
        made = _read(path.name)
        if made is None:
            raise Unreadable("ssmix.name")
        kind, day, patient = (one.name for one in (*path.parents, *3 * [PurePath()])[:3])
        inside = _KIND_FOLDER.fullmatch(kind) and _DAY_FOLDER.fullmatch(day)
        if inside and (kind, day, patient) != (made.kind, made.day, made.patient):
            raise Unreadable("ssmix.misplaced")
        return made

    @property
    def record_type(self) -> str:
        return self.kind if _KIND.fullmatch(self.kind) else OTHER

    @property
    def unit(self) -> str:
        """What a later file with the same words replaces."""
        if self.kind == _WHOLE:
            return f"ssmix/{self.patient}/{self.kind}"
        return f"ssmix/{self.patient}/{self.kind}/{self.day}/{self.order}"


def arranged(paths: Sequence[Path]) -> list[Path]:
    """Return the message files of storages and the single files among ``paths``, in one order.

    The order hangs on names alone, never on the disk's; what has no name of a message is last, so
    that of archives the last by name counts. Links are listed, not followed.
    """
    found = [file for path in paths for file in _files(path)]
    return [path for _, path in sorted((place_of(path), path) for path in found)]


def _files(path: Path) -> Iterator[Path]:
    if path.is_symlink() or not path.is_dir():
        yield path
        return
    for folder, folders, files in os.walk(path, followlinks=False):
        for name in (*files, *(one for one in folders if (Path(folder) / one).is_symlink())):
            if not name.startswith("."):
                yield Path(folder) / name


def place_of(path: PurePath) -> tuple[bool, MessageName | None, str]:
    """Return a message file's place among others: the last of a unit counts."""
    name = _read(path.name)
    return name is None, name, path.name


def _read(name: str) -> MessageName | None:
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    patient, day, kind, order, moment, _, condition = match.groups()
    return MessageName(patient, kind, day, order, moment, condition == DELETED, condition)
