"""Landing: a submission's rows are appended once and whole, in memory for some of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TypeAlias

import pyarrow as pa

from sekisho.common.atomicfile import sync_folder
from sekisho.common.errors import Defect
from sekisho.data.lake import coding, delta, replacing
from sekisho.data.lake.engine import Engine
from sekisho.data.lake.folder import REPLACED, LakeFolder
from sekisho.data.lake.layout import held_schema
from sekisho.data.lake.sql import Sql, fill, literal, literals, name

Landing: TypeAlias = "pa.Table | Callable[[], Iterator[pa.Table]]"
"""A table's rows in the held layout, or what gives them in batches."""


def land(
    folder: LakeFolder,
    engine: Engine,
    batch: int,
    submission_id: str,
    tables: Mapping[str, Landing],
    *,
    vocabulary: str | None,
    withdrawn: Sequence[tuple[str, str]],
) -> None:
    """Land a submission, or complete it; see `sekisho.data.lake.Lake.land`. Needs the lock."""
    app = f"submission:{submission_id}"
    wanted = {table: _begun(table, rows, batch) for table, rows in sorted(tables.items())}
    given = {table: rows for table, rows in wanted.items() if rows is not None}
    landed = {table for table in given if _has(folder, table, app, batch)}
    # The list of replaced records goes last: where it is, all else is.
    if not (given or withdrawn) or _has(folder, REPLACED, app, batch):
        return
    marker = folder.announce(submission_id, batch)
    held = {table: delta.files(at) for table, at in folder.held_tables().items()}
    for table, rows in given.items():
        if table not in landed:
            reader = pa.RecordBatchReader.from_batches(held_schema(table), rows)
            delta.append(folder.table(table), reader, app=app, number=batch)
    if vocabulary is not None and not _has(folder, coding.IN_FORCE, app, batch):
        said = coding.in_force([batch], vocabulary, 0)
        delta.append(folder.table(coding.IN_FORCE), said, app=app, number=batch)
    noted = replacing.noted(withdrawn, batch)
    if given and any(held.values()):
        _note_replaced(folder, engine, batch, app, list(given), held, noted)
    else:
        delta.append(folder.table(REPLACED), noted, app=app, number=batch)
    marker.unlink()
    sync_folder(marker.parent)


def _has(folder: LakeFolder, table: str, app: str, batch: int) -> bool:
    number = delta.landed_as(folder.table(table), app)
    if number is not None and number != batch:
        raise Defect(
            "lake.other-batch", f"The submission has landed as batch {number}, not {batch}."
        )
    return number is not None


def _note_replaced(
    folder: LakeFolder,
    engine: Engine,
    batch: int,
    app: str,
    given: Sequence[str],
    held: Mapping[str, Sequence[str]],
    withdrawn: pa.Table,
) -> None:
    """Note the units of ``batch`` that complete batches in ``held`` have too, and those given."""
    records = sum(delta.count(folder.table(table), "batch", batch) for table in given)
    sent = {table: delta.files(folder.table(table)) for table in given}
    found = (
        rows
        for part in replacing.slices(records)
        for rows in _replaced(folder, engine, batch, sent, held, part)
    )
    rows = (one.cast(replacing.SCHEMA) for one in chain(found, [withdrawn]))
    made = pa.RecordBatchReader.from_batches(
        replacing.SCHEMA, chain.from_iterable(one.to_batches() for one in rows)
    )
    delta.append(folder.table(REPLACED), made, app=app, number=batch)


def _replaced(
    folder: LakeFolder,
    engine: Engine,
    batch: int,
    sent: Mapping[str, Sequence[str]],
    held: Mapping[str, Sequence[str]],
    part: replacing.Slice,
) -> Iterator[pa.Table]:
    """Yield the units of one slice that are in both, in a session whose memory ends with it."""
    others = literals((batch, *(one for one in folder.pending().values() if one != batch)))
    here = part.of("source_id")
    with folder.spill() as spill, engine.session([str(folder.tables)], spill) as session:
        for kind, tables in (("sent", sent), ("held", held)):
            for table, files in tables.items():
                session.add_files(name(f"{kind}_{table}"), files, held_schema(table))
        units = [
            fill(replacing.SENT, landed=name(f"sent_{table}"), batch=literal(batch), part=here)
            for table in sent
        ]
        session.define("units", Sql(" UNION ".join(units)), keep=True)
        there = [
            fill(replacing.HELD, landed=name(f"held_{table}"), others=others, part=here)
            for table in held
        ]
        yield from session.stream(replacing.found(there, batch))


def _begun(table: str, rows: Landing, batch: int) -> Iterator[pa.RecordBatch] | None:
    """Return a table's rows, of which the first are in the right layout; None: there are none."""
    checked = _checked(table, rows, batch)
    first = next(checked, None)
    return None if first is None else chain([first], checked)


def _checked(table: str, rows: Landing, batch: int) -> Iterator[pa.RecordBatch]:
    for one in [rows] if isinstance(rows, pa.Table) else rows():
        delta.require_held(table, one, held_schema(table), batch)
        yield from (made for made in one.combine_chunks().to_batches() if made.num_rows)
