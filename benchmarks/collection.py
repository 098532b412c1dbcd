"""Collecting FHIR NDJSON: from file to landed tables, against DuckDB reading the same file.

    python benchmarks/collection.py --sample FOLDER [--megabytes 40] [--out benchmarks/results/…]

``FOLDER`` has NDJSON of a foreign export (plain or gzip), which is repeated under new ids until
it is large enough. The floor, DuckDB on one thread with an explicit schema into Parquet, runs
before it in a process of its own. CPU seconds, the median of three; 1x, 2x and 4x show whether
time is linear. What pseudonyms cost is seen where the same ingest leaves local names as they are.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import duckdb
import pyarrow as pa
from collection_uke import merge, row

from sekisho.common.ids import BodyId
from sekisho.common.randomness import seeded
from sekisho.data import collection
from sekisho.data.lake import Lake, hold
from sekisho.exchange import tables
from sekisho.framework import load_kinds
from sekisho.provider import prepare
from sekisho.quality import load_rules

ROOT = Path(__file__).resolve().parent.parent
RUNS = 3
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
_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SSN = re.compile(rb"999-(\d\d)-(\d{4})")


def write(sample: Path, path: Path, megabytes: float) -> None:
    """Repeat the sample under new ids and numbers until ``megabytes`` are there."""
    source = b"".join(_lines(sample))
    with path.open("wb") as out:
        copy = 0
        while out.tell() < megabytes * 1e6:
            head = b"%08x" % copy
            text = _UUID.sub(lambda found, head=head: head + found.group()[8:], source)
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


def landed(path: Path, folder: Path) -> dict[str, float]:
    """Return the CPU seconds of each step from the file to landed tables, and the rows."""
    kinds = load_kinds(ROOT / "rules" / "data-kinds.toml")
    steps = [time.process_time()]
    to: dict[str, Any] = {"basic": BODY, "additional": BODY}
    with prepare([path], "fhir-ndjson", kinds.placed, KEY, to, seeded(1), home=folder) as prepared:
        part = prepared.parts[BODY]
        steps.append(time.process_time())
        tables.write(folder / "plain", part.tables.rows)
        steps.append(time.process_time())
        tags = [tag for tag, _ in part.identities]
    stored = tables.StoredTables(folder / "plain")
    arrival = collection.Arrival({name: stored.stored(name) for name in stored}, folder / "in")
    rules = load_rules(ROOT / "rules" / "collection.toml")
    summary, _ = arrival.check(
        rules, day=date(2026, 4, 1), tags=tags, set_aside=lambda rows: (dict(rows), {})
    )
    steps.append(time.process_time())
    lake = Lake(folder / "lake")
    keys = lake.keys_for(sorted(tags), seeded(2), {})

    def held(name: str) -> Iterator[pa.Table]:
        for rows in arrival.kept(name):
            yield hold(name, rows, keys, provider="p", batch=1)

    lake.land(1, "s", {name: partial(held, name) for name in summary.rows_landed})
    steps.append(time.process_time())
    names = ("prepare", "write", "check", "land")
    each = {name: b - a for name, a, b in zip(names, steps[:-1], steps[1:], strict=True)}
    return {**each, "all": steps[-1] - steps[0], "rows": sum(summary.rows_landed.values())}


class LocalName:
    """Stands for `sekisho.provider.names.Name`: a name is the UUID that the source gave."""

    @classmethod
    def of(cls, provider_key: bytes, family: str, data_class: str) -> LocalName:
        return cls()

    def __call__(self, what: str, local: str) -> str:
        return local[-36:].replace("-", "")

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
}


def measure(sample: Path, megabytes: float, what: str) -> Measured:
    """Measure one thing in this process."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "in.ndjson"
        write(sample, path, megabytes)
        size = path.stat().st_size / 1e6
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        found = MEASURED[what](path, folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"mb": size, "peak": peak, "before": before, **found}


def measured(sample: Path, megabytes: float, what: str) -> Measured:
    """Measure one thing in a process of its own."""
    command = [sys.executable, __file__, "--sample", str(sample), "--what", what]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(
        [*command, "--megabytes", str(megabytes)], check=True, capture_output=True, env=env
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=Path, required=True)
    parser.add_argument("--megabytes", type=float, default=40)
    parser.add_argument("--what", choices=MEASURED)
    results = ROOT / "benchmarks" / "results" / "collection.json"
    parser.add_argument("--out", type=Path, default=results)
    chosen = parser.parse_args()
    if chosen.what:
        print(json.dumps(measure(chosen.sample, chosen.megabytes, chosen.what)))
        return
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
