"""The split of the foreign files loses nothing, and two ways of counting agree before any run."""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from foreign import CODES, TABLES, expected_extract, hospitals_of, opt_outs, write_foreign_scenario

from sekisho.provider import Identity, Note, Outcome, read
from sekisho.provider.records import content_of
from sekisho.pseudonym import PersonKey
from sekisho.rehearsal.scenario import Scenario, read_scenario


@pytest.fixture(scope="module")
def scenario(testdata: Path, tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    folder = tmp_path_factory.mktemp("foreign")
    return read_scenario(write_foreign_scenario(testdata, folder, "any"))


def test_every_line_goes_to_a_hospital_and_only_shared_ones_to_both(
    testdata: Path, scenario: Scenario
) -> None:
    sent = Counter(
        line for one in scenario.submission[:2] for f in one.files for line in f.open("rb")
    )
    source = set()
    for path in (testdata / "synthea-fhir-r4" / "ndjson").glob("*.gz"):
        with gzip.open(path) as lines:
            source |= set(lines)
    assert set(sent) == source
    shared = {json.loads(line)["resourceType"] for line, n in sent.items() if n == 2}
    assert shared == {"Patient", "Practitioner", "Organization"}


def test_some_persons_are_at_both_hospitals(testdata: Path) -> None:
    places = Counter(hospitals_of(testdata).values())
    assert places[frozenset((1, 2))] >= 10
    assert set(places) == {frozenset((1,)), frozenset((2,)), frozenset((1, 2))}


def test_readers_and_the_independent_count_agree(testdata: Path, scenario: Scenario) -> None:
    rows: dict[str, Counter[PersonKey]] = defaultdict(Counter)
    members = set()
    hidden = {scenario.key_of(one.person): one.scope for one in scenario.opt_out}
    for one in scenario.submission:
        for person, record_type, table, code in _rows(one.format, one.files):
            additional = record_type in ("Observation", "Immunization", "Procedure")
            scope = hidden.get(person)
            if scope == "all" or (scope == "data:additional" and additional):
                continue
            rows[table][person] += 1
            if table == "condition_occurrence" and code in CODES:
                members.add(person)
    for table, (number, persons) in expected_extract(testdata).items():
        counted = Counter({p: n for p, n in rows[table].items() if p in members})
        assert len(counted) == persons
        assert table == "person" or counted.total() == number
    assert len(opt_outs(testdata)) == 5
    assert len(TABLES) == 4


def _rows(kind: str, files: tuple[Path, ...]) -> list[tuple[PersonKey, str, str, object]]:
    """Return person, record type, table and source code of every row that is sent."""
    names: dict[str, PersonKey | None] = {}
    records = []
    for record in read(kind, files):
        if isinstance(record, Note):
            continue
        identity: Identity | None = record.identity
        if identity:
            names.update(dict.fromkeys(identity.refs, identity.key))
        records.append(record)
    made = []
    for record in records:
        person = names.get(record.patient or "")
        if record.outcome is Outcome.SENT and person is not None:
            for row in record.rows:
                code = content_of(row).get("condition_source_value")
                made.append((person, record.record_type, row[0].table, code))
    return made
