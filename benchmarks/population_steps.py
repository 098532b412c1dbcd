"""The steps of `population`, each in a process of its own: make, read, count, unite.

    python benchmarks/population_steps.py STEP WORDS…

What a step found goes to stdout as JSON, progress to stderr.
"""

from __future__ import annotations

import csv
import hashlib
import json
import resource
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sekisho.cdm import read_code_systems
from sekisho.common.ids import BodyId
from sekisho.common.randomness import seeded
from sekisho.data.lake import Lake, Snapshot, hold
from sekisho.data.processing import (
    ExtractOrder,
    Part,
    extract,
    gate,
    make_plan,
    read_rules,
    read_same_fact,
    retag,
)
from sekisho.data.vocabulary import VocabularyStore
from sekisho.framework import load_kinds
from sekisho.provider import Profile, prepare, read_mapping
from sekisho.pseudonym.identifiers import canonical
from sekisho.synthetic import Period, ProviderSpec, generate, person_of, visits_of
from sekisho.synthetic.imaging import TAKEN, is_taken
from sekisho.synthetic.mapping import NAME
from sekisho.synthetic.provider import Institution
from sekisho.synthetic.tables import codes, drug_for
from sekisho.synthetic.variants import is_sequenced

ROOT = Path(__file__).resolve().parent.parent
SEED: Final = 7
PERIOD: Final = Period.before(date(2026, 4, 1))
PROVIDERS: Final = (
    ProviderSpec("1310000001", "第一病院"),
    ProviderSpec("1310000002", "第二病院"),
)
HERE: Final = BodyId("here")
CLASSES: Final = ("basic", "additional", "hard")
UNITED: Final = ("uke", "fhir-ndjson", "ss-mix2", "omop-csv", "checkup-cda")
"""Routes that land in one lake."""
TABLES: Final = ("condition_occurrence", "measurement", "drug_exposure")
PRESSURE: Final = {"systolic": "9A751000000000001", "diastolic": "9A761000000000001"}
"""JLAC10 where a record has LOINC (特定健診 item list)."""
OWN_MAP: Final = ("source_code", "source_vocabulary_id", "target_concept_id", "invalid_reason")
OWN_CONCEPTS: Final = 2_000_000_001
"""Concepts of one's own begin above two thousand millions (OMOP CDM 5.4)."""
TOLD: Final = 60.0
"""Seconds between two words of progress within a step."""
Json = dict[str, Any]


def make(home: Path, persons: int, kind: str) -> Json:
    """Make the files of one format in this process and one beside it."""
    started, told = time.monotonic(), [time.monotonic()]

    def progress(people: int) -> None:
        if time.monotonic() - told[0] > TOLD:
            told[0] = time.monotonic()
            say(f"{kind}: files of {people} of {persons} persons")

    made = generate(home, SEED, persons, PROVIDERS, PERIOD, (kind,), jobs=2, progress=progress)
    files = [path for of in made.files.values() for path in of[kind]]
    named = {code: [str(path) for path in of[kind]] for code, of in made.files.items()}
    (home / f"{kind}.json").write_text(json.dumps(named))
    return {
        **spent(started),
        "files": len(files),
        "bytes": sum(path.stat().st_size for path in files),
        "records": sum(n for of in made.truth.records.values() for n in of.values()),
    }


def read(home: Path, code: str, kind: str, shards: int) -> Json:
    """Read what a provider has in one format; keep its rows, under persons, beside the files."""
    started, told = time.monotonic(), [time.monotonic()]

    def progress(_: int, records: int) -> None:
        if time.monotonic() - told[0] > TOLD:
            told[0] = time.monotonic()
            say(f"{code} {kind}: {records} records read")

    files = [Path(one) for one in json.loads((home / f"{kind}.json").read_text())[code]]
    profile = Profile(mapping=read_mapping(home / code / NAME), institution=code)
    kinds = load_kinds(ROOT / "rules" / "data-kinds.toml")
    with prepare(
        files,
        kind,
        kinds.placed,
        hashlib.sha256(code.encode()).digest(),
        dict.fromkeys(CLASSES, HERE),
        seeded(SEED, code, kind),
        progress,
        profile=profile,
        home=home,
    ) as one:
        part = one.parts[HERE]
        keys = {
            str(tag): hashlib.sha256(canonical(key)).hexdigest() for tag, key in part.identities
        }
        rows: Counter[str] = Counter()
        for name, held in part.tables.rows.items():
            kept = Shards(home / "rows" / code / kind, name, shards)
            for batch in held.batches():
                rows[name] += batch.num_rows
                if kind in UNITED and code == PROVIDERS[0].code:
                    number = 1 + UNITED.index(kind)
                    kept.add(hold(name, batch, keys, provider=code, batch=number))
            kept.close()
        outcomes = {
            name: sum(getattr(line, name) for line in one.balance)
            for name in ("sent", "refused", "superseded", "set_aside", "withheld")
        }
        reasons = Counter(finding.code for finding in one.findings)
        return {
            **spent(started),
            "bytes": sum(path.stat().st_size for path in files),
            "read": one.read,
            "outcomes": outcomes,
            "findings": dict(reasons),
            "rows": {"persons": len(set(keys.values())), **rows},
            "objects": len(part.objects),
        }


class Shards:
    """A table's rows in files by person: all of a person's lie under one number."""

    def __init__(self, folder: Path, name: str, number: int) -> None:
        self._folder, self._name, self._number = folder, name, number
        self._writers: dict[int, pq.ParquetWriter] = {}

    def add(self, rows: pa.Table) -> None:
        keys = rows["person_key"].combine_chunks().dictionary_encode()
        of = pa.array([int(k[:8], 16) % self._number for k in keys.dictionary.to_pylist()])
        shard = of.take(keys.indices)
        for number in pc.unique(shard).to_pylist():
            if number not in self._writers:
                file = self._folder / str(number) / f"{self._name}.parquet"
                file.parent.mkdir(parents=True, exist_ok=True)
                self._writers[number] = pq.ParquetWriter(file, rows.schema)
            self._writers[number].write_table(rows.filter(pc.equal(shard, number)))

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()


def log(persons: int, place: int) -> Json:
    """Count the facts of the event log at one provider, by who can be told there."""
    found: Counter[str] = Counter()
    institution = Institution(place, PROVIDERS[place], SEED)
    for number in range(persons):
        person = person_of(SEED, number)
        visits = [v for v in visits_of(SEED, person, len(PROVIDERS), PERIOD) if v.place == place]
        if not visits:
            continue
        last = person.insurance(visits[-1].day)
        known = last is not None
        for who in ("all", *(("known",) if known else ())):
            found[f"{who} persons"] += 1
            found[f"{who} genomes"] += is_sequenced(SEED, person)
            for visit in visits:
                found[f"{who} visits"] += 1
                found[f"{who} diagnoses"] += len(visit.noted)
                found[f"{who} results"] += len(visit.results)
                found[f"{who} drugs"] += sum(1 for id in visit.treated if drug_for(id))
                taken = visit.acute in TAKEN and is_taken(institution, person, visit)
                found[f"{who} images"] += taken
        for visit in visits:
            found["all drugs united"] += sum(1 for id in visit.treated if drug_for(id))
            then = person.insurance(visit.day)
            if then is not None and then != last:
                handed = (drug_for(id) for id in visit.treated)
                found["all drugs united"] += sum(1 for drug in handed if drug and drug.receipt)
    return dict(found)


def own_map(file: Path) -> None:
    """Write the hospital's own map (SOURCE_TO_CONCEPT_MAP): one concept for one thing, whose codes
    are others by every route. Codes of its OMOP tables name no system."""
    things: dict[str, set[tuple[str, str]]] = {}
    for condition in codes().condition:
        means = things.setdefault(condition.icd10, set())
        means |= {("ICD10", condition.icd10), ("", condition.icd10)}
        means |= {("disease-number", condition.medis), ("receipt-disease", condition.receipt)}
    for drug in codes().drug:
        means = things.setdefault(drug.yj, {("yj", drug.yj)})
        means |= {("receipt-drug", drug.receipt)} if drug.receipt else set()
    for result in codes().result:
        jlac10 = PRESSURE.get(result.id, result.code)
        things[result.id] = {("jlac10", jlac10), ("LOINC", result.code), ("", result.code)}
    with file.open("w", encoding="utf-8", newline="") as out:
        lines = csv.writer(out)
        lines.writerow(OWN_MAP)
        for number, thing in enumerate(sorted(things), OWN_CONCEPTS):
            lines.writerows((code, system, number, "") for system, code in sorted(things[thing]))


def unite(home: Path, shard: str) -> Json:
    """Land the routes of some persons in one lake and extract everything; count what came again."""
    started = time.monotonic()
    lake, head = Lake(home / "lake" / shard / "tables"), None
    systems = read_code_systems(ROOT / "rules" / "code-systems.toml")
    own = home / f"own-{shard}.csv"
    own_map(own)
    version = VocabularyStore(lake.vocabularies).add([own], systems, PERIOD.last).version
    landed: Counter[str] = Counter()
    for batch, kind in enumerate(UNITED, 1):
        found = sorted((home / "rows" / PROVIDERS[0].code / kind / shard).glob("*.parquet"))
        tables = {file.stem: pq.read_table(file) for file in found}
        for name in TABLES:
            landed[f"{kind} {name}"] += tables[name].num_rows if name in tables else 0
        head = Snapshot(batch, lake.land(batch, kind, tables, vocabulary=version))
    assert head is not None
    order = ExtractOrder(
        "population", "research", "one", "pseudonymised", CLASSES, dict.fromkeys(TABLES, ())
    )
    rules = read_rules(ROOT / "rules" / "processing" / "pseudonymised.toml")
    plan = make_plan(order, rules, same=read_same_fact(ROOT / "rules" / "same-fact.toml"))
    made = extract(lake, plan.at(head), {})
    tags = {key: f"{number:032x}" for number, key in enumerate(made.persons())}
    names = {tag: hashlib.sha256(tag.encode()).digest() for tag in tags.values()}
    parts = [
        Part(
            "one",
            data_class,
            retag(held, tags),
            {tags[key]: names[tags[key]] for key in made.persons(data_class)},
        )
        for data_class, held in made.parts.items()
    ]
    counts = gate(parts, plan, [], lambda *_: False).counts
    shutil.rmtree(home / "lake" / shard)
    return {
        **spent(started),
        "persons": counts.included,
        "landed": dict(landed),
        "rows": dict(counts.rows),
        "collapsed": dict(counts.collapsed),
    }


def spent(started: float) -> Json:
    """Return what this process and those that it waited for have used."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "wall_seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(sum(one.ru_utime + one.ru_stime for one in both), 1),
        "peak_mb": max(one.ru_maxrss for one in both) // 1024,
    }


def say(text: str) -> None:
    """Tell how far it is."""
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)


STEPS: Final[dict[str, Callable[..., Json]]] = {
    "make": lambda home, persons, kind: make(Path(home), int(persons), kind),
    "read": lambda home, code, kind, shards: read(Path(home), code, kind, int(shards)),
    "log": lambda home, persons, place: log(int(persons), int(place)),
    "unite": lambda home, shard: unite(Path(home), shard),
}


if __name__ == "__main__":
    print(json.dumps(STEPS[sys.argv[1]](*sys.argv[2:])))
