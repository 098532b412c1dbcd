"""Quarantine: what waits in it, what mends it, and what is let out when the rules change.

A record that its provider corrects and sends again is waited for no longer. When the file of checks
has another version than the one that held records back, these are checked again on the day, with
what has become known of their persons; what passes lands, in a snapshot of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from sekisho import quality
from sekisho.body.context import Body
from sekisho.body.flows import stopping, submission, vocabulary
from sekisho.body.ports import Json, Outcome
from sekisho.common.atomicfile import write_atomically
from sekisho.common.ids import Tag
from sekisho.data import collection
from sekisho.data.lake import Lake, Objects, Record, Snapshot, held_schema
from sekisho.exchange import tables as container

KIND = "quarantine"
FOLDER = "quarantine"


def held_back(submission_id: str, provider: str, rules: str, batch: int) -> Json:
    """Return the record of a submission of which something was held back.

    Args:
        batch: under which the objects of its records are kept.
    """
    return {
        "submission": submission_id,
        "part": 0,
        "provider": provider,
        "rules": rules,
        "batch": batch,
        "mended": 0,
        "released": 0,
    }


def mend(
    body: Body, provider: str, submission_id: str, sent: Iterator[Mapping[str, pa.Table]]
) -> Outcome:
    """Take out of quarantine what ``provider`` has sent again, whatever became of it this time.

    Args:
        sent: tables of the submission, part by part; not read where nothing waits.
    """
    outcome = Outcome()
    waiting = {
        key: kept
        for key, kept in body.store.find(KIND)
        if kept["provider"] == provider
        and kept["submission"] != submission_id
        and _file(body, key).exists()
    }
    if not waiting:
        return outcome
    # Kept are names of what waits, not of all that was sent.
    units = set[str]().union(*(collection.units_of(_held(body, key)) for key in waiting))
    again = set[str]().union(*(units & collection.units_of(tables) for tables in sent))
    for key, kept in waiting.items():
        held = _held(body, key)
        left = collection.without_units(held, again)
        gone = _records(held) - _records(left)
        if not gone:
            continue
        _replace(body, outcome, key, kept | {"mended": kept["mended"] + gone}, held, left)
        outcome.fact(
            "quarantine.mended", submission=kept["submission"], provider=provider, records=gone
        )
    return outcome


def daily(body: Body) -> Outcome:
    """Check again what another version of the rules held back; land what passes."""
    outcome = Outcome()
    waiting = list(body.store.find(KIND))
    if not waiting:
        return outcome
    rules = quality.load_rules(body.rules / "collection.toml")
    latest, batch = submission.snapshot(body), submission.next_batch(body)
    for key, kept in waiting:
        if kept["rules"] == rules.version or not _file(body, key).exists():
            continue
        held = _held(body, key)
        lake = Lake(body.folders.lake)
        persons = lake.of_persons(latest, _persons(held), ("person", "death"))
        systems = vocabulary.systems_of(body) if vocabulary.refuses(body) else None
        without = _without_object(body, kept, held)
        passed, left = collection.recheck(held, rules, body.today(), persons, systems, without)
        passed = _still_wanted(body, lake, passed)
        state = kept | {"rules": rules.version}
        if passed:
            latest, released = _release(body, outcome, lake, latest, batch, kept, passed)
            state["released"] = kept["released"] + released
            batch += 1
        _replace(body, outcome, key, state, held, left)
    return outcome


def figures(body: Body) -> Json:
    """Return records that wait, were mended by their provider or let out, over all submissions."""
    total: Counter[str] = Counter(waiting=0, mended=0, released=0)
    for key, kept in body.store.find(KIND):
        if _file(body, key).exists():
            total["waiting"] += _records(_held(body, key))
        total["mended"] += kept["mended"]
        total["released"] += kept["released"]
    return dict(total)


def _release(
    body: Body,
    outcome: Outcome,
    lake: Lake,
    latest: Snapshot,
    batch: int,
    kept: Json,
    passed: dict[str, pa.Table],
) -> tuple[Snapshot, int]:
    """Land ``passed`` as a batch of its own; return the snapshot with it, and its records."""
    name = f"{kept['submission']}:{kept['rules']}"
    rows = _as_batch(passed, kept["provider"], batch)
    store, landed = Objects(body.folders.held_objects), Objects(body.folders.objects)
    for record in _named(passed):  # before the rows: none may name an object that is not there
        store.lend(landed, record, kept["provider"], kept["batch"], batch)
    versions = lake.land(batch, name, rows, vocabulary=vocabulary.in_force(body))
    made = Snapshot(1 + latest.number, versions)
    records = _records(passed)
    outcome.put.append((submission.RELEASED, name, {"batch": batch}))
    outcome.put.append(("snapshot", "head", made.to_dict()))
    outcome.fact(
        "snapshot.made",
        snapshot=made.number,
        tables=dict(versions.tables),
        hidden=list(versions.hidden),
        submission=kept["submission"],
        reason="released",
    )
    outcome.fact(
        "quarantine.released",
        submission=kept["submission"],
        provider=kept["provider"],
        records=records,
        snapshot=made.number,
    )
    return made, records


def _still_wanted(body: Body, lake: Lake, tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """Leave out the records of persons whose choice has stopped collection in the meantime."""
    wrapped = lake.all_wrapped()
    stopped = stopping.stopped_of(body, ((Tag(k), wrapped[k]) for k in _persons(tables)))
    renamed = {
        name: rows.rename_columns(
            ["tag" if column == "person_key" else column for column in rows.column_names]
        )
        for name, rows in tables.items()
    }
    kept, _ = stopping.set_aside(renamed, stopped)
    return {
        name: rows.rename_columns(
            ["person_key" if column == "tag" else column for column in rows.column_names]
        )
        for name, rows in kept.items()
        if rows.num_rows
    }


def _as_batch(tables: dict[str, pa.Table], provider: str, batch: int) -> dict[str, pa.Table]:
    made = {}
    for name, rows in tables.items():
        extra = {
            "provider": pa.repeat(pa.scalar(provider, pa.string()), rows.num_rows),
            "batch": pa.repeat(pa.scalar(batch, pa.int64()), rows.num_rows),
        }
        columns = {**dict(zip(rows.column_names, rows.columns, strict=True)), **extra}
        schema = held_schema(name)
        made[name] = pa.table([columns[column] for column in schema.names], schema=schema)
    return made


def _named(tables: dict[str, pa.Table]) -> set[Record]:
    """Return the records of persons who are known here."""
    columns = ("person_key", "source_id", "data_class")
    found = set[Record]()
    for rows in tables.values():
        found |= set(zip(*(rows[name].to_pylist() for name in columns), strict=True))
    return {one for one in found if one[0] is not None}


def _without_object(body: Body, kept: Json, held: dict[str, pa.Table]) -> set[str]:
    """Return the source ids of records that had an object where they came from, and here none."""
    store = Objects(body.folders.held_objects)
    return {
        record[1]
        for record in _named(held)
        if record[2] == collection.HARD
        and store.find(record, kept["provider"], kept["batch"]) is None
    }


def _records(tables: dict[str, pa.Table]) -> int:
    return sum(collection.waiting(tables).values())


def _persons(tables: dict[str, pa.Table]) -> set[str]:
    found: set[str] = set()
    for rows in tables.values():
        found.update(rows.column("person_key").drop_null().unique().to_pylist())
    return found


def _file(body: Body, key: str) -> Path:
    return body.folders.data / FOLDER / key


def _held(body: Body, key: str) -> dict[str, pa.Table]:
    return container.unpack(_file(body, key).read_bytes())


def _replace(
    body: Body,
    outcome: Outcome,
    key: str,
    kept: Json,
    held: dict[str, pa.Table],
    left: dict[str, pa.Table],
) -> None:
    """Keep what is left under a new name; the old file goes once all of this is committed.

    So a crash in between finds the old file whole, and comes to the same end.
    """
    part = int(kept["part"]) + 1
    new = f"{kept['submission']}.{part}"
    if left:
        write_atomically(_file(body, new), container.pack(left))
    outcome.drop.append((KIND, key))
    outcome.put.append((KIND, new, kept | {"part": part}))
    outcome.remove.append(_file(body, key))
    store = Objects(body.folders.held_objects)
    for record in _named(held) - _named(left):
        if (place := store.find(record, kept["provider"], kept["batch"])) is not None:
            outcome.remove.append(place)
