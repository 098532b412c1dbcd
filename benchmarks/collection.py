"""Collecting FHIR NDJSON: from file to landed tables, against DuckDB reading the same file.

    python benchmarks/collection.py --sample FOLDER [--megabytes 40] [--out benchmarks/results/…]
    python benchmarks/collection.py --sample FOLDER --large [5000]

``FOLDER`` has NDJSON of a foreign export (plain or gzip), which is repeated under new ids until
it is large enough. The floor, DuckDB on one thread with an explicit schema into Parquet, runs
before it in a process of its own. CPU seconds, the median of five; 1x, 2x and 4x show whether
time is linear. What pseudonyms cost is seen where the same ingest leaves local names as they are.
``--large`` instead lands 5 GB (or so many MB) and then the same once more, and says what each took
in memory, on disk and in time a MB against 1x. 5 GB take some ten minutes, and 7 GB of disk, which
are free again afterwards.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from datetime import date
from functools import partial
from importlib import import_module
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import duckdb
import pyarrow as pa
from collection_uke import merge, row

from sekisho.cli import arrow_pool, settle_memory
from sekisho.common.ids import BodyId
from sekisho.common.randomness import seeded
from sekisho.data import collection
from sekisho.data.lake import Lake, Snapshot, hold
from sekisho.exchange import tables
from sekisho.framework import load_kinds
from sekisho.provider import prepare
from sekisho.quality import load_rules

ROOT = Path(__file__).resolve().parent.parent
RUNS = 5
SIZES = (1, 2, 4)
BODY = BodyId("body")
KEY = bytes(range(32))
Measured = dict[str, Any]

_CODING = 'STRUCT("system" VARCHAR, code VARCHAR)[]'
_CONCEPT = f"STRUCT(coding {_CODING})"
_PERIOD = 'STRUCT("start" VARCHAR, "end" VARCHAR)'
_QUANTITY = 'STRUCT("value" DOUBLE, comparator VARCHAR, unit VARCHAR, code VARCHAR)'
_REFERENCE = "STRUCT(reference VARCHAR)"
COLUMNS = {
    "resourceType": "VARCHAR",
    "id": "VARCHAR",
    "status": "VARCHAR",
    "subject": _REFERENCE,
    "patient": _REFERENCE,
    "encounter": _REFERENCE,
    "period": _PERIOD,
    "code": _CONCEPT,
    "verificationStatus": _CONCEPT,
    "onsetDateTime": "VARCHAR",
    "abatementDateTime": "VARCHAR",
    "recordedDate": "VARCHAR",
    "vaccineCode": _CONCEPT,
    "medicationCodeableConcept": _CONCEPT,
    "authoredOn": "VARCHAR",
    "occurrenceDateTime": "VARCHAR",
    "performedPeriod": _PERIOD,
    "performedDateTime": "VARCHAR",
    "valueQuantity": _QUANTITY,
    "valueCodeableConcept": _CONCEPT,
    "effectiveDateTime": "VARCHAR",
    "component": f'STRUCT(code {_CONCEPT}, "valueQuantity" {_QUANTITY})[]',
    "birthDate": "VARCHAR",
    "gender": "VARCHAR",
    "identifier": 'STRUCT("system" VARCHAR, "value" VARCHAR)[]',
    "billablePeriod": _PERIOD,
    "created": "VARCHAR",
    "deceasedDateTime": "VARCHAR",
}
"""What our reader looks at, and so what the floor has to parse."""
LARGE_MB = 5_000
_HEAD = re.compile(rb"[0-9a-f]{8}(?=-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
"""Where a UUID begins."""
_SSN = re.compile(rb"999-(\d\d)-(\d{4})")


def write(sample: Path, path: Path, megabytes: float) -> None:
    """Repeat the sample under new ids and numbers until ``megabytes`` are there."""
    between = _HEAD.split(b"".join(_lines(sample)))
    with path.open("wb") as out:
        copy = 0
        while out.tell() < megabytes * 1e6:
            text = (b"%08x" % copy).join(between)
            out.write(_SSN.sub(partial(_number, copy), text))
            copy += 1


def _lines(sample: Path) -> Iterator[bytes]:
    for file in sorted(sample.glob("*.ndjson*")):
        data = file.read_bytes()
        yield gzip.decompress(data) if file.suffix == ".gz" else data


def _number(copy: int, found: re.Match[bytes]) -> bytes:
    last = (int(found.group(2)) + copy * 411) % 10_000
    return b"999-%s-%04d" % (found.group(1), last)


def floor(path: Path, folder: Path) -> float:
    """Return the CPU seconds of DuckDB from the file to Parquet."""
    columns = "{" + ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items()) + "}"
    engine = duckdb.connect()
    engine.execute("SET threads = 1")
    started = time.process_time()
    engine.execute(
        f"COPY (SELECT * FROM read_json('{path}', format = 'newline_delimited', columns = {columns}"
        f")) TO '{folder / 'floor.parquet'}' (FORMAT parquet)"
    )
    return time.process_time() - started


def landed(path: Path, folder: Path, batch: int = 1) -> dict[str, float]:
    """Return the CPU seconds of each step from the file to landed tables, the rows, and the most
    megabytes that lay beside the file after a step."""
    kinds = load_kinds(ROOT / "rules" / "data-kinds.toml")
    work, lake = folder / "work", Lake(folder / "lake")
    work.mkdir()
    steps, disk = [time.process_time()], [0.0]

    def done() -> None:
        steps.append(time.process_time())
        disk.append(sum(file.stat().st_size for file in folder.rglob("*") if file != path) / 1e6)

    to: dict[str, Any] = {"basic": BODY, "additional": BODY}
    with prepare([path], "fhir-ndjson", kinds.placed, KEY, to, seeded(1), home=work) as prepared:
        part = prepared.parts[BODY]
        done()
        tables.write(work / "plain", part.tables.rows)
        done()
        tags = [tag for tag, _ in part.identities]
    stored = tables.StoredTables(work / "plain")
    arrival = collection.Arrival({name: stored.stored(name) for name in stored}, work / "in")
    rules = load_rules(ROOT / "rules" / "collection.toml")
    known, day = set(tags).intersection, date(2026, 4, 1)
    summary = arrival.check(rules, day=day, known=known, set_aside=lambda rows: (dict(rows), {}))
    done()
    keys = lake.keys_for(sorted(tags), seeded(2), {})

    def held(name: str) -> Iterator[pa.Table]:
        for rows in arrival.kept(name):
            yield hold(name, rows, keys, provider="p", batch=batch)

    before = Snapshot(batch - 1, lake.head())
    lake.land(batch, f"s{batch}", {name: partial(held, name) for name in summary.rows_landed})
    replaced = sum(lake.replaced_by(batch, before).values())
    done()
    shutil.rmtree(work)
    names = ("prepare", "write", "check", "land")
    each = {name: b - a for name, a, b in zip(names, steps[:-1], steps[1:], strict=True)}
    rows = sum(summary.rows_landed.values())
    return {
        **each, "all": steps[-1] - steps[0], "rows": rows, "replaced": replaced, "disk": max(disk)
    }  # fmt: skip


def landed_twice(path: Path, folder: Path) -> dict[str, Any]:
    """Return what `landed` does for a file, and for the same file once more, each with its peak."""
    runs = []
    for batch in (1, 2):
        runs.append({**landed(path, folder, batch), "peak": peak_mb()})
        print(json.dumps(runs[-1]), file=sys.stderr, flush=True)
    return {"once": runs[0], "again": runs[1]}


class LocalName:
    """Stands for `sekisho.provider.names.Name`: a name is the UUID that the source gave."""

    @classmethod
    def of(cls, provider_key: bytes, family: str, data_class: str) -> LocalName:
        return cls()

    def __call__(self, what: str, local: str) -> str:
        return local[-36:].replace("-", "")

    def all(self, what: str, locals_: Iterable[str]) -> list[str]:
        return [self(what, local) for local in locals_]

    def visit(self, local: str) -> str:
        return local[-36:].replace("-", "")


def landed_as_named(path: Path, folder: Path) -> dict[str, float]:
    """Return what `landed` does where records keep their local names, and tags are numbers."""
    persons = count()
    with (
        patch("sekisho.provider.gathering.Name", LocalName),
        patch("sekisho.provider.submission.new_tag", lambda random: f"{next(persons):032x}"),
    ):
        return landed(path, folder)


MEASURED = {
    "floor": lambda path, folder: {"all": floor(path, folder)},
    "landed": landed,
    "landed-as-named": landed_as_named,
    "landed-twice": landed_twice,
}


def peak_mb() -> float:
    """Return the most memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(sample: Path, megabytes: float, what: str) -> Measured:
    """Measure one thing in this process."""
    settle_memory()
    for library in (
        "deltalake",
        "pyarrow.acero",
    ):  # loaded once in a body's life, as DuckDB is here
        import_module(library)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "in.ndjson"
        write(sample, path, megabytes)
        size = path.stat().st_size / 1e6
        before = peak_mb()
        found = MEASURED[what](path, folder)
    return {"mb": size, "peak": peak_mb(), "before": before, **found}


def measured(sample: Path, megabytes: float, what: str) -> Measured:
    """Measure one thing in a process of its own."""
    command = [sys.executable, __file__, "--sample", str(sample), "--what", what]
    alone = {"OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": arrow_pool()}
    env = {**os.environ, **alone, "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(
        [*command, "--megabytes", str(megabytes)], check=True, stdout=subprocess.PIPE, env=env
    )
    one: Measured = json.loads(done.stdout.splitlines()[-1])
    return one


def rows_of(runs: dict[int, list[tuple[Measured, Measured, Measured]]]) -> list[dict[str, Any]]:
    """Return the rows of the results file; a run is the floor, ours, and ours as named."""
    made = []
    once = median(ours["all"] / ours["mb"] for _, ours, _ in runs[1])
    for size, runs_of in runs.items():
        speed = median(ours["mb"] / ours["all"] for _, ours, _ in runs_of)
        ratio = median(
            (ours["mb"] / ours["all"]) / (bare["mb"] / bare["all"]) for bare, ours, _ in runs_of
        )
        peak = round(max(ours["peak"] for _, ours, _ in runs_of))
        at = f"{runs_of[0][1]['mb']:.0f} MB"
        name = f"FHIR NDJSON to landed tables, {size}x"
        against = f"DuckDB, explicit schema, {at}"
        made.append(row(name, round(speed, 2), "MB per CPU second", against, ratio, peak))
        for step in ("prepare", "check", "land"):
            share = median(ours[step] / ours["all"] for _, ours, _ in runs_of)
            if size == 1:
                name = f"FHIR NDJSON to landed tables, share of {step}"
                made.append(row(name, round(share, 3), "of its CPU", "the whole", share, peak))
        each = median(ours["all"] / ours["mb"] for _, ours, _ in runs_of)
        if size > 1:
            name = f"FHIR NDJSON to landed tables, CPU seconds a MB at {size}x"
            made.append(row(name, round(each, 3), "CPU seconds", "at 1x", each / once, peak))
        cost = median(ours["all"] / named["all"] for _, ours, named in runs_of)
        name = f"FHIR NDJSON to landed tables, CPU seconds a MB with pseudonyms, {size}x"
        made.append(row(name, round(each, 3), "CPU seconds", "without pseudonyms", cost, peak))
    return made


def rows_of_large(once: list[Measured], large: Measured) -> list[dict[str, Any]]:
    """Return the rows of a large file, sent once and again, beside small ones."""
    before = median(it["all"] / it["mb"] for it in once)
    at = f"{large['mb'] / 1000:.3g} GB"
    made = []
    for way, name in (("once", "FHIR NDJSON to landed tables"), ("again", "The same once more")):
        run, peak = large[way], round(large[way]["peak"])
        each, disk = run["all"] / large["mb"], run["disk"]
        speed = f"{name}, {at}"
        made += [
            row(speed, round(1 / each, 2), "MB per CPU second", "at 1x", before / each, peak),
            row(f"{speed}, rows", run["rows"], "rows", "1x", run["rows"] / once[0]["rows"], peak),
            row(f"{speed}, disk", round(disk), "MB", "the input", disk / large["mb"], peak),
        ]
    share = large["again"]["replaced"] / max(1, large["once"]["rows"])
    made.append(row(f"The same once more, {at}, records replaced", large["again"]["replaced"],
                    "records", "rows landed once", share, peak))  # fmt: skip
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=Path, required=True)
    parser.add_argument("--megabytes", type=float, default=40)
    parser.add_argument("--what", choices=MEASURED)
    parser.add_argument("--large", type=float, nargs="?", const=LARGE_MB, metavar="MEGABYTES")
    results = ROOT / "benchmarks" / "results" / "collection.json"
    parser.add_argument("--out", type=Path, default=results)
    chosen = parser.parse_args()
    if chosen.what:
        print(json.dumps(measure(chosen.sample, chosen.megabytes, chosen.what)))
        return
    if chosen.large:
        once = [measured(chosen.sample, chosen.megabytes, "landed") for _ in range(RUNS)]
        rows = rows_of_large(once, measured(chosen.sample, chosen.large, "landed-twice"))
    else:
        runs = {
            size: [
                (
                    measured(chosen.sample, chosen.megabytes * size, "floor"),
                    measured(chosen.sample, chosen.megabytes * size, "landed"),
                    measured(chosen.sample, chosen.megabytes * size, "landed-as-named"),
                )
                for _ in range(RUNS)
            ]
            for size in SIZES
        }
        rows = rows_of(runs)
    merge(chosen.out, rows)
    for one in rows:
        print(
            f"{one['name']:62} {one['value']:8} {one['unit']}  {one['ratio']} of {one['against']}"
        )


if __name__ == "__main__":
    main()
