"""Data sets: one per class of data, with its terms of use and its publication rules (a file)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import msgspec

from sekisho.common.errors import UserError
from sekisho.common.toml import read_toml

Form = Literal["pseudonymised", "anonymised", "table"]


class Title(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text that users read, in both languages."""

    ja: str
    en: str


class Term(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One term of use and where it comes from."""

    id: str
    text: Title
    source: str


class DataSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the platform offers of one class of data."""

    data_class: str
    title: Title
    description: Title
    publication_rules: str
    """Id of the rule set that outputs of this data set must meet (`rules/`)."""
    publication_source: str
    forms: tuple[Form, ...]
    """Forms of processing that may ever be offered for this class."""
    terms: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.forms:
            raise ValueError("a data set is offered in at least one form")


class Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All data sets, and the terms that they refer to."""

    id: str
    version: str
    term: tuple[Term, ...]
    data_set: tuple[DataSet, ...]

    def __post_init__(self) -> None:
        classes = [each.data_class for each in self.data_set]
        terms = [each.id for each in self.term]
        if len(set(classes)) < len(classes) or len(set(terms)) < len(terms):
            raise ValueError("a class of data or a term is described twice")
        unknown = {name for each in self.data_set for name in each.terms} - set(terms)
        if unknown:
            raise ValueError(f"no term is called {', '.join(sorted(unknown))}")

    def of(self, data_class: str) -> DataSet:
        """Return the data set of ``data_class``.

        Raises:
            UserError: the catalogue has none.
        """
        for each in self.data_set:
            if each.data_class == data_class:
                return each
        known = ", ".join(each.data_class for each in self.data_set)
        raise UserError(
            "catalogue.no-data-set",
            f"The catalogue has no data set of class {data_class!r}.",
            next_step=f"classes: {known}",
        )


def read_catalogue(path: Path) -> Catalogue:
    """Read ``rules/catalogue.toml`` or a deployment's own file of that form."""
    return read_toml(path, Catalogue)


def rule_sets(catalogue: Catalogue, classes: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of the publication rule sets that outputs from ``classes`` must all meet.

    Linked data meet the rules of every data set in them (so the strictest decides).
    """
    return tuple(sorted({catalogue.of(each).publication_rules for each in set(classes)}))


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the catalogue file."""
    return msgspec.json.schema(Catalogue)
