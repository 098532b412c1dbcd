"""A converter against the floor: the bare rbcl operations that each conversion must do.

    python benchmarks/identity.py [--persons 5000] [--many 100000] [--out FILE]

Converter and floor work in turns on slices of the same batch inside one process, since a machine's
speed drifts from second to second by more than the two differ. Five such processes give the
medians; the spread of their ratios is printed. The converter does all that the floor does, so a
ratio under 1 would be noise. Peak memory is that of a process that converts the batch as one.

Then the same batch by one worker and by two, in turns: wall time, which says something only on a
machine that is otherwise idle (its load is printed). Last, running bodies: ``--many`` persons at
each of two holders go to one project through both converters over HTTP (`identity_bodies`).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import identity_bodies
import rbcl

from sekisho.common.ids import IDENTITY, Tag, body_domain, project_domain
from sekisho.common.randomness import seeded, system_random
from sekisho.pseudonym import (
    Batch,
    ConverterSecret,
    Element,
    PersonKey,
    Scalar,
    convert_batch,
    domain_key,
    element_of,
    encrypt_many,
    open_batch,
    pack,
    random_element,
)
from sekisho.pseudonym.convert import step_of
from sekisho.pseudonym.stored import StoredBatch, convert_stored

ROUNDS = 5
SLICE = 1000
HOLDER, PROJECT = body_domain("holder"), project_domain("study", "environment")
Figures = dict[str, float]
FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


def timed(work: Callable[[], object]) -> float:
    """Return the CPU seconds of ``work``."""
    start = time.process_time()
    work()
    return time.process_time() - start


def peak_mb() -> float:
    """Return this process's peak memory (not its parent's, as getrusage can give)."""
    status = Path("/proc/self/status").read_text("ascii")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024


def prepared(persons: int) -> tuple[ConverterSecret, Batch]:
    """Return a converter and a batch of as many persons as it gets for a project."""
    random = seeded("benchmark")
    secret = ConverterSecret.generate(random)
    public = secret.public_step(None)
    elements = [random_element(random) for _ in range(persons)]
    ciphertexts = encrypt_many(elements, public, random)
    tags = (Tag(random(16).hex()) for _ in range(persons))
    return secret, Batch(tuple(zip(tags, ciphertexts, strict=True)), public)


def kept(batch: Batch) -> StoredBatch:
    """Put a batch into a file, as it lies in a message; it is removed with the process."""
    if not FOLDERS:
        FOLDERS.append(tempfile.TemporaryDirectory())
    file = Path(FOLDERS[0].name) / "batch"
    file.write_bytes(pack(batch))
    return StoredBatch.open(file, 0, file.stat().st_size)


def convert(secret: ConverterSecret, batch: StoredBatch, processes: int) -> None:
    """What a converter's desk does with a batch once it may."""
    step = step_of(secret, batch.public, HOLDER, PROJECT, 1)
    with batch.file.with_name("converted").open("wb") as out:
        convert_stored(batch, step, out, system_random, processes)


def bare(batch: Batch, first: Scalar, second: Scalar, public: Element) -> None:
    """The floor: six group operations a ciphertext and one scalar to re-randomise it."""
    multiply, base = rbcl.crypto_scalarmult_ristretto255, rbcl.crypto_scalarmult_ristretto255_base
    plus, draw = rbcl.crypto_core_ristretto255_add, rbcl.crypto_core_ristretto255_scalar_random
    for _, ciphertext in batch.items:
        scalar = draw()
        plus(multiply(first, ciphertext[:32]), base(scalar))
        plus(multiply(second, ciphertext[32:]), multiply(scalar, public))


def in_turns(persons: int) -> Figures:
    """Converter and floor on each slice, the one and then the other first."""
    secret, whole = prepared(persons)
    first, second = secret.rekey(HOLDER, 1), secret.factor(HOLDER, 1)
    spent = {"converter": 0.0, "floor": 0.0}
    for start in range(0, persons, SLICE):
        batch = Batch(whole.items[start : start + SLICE], whole.public)
        stored = kept(batch)
        work: dict[str, Callable[[], object]] = {
            "converter": lambda b=stored: convert(secret, b, 1),  # type: ignore[misc]
            "floor": lambda b=batch: bare(b, first, second, b.public),  # type: ignore[misc]
        }
        for side in sorted(work, reverse=bool(start // SLICE % 2)):
            spent[side] += timed(work[side])
    return spent


def converter(persons: int) -> Figures:
    secret, batch = prepared(persons)
    stored = kept(batch)
    del batch
    seconds = timed(lambda: convert(secret, stored, 1))
    return {"cpu": seconds, "peak_mb": peak_mb()}


def cores(persons: int) -> Figures:
    """One worker and two on the same batch, in turns: wall seconds of each."""
    secret, batch = prepared(persons)
    stored, wall = kept(batch), {1: 0.0, 2: 0.0}
    for processes in wall:
        begun = time.perf_counter()
        convert(secret, stored, processes)
        wall[processes] = time.perf_counter() - begun
    return {"one": wall[1], "two": wall[2]}


def floor(persons: int) -> Figures:
    secret, batch = prepared(persons)
    first, second = secret.rekey(HOLDER, 1), secret.factor(HOLDER, 1)
    seconds = timed(lambda: bare(batch, first, second, batch.public))
    return {"cpu": seconds, "peak_mb": peak_mb()}


def source(persons: int) -> Figures:
    """What a provider does: hash each person key into the group and encrypt it."""
    keys = [PersonKey("urn:benchmark", f"person-{number}") for number in range(persons)]
    public = ConverterSecret.generate(seeded("benchmark")).public_step(None)
    elements = (element_of(key) for key in keys)
    seconds = timed(lambda: encrypt_many(elements, public, system_random))
    return {"cpu": seconds, "peak_mb": peak_mb()}


def receiver(persons: int) -> Figures:
    """What a domain's owner does: decrypt."""
    secret, batch = prepared(persons)
    received = convert_batch(secret, batch, IDENTITY, HOLDER, 1, system_random)
    key = domain_key([secret.key_share(HOLDER, 1)])
    return {"cpu": timed(lambda: open_batch(received, key)), "peak_mb": peak_mb()}


WORK = {
    "cores": cores,
    "in_turns": in_turns,
    "converter": converter,
    "floor": floor,
    "source": source,
    "receiver": receiver,
}
DESCRIBED = {
    "converter": "one converter, shuffled and re-randomised",
    "floor": "bare rbcl operations of one conversion",
    "source": "hash to group and encrypt",
    "receiver": "decrypt",
}


def run(work: str, persons: int) -> Figures:
    command = [sys.executable, __file__, "--work", work, "--persons", str(persons)]
    answer: Figures = json.loads(
        subprocess.run(command, check=True, capture_output=True, text=True).stdout
    )
    return answer


def compare(persons: int) -> list[dict[str, object]]:
    """Return the rows of the result file, all made in one run."""
    turns = [run("in_turns", persons) for _ in range(ROUNDS)]
    ratios = sorted(one["converter"] / one["floor"] for one in turns)
    print("converter / floor:", ", ".join(f"{ratio:.3f}" for ratio in ratios))
    cpu = {side: statistics.median(one[side] for one in turns) for side in ("converter", "floor")}
    peak = {side: run(side, persons)["peak_mb"] for side in cpu}
    for side in ("source", "receiver"):
        runs = [run(side, persons) for _ in range(ROUNDS)]
        cpu[side] = statistics.median(one["cpu"] for one in runs)
        peak[side] = max(one["peak_mb"] for one in runs)
    ratio = round(statistics.median(ratios), 3)
    sides = [run("cores", persons) for _ in range(ROUNDS)]
    gain = statistics.median(one["one"] / one["two"] for one in sides)
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"one worker / two: {gain:.2f} (load of the machine: {load})")
    rows: list[dict[str, object]] = [
        {
            "name": f"{described}, {persons} persons",
            "value": round(cpu[side] / persons * 1e6, 1),
            "unit": "CPU microseconds per person",
            "against": DESCRIBED["floor"] if side == "converter" else None,
            "ratio": ratio if side == "converter" else None,
            "peak_mb": round(peak[side], 1),
        }
        for side, described in DESCRIBED.items()
    ]
    rows.append(
        {
            "name": f"two workers beside one, {persons} persons, load {load}",
            "value": round(gain, 2),
            "unit": "times as fast by the clock",
            "against": "one worker",
            "ratio": round(gain, 2),
            "peak_mb": None,
        }
    )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--persons", type=int, default=5000)
    parser.add_argument("--many", type=int, default=100_000, help="0 leaves the bodies out")
    parser.add_argument("--work", choices=WORK, help="one measurement, as JSON on stdout")
    default = Path(__file__).parent / "results" / "identity.json"
    parser.add_argument("--out", type=Path, default=default)
    options = parser.parse_args()
    if options.work:
        print(json.dumps(WORK[options.work](options.persons)))
        return
    rows = compare(options.persons)
    if options.many:
        rows += identity_bodies.rows(options.many)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(rows, indent=2) + "\n", "utf-8")
    for row in rows:
        ratio = f"  ({row['ratio']} x {row['against']})" if row["ratio"] else ""
        print(f"{row['value']:>10} {row['unit']}  {row['name']}{ratio}  {row['peak_mb'] or '-'} MB")


if __name__ == "__main__":
    main()
