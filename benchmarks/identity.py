"""A converter against the floor: the bare rbcl operations that each conversion must do.

    python benchmarks/identity.py [--persons 5000] [--many 100000] [--out FILE]

Converter and floor work in turns on slices of the same batch inside one process, since a machine's
speed drifts from second to second by more than the two differ. Five such processes give the
medians; the spread of their ratios is printed. The converter does all that the floor does, so a
ratio under 1 would be noise. Peak memory is that of a process that converts the batch as one.

Then a batch by the converter alone and by two workers, in turns, the one and then the other first:
wall time, which says something only on a machine that is otherwise idle (its load is printed), and
the CPU seconds that no worker can take over, which say it on any machine. Last, running bodies:
``--many`` persons at each of two holders go to one project through both converters over HTTP
(`identity_bodies`).
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
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

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
CORES = 4
"""How many times ``--persons`` the batch has on which workers are measured: some seconds long."""
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
    used = {"converter": 0.0, "floor": 0.0}
    for start in range(0, persons, SLICE):
        batch = Batch(whole.items[start : start + SLICE], whole.public)
        stored = kept(batch)
        work: dict[str, Callable[[], object]] = {
            "converter": lambda b=stored: convert(secret, b, 1),  # type: ignore[misc]
            "floor": lambda b=batch: bare(b, first, second, b.public),  # type: ignore[misc]
        }
        for side in sorted(work, reverse=bool(start // SLICE % 2)):
            used[side] += timed(work[side])
    return used


def converter(persons: int) -> Figures:
    secret, batch = prepared(persons)
    stored = kept(batch)
    del batch
    seconds = timed(lambda: convert(secret, stored, 1))
    return {"cpu": seconds, "peak_mb": peak_mb()}


def cores(persons: int, turn: int) -> Figures:
    """The converter alone and two workers on one batch: wall seconds of each, CPU of the two.

    ``alone`` is the CPU that the converter's own process spends beside its workers: it hands out
    chunks, looks at tags, shuffles and writes.
    """
    secret, batch = prepared(persons)
    stored, seconds = kept(batch), Figures()
    del batch
    for name, processes in [("one", 1), ("two", 2)][:: -1 if turn % 2 else 1]:
        begun, own, others = time.perf_counter(), spent(RUSAGE_SELF), spent(RUSAGE_CHILDREN)
        convert(secret, stored, processes)
        seconds[name] = time.perf_counter() - begun
        if processes > 1:
            seconds["alone"] = spent(RUSAGE_SELF) - own
            seconds["workers"] = spent(RUSAGE_CHILDREN) - others
    return seconds


def spent(who: int) -> float:
    """Return the CPU seconds of this process, or of those that it started and that ended."""
    usage = getrusage(who)
    return usage.ru_utime + usage.ru_stime


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


def run(work: str, persons: int, turn: int = 0) -> Figures:
    command = [sys.executable, __file__, "--work", work, "--persons", str(persons)]
    command += ["--turn", str(turn)]
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
    return rows


def on_two_cores(persons: int) -> list[dict[str, object]]:
    """Return the rows about workers: by the clock, and what of the work stays with one process."""
    rounds = [run("cores", persons, turn) for turn in range(ROUNDS)]
    gains = sorted(one["one"] / one["two"] for one in rounds)
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print("alone / two workers:", ", ".join(f"{gain:.2f}" for gain in gains), f"(load {load})")
    serial = statistics.median(one["alone"] / (one["alone"] + one["workers"]) for one in rounds)
    gain = round(statistics.median(gains), 2)
    return [
        {
            "name": f"two workers, {persons} persons, load {load}",
            "value": gain,
            "unit": "times as fast by the clock",
            "against": "the converter alone",
            "ratio": gain,
            "peak_mb": None,
        },
        {
            "name": f"CPU that no worker can take over, {persons} persons",
            "value": round(100 * serial, 1),
            "unit": "% of the CPU of a conversion by two workers",
            "against": None,
            "ratio": None,
            "peak_mb": None,
        },
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--persons", type=int, default=5000)
    parser.add_argument("--many", type=int, default=100_000, help="0 leaves the bodies out")
    parser.add_argument(
        "--work", choices=[*WORK, "cores"], help="one measurement, as JSON on stdout"
    )
    parser.add_argument("--turn", type=int, default=0, help="odd: two workers before none")
    default = Path(__file__).parent / "results" / "identity.json"
    parser.add_argument("--out", type=Path, default=default)
    options = parser.parse_args()
    if options.work:
        if options.work == "cores":
            made = cores(options.persons, options.turn)
        else:
            made = WORK[options.work](options.persons)
        print(json.dumps(made))
        return
    rows = compare(options.persons) + on_two_cores(CORES * options.persons)
    if options.many:
        rows += identity_bodies.rows(options.many)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(rows, indent=2) + "\n", "utf-8")
    for row in rows:
        ratio = f"  ({row['ratio']} x {row['against']})" if row["ratio"] else ""
        print(f"{row['value']:>10} {row['unit']}  {row['name']}{ratio}  {row['peak_mb'] or '-'} MB")


if __name__ == "__main__":
    main()
