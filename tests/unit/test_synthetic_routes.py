"""One event log, many routes: each format is read without a complaint and tells the same facts."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from sekisho.cdm import table
from sekisho.commands import app
from sekisho.common.errors import UserError
from sekisho.common.ids import BodyId
from sekisho.common.randomness import seeded
from sekisho.framework import load_kinds
from sekisho.provider import Prepared, Profile, prepare
from sekisho.pseudonym.identifiers import PersonKey
from sekisho.pseudonym.numbers import fold
from sekisho.synthetic import Generated, Period, ProviderSpec, generate, person_of
from sekisho.synthetic.care import Visit, visits_of
from sekisho.synthetic.checkup import AGES, items_of
from sekisho.synthetic.generate import WRITERS
from sekisho.synthetic.provider import chart_number
from sekisho.synthetic.tables import condition, drug_for

SEED, SIZE = 7, 60
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
def mapping() -> dict[str, PersonKey]:
    """What the first hospital knows: its chart numbers, and whose they are."""
    found = {}
    for number in range(SIZE):
        person = person_of(SEED, number)
        if person.insurance(PERIOD.last) is not None:
            chart = chart_number(SEED, 0, number)
            for spelled in (chart, str(int(chart)), f"{int(chart):010}"):
                found[fold(spelled)] = person.key(PERIOD.last)
    return found


def sent(made: Generated, root: Path, mapping: dict[str, PersonKey], route: str) -> Prepared:
    kinds = load_kinds(root / "rules" / "data-kinds.toml")
    profile = Profile(mapping=mapping, institution=CODE)
    return prepare(
        made.files[CODE][route],
        route,
        kinds.placed,
        KEY,
        {"basic": HERE, "additional": HERE},
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


def test_the_command_writes_what_is_asked_for_and_nothing_over_it(tmp_path: Path) -> None:
    words = ["generate", str(tmp_path / "made"), "--persons", "3", "--format", "ss-mix2", "--json"]
    said = CliRunner().invoke(app, words)
    assert said.exit_code == 0, said.output
    (told,) = orjson.loads(said.stdout)["files"]
    files = [path for path in (tmp_path / "made").rglob("*") if path.is_file()]
    assert told == {
        "provider": CODE,
        "format": "ss-mix2",
        "files": len(files),
        "records": len(files),
    }
    again = CliRunner().invoke(app, words)
    assert isinstance(again.exception, UserError)
    assert again.exception.code == "generate.not-empty"
