"""How many of a submission's codes are standard ones, and what became of the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sekisho.cdm import CODED, CodeSystems, code_columns


@dataclass(frozen=True)
class Codes:
    """Rows that state a fact by a code: rows = standard + mapped + as_they_came + refused.

    Args:
        rule: the framework's word for codes that are not standard: convert, accept, refuse.
        vocabulary: the version by which the codes are read; None where they stay codes.
        mapped: not standard, but the vocabulary knows what they mean.
    """

    rule: str
    vocabulary: str | None
    rows: int
    standard: int
    mapped: int
    as_they_came: int
    refused: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def all_codes(parts: Sequence[Codes]) -> Codes:
    """Return the sum of what was counted of the parts of one submission."""
    names = ("rows", "standard", "mapped", "as_they_came", "refused")
    sums = {name: sum(getattr(one, name) for one in parts) for name in names}
    return replace(parts[0], **sums)


def count_codes(
    tables: Mapping[str, pa.Table],
    systems: CodeSystems,
    rule: str,
    version: str | None,
    known: tuple[Path, Path] | None,
) -> Codes:
    """Count the codes of a submission's tables, as they came.

    Args:
        known: the vocabulary's map and names, where one counts.
    """
    rows = standard = 0
    others: list[pa.Table] = []
    for table in CODED:
        if table not in tables:
            continue
        value, system = code_columns(table)
        mask = systems.standard(tables[table], system)
        rows += tables[table].num_rows
        standard += pc.sum(mask).as_py() or 0
        named = tables[table].select([system, value]).rename_columns(["name", "code"])
        others.append(named.filter(pc.invert(mask)))
    rest = rows - standard
    if rule == "refuse":
        return Codes(rule, version, rows, standard, 0, 0, rest)
    mapped = 0 if known is None or not rest else _mapped(pa.concat_tables(others), *known)
    return Codes(rule, version, rows, standard, mapped, rest - mapped, 0)


def _mapped(others: pa.Table, map_file: Path, names_file: Path) -> int:
    """Return how many of ``others`` (name, code) the map knows."""
    names = pq.read_table(names_file, columns=["name", "vocabulary"])
    named = others.set_column(0, "name", pc.fill_null(others["name"], ""))
    here = named.join(names, "name", join_type="inner")
    wanted = here["vocabulary"].unique()
    codes = here["code"].unique()
    found = pq.read_table(
        map_file,
        columns=["vocabulary", "code"],
        filters=pc.field("vocabulary").isin(wanted) & pc.field("code").isin(codes),
    )
    keys = ["vocabulary", "code"]
    return int(here.join(found, keys, join_type="inner").num_rows)
