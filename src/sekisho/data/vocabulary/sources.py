"""Files of a vocabulary: which kind each is, told by what it holds and not by its name.

支払基金 基本マスター: CP932, quoted, no header; positions in formats A1. Athena: a header, tabs
(or commas with quotes, as OHDSI's extracts have). Own maps: OMOP SOURCE_TO_CONCEPT_MAP.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from sekisho.common.errors import UserError

Kind = Literal["master", "concept", "relationship", "ancestor", "own-map", "other"]

_HEADERS: Final[dict[Kind, frozenset[str]]] = {
    "concept": frozenset(("concept_id", "domain_id", "vocabulary_id", "concept_code")),
    "relationship": frozenset(("concept_id_1", "concept_id_2", "relationship_id")),
    "ancestor": frozenset(("ancestor_concept_id", "descendant_concept_id")),
    "own-map": frozenset(("source_code", "source_vocabulary_id", "target_concept_id")),
}
_ATHENA: Final = frozenset(
    (
        "concept_class_id",
        "vocabulary_id",
        "domain_id",
        "relationship_id",
        "concept_id",
        "drug_concept_id",
        "concept_synonym_name",
    )
)
_CHUNK: Final = 1 << 20
_HEAD: Final = 1 << 13


@dataclass(frozen=True)
class Source:
    """One file. ``delimiter`` and ``quote`` are those of a file with a header."""

    path: Path
    kind: Kind
    sha256: str
    delimiter: str = ","
    quote: str = '"'


@dataclass(frozen=True)
class Master:
    """One line of a master: a code, and the same thing's names in other systems.

    ``means`` is the code of the wider system by which it is compared: ICD-10 of a disease, YJ of
    a drug; None where the master knows none.
    """

    system: str
    code: str
    same: tuple[tuple[str, str], ...] = ()
    means: tuple[str, str] | None = None


@dataclass(frozen=True)
class _Layout:
    system: str
    same: tuple[tuple[str, int], ...] = ()
    means: tuple[str, int] | None = None

    @property
    def last(self) -> int:
        places = [_CODE, *(index for _, index in self.same)]
        return max(places if self.means is None else [*places, self.means[1]])


_CODE: Final = 2
_LAYOUTS: Final = {
    "B": _Layout(
        "receipt-disease", (("disease-number", 10), ("disease-exchange", 12)), ("ICD10", 15)
    ),
    "Y": _Layout("receipt-drug", means=("yj", 31)),
    "S": _Layout("receipt-service"),
    "T": _Layout("receipt-device"),
    "Z": _Layout("receipt-modifier"),
    "C": _Layout("receipt-comment"),
}
"""Second column of a master (マスター種別) → where its codes stand; ICD-10 is that of 2013."""


def recognise(path: Path) -> Source:
    """Tell what ``path`` is.

    Raises:
        UserError: it is none of the files that are known here.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise UserError("vocabulary.unreadable", f"{path}: {error.strerror}.") from None
    first = head.split(b"\n", 1)[0].rstrip(b"\r")
    names = first.decode("ascii", "replace").lower().lstrip("\ufeff")
    delimiter = "\t" if "\t" in names else ","
    columns = {name.strip('"') for name in names.split(delimiter)}
    for kind, needed in _HEADERS.items():
        if needed <= columns:
            return Source(path, kind, _digest(path), delimiter, "" if delimiter == "\t" else '"')
    fields = [field.strip('"') for field in names.upper().split(",")[:3]]
    if len(fields) == 3 and fields[1] in _LAYOUTS:
        return Source(path, "master", _digest(path))
    if columns & _ATHENA:
        return Source(path, "other", _digest(path))
    raise UserError(
        "vocabulary.unknown-file",
        f"{path.name} is neither a 基本マスター, nor a file of Athena, nor a map of your own.",
        next_step="a map has the columns of OMOP SOURCE_TO_CONCEPT_MAP; see the how-to",
    )


def read_master(source: Source) -> Iterator[Master]:
    """Yield the lines of a 基本マスター, also of codes that are no longer valid.

    Raises:
        UserError: a line is not of the layout; it is named by number.
    """
    with source.path.open(encoding="cp932", errors="strict", newline="") as file:
        try:
            for line, fields in enumerate(csv.reader(file), 1):
                yield _line(source, line, fields)
        except (UnicodeDecodeError, csv.Error):
            raise _wrong(source, None) from None


def _line(source: Source, line: int, fields: list[str]) -> Master:
    layout = _LAYOUTS.get(fields[1].strip().upper()) if len(fields) > _CODE else None
    code = fields[_CODE].strip() if layout else ""
    if layout is None or not code or len(fields) <= layout.last:
        raise _wrong(source, line)

    def at(place: tuple[str, int]) -> tuple[str, str] | None:
        system, index = place
        found = fields[index].strip()
        return (system, found) if found.strip("0") else None

    same = tuple(found for place in layout.same if (found := at(place)))
    return Master(layout.system, code, same, at(layout.means) if layout.means else None)


def _wrong(source: Source, line: int | None) -> UserError:
    where = source.path.name if line is None else f"{source.path.name}, line {line}"
    return UserError(
        "vocabulary.master-layout",
        f"{where}: not in the layout of a 基本マスター (CP932, quoted, no header).",
        next_step="take the file as it is published; do not save it from a spreadsheet",
    )


def _digest(path: Path) -> str:
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            hasher.update(chunk)
    return hasher.hexdigest()
