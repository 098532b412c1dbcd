"""Whose records a holder may not keep anew: what the lists in force say under the framework.

With ``opt_out.effect`` ``stop_collection`` or ``erase`` the records of who chose so are set aside
when a submission lands, and counted as such. A choice against a purpose stops no collection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.body.context import Body
from sekisho.common.ids import BodyId, Tag
from sekisho.control.optout import Scope, drops
from sekisho.framework import CLASSES, registries_for

NO_PURPOSE = ""
"""Collection serves no purpose of use yet: a choice against one does not stop it."""


def stopped(body: Body) -> dict[str, tuple[str, ...]]:
    """Return wrapped pseudonym → classes of which this body may keep nothing new."""
    if body.framework.opt_out.effect == "stop_provision":
        return {}
    found: dict[str, set[str]] = {}
    for registry in registries_for(body.framework, BodyId(body.id)):
        held = body.store.get("held-list", registry) or {"entries": {}}
        for wrapped, texts in held["entries"].items():
            scopes = [Scope.parse(text) for text in texts]
            for data_class in CLASSES:
                if drops(scopes, data_class, body.id, NO_PURPOSE):
                    found.setdefault(wrapped, set()).add(data_class)
    return {wrapped: tuple(sorted(classes)) for wrapped, classes in found.items()}


def stopped_of(body: Body, wrapped: Iterable[tuple[Tag, str]]) -> dict[str, tuple[str, ...]]:
    """Return tag → classes of which nothing new may be kept, for a submission's persons.

    Args:
        wrapped: (tag, wrapped pseudonym); not asked for where no choice stops anything.
    """
    out = stopped(body)
    return {str(tag): out[one] for tag, one in wrapped if one in out} if out else {}


def set_aside(
    tables: Mapping[str, pa.Table], stopped_tags: Mapping[str, Collection[str]]
) -> tuple[dict[str, pa.Table], dict[str, pa.Table]]:
    """Part a submission's tables into what may be kept and what a choice keeps out.

    Args:
        stopped_tags: tag → the classes of which nothing new may be kept.
    """
    if not stopped_tags:
        return dict(tables), {}
    pairs = pa.array([f"{t}|{c}" for t, cs in stopped_tags.items() for c in cs], pa.string())
    kept, out = {}, {}
    for name, rows in tables.items():
        named = pc.binary_join_element_wise(rows["tag"], rows["data_class"], "|")
        mask = pc.fill_null(pc.is_in(named, value_set=pairs), False)
        kept[name] = rows.filter(pc.invert(mask))
        if pc.any(mask, min_count=0).as_py():
            out[name] = rows.filter(mask)
    return kept, out
