"""Which months of which kinds of data a submission covers, from the days of its rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm import table


def months_by_kind(tables: Mapping[str, pa.Table]) -> dict[str, set[str]]:
    """Return kind of data → months (2026-04) on which any of its rows begins."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name, rows in tables.items():
        dates = [column.name for column in table(name).content if column.type == "date"]
        if not dates:
            continue
        month = pc.strftime(rows.column(dates[0]), format="%Y-%m")
        pairs = pa.table({"kind": rows.column("kind"), "month": month}).drop_null()
        for one in pairs.group_by(["kind", "month"]).aggregate([]).to_pylist():
            found[one["kind"]].add(one["month"])
    return dict(found)
