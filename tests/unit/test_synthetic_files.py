"""What is written holds to its format, and every route tells of the same persons."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter, defaultdict
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from sekisho.common.errors import UserError
from sekisho.provider import Note, Outcome, read
from sekisho.rehearsal.scenario import read_scenario
from sekisho.synthetic import Generated, Period, ProviderSpec, generate, person_of
from sekisho.synthetic.tables import UNCODED, codes

ROOT = Path(__file__).resolve().parents[2]
SEED = 7
SIZE = 120
PERIOD = Period.before(date(2026, 4, 1))
PROVIDERS = (
    ProviderSpec("1310000001", "第一病院"),
    ProviderSpec("1310000002", "第二病院"),
    ProviderSpec("1410000003", "港北診療所"),
)
DIGEST = "96e1e4d3ed74894ebe640a9766c0562c536173bf5bbbfd7b9fdbab6569cd0ec9"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Generated:
    return generate(tmp_path_factory.mktemp("made"), SEED, SIZE, PROVIDERS, PERIOD)


def lines_of(path: Path) -> list[list[str]]:
    with path.open(encoding="cp932", newline="") as stream:
        return list(csv.reader(stream))


def resources(made: Generated, kind: str) -> list[dict[str, Any]]:
    return [
        json.loads(line, parse_float=str)
        for formats in made.files.values()
        for path in formats["fhir-ndjson"]
        if path.stem == kind
        for line in path.read_text("utf-8").splitlines()
    ]


def receipts(made: Generated) -> list[Path]:
    return [path for formats in made.files.values() for path in formats["uke"]]


def test_one_seed_gives_the_same_bytes_everywhere(made: Generated) -> None:
    """A change of the generator changes this digest on purpose, a machine never does."""
    digest = hashlib.sha256()
    for formats in made.files.values():
        for paths in formats.values():
            for path in paths:
                digest.update(path.name.encode() + path.read_bytes())
    assert digest.hexdigest() == DIGEST


def test_the_first_people_of_more_are_the_same_people(made: Generated, tmp_path: Path) -> None:
    fewer = generate(tmp_path, SEED, 40, PROVIDERS, PERIOD)
    assert [fewer.truth.at(n) for n in range(40)] == [made.truth.at(n) for n in range(40)]
    for code, formats in fewer.files.items():
        whole = {path.name: path for path in made.files[code]["fhir-ndjson"]}
        for path in formats["fhir-ndjson"]:
            assert whole[path.name].read_bytes().startswith(path.read_bytes())


def test_another_seed_makes_other_people(made: Generated, tmp_path: Path) -> None:
    other = generate(tmp_path, SEED + 1, 40, PROVIDERS, PERIOD)
    assert [other.truth.at(n) for n in range(40)] != [made.truth.at(n) for n in range(40)]


def test_columns_are_those_of_the_foreign_sample(made: Generated, testdata: Path) -> None:
    sample = testdata / "uke-receiptisan" / "RECEIPTC_GAIRAI_SAMPLE.UKE"
    wanted = {line[0]: len(line) for line in lines_of(sample)}
    seen = {(line[0], len(line)) for path in receipts(made) for line in lines_of(path)}
    assert seen == {(kind, wanted[kind]) for kind, _ in seen}
    assert {"IR", "RE", "HO", "SN", "SY", "SI", "IY", "GO"} == {kind for kind, _ in seen}


def test_points_add_up_from_the_units_to_the_file(made: Generated) -> None:
    for path in receipts(made):
        assert path.read_bytes().endswith(b"\r\n")
        lines = lines_of(path)
        claimed = sum(int(line[5] or 0) * int(line[6]) for line in lines if line[0] in ("SI", "IY"))
        totals = [int(line[5]) for line in lines if line[0] == "HO"]
        assert claimed == sum(totals)
        assert lines[-1] == ["GO", str(len(totals)), str(sum(totals)), "99"]
        for line in lines:
            if line[0] in ("SI", "IY"):
                assert sum(int(count or 0) for count in line[13:44]) == int(line[6])


def test_a_receipt_names_one_main_disease_first(made: Generated) -> None:
    for path in receipts(made):
        mains: list[str] = []
        for line in lines_of(path):
            if line[0] == "RE":
                mains = []
            if line[0] == "SY":
                mains.append(line[6])
                assert mains == ["01"] + [""] * (len(mains) - 1)
                assert bool(line[5]) == (line[1] == UNCODED)


def test_no_two_receipts_of_a_month_have_one_number(made: Generated) -> None:
    """Not even in the files for two payers: whoever reads both must not take one for the other."""
    for code, formats in made.files.items():
        numbers = [
            (line[3], line[1]) for p in formats["uke"] for line in lines_of(p) if line[0] == "RE"
        ]
        assert len(set(numbers)) == len(numbers), code


def test_no_number_was_ever_a_float(made: Generated) -> None:
    decimals = {one.code: one.decimals for one in codes().result}
    for resource in resources(made, "Observation"):
        for part in resource.get("component", [resource]):
            text = str(part["valueQuantity"]["value"])
            places = len(text.partition(".")[2])
            assert places == decimals[part["code"]["coding"][0]["code"]]


def test_every_route_tells_of_the_same_persons(made: Generated) -> None:
    """Read by the provider's own readers: 記号 and 番号 are full-width in half of the receipts."""
    for code in made.files:
        here = {n for n in range(SIZE) if code in made.truth.at(n)}
        whose = {key: n for n in here for key in person_of(SEED, n).numbers()}
        insured = {n for n in here if person_of(SEED, n).episodes}
        for kind in ("uke", "fhir-ndjson"):
            identities = [
                record.identity
                for record in read(kind, made.files[code][kind])
                if not isinstance(record, Note) and record.identity
            ]
            assert {whose[i.key] for i in identities if i.key is not None} == insured
            without = [i for i in identities if i.key is None]
            assert len(without) == (len(here - insured) if kind == "fhir-ndjson" else 0)
            assert all(i.others and i.named for i in without)


def test_nothing_is_refused_and_every_record_is_counted(made: Generated) -> None:
    for (code, kind), counts in made.truth.records.items():
        seen: Counter[str] = Counter()
        for record in read(kind, made.files[code][kind]):
            assert not isinstance(record, Note)
            assert record.outcome in (Outcome.SENT, Outcome.SET_ASIDE)
            seen[record.record_type] += 1
        assert {k: n for k, n in counts.items() if k in seen} == dict(seen)


def test_a_fact_in_a_receipt_is_in_the_record_too(made: Generated) -> None:
    by_receipt = {one.receipt: one for one in codes().condition if one.receipt != UNCODED}
    seen = defaultdict(set)
    for number, (code, kind) in product(range(SIZE), made.truth.records):
        for one in made.truth.known(number, code, kind):
            found = by_receipt.get(one) if kind == "uke" else None
            plain = found.icd10 if found else one.replace(".", "")
            seen[number, code, kind].add(plain)
    assert seen
    for (number, code, kind), known in seen.items():
        if kind == "uke":
            assert known - {UNCODED} <= seen[number, code, "fhir-ndjson"]


def test_codes_were_seen_where_the_table_says(testdata: Path) -> None:
    folder = testdata / "uke-receiptisan"
    sample = (folder / "RECEIPTC_GAIRAI_SAMPLE.UKE").read_text("cp932")
    masters = "".join(p.read_text("cp932") for p in (folder / "master-2022").glob("*.csv"))
    examples = "".join(
        path.read_text("utf-8") for path in (testdata / "jp-clins-examples").glob("*.json")
    )
    entries = [
        *((one.source, one.receipt) for one in codes().condition if one.receipt != UNCODED),
        *((one.source, one.receipt or one.yj) for one in codes().drug),
        *((one.source, act) for one in codes().unit for act in one.acts),
        *((one.source, one.code) for one in codes().result),
        *((one.source, one.code) for one in codes().allergy),
    ]
    places = {"RECEIPTC_GAIRAI_SAMPLE": sample, "基本マスター": masters, "JP-CLINS": examples}
    checked = 0
    for source, code in entries:
        for name, text in places.items():
            if source.startswith(name) or (name in source and name == "RECEIPTC_GAIRAI_SAMPLE"):
                assert code in text
                checked += 1
    assert checked >= 15


@pytest.mark.parametrize("wrong", ["provider", "format", "nobody", "twice"])
def test_arguments_that_make_no_sense_are_refused(tmp_path: Path, wrong: str) -> None:
    providers = {"provider": (), "twice": PROVIDERS[:1] * 2}.get(wrong, PROVIDERS)
    formats = ("uke", "paper") if wrong == "format" else ("uke",)
    with pytest.raises(UserError):
        generate(tmp_path, SEED, 0 if wrong == "nobody" else 3, providers, PERIOD, formats)


def test_the_main_job_has_files_for_all_its_people(tmp_path: Path) -> None:
    """Acceptance tests take 200 people; among 2,000 are newborns and other rare ones."""
    scenario = read_scenario(ROOT / "scenarios" / "first-study.toml")
    assert scenario.population is not None
    made = generate(
        tmp_path,
        scenario.seed,
        scenario.population.persons,
        scenario.provider_specs(),
        scenario.period(),
        scenario.population.formats,
    )
    wanted = {one.code: set(scenario.population.formats) for one in scenario.provider_specs()}
    assert {code: set(files) for code, files in made.files.items()} == wanted
