"""From a dead job's folder to counted tables: collect, then count each declared output."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sekisho.data.analysis.study import StudyPackage
from sekisho.data.release.builder import build
from sekisho.data.release.collector import Caps, collect
from sekisho.data.release.table import TableOutput


def count_outputs(
    study: StudyPackage, out: Path, data: Path, caps: Caps | None = None
) -> tuple[TableOutput, ...]:
    """Return every declared output of ``study``, counted from what it left in ``out``.

    Args:
        data: the data that the job ran on; its ``person.parquet`` says who exists.

    Raises:
        Refusal: see `collect` and `build`.
    """
    persons = project_persons(data)
    collected = collect(out, study, caps)
    return tuple(build(o, collected.tables[o.source], persons) for o in study.outputs)


def project_persons(data: Path) -> pa.ChunkedArray:
    """Return the ids of all persons of the data in folder ``data``."""
    return pq.read_table(data / "person.parquet", columns=["person_id"]).column("person_id")
