"""Who belongs into an extract of the first study, by json and csv from the providers' files.

`person_id` is the rank of a person's pseudonym among those included. With both converters' secrets
a test can say who would be which number, and then see whether that is who is there.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path

from runs import PERSONS, Run, standing

from sekisho.pseudonym.identifiers import JP_LOCAL, PersonKey, local, parse_spec
from sekisho.synthetic import Person, person_of
from sekisho.synthetic.provider import chart_number

STEMS = ("I10", "E11", "N18")
RECEIPT_CODES = ("8833421", "2500015")
ADULT = 18
EXTRACT_DAY = 30


def people(run: Run) -> dict[PersonKey, Person]:
    """Return the population by the keys that extracts know its people under.

    That is a person's oldest number, as of the extract's day; several where the history service
    never learned of a change, or where hospitals know only numbers of their own.
    """
    found: dict[PersonKey, Person] = {}
    for number in range(PERSONS):
        person = person_of(run.scenario.seed, number)
        for key in person.numbers() or _local_keys(run, person):
            found[_rooted(run, person, key)] = person
    return found


def _rooted(run: Run, person: Person, key: PersonKey) -> PersonKey:
    on = run.scenario.start + timedelta(days=EXTRACT_DAY)
    return person.root(key, on, run.scenario.period().first) if person.episodes else key


def roots(run: Run) -> dict[PersonKey, PersonKey]:
    """Return each key that files may hold → the key under which an extract knows the person."""
    made = [person_of(run.scenario.seed, number) for number in range(PERSONS)]
    return {
        key: _rooted(run, person, key)
        for person in made
        for key in person.numbers() or _local_keys(run, person)
    }


def _local_keys(run: Run, person: Person) -> list[PersonKey]:
    seed = run.scenario.seed
    return [
        local(f"{JP_LOCAL}{one.code}", chart_number(seed, place, person.number))
        for place, one in enumerate(run.scenario.provider)
    ]


def members(run: Run) -> set[PersonKey]:
    """Return whom the cohort's codes and age name, whatever they chose."""
    ill: dict[PersonKey, set[date]] = defaultdict(set)
    for home in sorted((run.folder / "providers").iterdir()):
        _from_fhir(home / "fhir", ill)
        for file in sorted((home / "uke").iterdir()):
            _from_receipts(file, ill)
    known, root = people(run), roots(run)
    assert set(ill) <= set(root)
    united: dict[PersonKey, set[date]] = defaultdict(set)
    for key, days in ill.items():
        united[root[key]] |= days
    return {key for key, days in united.items() if any(known[key].age(on) >= ADULT for on in days)}


def out(run: Run, data_class: str, purpose: str = "research") -> set[PersonKey]:
    """Return whose records of a class must not be there for a purpose."""
    day = run.scenario.start + timedelta(days=EXTRACT_DAY)
    scopes = {"all", f"data:{data_class}", f"purpose:{purpose}"}
    root = roots(run)
    return {root[key] for key, choices in standing(run.scenario, day).items() if choices & scopes}


def numbered(run: Run, application: str, included: set[PersonKey]) -> dict[PersonKey, int]:
    """Return person → person_id in a project, if exactly ``included`` are in it."""
    ranked = sorted(included, key=lambda key: run.pseudonym(application, key))
    return {key: number for number, key in enumerate(ranked, 1)}


def facts(run: Run, application: str) -> dict[int, tuple[str, int, int]]:
    """Return person_id → sex, year and month of birth, as the study saw them."""
    return {
        row["person_id"]: (row["gender_source_value"], row["year_of_birth"], row["month_of_birth"])
        for row in run.table(application, "person").to_pylist()
    }


def expected_facts(
    run: Run, application: str, included: set[PersonKey]
) -> dict[int, tuple[str, int, int]]:
    """Return the same as it must be if exactly ``included`` are in the project."""
    known = people(run)
    return {
        number: (known[key].sex, known[key].birth.year, known[key].birth.month)
        for key, number in numbered(run, application, included).items()
    }


def _from_fhir(folder: Path, ill: dict[PersonKey, set[date]]) -> None:
    keys = {}
    for patient in _lines(folder / "Patient.ndjson"):
        found = {i["system"]: i["value"] for i in patient["identifier"]}
        insured = [value for system, value in found.items() if "memberID" in system]
        keys[f"Patient/{patient['id']}"] = (
            parse_spec({"insured": insured[0]}) if insured else local(*next(iter(found.items())))
        )
    for condition in _lines(folder / "Condition.ndjson"):
        codes = (coding["code"].replace(".", "") for coding in condition["code"]["coding"])
        if any(code.startswith(STEMS) for code in codes):
            day = date.fromisoformat(condition["onsetDateTime"][:10])
            ill[keys[condition["subject"]["reference"]]].add(day)


def _from_receipts(file: Path, ill: dict[PersonKey, set[date]]) -> None:
    payer: list[str] = []
    head: list[str] = []
    branch, noted = "", set[date]()
    with file.open(encoding="cp932", newline="") as stream:
        for line in [*csv.reader(stream), ["RE"]]:
            if line[0] == "RE":
                if noted:
                    birth = f"{head[6][:4]}-{head[6][4:6]}-{head[6][6:]}"
                    spec = {"insured": ":".join([*payer, branch]), "birth": birth, "sex": head[5]}
                    ill[parse_spec(spec)] |= noted
                head, payer, branch, noted = line, [], "", set()
            elif line[0] == "HO":
                payer = line[1:4]
            elif line[0] == "SN" and line[1] == "1":
                branch = line[6]
            elif line[0] == "SY" and line[1] in RECEIPT_CODES:
                noted.add(date.fromisoformat(line[2]))


def _lines(file: Path) -> list[dict]:  # type: ignore[type-arg]
    return [json.loads(line) for line in file.read_bytes().splitlines()]
