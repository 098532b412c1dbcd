"""A population in all formats from one event log: made, read, counted against the log, and united.

    python benchmarks/population.py [--persons 20000] [--home DIR]

Two providers. One format after the other is made, read as a submission reads it, with the
hospital's own mapping of chart numbers, and removed again, so that the disk holds the largest
format and the rows of those that are united (stated in the results). Every step runs in a
process of its own, so that its peak memory is its own. What was read is held against the event log,
which no reader has seen. Then the first provider's routes land in lakes of some thousand persons
each, with a map of the hospital's own codes, and extracts say how often a fact came again by
another route (rules/same-fact.toml).
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from collection_uke import merge, row
from population_steps import PROVIDERS, ROOT, TABLES, Json, say

from sekisho.synthetic.generate import WRITERS
from sekisho.synthetic.mapping import OWN_NUMBERS

ORDER: Final = sorted(WRITERS, key=lambda kind: (kind not in OWN_NUMBERS, kind))
"""Formats as they are made: the first also makes the mapping that all are read with."""
SHARD: Final = 10_000
"""Persons of one lake, about."""
EXPECTED: Final = {
    ("fhir-ndjson", "persons"): "all persons",
    ("fhir-ndjson", "condition_occurrence"): "all diagnoses",
    ("fhir-ndjson", "measurement"): "all results",
    ("fhir-ndjson", "drug_exposure"): "all drugs",
    ("fhir-ndjson", "visit_occurrence"): "all visits",
    ("jp-clins", "persons"): "known persons",
    ("jp-clins", "condition_occurrence"): "known diagnoses",
    ("jp-clins", "measurement"): "known results",
    ("jp-clins", "drug_exposure"): "known drugs",
    ("ss-mix2", "persons"): "all persons",
    ("ss-mix2", "condition_occurrence"): "all diagnoses",
    ("ss-mix2", "measurement"): "all results",
    ("ss-mix2", "drug_exposure"): "all drugs",
    ("ss-mix2", "visit_occurrence"): "all visits",
    ("omop-csv", "persons"): "all persons",
    ("omop-csv", "condition_occurrence"): "all diagnoses",
    ("omop-csv", "measurement"): "all results",
    ("dicom", "image_occurrence"): "all images",
    ("vcf", "genomic_test"): "known genomes",
}
"""(format, table or persons) → the fact of the log of which there must be as many.

Who has no insured number is known by the hospital's own, but in JP-CLINS, which wants an insured
number, and in VCF, whose samples only the mapping names.
"""
UNITED: Final = {
    "condition_occurrence": "all diagnoses",
    "measurement": "all results",
    "drug_exposure": "all drugs united",
}
"""Table → the facts that the routes of one provider tell of, each of them once.

Drugs must be as many as said here. A receipt names its person by the number of its month: who
changed the insurer since is another person here, where no history is asked, and a drug on such a
receipt comes beside that of the record. So do diagnoses, and results of check-ups; and a diagnosis
that a receipt has in words only is the same as no other.
"""


def alone(what: str, *words: object) -> Json:
    """Do one step in a process of its own."""
    steps = Path(__file__).with_name("population_steps.py")
    command = [sys.executable, str(steps), what, *map(str, words)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    one: Json = json.loads(done.stdout)
    say(f"{what} {' '.join(str(w) for w in words[1:])}: {json.dumps(one, ensure_ascii=False)}")
    return one


def size_of(folder: Path) -> int:
    """Return the megabytes that a folder takes on the disk."""
    done = subprocess.run(["du", "-sm", str(folder)], check=True, stdout=subprocess.PIPE)
    return int(done.stdout.split()[0])


def in_turn(home: Path, persons: int, jobs: int) -> tuple[Json, Json, int]:
    """Make, read and remove each format; return what each took, and the most megabytes on disk."""
    made: Json = {}
    told: Json = {spec.code: {} for spec in PROVIDERS}
    disk, shards = 0, max(1, persons // SHARD)
    for kind in ORDER:
        made[kind] = alone("make", home, persons, kind)
        files = json.loads((home / f"{kind}.json").read_text())
        due = [code for code, paths in files.items() if paths]
        with ThreadPoolExecutor(jobs) as pool:
            found = pool.map(lambda code, kind=kind: alone("read", home, code, kind, shards), due)
            for code, said in zip(due, found, strict=True):
                told[code][kind] = said
        disk = max(disk, size_of(home))
        for code in files:
            shutil.rmtree(home / code / WRITERS[kind][0], ignore_errors=True)
    return made, told, disk


def checked(
    facts: Mapping[str, Json], told: Json, whole: Json
) -> Iterator[tuple[str, str, str, int, int]]:
    """Yield provider, format, table, rows found and facts of the log."""
    code, table = PROVIDERS[0].code, "drug_exposure"
    yield code, "united", table, whole["rows"].get(table, 0), facts[code][UNITED[table]]
    for code, of in facts.items():
        for (kind, table), fact in EXPECTED.items():
            found = told[code].get(kind, {"rows": {}})["rows"].get(table, 0)
            yield code, kind, table, found, of.get(fact, 0)


def united(home: Path) -> Json:
    """Unite all shards; return the sums, and the most memory that one took."""
    names = {folder.name for folder in (home / "rows").glob("*/*/*")}
    sums: dict[str, Counter[str]] = {name: Counter() for name in ("landed", "rows", "collapsed")}
    total: Counter[str] = Counter()
    peak = 0
    for shard in sorted(names, key=int):
        one = alone("unite", home, shard)
        total.update(persons=one["persons"], cpu=one["cpu_seconds"])
        peak = max(peak, one["peak_mb"])
        for name, counts in sums.items():
            counts.update(one[name])
    return {**{name: dict(of) for name, of in sums.items()}, **total, "peak_mb": peak}


def rows_of(
    persons: int, made: Json, told: Json, facts: Json,
    found: list[tuple[str, str, str, int, int]], disk: int, whole: Json,
) -> list[Json]:  # fmt: skip
    """Return the rows of the results file."""
    at = f"population of {persons:,}"
    rows = []
    for kind in ORDER:
        ones = [of[kind] for of in told.values() if kind in of]
        peak = max(one["peak_mb"] for one in ones)
        megabytes = sum(one["bytes"] for one in ones) / 1e6
        speed = megabytes / sum(one["cpu_seconds"] for one in ones)
        outcomes = sum((Counter(one["outcomes"]) for one in ones), Counter[str]())
        share = outcomes["refused"] / max(1, outcomes.total())
        rows.append(row(f"{at}, {kind}: read", round(speed, 2), "MB per CPU second",
                        "refused of the records read", share, peak))  # fmt: skip
        rows.append(row(f"{at}, {kind}: files", round(megabytes, 1), "MB",
                        "files read of those made", 1.0, made[kind]["peak_mb"]))  # fmt: skip
    for code, kind, table, there, fact in found:
        if kind == "united":
            continue
        peak = told[code][kind]["peak_mb"] if kind in told[code] else 0
        rows.append(row(f"{at}, {code} {kind}: {table}", there, "rows", "event log",
                        there / fact if fact else 1.0, peak))  # fmt: skip
    for table in TABLES:
        landed = sum(n for name, n in whole["landed"].items() if name.endswith(f" {table}"))
        there, fact = whole["rows"].get(table, 0), facts[PROVIDERS[0].code][UNITED[table]]
        rows.append(row(f"{at}, united: {table}", there, "rows", "event log",
                        there / fact, whole["peak_mb"]))  # fmt: skip
        collapsed = whole["collapsed"].get(table, 0)
        rows.append(row(f"{at}, united: {table} collapsed", collapsed, "rows",
                        "rows landed by all routes", collapsed / landed,
                        whole["peak_mb"]))  # fmt: skip
    rows.append(row(f"{at}, disk at most", disk, "MB", "persons", disk / persons, 0))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--persons", type=int, default=20_000)
    parser.add_argument("--jobs", type=int, default=2, help="providers read at once")
    parser.add_argument("--home", type=Path, help="where files are made; else a temporary folder")
    results = ROOT / "benchmarks" / "results" / "population.json"
    parser.add_argument("--out", type=Path, default=results)
    chosen = parser.parse_args()
    persons = chosen.persons
    with tempfile.TemporaryDirectory(dir=chosen.home) as folder:
        home = Path(folder)
        made, told, disk = in_turn(home, persons, chosen.jobs)
        with ThreadPoolExecutor(chosen.jobs) as pool:
            counted = pool.map(lambda n: alone("log", home, persons, n), range(len(PROVIDERS)))
            facts = dict(zip([spec.code for spec in PROVIDERS], counted, strict=True))
        whole = united(home)
        disk = max(disk, size_of(home))
    found = list(checked(facts, told, whole))
    merge(chosen.out, rows_of(persons, made, told, facts, found, disk, whole))
    print(json.dumps(whole, indent=1))
    print(f"disk at most: {disk} MB, removed")
    wrong = [one for one in found if one[3] != one[4]]
    print(f"{len(found) - len(wrong)} of {len(found)} counts agree with the log", *wrong, sep="\n")
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
