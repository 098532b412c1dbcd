"""The catalogue as a document: for the portal, for dummy data, for whoever asks what exists."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from sekisho.cdm import TABLES, Role
from sekisho.control.catalogue.datasets import Catalogue
from sekisho.framework import DataKinds

_ISSUED_ANEW = {Role.KEY, Role.PERSON, Role.VISIT}


def describe(catalogue: Catalogue, kinds: DataKinds) -> dict[str, Any]:
    """Return the catalogue as a JSON value: data sets, their kinds, tables and columns, terms.

    Raises:
        UserError: a kind belongs to a class that the catalogue does not describe.
    """
    for kind in kinds.kind:
        catalogue.of(kind.data_class)
    return {
        "id": catalogue.id,
        "version": catalogue.version,
        "data_sets": [
            {
                **msgspec.to_builtins(each),
                "kinds": _kinds(kinds, each.data_class),
                "tables": _tables(kinds, each.data_class),
                "terms": [msgspec.to_builtins(t) for t in catalogue.term if t.id in each.terms],
            }
            for each in catalogue.data_set
        ],
    }


def _kinds(kinds: DataKinds, data_class: str) -> list[dict[str, Any]]:
    return [
        {"id": kind.id, "title": msgspec.to_builtins(kind.title), "tables": _of(kinds, {kind.id})}
        for kind in kinds.kind
        if data_class in kind.classes
    ]


def _tables(kinds: DataKinds, data_class: str) -> list[dict[str, Any]]:
    present = _of(kinds, {kind.id for kind in kinds.kind if data_class in kind.classes})
    return [
        {
            "table": known.name,
            "columns": [
                {
                    "name": column.name,
                    "type": column.type,
                    "role": column.role.value,
                    "issued_anew": column.role in _ISSUED_ANEW,
                }
                for column in known.columns
            ],
        }
        for known in TABLES
        if known.name in present
    ]


def _of(kinds: DataKinds, ids: Collection[str]) -> list[str]:
    """Return the tables that records of these kinds fill, in the order of the CDM."""
    filled = {name for record in kinds.record if record.kind in ids for name in record.tables}
    return [known.name for known in TABLES if known.name in filled]
