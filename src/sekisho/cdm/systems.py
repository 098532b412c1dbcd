"""Code systems as data: ``rules/code-systems.toml`` says which names they have and which count
as standard. Shared by provider and body, like the tables."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Meta, Struct

from sekisho.cdm.tables import TABLES
from sekisho.common.toml import read_toml

Word = Annotated[str, Meta(min_length=1, max_length=200)]

CODED = tuple(
    t.name for t in TABLES if t.key and any(c.name.endswith("_source_system") for c in t.content)
)
"""Tables of which each row states one fact by a code and its system."""


class Stem(Struct, frozen=True, forbid_unknown_fields=True):
    """A code's first characters that mean something by themselves, and what they mean."""

    first: Annotated[int, Meta(ge=1, le=100)]
    name: Word
    source: Word


class System(Struct, frozen=True, forbid_unknown_fields=True):
    """One code system; see the head of the file for what its keys mean."""

    id: Word
    names: Annotated[tuple[Word, ...], Meta(min_length=1)]
    standard: bool
    source: Word
    spelling: Literal["exact", "icd"] = "exact"
    uncoded: tuple[Word, ...] = ()
    stem: tuple[Stem, ...] = ()

    def spelt(self, code: str) -> str:
        """Return ``code`` in the one spelling under which maps know it."""
        if self.spelling == "exact":
            return code
        return code.upper().replace(".", "").replace("-", "")


class CodeSystems(Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """The whole file."""

    version: Word
    system: tuple[System, ...]

    def __post_init__(self) -> None:
        for what, found in (
            ("id", [one.id for one in self.system]),
            ("name", [name for one in self.system for name in one.names]),
        ):
            twice = sorted({it for it in found if found.count(it) > 1})
            if twice:
                raise ValueError(f"the {what} {twice[0]!r} is there twice")

    @cached_property
    def by_id(self) -> dict[str, System]:
        return {one.id: one for one in self.system}

    @cached_property
    def by_name(self) -> dict[str, System]:
        return {name: one for one in self.system for name in one.names}

    def standard(self, rows: pa.Table, system: str) -> pa.ChunkedArray:
        """Return for each row whether its code is a standard one.

        Args:
            system: the column that names the code's system.
        """
        value = system.replace("_source_system", "_source_value")
        names = pa.array([n for n, one in self.by_name.items() if one.standard], pa.string())
        mask = pc.is_in(rows.column(system), value_set=names)
        for one in self.system:
            if one.uncoded:
                named = pc.is_in(rows.column(system), value_set=pa.array(one.names, pa.string()))
                says_none = pc.is_in(
                    rows.column(value), value_set=pa.array(one.uncoded, pa.string())
                )
                mask = pc.and_(mask, pc.invert(pc.and_(named, says_none)))
        return mask


def code_columns(table: str) -> tuple[str, str]:
    """Return the columns of a coded table that hold the code and its system."""
    columns = next(t for t in TABLES if t.name == table).names
    systems = (name for name in columns if name.endswith("_source_system"))
    stems = (name.removesuffix("_source_system") for name in systems)
    # A coded value has a system as well, but no concept of its own source.
    stem = next(one for one in stems if f"{one}_source_concept_id" in columns)
    return f"{stem}_source_value", f"{stem}_source_system"


def read_code_systems(path: Path) -> CodeSystems:
    """Read and prove the file.

    Raises:
        UserError: with file and line.
    """
    return read_toml(path, CodeSystems)
