"""Matching without a number: precision, recall, seconds and memory, against an exact join.

    python benchmarks/linkage.py [--out benchmarks/results/linkage.json] [--data DIR]

Three sets: FEBRL dataset 4 without its number, Splink's historical persons, and Japanese names made
from a seed, these also by cause. The floor in the same run is an exact join on name and birth date
of the same normal forms. Each measurement is a process of its own; truth is used for scoring only.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sekisho.data.linkage import (
    compared,
    judge,
    read_linkage_rule,
    read_variants,
    score,
    scored,
)
from sekisho.exchange.identities import FIELDS, RELIABLE
from sekisho.synthetic.identities import twice

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "rules" / "linkage"
SEED = 7
PERSONS = 10_000
JAPANESE_SEED = 3
"""Not the seed of the people from which the rule's own weights come."""
EXACT = {
    "febrl": ("given_name", "surname", "date_of_birth"),
    "historical": ("first_name", "surname", "dob"),
    "japanese": ("family", "given", "birth_date"),
}
Pairs = set[frozenset[str]]
Set = tuple[dict[str, pa.Table], dict[frozenset[str], str]]


def febrl(data: Path) -> Set:
    """Return both lists, and the true pairs."""
    sources = {}
    for side in "ab":
        with (data / "febrl" / f"dataset4{side}.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file, skipinitialspace=True))
        names = {n: "unique_id" if n == "rec_id" else n for n in rows[0] if n != "soc_sec_id"}
        sources[side] = pa.table(
            {
                new: pa.array([row[old].strip() or None for row in rows])
                for old, new in names.items()
            }
        )
    return sources, {frozenset((f"rec-{n}-org", f"rec-{n}-dup-0")): "any" for n in range(5000)}


def historical(data: Path) -> Set:
    """Return the records, and every pair of one cluster."""
    file = data / "splink" / "historical_figures_with_errors_50k.parquet"
    rows = pq.read_table(file).replace_schema_metadata(None)
    clusters = defaultdict(list)
    for record, cluster in zip(
        rows["unique_id"].to_pylist(), rows["cluster"].to_pylist(), strict=True
    ):
        clusters[cluster].append(record)
    true = {frozenset(pair): "any" for one in clusters.values() for pair in combinations(one, 2)}
    return {"all": rows}, true


def japanese(data: Path) -> Set:
    """Return two hospitals' registers of made persons, and the pairs with their cause."""
    people = [twice(JAPANESE_SEED, number) for number in range(PERSONS)]
    variants = read_variants(RULES / "variants.toml")
    sources = {}
    for side, which in (("a", "first"), ("b", "second")):
        rows = [(f"{side}{p.number}", getattr(p, which)) for p in people if getattr(p, which)]
        columns = {
            "tag": pa.array([tag for tag, _ in rows]),
            RELIABLE: pa.array([side == "b"] * len(rows)),
        }
        columns |= {f: pa.array([getattr(r, f) for _, r in rows], pa.string()) for f in FIELDS}
        sources[side] = compared(pa.table(columns), variants)
    true = {
        frozenset((f"a{p.number}", f"b{p.number}")): p.cause for p in people if p.first and p.second
    }
    return sources, true


SETS = {"febrl": febrl, "historical": historical, "japanese": japanese}


def exact(sources: Mapping[str, pa.Table], columns: tuple[str, ...]) -> Pairs:
    """Return pairs that agree on all columns: within one source, or between two."""
    groups = defaultdict(list)
    for name, rows in sources.items():
        for row in rows.select(["unique_id", *columns]).to_pylist():
            if None not in row.values():
                groups[tuple(row[c] for c in columns)].append((name, row["unique_id"]))
    return {
        frozenset((a, b))
        for one in groups.values()
        for (source_a, a), (source_b, b) in combinations(one, 2)
        if len(sources) == 1 or source_a != source_b
    }


def measure(name: str, how: str, data: Path) -> dict[str, Any]:
    """Run one way on one set; return its figures."""
    sources, true = SETS[name](data)
    before = peak_mb()
    started, worked = time.monotonic(), time.process_time()
    clerical: Pairs = set()
    if how == "exact":
        found = exact(sources, EXACT[name])
    else:
        rule = read_linkage_rule(RULES / f"{name}.toml")
        judged = judge(score(sources, rule, SEED), rule)
        found = {frozenset((j.pair.a, j.pair.b)) for j in judged if j.verdict == "link"}
        clerical = {frozenset((j.pair.a, j.pair.b)) for j in judged if j.verdict == "clerical"}
    result = scored(found, set(true))
    causes = {}
    for cause in sorted(set(true.values())):
        pairs = {pair for pair, why in true.items() if why == cause}
        causes[cause] = {
            "pairs": len(pairs),
            "recall": round(len(pairs & found) / len(pairs), 4),
            "clerical": round(len(pairs & clerical) / len(pairs), 4),
        }
    return {
        "precision": round(result.precision, 4),
        "recall": round(result.recall, 4),
        "f1": round(result.f1, 4),
        "false_links": result.wrong,
        "missed": result.missed,
        "clerical": len(clerical),
        "clerical_true": len(clerical & set(true)),
        "seconds": round(time.monotonic() - started, 2),
        "cpu_seconds": round(time.process_time() - worked, 2),
        "records": sum(rows.num_rows for rows in sources.values()),
        "peak_mb": round(peak_mb()),
        "before_mb": round(before),
        "causes": causes,
    }


def peak_mb() -> float:
    """Return this process's peak memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(name: str, how: str, data: Path) -> dict[str, Any]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--one", name, how, "--data", str(data)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def rows_of(name: str, ours: dict[str, Any], floor: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the results of one set as rows of the results' file."""
    against = f"exact join on {', '.join(EXACT[name])}"
    title = {
        "febrl": "FEBRL 4 without its number",
        "historical": "Splink historical persons",
        "japanese": f"Japanese names, {PERSONS} made persons",
    }[name]
    made = [
        {
            "name": f"{title}: {key}",
            "value": ours[key],
            "unit": unit,
            "against": against,
            "ratio": round(ours[key] / floor[key], 3) if floor[key] else None,
            "peak_mb": ours["peak_mb"],
            "floor": floor[key],
        }
        for key, unit in (
            ("f1", "share"),
            ("precision", "share"),
            ("recall", "share"),
            ("false_links", "pairs"),
            ("clerical", "pairs"),
            ("seconds", "s"),
            ("cpu_seconds", "s"),
        )
    ]
    if len(ours["causes"]) > 1:
        made += [
            {
                "name": f"{title}: recall, {cause}",
                "value": figures["recall"],
                "unit": f"share of {figures['pairs']} pairs; {figures['clerical']} more to a clerk",
                "against": against,
                "ratio": None,
                "peak_mb": ours["peak_mb"],
                "floor": floor["causes"][cause]["recall"],
            }
            for cause, figures in ours["causes"].items()
        ]
    return made


def main() -> None:
    """Measure, print a table, write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/linkage.json")
    default = os.environ.get("SEKISHO_TESTDATA", ROOT.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(*options.one, options.data)))
        return
    made = []
    for name in SETS:
        ours = apart(name, "splink", options.data)
        floor = apart(name, "exact", options.data)
        made += rows_of(name, ours, floor)
    for row in made:
        print(f"{row['name']:<62} {row['value']:>10} {row['unit']:<8} floor {row['floor']}")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(made, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
