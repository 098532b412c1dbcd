"""What a reader yields: one record of the source, its rows, and whose it is. Local values only."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from operator import itemgetter
from pathlib import Path
from typing import Any

from msgspec import Struct

from sekisho.cdm import TABLES
from sekisho.common.errors import Defect
from sekisho.pseudonym.identifiers import PersonKey

Row = tuple[str, str | None, tuple[Any, ...]]
"""Table, local id of its visit, and the values of ``Table.content`` in order.

Dates are days since 1970-01-01, decimals strings in canonical spelling.
"""

UNREADABLE = "unreadable"
"""Record type of a line whose type cannot be told."""
OTHER = "other"
"""Record type of a line with a type that the format does not know; its name stays here."""


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


def absent(column: str) -> int | None:
    """Return what stands in a column that a reader does not fill (OMOP: no concept matches)."""
    return 0 if column.endswith("_concept_id") else None


_ORDER = {t.name: tuple(c.name for c in t.content) for t in TABLES}
_ABSENT = {name: tuple(map(absent, columns)) for name, columns in _ORDER.items()}
_KNOWN = {name: frozenset(columns) for name, columns in _ORDER.items()}


def row(table: str, visit: str | None = None, /, **values: Any) -> Row:
    """Return a row; columns that are not given are as `absent` says.

    Raises:
        Defect: the table has no such column.
    """
    if not values.keys() <= _KNOWN[table]:
        raise Defect(
            "provider.no-column", f"{table} lacks {sorted(values.keys() - _KNOWN[table])}."
        )
    return (table, visit, tuple(map(values.get, _ORDER[table], _ABSENT[table])))


def rows_of(table: str, *given: str, **fixed: Any) -> Callable[..., Row]:
    """Return what makes rows of ``table`` from a visit and the values of the columns ``given``.

    The other columns hold what is ``fixed``, or else what they hold in `row`, which looks at the
    columns of every row anew.

    Raises:
        Defect: the table has no such column.
    """
    absent = dict(zip(_ORDER[table], row(table, **fixed)[2], strict=True))
    row(table, **dict.fromkeys(given))
    constant = tuple(absent.values())
    places = {name: len(constant) + n for n, name in enumerate(given)}
    arranged = itemgetter(*(places.get(name, n) for n, name in enumerate(absent)))

    def made(visit: str | None, *values: Any) -> Row:
        return (table, visit, arranged(constant + values))

    return made


def refused(record_type: str, line: int, unit: str, code: str, **more: Any) -> Record:
    """Return a record that stays at the provider."""
    return Record(record_type, line, unit, outcome=Outcome.REFUSED, code=code, **more)
