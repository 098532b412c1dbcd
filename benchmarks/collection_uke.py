"""Reading receipts (UKE): from file to gathered columns, against Python's csv module.

    python benchmarks/collection_uke.py --sample FILE.UKE [--out benchmarks/results/collection.json]
    python benchmarks/collection_uke.py --sample FILE.UKE --large [5000]

A large file is made from the receipts of a real layout (a foreign sample, named by ``--sample``),
repeated under new numbers. The floor, decoding CP932 and ``csv.reader`` over the same file and
nothing else, runs in the same process just before. Each measurement is a process of its own; CPU
seconds, the median of three; 1x, 2x and 4x show whether time is linear. ``--large`` instead
prepares 5 GB (or so many MB), sixteen receipts a person, as far as the tables that would leave,
and says what that took in memory and time. 5 GB take some fifteen minutes.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from sekisho.cli import arrow_pool
from sekisho.common.ids import BodyId
from sekisho.common.randomness import seeded
from sekisho.exchange import tables
from sekisho.framework import load_kinds
from sekisho.provider import FORMATS, Limits, Profile, prepare
from sekisho.provider.batches import Batch
from sekisho.provider.gathering import Gathering
from sekisho.provider.records import Note
from sekisho.provider.scratch import Scratch

ROOT = Path(__file__).resolve().parent.parent
RECEIPTS = 4_000
RUNS = 3
SIZES = (1, 2, 4)
LARGE_MB = 5_000
EACH = 16
BODY = BodyId("body")
Measured = dict[str, float]


def write(sample: Path, path: Path, receipts: int, each: int = 1) -> None:
    """Write ``receipts`` receipts of ``sample``, about ``each`` of them of one person."""
    lines = [line for line in sample.read_bytes().split(b"\r\n") if line]
    starts = [n for n, line in enumerate(lines) if line.startswith(b"RE,")]
    ends = [*starts[1:], len(lines) - 1]
    found = [lines[a:b] for a, b in zip(starts, ends, strict=True)]
    persons = max(1, receipts // each // len(found)) * len(found)  # one layout, one person
    points = 0
    with path.open("wb") as file:
        file.write(lines[0] + b"\r\n")
        for number in range(1, receipts + 1):
            for line in found[number % len(found)]:
                fields = line.split(b",")
                if fields[0] == b"RE":
                    fields[1] = b"%d" % number
                if fields[0] == b"HO":
                    fields[3] = b"%d" % (number % persons if each > 1 else number)
                    points += int(fields[5])
                file.write(b",".join(fields) + b"\r\n")
        file.write(b"GO,%d,%d,99\r\n" % (receipts, points))


def floor(path: Path) -> float:
    """Return the CPU seconds of csv over the file."""
    started = time.process_time()
    with path.open(encoding="cp932", newline="") as file:
        for _ in csv.reader(file):
            pass
    return time.process_time() - started


def gathered(path: Path) -> tuple[float, float, int]:
    """Return the CPU seconds from the file to gathered columns, those of telling whose they are
    (as many keys as receipts, for each has a number of its own), and how many lines were taken."""
    started = time.process_time()
    gathering = Gathering(
        "uke",
        "uke",
        lambda _format, _record: [("receipt", "basic")],
        bytes(32),
        frozenset({"basic"}),
        Profile(),
        Scratch(),
        Limits().table_bytes,
    )
    gathering.open_file(path.name)
    taken = 0
    reader = FORMATS["uke"]
    for item in (reader.batches or reader.read)(path, Limits()):
        if isinstance(item, Note):
            gathering.note(item)
        elif isinstance(item, Batch):
            gathering.take(item)
            taken += len(item)
        else:
            gathering.add(item)
            taken += 1
    columns = time.process_time()
    gathering.resolve()
    return columns - started, time.process_time() - columns, taken


def prepared(path: Path, folder: Path) -> Measured:
    """Return the CPU seconds from the file to the tables that would leave, and their rows."""
    kinds = load_kinds(ROOT / "rules" / "data-kinds.toml")
    to = {"basic": BODY, "additional": BODY}
    started = time.process_time()
    with prepare([path], "uke", kinds.placed, bytes(32), to, seeded(1), home=folder) as made:
        part = made.parts[BODY]
        tables.write(folder / "plain", part.tables.rows)
        persons = len(part.identities)
    spent = time.process_time() - started
    stored = tables.StoredTables(folder / "plain")
    rows = sum(one.num_rows for name in stored for one in stored.stored(name).batches())
    return {"ours": spent, "persons": persons, "rows": rows}


def measure_large(sample: Path, megabytes: float) -> Measured:
    """Measure one large file in this process."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "RECEIPTC.UKE"
        write(sample, path, RECEIPTS)
        receipts = round(RECEIPTS * megabytes * 1e6 / path.stat().st_size)
        write(sample, path, receipts, EACH)
        found = {"mb": path.stat().st_size / 1e6, **prepared(path, folder)}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**found, "receipts": receipts, "peak": peak}


def measure(sample: Path, size: int) -> Measured:
    """Measure one size in this process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "RECEIPTC.UKE"
        write(sample, path, RECEIPTS * size)
        megabytes = path.stat().st_size / 1e6
        bare = floor(path)
        ours, persons, taken = gathered(path)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "mb": megabytes,
        "floor": bare,
        "ours": ours,
        "persons": persons,
        "lines": taken,
        "peak": peak,
    }


def measured(sample: Path, *what: str) -> Measured:
    """Measure one thing in a process of its own."""
    command = [sys.executable, __file__, "--sample", str(sample), *what]
    alone = {"OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": arrow_pool()}
    env = {**os.environ, **alone}
    done = subprocess.run(command, check=True, capture_output=True, env=env)
    one: Measured = json.loads(done.stdout)
    return one


def rows_of(runs: dict[int, Sequence[Measured]]) -> list[dict[str, Any]]:
    """Return the rows of the results file."""
    made: list[dict[str, Any]] = []
    once = median(one["ours"] / one["mb"] for one in runs[1])
    for size, ones in runs.items():
        name = f"receipts (UKE), file to columns, {size}x"
        speed = median(one["mb"] / one["ours"] for one in ones)
        ratio = median(one["floor"] / one["ours"] for one in ones)
        peak = round(max(one["peak"] for one in ones))
        made.append(row(name, round(speed, 2), "MB per CPU second", "csv module", ratio, peak))
        speed = median(one["mb"] / (one["ours"] + one["persons"]) for one in ones)
        ratio = median(one["floor"] / (one["ours"] + one["persons"]) for one in ones)
        name = f"receipts (UKE), file to columns and persons' keys, {size}x"
        made.append(row(name, round(speed, 2), "MB per CPU second", "csv module", ratio, peak))
        if size > 1:
            each = median(one["ours"] / one["mb"] for one in ones)
            name = f"receipts (UKE), CPU seconds a MB at {size}x"
            made.append(row(name, round(each, 3), "CPU seconds", "at 1x", each / once, peak))
    return made


def rows_of_large(once: Measured, large: Measured) -> list[dict[str, Any]]:
    """Return the rows of a large file beside one of a fiftieth of its size."""
    name = f"receipts (UKE), file to tables, {large['mb'] / 1000:.3g} GB"
    each, before = large["ours"] / large["mb"], once["ours"] / once["mb"]
    peak, at = round(large["peak"]), f"at {once['mb']:.0f} MB"
    persons, receipts = large["persons"], large["receipts"]
    return [
        row(name, round(1 / each, 2), "MB per CPU second", at, before / each, peak),
        row(f"{name}, persons", persons, "persons", "receipts", persons / receipts, peak),
        row(f"{name}, rows", large["rows"], "rows", at, large["rows"] / once["rows"], peak),
    ]


def row(
    name: str, value: float, unit: str, against: str, ratio: float, peak: int
) -> dict[str, Any]:
    """Return one row of a results file."""
    return {
        "name": name,
        "value": value,
        "unit": unit,
        "against": against,
        "ratio": round(ratio, 3),
        "peak_mb": peak,
    }


def merge(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Put ``rows`` in the place of those of the same name; others' rows stay."""
    there = json.loads(path.read_text("utf-8")) if path.exists() else []
    names = {one["name"] for one in rows}
    kept = [one for one in there if one["name"] not in names]
    path.write_text(json.dumps([*kept, *rows], indent=2, ensure_ascii=False) + "\n", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=Path, required=True)
    parser.add_argument("--size", type=int)
    parser.add_argument("--of", type=float, metavar="MEGABYTES")
    parser.add_argument("--large", type=float, nargs="?", const=LARGE_MB, metavar="MEGABYTES")
    results = ROOT / "benchmarks" / "results" / "collection.json"
    parser.add_argument("--out", type=Path, default=results)
    chosen = parser.parse_args()
    if chosen.size:
        print(json.dumps(measure(chosen.sample, chosen.size)))
        return
    if chosen.of:
        print(json.dumps(measure_large(chosen.sample, chosen.of)))
        return
    if chosen.large:
        sizes = (chosen.large / 50, chosen.large)
        rows = rows_of_large(*(measured(chosen.sample, "--of", str(size)) for size in sizes))
    else:
        runs = {
            size: [measured(chosen.sample, "--size", str(size)) for _ in range(RUNS)]
            for size in SIZES
        }
        rows = rows_of(runs)
    merge(chosen.out, rows)
    for one in rows:
        print(
            f"{one['name']:50} {one['value']:8} {one['unit']}  {one['ratio']} of {one['against']}"
        )


if __name__ == "__main__":
    main()
