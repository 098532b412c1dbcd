"""Which months of which kinds of data a submission covers, from the days of its rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm import table
from sekisho.cdm.scalars import text


def months_by_kind(tables: Mapping[str, pa.Table]) -> dict[str, set[str]]:
    """Return kind of data → months (2026-04) on which any of its rows begins."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name, rows in tables.items():
        dates = [column.name for column in table(name).content if column.type == "date"]
        if not dates:
            continue
        day, kinds = rows.column(dates[0]), rows.column("kind")
        for kind in pc.unique(kinds).drop_null().to_pylist():
            of_kind = pc.unique(day.filter(pc.equal(kinds, text(kind)))).drop_null()
            months = pc.unique(pc.floor_temporal(of_kind, unit="month"))
            found[kind].update(pc.strftime(months, format="%Y-%m").to_pylist())  # slow, so late
    return {kind: months for kind, months in found.items() if months}
