"""The ledger against the floor, bare SHA-256 of the same leaves and nodes; pymerkle beside it.

    python benchmarks/ledger.py [--entries 1000000] [--rounds 3] [--out FILE]

Each measurement is a process of its own, so that peak memory is its own too; CPU seconds, the
median of the rounds. pymerkle keeps its tree in memory and no files, so it gets a tenth of the
entries. Appending includes staging, the signed checkpoints and files on disk (as a body
does it: batches of 8,192); verifying includes reading every file and every entry's fields.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from sekisho.common.randomness import below, seeded
from sekisho.control.ledger import (
    Entry,
    Ledger,
    MemoryPending,
    continues,
    includes,
    leaf_hash,
    verify_ledger,
)
from sekisho.exchange import SigningKey

BATCH = 8192
PROOFS = 200
ORIGIN = "sekisho/bench"
KEY = SigningKey.generate(seeded("bench"))
AT = datetime(2026, 4, 1, tzinfo=UTC)
FLOOR = "bare SHA-256 of the same leaves and inner nodes"
Figures = dict[str, float]


def entries(count: int) -> Iterator[bytes]:
    """Yield entries like those of a converter, the busiest of bodies."""
    for number in range(count):
        body = {
            "reason": f"{number:032x}",
            "reason_kind": "submission",
            "from_domain": "identity",
            "to_domain": "body:alpha",
            "count": number * 10,
            "epoch": 0,
        }
        yield Entry("conversion.done", AT, body).to_bytes()


def peak_mb() -> float:
    """Return this process's peak memory (not its parent's, as getrusage can give)."""
    status = Path("/proc/self/status").read_text("ascii")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024


def append(folder: Path, count: int) -> Figures:
    store = MemoryPending()
    ledger = Ledger(folder, ORIGIN, KEY, store)
    cpu = wall = 0.0
    for staged, entry in enumerate(entries(count), 1):
        store.stage(entry)
        if staged % BATCH == 0 or staged == count:
            cpu_start, wall_start = time.process_time(), time.perf_counter()
            ledger.integrate()
            cpu += time.process_time() - cpu_start
            wall += time.perf_counter() - wall_start
    return {"cpu": cpu, "wall": wall, "peak_mb": peak_mb()}


def floor(folder: Path, count: int) -> Figures:
    """Leaves by the batch, as appending gets them; the inner nodes of a tree are one fewer."""
    del folder
    cpu, node = 0.0, bytes(65)
    batch: list[bytes] = []
    for number, entry in enumerate(entries(count), 1):
        batch.append(b"\0" + entry)
        if number % BATCH == 0 or number == count:
            start = time.process_time()
            for leaf in batch:
                sha256(leaf).digest()
                sha256(node).digest()
            cpu += time.process_time() - start
            batch = []
    return {"cpu": cpu, "wall": cpu, "peak_mb": peak_mb()}


def pymerkle(folder: Path, count: int) -> Figures:
    """A second implementation of the tree: append and root, in memory, without files."""
    from pymerkle import InmemoryTree

    del folder
    tree, cpu = InmemoryTree(algorithm="sha256"), 0.0
    for entry in entries(count // 10):
        start = time.process_time()
        tree.append_entry(entry)
        cpu += time.process_time() - start
    start = time.process_time()
    tree.get_state()
    cpu += time.process_time() - start
    return {"cpu": cpu, "wall": cpu, "peak_mb": peak_mb()}


def verify(folder: Path, count: int) -> Figures:
    del count
    cpu_start, wall_start = time.process_time(), time.perf_counter()
    problems = verify_ledger(folder, ORIGIN, KEY.public)
    assert not problems
    cpu, wall = time.process_time() - cpu_start, time.perf_counter() - wall_start
    return {"cpu": cpu, "wall": wall, "peak_mb": peak_mb()}


def prove(folder: Path, count: int) -> Figures:
    """Inclusion proofs of random entries; the figures are medians of one proof."""
    ledger, random = Ledger(folder, ORIGIN, KEY, MemoryPending()), seeded("proofs")
    root, cpu, wall = ledger.head().root, [], []
    for _ in range(PROOFS):
        index = below(random, count)
        cpu_start, wall_start = time.process_time(), time.perf_counter()
        proof = ledger.log.inclusion(index, count)
        cpu.append(time.process_time() - cpu_start)
        wall.append(time.perf_counter() - wall_start)
        assert includes(leaf_hash(ledger.log.entry(index)), index, count, proof, root)
    return {"cpu": statistics.median(cpu), "wall": max(wall), "peak_mb": peak_mb()}


def consistency(folder: Path, count: int) -> Figures:
    """Consistency proofs between random sizes and the whole; the figures are those of `prove`."""
    ledger, random = Ledger(folder, ORIGIN, KEY, MemoryPending()), seeded("consistency")
    cpu, wall = [], []
    for _ in range(PROOFS):
        old = 1 + below(random, count)
        cpu_start, wall_start = time.process_time(), time.perf_counter()
        proof = ledger.log.consistency(old, count)
        cpu.append(time.process_time() - cpu_start)
        wall.append(time.perf_counter() - wall_start)
        assert continues(old, count, ledger.log.root(old), ledger.log.root(count), proof)
    return {"cpu": statistics.median(cpu), "wall": max(wall), "peak_mb": peak_mb()}


WORK = {
    "append": append,
    "floor": floor,
    "pymerkle": pymerkle,
    "verify": verify,
    "prove": prove,
    "consistency": consistency,
}


def run(work: str, folder: Path, count: int) -> Figures:
    command = [sys.executable, __file__, "--work", work, "--folder", str(folder)]
    command += ["--entries", str(count)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answer: Figures = json.loads(done.stdout)
    return answer


def compare(count: int, rounds: int) -> list[dict[str, object]]:
    """Return the rows of the result file, all made in one run."""
    runs: dict[str, list[Figures]] = {work: [] for work in WORK}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as place:
            for work in WORK:
                runs[work].append(run(work, Path(place) / "ledger", count))
    cpu = {work: statistics.median(one["cpu"] for one in runs[work]) for work in WORK}
    wall = {work: statistics.median(one["wall"] for one in runs[work]) for work in WORK}
    peak = {work: round(max(one["peak_mb"] for one in runs[work]), 1) for work in WORK}

    def row(name: str, value: float, unit: str, work: str, *, ratio: bool) -> dict[str, object]:
        return {
            "name": f"{name}, {count} entries",
            "value": round(value, 2),
            "unit": unit,
            "against": FLOOR if ratio else None,
            "ratio": round(cpu[work] / cpu["floor"], 2) if ratio else None,
            "peak_mb": peak[work],
        }

    per_second = "entries per CPU second"
    return [
        row("append in batches", count / cpu["append"], per_second, "append", ratio=True),
        row(
            "append, waiting for the disk",
            count / wall["append"],
            "entries per second",
            "append",
            ratio=False,
        ),
        row("verify everything", count / cpu["verify"], per_second, "verify", ratio=True),
        row("one inclusion proof", cpu["prove"] * 1e3, "CPU milliseconds", "prove", ratio=False),
        row("slowest of 200 proofs", wall["prove"] * 1e3, "milliseconds", "prove", ratio=False),
        row(
            "one consistency proof",
            cpu["consistency"] * 1e3,
            "CPU milliseconds",
            "consistency",
            ratio=False,
        ),
        row(
            "slowest of 200 consistency proofs",
            wall["consistency"] * 1e3,
            "milliseconds",
            "consistency",
            ratio=False,
        ),
        row(
            "peer: pymerkle appends a tenth of them in memory",
            count // 10 / cpu["pymerkle"],
            per_second,
            "pymerkle",
            ratio=False,
        ),
        row(FLOOR, count / cpu["floor"], per_second, "floor", ratio=False),
    ]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--entries", type=int, default=1_000_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--out", type=Path, default=Path("benchmarks/results/ledger.json"))
    arguments.add_argument("--work", choices=sorted(WORK))
    arguments.add_argument("--folder", type=Path)
    options = arguments.parse_args()
    if options.work:
        print(json.dumps(WORK[options.work](options.folder, options.entries)))
        return
    rows = compare(options.entries, options.rounds)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", "utf-8")
    for row in rows:
        print(f"{row['name']:60} {row['value']:>12} {row['unit']:24} {row['ratio'] or ''}")


if __name__ == "__main__":
    main()
