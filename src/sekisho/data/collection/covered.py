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
        days = rows.select(["kind", dates[0]]).drop_null().rename_columns(["kind", "day"])
        first = pc.floor_temporal(days.column("day"), unit="month")
        each = days.set_column(1, "first", first).group_by(["kind", "first"]).aggregate([])
        months = pc.strftime(each.column("first"), format="%Y-%m")  # slow: once a month, not a row
        for kind, month in zip(each.column("kind").to_pylist(), months.to_pylist(), strict=True):
            found[kind].add(month)
    return dict(found)
