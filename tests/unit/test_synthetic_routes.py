"""One event log, many routes: each format is read without a complaint and tells the same facts."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from zipfile import ZipFile

import orjson
import pytest
from typer.testing import CliRunner

from sekisho.cdm import table
from sekisho.commands import app
from sekisho.common.errors import UserError
from sekisho.common.ids import BodyId
from sekisho.common.randomness import seeded
from sekisho.framework import load_kinds
from sekisho.provider import Prepared, Profile, Record, prepare, read, read_mapping
from sekisho.pseudonym.identifiers import PersonKey
from sekisho.synthetic import Generated, Period, ProviderSpec, generate, person_of, writing
from sekisho.synthetic.care import Visit, visits_of
from sekisho.synthetic.checkup import AGES, items_of
from sekisho.synthetic.generate import WRITERS
from sekisho.synthetic.imaging import TAKEN, is_taken
from sekisho.synthetic.provider import Institution, chart_number
from sekisho.synthetic.tables import condition, drug_for
from sekisho.synthetic.variants import genotypes, is_sequenced

SEED, SIZE = 7, 80
PERIOD = Period.before(date(2026, 4, 1))
PROVIDERS = (ProviderSpec("1310000001", "第一病院"), ProviderSpec("1310000002", "第二病院"))
HERE = BodyId("here")
KEY = b"a key of the provider, 32 bytes."
CODE = PROVIDERS[0].code
ROUTES = sorted(set(WRITERS) - {"uke", "fhir-ndjson"})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Generated:
    folder = tmp_path_factory.mktemp("routes")
    return generate(folder, SEED, SIZE, PROVIDERS, PERIOD, tuple(WRITERS))


@pytest.fixture(scope="module")
def mapping(made: Generated) -> dict[str, PersonKey]:
    """What the first hospital knows: its chart numbers, and whose they are."""
    return read_mapping(made.mappings[CODE])


def sent(made: Generated, root: Path, mapping: dict[str, PersonKey], route: str) -> Prepared:
    kinds = load_kinds(root / "rules" / "data-kinds.toml")
    profile = Profile(mapping=mapping, institution=CODE)
    return prepare(
        made.files[CODE][route],
        route,
        kinds.placed,
        KEY,
        {"basic": HERE, "additional": HERE, "hard": HERE},
        seeded(1),
        profile=profile,
    )


def log() -> Iterator[tuple[int, Visit]]:
    """Yield the events at the first hospital, as the log has them."""
    for number in range(SIZE):
        for visit in visits_of(SEED, person_of(SEED, number), len(PROVIDERS), PERIOD):
            if visit.place == 0:
                yield number, visit


def rows(one: Prepared, name: str) -> list[dict[str, object]]:
    part = one.parts[HERE]
    return part.tables[name].to_pylist() if name in part.tables else []


def facts(one: Prepared, name: str, what: str, when: str) -> Counter[tuple[str, date]]:
    found = Counter()
    for row in rows(one, name):
        found[str(row[what]), row[when]] += 1
    return found


@pytest.mark.parametrize("route", ROUTES)
def test_no_reader_complains_of_a_made_file(
    made: Generated, root: Path, mapping: dict[str, PersonKey], route: str
) -> None:
    one = sent(made, root, mapping, route)
    assert [finding for finding in one.findings if finding.about != "file"] == []
    assert sum(one.read.values()) >= sum(made.truth.records[CODE, route].values())
    for name, table_rows in one.parts[HERE].tables.items():
        assert table_rows.num_rows, name
        assert table(name)


@pytest.mark.parametrize("route", ROUTES)
def test_the_same_seed_writes_the_same_bytes(made: Generated, tmp_path: Path, route: str) -> None:
    again = generate(tmp_path, SEED, SIZE, PROVIDERS, PERIOD, (route,))

    def digest(of: Generated) -> str:
        state = hashlib.sha256()
        for path in of.files[CODE][route]:
            state.update(path.name.encode() + path.read_bytes())
        return state.hexdigest()

    assert digest(again) == digest(made)


def test_diagnoses_are_the_logs_by_every_route_that_has_them(
    made: Generated, root: Path, mapping: dict[str, PersonKey]
) -> None:
    noted = [(condition(id), n, v.day) for n, v in log() for id in v.noted]
    insured = {n for n in range(SIZE) if person_of(SEED, n).insurance(PERIOD.last)}
    places = ("condition_occurrence", "condition_source_value", "condition_start_date")
    assert facts(sent(made, root, mapping, "ss-mix2"), *places) == Counter(
        (one.medis, day) for one, _, day in noted
    )
    assert facts(sent(made, root, mapping, "omop-csv"), *places) == Counter(
        (one.icd10, day) for one, _, day in noted
    )
    clins = facts(sent(made, root, mapping, "jp-clins"), *places)
    assert sorted(day for _, day in clins.elements()) == sorted(
        day for _, n, day in noted if n in insured
    )


def test_results_are_the_logs_by_every_route_that_has_them(
    made: Generated, root: Path, mapping: dict[str, PersonKey]
) -> None:
    expected = sorted(v.day for _, v in log() for _ in v.results)
    for route in ("ss-mix2", "omop-csv"):
        found = rows(sent(made, root, mapping, route), "measurement")
        assert sorted(row["measurement_date"] for row in found) == expected, route


def test_a_checkup_says_what_the_first_measurement_said(
    made: Generated, root: Path, mapping: dict[str, PersonKey]
) -> None:
    expected: Counter[tuple[str, date, str]] = Counter()
    seen: set[int] = set()
    for number, visit in log():
        person = person_of(SEED, number)
        known = person.insurance(visit.day) is not None
        if visit.results and number not in seen and known and person.age(visit.day) in AGES:
            seen.add(number)
            expected.update((code, visit.day, v) for code, v in items_of(visit).items())
    found = Counter(
        (row["measurement_source_value"], row["measurement_date"], row["value_as_number"])
        for row in rows(sent(made, root, mapping, "checkup-cda"), "measurement")
    )
    assert seen
    assert {(code, day) for code, day, _ in found} == {(code, day) for code, day, _ in expected}
    assert sum(found.values()) == sum(expected.values())
    assert {float(str(v)) for _, _, v in found} == {float(v) for _, _, v in expected}


def test_prescriptions_are_the_logs_in_the_storage(
    made: Generated, root: Path, mapping: dict[str, PersonKey]
) -> None:
    expected = Counter(
        (drug.yj, v.day) for _, v in log() for id in v.treated if (drug := drug_for(id))
    )
    one = sent(made, root, mapping, "ss-mix2")
    assert facts(one, "drug_exposure", "drug_source_value", "drug_exposure_start_date") == expected
    assert all(row["days_supply"] for row in rows(one, "drug_exposure"))


def test_one_person_is_one_person_by_every_route(
    made: Generated, root: Path, mapping: dict[str, PersonKey]
) -> None:
    """Of the people with a number, every route leads to the same key."""
    known = {person_of(SEED, n).key(PERIOD.last) for n, _ in log() if person_of(SEED, n).episodes}
    for route in ROUTES:
        found = {key for _, key in sent(made, root, mapping, route).parts[HERE].identities}
        assert found & known, route
        if route in ("ss-mix2", "jp-clins"):
            assert len(found & known) >= 0.9 * len(known), route


def test_pictures_and_variants_are_the_logs_and_the_persons(
    made: Generated, root: Path, mapping: dict[str, PersonKey]
) -> None:
    here = Institution(0, PROVIDERS[0], SEED)
    taken = Counter(
        (TAKEN[v.acute], v.day)
        for n, v in log()
        if v.acute in TAKEN and is_taken(here, person_of(SEED, n), v)
    )
    assert taken
    images = sent(made, root, mapping, "dicom")
    assert facts(images, "image_occurrence", "anatomic_site_source_value",
                 "image_occurrence_date") == taken  # fmt: skip
    assert len(images.parts[HERE].objects) == sum(taken.values())
    carried = [
        sum(1 for copies in genotypes(SEED, person_of(SEED, n)) if any(copies))
        for n in sorted({n for n, _ in log()})
        if is_sequenced(SEED, person_of(SEED, n)) and known(n)
    ]
    assert carried
    genomes = rows(sent(made, root, mapping, "vcf"), "genomic_test")
    assert sorted(str(row["variant_count"]) for row in genomes) == sorted(map(str, carried))


def known(number: int) -> bool:
    return person_of(SEED, number).insurance(PERIOD.last) is not None


def test_a_person_has_one_genome_at_every_provider(made: Generated) -> None:
    found: dict[int, set[tuple[str, ...]]] = {}
    for place, spec in enumerate(PROVIDERS):
        charts = {chart_number(SEED, place, n): n for n in range(SIZE)}
        for path in made.files[spec.code]["vcf"]:
            lines = [x.split("\t") for x in path.read_text().splitlines() if x[:2] != "##"]
            for column, chart in enumerate(lines[0][9:], 9):
                copies = tuple(line[column] for line in lines[1:])
                found.setdefault(charts[chart], set()).add(copies)
    assert found
    assert all(len(copies) == 1 for copies in found.values())


def test_providers_dealt_out_to_processes_write_the_same_bytes(
    made: Generated, tmp_path: Path
) -> None:
    told: list[int] = []
    formats = ("uke", "jp-clins")
    again = generate(tmp_path, SEED, SIZE, PROVIDERS, PERIOD, formats, jobs=2, progress=told.append)
    assert told == [SIZE]
    for code in made.files:
        for kind in formats:
            pairs = zip(made.files[code][kind], again.files[code][kind], strict=True)
            assert all(one.read_bytes() == other.read_bytes() for one, other in pairs)
        for kind in formats:
            assert again.truth.records[code, kind] == made.truth.records[code, kind]


def test_an_archive_is_bounded_and_holds_what_belongs_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "MEMBERS", 20)
    made = generate(tmp_path, SEED, 20, PROVIDERS, PERIOD, ("ss-mix2", "jp-clins"))
    for files in made.files[CODE].values():
        assert len(files) > 1
        whose: Counter[str] = Counter()
        for path in files:
            names = [name.rpartition("/")[2] for name in ZipFile(path).namelist()]
            assert len(names) < 20 + 60
            whose.update({name[:7] for name in names})
        assert set(whose.values()) == {1}


def test_a_storage_or_bundles_in_an_archive_are_read_as_those_outside_one(
    made: Generated, tmp_path: Path
) -> None:
    for route in ("ss-mix2", "jp-clins"):
        loose = tmp_path / route
        for path in made.files[CODE][route]:
            ZipFile(path).extractall(loose)
        inside = [loose] if route == "ss-mix2" else sorted(loose.iterdir())
        packed, plain = (
            [(one.record_type, one.unit, one.part, one.rows, one.outcome, one.identity)
             for one in read(route, files) if isinstance(one, Record)]
            for files in (made.files[CODE][route], inside)
        )  # fmt: skip
        assert packed == plain


def test_the_command_writes_what_is_asked_for_and_nothing_over_it(tmp_path: Path) -> None:
    words = ["generate", str(tmp_path / "made"), "--persons", "3", "--format", "ss-mix2", "--json"]
    said = CliRunner().invoke(app, words)
    assert said.exit_code == 0, said.output
    (told,) = orjson.loads(said.stdout)["files"]
    files = [path for path in (tmp_path / "made").rglob("*") if path.is_file()]
    names = [name for path in files for name in ZipFile(path).namelist()]
    assert told == {
        "provider": CODE,
        "format": "ss-mix2",
        "files": len(files),
        "records": len(names),
    }
    again = CliRunner().invoke(app, words)
    assert isinstance(again.exception, UserError)
    assert again.exception.code == "generate.not-empty"
