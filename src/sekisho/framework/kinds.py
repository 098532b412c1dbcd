"""Kinds of data: which record of which format is what, and which class it belongs to.

Moving a kind from one class to another is an edit of ``rules/data-kinds.toml``; no code knows a
kind by name.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from sekisho.common.errors import UserError
from sekisho.common.toml import read_toml, wrong_at
from sekisho.framework.model import CLASSES, DataClass, Id, Said, Text


class Category(Struct, frozen=True, forbid_unknown_fields=True):
    """One of the committee's 13 categories of data."""

    number: Annotated[int, Meta(ge=1, le=13)]
    title: Text


class Kind(Struct, frozen=True, forbid_unknown_fields=True):
    """What a record is about.

    ``goes_with`` names further classes that take a copy of it: a patient's own record
    accompanies the data of every class. ``holder`` says who has it today (functions of
    providers, or a database).
    """

    id: Id
    title: Text
    category: int
    data_class: DataClass = msgspec.field(name="class")
    holder: Annotated[tuple[str, ...], Meta(min_length=1)] = ()
    goes_with: tuple[DataClass, ...] = ()
    source: Said = "user input"

    @property
    def classes(self) -> tuple[DataClass, ...]:
        """The classes that take it, its own first."""
        return (self.data_class, *(c for c in self.goes_with if c != self.data_class))


class Record(Struct, frozen=True, forbid_unknown_fields=True):
    """Which kind the records of a format are; ``records = ["*"]`` stands for all others.

    ``tables`` says where rows of these records go, so that an application for a table is known
    to ask for the kind.
    """

    format: Said
    records: Annotated[tuple[str, ...], Meta(min_length=1)]
    kind: str
    tables: tuple[str, ...] = ()


class DataKinds(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of ``rules/data-kinds.toml``."""

    version: Said
    source: Said
    category: tuple[Category, ...]
    kind: tuple[Kind, ...]
    record: tuple[Record, ...]

    def find(self, kind: str) -> Kind:
        """Return the kind called ``kind``; KeyError where there is none."""
        for one in self.kind:
            if one.id == kind:
                return one
        raise KeyError(kind)

    def kind_of(self, format_: str, record: str) -> Kind | None:
        """Return what ``record`` (resource, record type, table) of a format is; None: unknown."""
        fallback: str | None = None
        for one in self.record:
            if one.format != format_:
                continue
            if record in one.records:
                return self.find(one.kind)
            if "*" in one.records:
                fallback = one.kind
        return self.find(fallback) if fallback else None

    def placed(self, format_: str, record: str) -> tuple[tuple[str, DataClass], ...]:
        """Return kind and class of each copy of ``record`` that is sent; none: it is unknown.

        A record that accompanies others goes only with classes that the format has records of.
        """
        kind = self.kind_of(format_, record)
        if kind is None:
            return ()
        named = [self.find(one.kind) for one in self.record if one.format == format_]
        own = {kind.data_class, *(k.data_class for k in named if not k.goes_with)}
        return tuple((kind.id, c) for c in kind.classes if c in own)

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that are mapped, in the file's order."""
        return tuple(dict.fromkeys(one.format for one in self.record))

    def classes_of_tables(
        self, tables: Iterable[str], formats: Iterable[str] | None = None
    ) -> tuple[DataClass, ...]:
        """Return the classes of data that rows of ``tables`` can belong to.

        ``formats`` limits it to the formats in use. A kind that merely accompanies others asks
        for no class of its own unless nothing else is asked for.
        """
        wanted, used = set(tables), None if formats is None else set(formats)
        own: set[DataClass] = set()
        accompanying: set[DataClass] = set()
        for one in self.record:
            if not wanted & set(one.tables) or (used is not None and one.format not in used):
                continue
            kind = self.find(one.kind)
            (accompanying if kind.goes_with else own).add(kind.data_class)
        return tuple(c for c in CLASSES if c in (own or accompanying))


def load_kinds(path: Path) -> DataKinds:
    """Read and prove a file of data kinds.

    Raises:
        UserError: with file and line; also for a record or kind that names what is not there.
    """
    kinds = read_toml(path, DataKinds)
    known = {one.id for one in kinds.kind}
    numbers = {one.number for one in kinds.category}
    for index, kind in enumerate(kinds.kind):
        if kind.category not in numbers:
            raise _wrong(path, ["kind", index, "category"], f"no category {kind.category}")
        if sum(1 for other in kinds.kind if other.id == kind.id) > 1:
            raise _wrong(path, ["kind", index, "id"], f"the kind {kind.id!r} is there twice")
    seen: set[tuple[str, str]] = set()
    for index, record in enumerate(kinds.record):
        if record.kind not in known:
            raise _wrong(path, ["record", index, "kind"], f"no kind {record.kind!r}")
        for name in record.records:
            if (record.format, name) in seen:
                raise _wrong(
                    path, ["record", index, "records"], f"{record.format} {name} is mapped twice"
                )
            seen.add((record.format, name))
    return kinds


def _wrong(path: Path, keys: list[str | int], what: str) -> UserError:
    next_step = "categories, kinds and records must name one another as they are spelled"
    return wrong_at(path, keys, "data-kinds.invalid", what, next_step)
