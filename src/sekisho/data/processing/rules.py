"""Rules of processing, as a file: what happens to each role of column, and to telling values."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm import Column, Role, Table, table
from sekisho.common.canonical import digest_of
from sekisho.common.errors import Refusal, UserError
from sekisho.common.toml import read_toml

Action = Literal["keep", "blank", "reissue"]
Form = Literal["pseudonymised"]


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    ja: str
    en: str


class Basis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One criterion of the law."""

    id: str
    ja: str
    en: str
    source: str


class RoleRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: str
    action: Action
    source: str

    def __post_init__(self) -> None:
        if self.role not in {role.value for role in Role}:
            raise ValueError(f"no role {self.role!r}")


class ColumnRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column whose treatment differs from its role's, or needs a source of its own."""

    table: str
    column: str
    action: Literal["keep", "blank"]
    source: str

    def __post_init__(self) -> None:
        try:
            columns = table(self.table).content
        except UserError as error:
            raise ValueError(error.message) from None
        if self.column not in [column.name for column in columns]:
            raise ValueError(f"{self.table} has no column {self.column!r} that holds content")


class Pattern(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Values that identify a person directly. ``expression`` is RE2, on the NFKC form."""

    id: str
    where: Literal["anywhere", "uncoded"]
    expression: str
    source: str
    check: Literal["my_number"] | None = None

    def __post_init__(self) -> None:
        try:
            pc.match_substring_regex(pa.array([""]), self.expression)
        except pa.ArrowInvalid as error:
            raise ValueError(f"pattern {self.id!r} is not RE2: {error}") from None


class FreeText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    longest: int
    source: str

    def __post_init__(self) -> None:
        if self.longest < 1:
            raise ValueError("longest must be at least 1")


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule file of processing."""

    id: str
    version: str
    form: Form
    title: Text
    basis: tuple[Basis, ...]
    role: tuple[RoleRule, ...]
    pattern: tuple[Pattern, ...]
    free_text: FreeText
    column: tuple[ColumnRule, ...] = ()

    @property
    def digest(self) -> str:
        """Return the SHA-256 of what the file says; comments and order of keys do not count."""
        return digest_of(msgspec.to_builtins(self))

    def action(self, of: Table, column: Column) -> Action:
        """Return what happens to a column.

        Raises:
            Refusal: its role has no rule.
        """
        for own in self.column:
            if (own.table, own.column) == (of.name, column.name):
                return own.action
        for rule in self.role:
            if rule.role == column.role.value:
                return rule.action
        raise Refusal(
            "processing.unclassified-column",
            f"No rule says what happens to {of.name}.{column.name} ({column.role.value}).",
            rule=f"{self.id} {self.version}: a column without a rule is not processed",
            next_step="add a [[role]] or [[column]] entry with its source",
        )


def read_rules(path: Path) -> Rules:
    """Read a rule file of processing."""
    return read_toml(path, Rules)
