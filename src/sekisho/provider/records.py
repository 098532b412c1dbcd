"""What a reader yields: one record of the source, its rows, and whose it is. Local values only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

from msgspec import Struct

from sekisho.cdm import TABLES
from sekisho.common.errors import Defect
from sekisho.pseudonym.identifiers import PersonKey

UNREADABLE = "unreadable"
"""Record type of a line whose type cannot be told."""
OTHER = "other"
"""Record type of a line with a type that the format does not know; its name stays here."""


def absent(column: str) -> int | None:
    """Return what stands in a column that a reader does not fill (OMOP: no concept matches)."""
    return 0 if column.endswith("_concept_id") else None


_ORDER = {t.name: tuple(c.name for c in t.content) for t in TABLES}


@dataclass(frozen=True, eq=False)
class Shape:
    """What rows of a table are made of: columns that each gives, and such as hold one thing in all.

    The other columns hold what is `absent`.

    Raises:
        Defect: the table has no such column.
    """

    table: str
    given: tuple[str, ...]
    fixed: Mapping[str, Any]

    def __post_init__(self) -> None:
        unknown = {*self.given, *self.fixed} - {*_ORDER[self.table]}
        if unknown:
            raise Defect("provider.no-column", f"{self.table} lacks {sorted(unknown)}.")


Row = tuple[Shape, str | None, tuple[Any, ...]]
"""Its shape, the local id of its visit, and the values of the columns that the shape gives.

Dates are days since 1970-01-01, decimals strings in canonical spelling.
"""


def row(table: str, visit: str | None = None, /, **values: Any) -> Row:
    """Return a row.

    Raises:
        Defect: the table has no such column.
    """
    return _shape(table, tuple(values)), visit, tuple(values.values())


@lru_cache(maxsize=1 << 10)
def _shape(table: str, given: tuple[str, ...]) -> Shape:
    return Shape(table, given, {})


def rows_of(table: str, *given: str, **fixed: Any) -> Callable[..., Row]:
    """Return what makes rows of ``table`` from a visit and the values of the columns ``given``.

    Raises:
        Defect: the table has no such column.
    """
    shape = Shape(table, given, fixed)

    def made(visit: str | None, *values: Any) -> Row:
        return shape, visit, values

    return made


def content_of(row: Row) -> dict[str, Any]:
    """Return what a row holds, by column in the table's order."""
    shape, _, values = row
    held = {**shape.fixed, **dict(zip(shape.given, values, strict=True))}
    return {name: held.get(name, absent(name)) for name in _ORDER[shape.table]}


SAMPLE = "urn:sekisho:sample"
"""System of a sample's name: no number of a patient, so that only a mapping ties it to one."""
NO_IDENTIFIER = "person.no-identifier"
MY_NUMBER = "person.my-number"


class Outcome(IntEnum):
    """What becomes of a record at the provider's side."""

    SENT = 0
    SET_ASIDE = 1
    REFUSED = 2
    SUPERSEDED = 3


class Object(Struct, frozen=True, gc=False):
    """What a record keeps beside its rows for later processing: an image, a person's variants.

    Attributes:
        kind: how it is written without who it is of (`sekisho.provider.objects`).
        source: the file that it is made from, when it leaves.
        part: which part of the file, where it is not all of it.
    """

    kind: str
    source: Path
    part: str = ""


class Identity(Struct, frozen=True, gc=False):
    """The local names ``refs`` mean the person ``key``; ``problem`` says why there is none.

    Attributes:
        others: (system, value) of identifiers that name the person to this institution at most.
        named: the key by name in kana, birth date and sex, where all three are there.
        kana: the name of ``named`` as the source spells it, for a linkage enclave alone.
        doubts: codes of findings about a key that is used all the same.
    """

    refs: tuple[str, ...]
    key: PersonKey | None
    problem: str = ""
    others: tuple[tuple[str, str], ...] = ()
    named: PersonKey | None = None
    doubts: tuple[str, ...] = ()
    kana: str = ""

    @property
    def hopeless(self) -> str:
        """The finding's code where no profile of a provider can tell whose records these are."""
        usable = self.problem == NO_IDENTIFIER and (self.others or self.named)
        return "" if usable else self.problem


class Record(Struct, frozen=True, gc=False):
    """One record of the source.

    Attributes:
        line: 1-based place in the file.
        unit: local id of what supersedes as a whole (a resource, a receipt, a bundle).
        part: 0-based place inside the unit; the parts of a unit follow one another.
        whole: the unit is this one record.
        patient: local name of the person.
        code: why it is refused or set aside.
        dropped: values of a sent record for which there is no row (free text, no value).
        objects: what travels beside the rows; at most one for a record today.
        withdraws: it is set aside because its unit is gone at the source: what a body holds of it
            from earlier submissions shall count no more.
    """

    record_type: str
    line: int
    unit: str
    rows: tuple[Row, ...] = ()
    patient: str | None = None
    outcome: Outcome = Outcome.SENT
    code: str = ""
    identity: Identity | None = None
    part: int = 0
    whole: bool = True
    dropped: int = 0
    objects: tuple[Object, ...] = ()
    withdraws: bool = False


class Note(Struct, frozen=True):
    """A remark on a file that is no record's fate (a control total, a cut end)."""

    line: int
    code: str
    record_type: str = ""


class Unreadable(Exception):
    """A record cannot be used; ``code`` is a finding's."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class SetAside(Exception):
    """A record has no place in the tables; ``code`` says why, in one word."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def refused(record_type: str, line: int, unit: str, code: str, **more: Any) -> Record:
    """Return a record that stays at the provider."""
    return Record(record_type, line, unit, outcome=Outcome.REFUSED, code=code, **more)
