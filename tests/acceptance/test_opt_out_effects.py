"""What a choice does at the holders under each effect, and what desk and registry tell of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace
from runs import ROOT, Rehearsals, Run

from sekisho.body.keyring import converter_files, load_keys, read_converter
from sekisho.common.ids import body_domain
from sekisho.data.lake import Lake
from sekisho.exchange import jws
from sekisho.exchange.directory import Directory
from sekisho.exchange.transfer import RECEIPT
from sekisho.pseudonym.group import multiply
from sekisho.pseudonym.identifiers import element_of
from sekisho.rehearsal.model import Complaint
from sekisho.rehearsal.play import Play
from sekisho.rehearsal.scenario import OptOut, Person, Scenario, read_scenario
from sekisho.rehearsal.verification import verify

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("opt-out-effects")]

PERSONS = 45
ALL, ONE_CLASS, BACK = 3, 40, 7
"""Places in the population: out of everything, out of additional data, out and back again."""
CHILD = 16
"""Ten years old at the start."""


def scenario(framework: str, effect: str) -> Scenario:
    """Files come on day 0, choices on day 1; nobody asks for data."""
    made = read_scenario(ROOT / "scenarios" / "first-study.toml")
    guarded = OptOut(day=1, person=Person(number=CHILD), scope="data:additional", proxy="guardian")
    agent = OptOut(day=1, person=Person(number=5), scope="purpose:policy", proxy="agent")
    made = replace(made, application=(), job=(), view=(), complaint=(
        Complaint(day=1, category="handling", answered=2),
        Complaint(day=1, category="notice"),
    ), opt_out=(
        guarded,
        replace(agent, effective_from=-30, authority_until=30),
        replace(agent, authority_checked=False),
        OptOut(day=1, person=Person(number=8), scope="data:additional", effective_from=4),
        OptOut(day=1, person=Person(number=9), scope="purpose:curiosity"),
        OptOut(day=1, person=Person(number=ALL), scope="all"),
        OptOut(day=1, person=Person(number=ONE_CLASS), scope="data:additional"),
        OptOut(day=1, person=Person(number=BACK), scope="all"),
    ))  # fmt: skip
    made = made.with_population(PERSONS).with_framework(framework)
    return made.with_override("opt_out", "effect", effect)


@dataclass
class SendingAgain(Play):
    """After the choices the same records come again in new files; then one person comes back."""

    def run(self) -> Iterator[str]:
        yield from super().run()
        self._keep_lakes("after-choices")
        self._again(5)
        self.stage.set_day(self.day_of(6))
        self.choose(OptOut(day=6, person=Person(number=BACK), scope="all", revoke=True))
        self.stage.settle()
        self.stage.set_day(self.day_of(7))
        self._keep_lakes("after-again")
        self._again(8)
        yield "sent again twice"
        for later in (60, 4000):  # a complaint is late, then a child is old enough to be asked
            self.stage.set_day(self.day_of(later))

    def choose(self, choice: OptOut) -> None:
        if not (self.folder / "before").exists():
            self._keep_lakes("before")
        super().choose(choice)

    def _keep_lakes(self, name: str) -> None:
        for lake in sorted((self.folder / "bodies").glob("*/data/lake")):
            shutil.copytree(lake, self.folder / name / lake.parents[1].name)

    def _again(self, day: int) -> None:
        """Send every file again: the same records, one empty line more, so it is another file."""
        self.stage.set_day(self.day_of(day))
        for sent in self.scenario.submission:
            files = []
            for file in sent.files:
                other = self.folder / "again" / str(day) / sent.provider / file.name
                other.parent.mkdir(parents=True, exist_ok=True)
                other.write_bytes(file.read_bytes() + b"\n" * day)
                files.append(other)
            if sent.format == "fhir-ndjson":
                self.submit(replace(sent, day=day, files=tuple(files)))
        self.stage.settle()


@dataclass(frozen=True)
class Traces:
    """What one body held of a person before the choice."""

    body: str
    key: str | None
    wrapped: str
    sources: dict[str, set[str]]

    def words(self, *classes: str) -> set[str]:
        found = {source for c in classes for source in self.sources.get(c, ())}
        return found - {s for c, own in self.sources.items() if c not in classes for s in own}


def traces(run: Run, number: int) -> Iterator[Traces]:
    """Yield what each body's lake held of the person, from the copy made before the choice."""
    for home in sorted((run.folder / "before").iterdir()):
        wrapped = wrapped_at(run, home.name, number)
        lake = Lake(home)
        key = lake.known_keys([wrapped]).get(wrapped)
        sources: dict[str, set[str]] = {}
        for file in (home / "tables").rglob("part-*.parquet"):
            if "replaced" in file.parts:
                continue
            rows = pq.read_table(file, columns=["person_key", "data_class", "source_id"])
            for row in rows.to_pylist():
                if row["person_key"] == key:
                    sources.setdefault(row["data_class"], set()).add(row["source_id"])
        yield Traces(home.name, key, wrapped, sources)


def wrapped_at(run: Run, body: str, number: int) -> str:
    """Return a person's pseudonym as the body keeps it; only a test has all the keys for this."""
    element = element_of(run.scenario.key_of(Person(number=number)))
    for keys in filter(converter_files, sorted((run.folder / "bodies").glob("*/keys"))):
        secret = read_converter(keys)
        element = multiply(secret.factor(body_domain(body), 0), element)
    return load_keys(run.folder / "bodies" / body / "keys").wrap(element)


def holding(folder: Path, words: set[str]) -> list[str]:
    """Return the files of a lake with one of ``words`` in their bytes or decompressed values."""
    found = []
    sought = pa.array(sorted(words), pa.string())
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        raw = file.read_bytes()
        here = any(word.encode() in raw for word in words)
        if file.suffix == ".parquet":
            rows = pq.read_table(file)
            for column in rows.column_names:
                if pa.types.is_string(rows.schema.field(column).type):
                    values = rows[column].unique()
                    here |= any(v in words for v in values.to_pylist() if v is not None)
                    here |= bool(len(sought)) and any(
                        str(v).partition(".")[0] in words for v in values.to_pylist()
                    )
        if here:
            found.append(file.relative_to(folder).as_posix())
    return found


@pytest.fixture
def erased(rehearsals: Rehearsals) -> Run:
    return rehearsals.get("erase", lambda: scenario("4-several", "erase"), play=SendingAgain)


def test_an_erased_person_is_in_no_byte_of_a_lake_and_does_not_come_back(erased: Run) -> None:
    seen = 0
    for one in traces(erased, ALL):
        words = one.words("basic", "additional", "hard") | {one.wrapped}
        words |= {one.key} if one.key else set()
        if one.key:
            seen += 1
            assert holding(erased.folder / "before" / one.body, words)
        for stage in ("after-choices", "after-again"):
            assert holding(erased.folder / stage / one.body, words) == []
        assert holding(erased.folder / "bodies" / one.body / "data", words - {one.wrapped}) == []
    assert seen


def test_one_class_is_erased_and_the_rest_is_held(erased: Run) -> None:
    for one in traces(erased, ONE_CLASS):
        lake = erased.folder / "bodies" / one.body / "data" / "lake"
        assert holding(lake, one.words("additional")) == []
        if one.words("basic"):
            assert holding(lake, one.words("basic"))


def test_a_reversal_lets_records_be_collected_anew(erased: Run) -> None:
    returned = 0
    for one in traces(erased, BACK):
        words = one.words("basic", "additional", "hard")
        assert holding(erased.folder / "after-again" / one.body, words) == []
        lake = erased.folder / "bodies" / one.body / "data" / "lake"
        returned += bool(holding(lake, words))
        now = Lake(lake).known_keys([one.wrapped])
        assert one.key not in now.values()
    assert returned


def test_an_erasure_is_recorded_with_counts_and_the_run_verifies(erased: Run) -> None:
    assert erased.report["failed"] == []
    assert erased.entries("person.erased") >= 1
    measures = erased.report["measures"]
    assert measures["persons_erased"] >= 3
    assert measures["rows_erased"] > measures["persons_erased"]
    assert measures["records_stopped"] > 0
    assert verify(erased.folder).problems == ()


@pytest.fixture
def stopped(rehearsals: Rehearsals) -> Run:
    made = scenario("3", "stop_collection")
    return rehearsals.get("stop-collection", lambda: made, play=SendingAgain)


def test_stopping_collection_keeps_what_is_held_and_takes_nothing_new(stopped: Run) -> None:
    assert stopped.report["measures"]["rows_erased"] == 0
    assert stopped.report["measures"]["records_stopped"] > 0
    for one in traces(stopped, ALL):
        held = [rows_of(stopped.folder / stage / one.body, one.wrapped) for stage in
                ("before", "after-again")]  # fmt: skip
        assert held[0] == held[1]
    assert stopped.report["failed"] == []
    assert verify(stopped.folder).problems == ()


def test_the_balance_counts_what_a_choice_set_aside(stopped: Run) -> None:
    directory = Directory.read(stopped.folder / "directory.json")
    uneven = 0
    for file in (stopped.folder / "bodies").glob("*/documents/receipts/*.jws"):
        payload = jws.verify(file.read_bytes(), directory.resolve, RECEIPT).payload
        for line in payload["balance"]:
            parts = ("landed", "quarantined", "refused", "superseded", "set_aside")
            assert line["sent"] == sum(line[part] for part in parts)
            uneven += line["set_aside"]
    assert uneven >= stopped.report["measures"]["records_stopped"] > 0


def rows_of(lake: Path, wrapped: str) -> int:
    """Return how many rows of all versions a lake has of a person."""
    key = Lake(lake).known_keys([wrapped]).get(wrapped)
    files = [f for f in (lake / "tables").rglob("part-*.parquet") if "replaced" not in f.parts]
    rows = (pq.read_table(file, columns=["person_key"])["person_key"].to_pylist() for file in files)
    return sum(one.count(key) for one in rows) if key else 0


# The desk and the registry of the same runs, asked with the command


def command(run: Run, what: str, body: str, *options: str) -> Any:
    """Run `sekisho opt-out` in a process of its own: a process is one body's."""
    folder = run.folder / "bodies" / body
    line = [sys.executable, "-m", "sekisho", "opt-out", what, str(folder), *options]
    done = subprocess.run(line, capture_output=True, check=True)
    return json.loads(done.stdout) if "--json" in options else done.stdout.decode()


@pytest.mark.parametrize("body", ["alpha", "beta"])
def test_every_list_of_a_run_is_made_again_byte_for_byte(erased: Run, body: str) -> None:
    lists = command(erased, "list", body, "--json")["lists"]
    assert len(lists) >= 8
    assert all(one["same"] for one in lists)
    assert len({one["count"] for one in lists}) > 2


def test_what_was_in_force_and_what_was_known_are_two_times(erased: Run) -> None:
    def persons(on: str, known: str) -> dict[str, int]:
        told = command(erased, "status", "beta", "--on", on, "--known", known, "--json")
        return dict(told["scopes"])

    # Stated on April 2nd, known here on the 3rd; one counts a month back, one from the 5th.
    assert persons("2026-04-20", "2026-04-02") == {}
    assert persons("2026-03-10", "2026-04-03") == {"purpose:policy": 1}
    assert persons("2026-04-03", "2026-04-03") == {
        "all": 2, "data:additional": 2, "purpose:policy": 1
    }  # fmt: skip
    assert persons("2026-04-05", "2026-04-05")["data:additional"] == 3
    assert persons("2026-04-30", "2037-01-01")["all"] == 1


def test_a_refusal_at_the_desk_says_what_would_be_possible(erased: Run) -> None:
    refused = {one["type"].rpartition(":")[2]: one for one in erased.report["refused"]["alpha"]}
    assert set(refused) == {"opt-out.unknown-scope", "opt-out.authority-unchecked"}
    assert "purpose:research" in refused["opt-out.unknown-scope"]["next"]
    assert "operator:beta" in refused["opt-out.unknown-scope"]["next"]


def test_the_work_of_a_desk_has_owners_and_days(erased: Run) -> None:
    waiting = command(erased, "work", "alpha", "--json")
    assert [one["scope"] for one in waiting["ask_again"]] == ["data:additional"]
    assert waiting["ask_again"][0]["since"] == "2032-05-01"  # the month after a 16th birthday
    late = {one["category"]: one["overdue"] for one in waiting["complaints"]}
    assert late == {"handling": False, "notice": True}
    assert all(one["owner"] and one["due"] == "2026-05-02" for one in waiting["complaints"])
    assert waiting["remedy"]["ja"]
    assert erased.entries("optout.ask_again") == 1


def test_a_statement_and_a_status_by_receipt(erased: Run, tmp_path: Path) -> None:
    receipts = sorted((erased.folder / "bodies" / "alpha" / "documents" / "choices").glob("*.jws"))
    told = {
        one.stem: command(erased, "status", "alpha", "--ref", one.stem, "--json")
        for one in receipts[:3]
    }
    for ref, one in told.items():
        assert ref in {said["ref"] for said in one["statements"]}
        assert one["limited"] == any(said["proxy"] for said in one["statements"])
        if one["limited"]:
            assert len(one["statements"]) == 1
    command(erased, "statement", "alpha", "--ref", receipts[0].stem, "-o", str(tmp_path / "s.html"))
    page = (tmp_path / "s.html").read_text()
    assert receipts[0].stem[:4] in page
    assert "http" not in page
