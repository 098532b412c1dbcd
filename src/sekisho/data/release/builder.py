"""The trusted table builder: counts distinct persons, so that nobody believes a hostile count.

Rules it keeps:
- a person counts once per table: several equal rows are one, two different rows are refused;
- every person exists in the project's person table (a forged or invented id is refused);
- what becomes a label is short, plain, typed, and one of few.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from itertools import product

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.common.errors import Refusal
from sekisho.data.analysis.study import Output
from sekisho.data.release.table import MASK, MISSING, SMALL, TableOutput

MAX_LABEL = 64
MAX_LEVELS = 500
MAX_CELLS = 20_000
FORMULA = "=+-@"
"""A spreadsheet would run a text that starts so (OWASP, CSV injection)."""

NUMBER = re.compile(r"-?[0-9]{1,18}")

Value = str | int | bool | date | None


@dataclass(frozen=True)
class _Dimension:
    values: tuple[Value, ...]
    labels: tuple[str, ...]
    declared: bool


def build(output: Output, source: pa.Table, persons: pa.Array | pa.ChunkedArray) -> TableOutput:
    """Count ``output`` from the person-level table ``source``.

    Args:
        source: what the study wrote: ``person_id`` and at least the dimensions.
        persons: every ``person_id`` of the project (int64).

    Raises:
        Refusal: the table breaks a rule above; the message holds no value of it.
    """
    needed = ["person_id", *output.dimensions]
    for column in needed:
        if source.column_names.count(column) != 1:
            raise _refuse(
                "builder.column",
                f"Table {output.source!r} does not have one column {column!r}.",
                "write person_id and every declared dimension, each once",
            )
    ids = _person_ids(source, persons, output)
    plain = {"person_id": ids}
    for column in output.dimensions:
        plain[column] = _plain(source.column(column), column, output)
    rows = pa.table(plain).group_by(needed).aggregate([])
    if rows.num_rows != pc.count_distinct(rows.column("person_id")).as_py():
        raise _refuse(
            "builder.person-twice",
            f"Table {output.source!r} has persons with two different rows for {output.name!r}.",
            "write one row per person: decide in the study which value counts",
        )
    dimensions = [_levels(rows.column(c), c, output) for c in output.dimensions]
    if math.prod(len(d.values) for d in dimensions) > MAX_CELLS:
        raise _refuse(
            "builder.too-many-cells",
            f"Output {output.name!r} has more than {MAX_CELLS} cells.",
            "use fewer dimensions or coarser levels",
        )
    return _count(output, rows, dimensions)


def _person_ids(source: pa.Table, persons: pa.Array, output: Output) -> pa.ChunkedArray:
    column = source.column("person_id")
    if not pa.types.is_integer(column.type) or column.null_count:
        raise _refuse(
            "builder.person-id",
            f"In table {output.source!r} person_id is not an integer in every row.",
            "copy person_id from the input tables as it is",
        )
    try:
        ids = column.cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise _unknown(output) from error
    if not pc.all(pc.is_in(ids, value_set=_array(persons)), min_count=0).as_py():
        raise _unknown(output)
    return ids


def _unknown(output: Output) -> Refusal:
    return _refuse(
        "builder.unknown-person",
        f"Table {output.source!r} holds a person_id that is not in the project.",
        "copy person_id from the input tables as it is",
    )


def _array(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return whole.cast(pa.int64())


def _plain(column: pa.ChunkedArray, name: str, output: Output) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    try:
        if pa.types.is_null(kind):
            return column.cast(pa.string())
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return column.cast(pa.string())
        if pa.types.is_integer(kind):
            return column.cast(pa.int64())
        if pa.types.is_boolean(kind):
            return column.cast(pa.bool_())
        if pa.types.is_date(kind):
            return column.cast(pa.date32())
    except pa.ArrowInvalid:
        pass
    raise _refuse(
        "builder.dimension-type",
        f"Dimension {name!r} of {output.name!r} is neither text, integer, truth value nor date.",
        "make bands of numbers and times in the study",
    )


def _levels(column: pa.ChunkedArray, name: str, output: Output) -> _Dimension:
    found: list[Value] = pc.unique(column).to_pylist()
    if len(found) > MAX_LEVELS:
        raise _refuse(
            "builder.too-many-levels",
            f"Dimension {name!r} of {output.name!r} has more than {MAX_LEVELS} levels.",
            "use coarser levels",
        )
    by_label = {_label(v, name, output): v for v in found}
    declared = output.levels.get(name)
    if declared is None:
        values = sorted((v for v in found if v is not None), key=lambda v: v)
        ordered: list[Value] = [*values, *([None] if None in found else [])]
        return _Dimension(
            tuple(ordered), tuple(_label(v, name, output) for v in ordered), declared=False
        )
    for label in declared:
        if label != MISSING:
            _label(label, name, output)
    if set(by_label) - set(declared) - {MISSING}:
        raise _refuse(
            "builder.undeclared-level",
            f"Dimension {name!r} of {output.name!r} has a value that the study did not declare.",
            "declare every level in study.toml, or map the others to one of them",
        )
    labels = list(declared)
    if MISSING in by_label and MISSING not in labels:
        labels.append(MISSING)
    # A level without persons has no value in the data; its label stands for it.
    return _Dimension(tuple(by_label.get(x, x) for x in labels), tuple(labels), declared=True)


def _label(value: Value, name: str, output: Output) -> str:
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | date):
        return str(value)
    wrong = (
        not value
        or len(value) > MAX_LABEL
        or value != value.strip()
        or (value[0] in FORMULA and not NUMBER.fullmatch(value))
        or value in {MASK, MISSING, SMALL}
        or not unicodedata.is_normalized("NFC", value)
        or any(unicodedata.category(c)[0] == "C" for c in value)
    )
    if wrong:
        raise _refuse(
            "builder.label",
            f"Dimension {name!r} of {output.name!r} has a text that cannot be a label.",
            f"use 1 to {MAX_LABEL} printable characters (NFC), no spaces at the ends, "
            "not starting with = + - @",
        )
    return value


def _count(output: Output, rows: pa.Table, dimensions: list[_Dimension]) -> TableOutput:
    counts = [0] * math.prod(len(d.values) for d in dimensions)
    index = {values: i for i, values in enumerate(product(*(d.values for d in dimensions)))}
    columns = [rows.column(c).to_pylist() for c in output.dimensions]
    cells = []
    for row in range(rows.num_rows):
        cell = index[tuple(column[row] for column in columns)]
        counts[cell] += 1
        cells.append(cell)
    members = pa.table(
        {"person_id": rows.column("person_id"), "cell": pa.array(cells, pa.int64())}
    ).sort_by("person_id")
    return TableOutput(
        name=output.name,
        dimensions=output.dimensions,
        levels=tuple(d.labels for d in dimensions),
        declared=tuple(d.declared for d in dimensions),
        counts=tuple(counts),
        members=members,
        on_small_cell=output.on_small_cell,
    )


def _refuse(code: str, message: str, next_step: str) -> Refusal:
    return Refusal(
        code,
        message,
        rule="only tables that the trusted builder counted leave (design, section 5: Analysis)",
        next_step=next_step,
    )
