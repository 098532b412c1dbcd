"""A rehearsal in which epochs end: a holder is killed on the way, and results stay the same.

One ends before the project is permitted, one while it is open. When nothing needs the first one's
secrets any more the converters destroy them, and one of them comes back from a backup that has it.
When all is over the lane takes its permit back, and the project closes.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace
from runs import Rehearsals, Run, first_study

from sekisho.body.flows.atrest import APART, PLACES
from sekisho.body.keyring import converter_files, read_converter
from sekisho.common.errors import TamperError
from sekisho.common.ids import body_domain, registry_domain
from sekisho.common.randomness import system_random
from sekisho.common.secretfile import read_secret
from sekisho.control.ledger import TileLog
from sekisho.exchange.keys import SealKey
from sekisho.framework import collectors, find, lanes, load
from sekisho.pseudonym import element_of
from sekisho.pseudonym.group import multiply
from sekisho.pseudonym.wrap import unwrap, wrap
from sekisho.rehearsal import cast
from sekisho.rehearsal.model import Rotation
from sekisho.rehearsal.play import Play
from sekisho.rehearsal.verification import verify

pytestmark = pytest.mark.xdist_group("first-study")

FRAMEWORK = "2-1"
CONVERTERS = ("converter", "oversight")
ROTATIONS = (6, 35)
"""Days on which an epoch ends."""
LEAKED, TOLD = "alpha", "1310000001"
"""Whose folder leaks, and which of its providers answers."""
WRAPPED = re.compile(r"[0-9a-f]{96}")


class Drill(Play):
    """Kills a holder in the middle of a rotation; at the end destroys the first epoch's secrets
    and takes the permit back."""

    def rotate(self) -> None:
        holder = collectors(self.framework, "basic")[0]
        converter = self.framework.with_role("converter")[0]
        self.stage.tell(converter, converter, "conversion/rotate", {"deadline_days": 14})
        self.stage.fleet.kill(holder)
        self.stage.fleet.restart(holder)
        self.stage.settle()

    def fetch_released(self) -> None:
        super().fetch_released()
        self.destroy_former_secrets()
        self.look(self.scenario.view)
        self.tell_of_a_leak()
        for asked in self.scenario.application:
            lane = lanes(self.framework, self.kinds.classes_of_tables(asked.tables))[0].body
            said = {"application": asked.id, "code": "drill"}
            self.stage.tell(cast.chair(lane), lane, "review/revoke", said)
        self.stage.settle()

    def destroy_former_secrets(self) -> None:
        """Destroy what the first epoch needed; bring a converter back that still has it."""
        first, recovery = CONVERTERS[0], SealKey.generate(system_random)
        home, saved, key = (self.folder / part for part in (f"bodies/{first}", "saved", "recovery"))
        recovery.write(key)
        sekisho("backup", "--body", home, "--out", saved, "--recipient", recovery.recipient)
        for converter in CONVERTERS:
            sekisho("keys", "destroy", self.folder, 0, "--converter", converter)
        self.stage.settle()
        refused = run("keys", "destroy", self.folder, 1, "--converter", first)
        (self.folder / "refused").write_text(f"{refused.returncode}\n{refused.stderr.decode()}")
        self.stage.fleet.kill(first)
        shutil.move(home, self.folder / "lost")
        place = ("--directory", self.folder / "directory.json", "--to", home)
        sekisho("restore", saved, *place, "--identity", key)
        assert (home / "keys" / "converter.0").exists()
        self.stage.fleet.restart(first)
        self.stage.settle()

    def tell_of_a_leak(self) -> None:
        """Let a holder find that its folder leaked: one provider is told and answers, over HTTP."""
        home, place = self.folder / "bodies" / LEAKED, self.folder / "leak"
        case, directory = place / "case.json", ("--directory", self.folder / "directory.json")
        sekisho("incident", "assess", home, "--ledgers", home.parent, "--out", case)
        sekisho("incident", "report", case, "--out", place / "case.html", "--language", "en")
        sekisho("incident", "open", case, "--body", home)
        self.stage.settle()
        keys = self.folder / "providers" / TOLD / "keys"
        signed = ("--key", keys / "signing")
        whose = ("--provider", TOLD, "--body", LEAKED, "--out", place / "notices")
        sekisho("incident", "pull", *whose, *signed, *directory)
        (notice,) = (place / "notices").iterdir()
        files = [
            file
            for sent in self.scenario.submission
            if (sent.provider, sent.format) == (TOLD, "fhir-ndjson")
            for file in sent.files
        ]
        said = sekisho(
            *("incident", "patients", notice, *directory, "--format", "fhir-ndjson"),
            *(part for file in files for part in ("--records", file)),
            *("--provider-key", keys / "records", "--out", place / "patients.json", "--json"),
        )
        (place / "counts.json").write_bytes(said)
        patients = ("--patients", json.loads(said)["patients"])
        sekisho("incident", "acknowledge", notice, *signed, *directory, *patients)
        self.stage.settle()


def sekisho(*arguments: object) -> bytes:
    done = run(*arguments)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def run(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    told = [sys.executable, "-m", "sekisho", *map(str, arguments)]
    return subprocess.run(told, check=False, capture_output=True)


@pytest.fixture(scope="module")
def rotated(rehearsals: Rehearsals) -> Run:
    scenario = replace(
        first_study().with_framework(FRAMEWORK),
        rotation=tuple(Rotation(day) for day in ROTATIONS),
    )
    return rehearsals.get("rotated", lambda: scenario, play=Drill)


def bodies(run: Run) -> list[Path]:
    return sorted(home for home in (run.folder / "bodies").iterdir() if home.is_dir())


def records(home: Path) -> Iterator[tuple[str, str, str]]:
    """Yield kind, key and JSON of everything that a body keeps in its database."""
    with sqlite3.connect(f"file:{home / 'control.sqlite3'}?mode=ro", uri=True) as database:
        yield from database.execute("SELECT kind, key, data FROM store_record")


def persons_of(home: Path) -> set[str]:
    """Return every wrapped pseudonym in the lake's tables of persons."""
    files = (home / "data" / "lake").glob("persons*/*.parquet")
    return {one for file in files for one in pq.read_table(file)["wrapped"].to_pylist()}


def test_released_files_are_the_same_bytes_as_without_a_rotation(
    rotated: Run, study: Callable[[str], Run]
) -> None:
    assert rotated.report["failed"] == []
    assert rotated.released("kidney") == study(FRAMEWORK).released("kidney") != {}


def test_persons_see_the_same_uses_as_without_a_rotation_also_after_the_secrets_are_gone(
    rotated: Run, study: Callable[[str], Run]
) -> None:
    views = study(FRAMEWORK).report["views"]
    assert any(one["used"] for one in views)
    assert rotated.report["views"] == [*views, *views]


def test_the_first_epochs_secrets_are_gone_and_stay_so_after_a_restore(rotated: Run) -> None:
    for name in CONVERTERS:
        home = rotated.folder / "bodies" / name
        assert sorted(converter_files(home / "keys")) == [1, 2]
        followed = entries(home, "key.destruction")
        assert [one["phase"] for one in followed] == ["followed"] * (name == CONVERTERS[0])
    assert not (rotated.folder / "lost" / "keys" / "converter.0").exists()
    for home in bodies(rotated):
        told = [(one["converter"], one["epoch"]) for one in entries(home, "key.destroyed")]
        assert sorted(told) == [(name, 0) for name in sorted(CONVERTERS)]
    said = json.loads(sekisho("keys", "ceremony", rotated.folder, "--json"))
    assert said["holds"]
    assert {one["converter"] for one in said["destroyed"]} == set(CONVERTERS)
    shown = json.loads(sekisho("keys", "show", rotated.folder, "--json"))
    gone = [key["epoch"] for one in shown["bodies"] for key in one["keys"] if not key["digest"]]
    assert gone == [0, 0]


def test_a_secret_that_an_open_project_needs_is_refused_with_the_reason(rotated: Run) -> None:
    code, _, said = (rotated.folder / "refused").read_text().partition("\n")
    assert code == "3"
    assert "keys.may-be-asked" in said or "keys.needed" in said


def entries(home: Path, kind: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in TileLog(home / "ledger").entries()]
    return [one["body"] for one in found if one["kind"] == kind]


def test_every_body_turned_and_the_converters_refuse_the_old_epoch(rotated: Run) -> None:
    for home in bodies(rotated):
        kept = {(kind, key): json.loads(data) for kind, key, data in records(home)}
        assert kept["epoch", "now"]["epoch"] == 2
        if home.name in CONVERTERS:
            assert kept["rotation", "now"]["phase"] == "over"


def test_nothing_at_rest_is_a_pseudonym_of_the_old_epoch(rotated: Run) -> None:
    folders = [rotated.folder / "bodies" / name / "keys" for name in CONVERTERS]
    converters = [read_converter(folder) for folder in folders]
    found = 0
    for home in bodies(rotated):
        key = read_secret(home / "keys" / "wrapping")
        everything = " ".join(f"{key} {data}" for _, key, data in records(home))
        held = persons_of(home)
        for number in rotated.numbers(200):
            element = element_of(number)
            for domain in (body_domain(home.name), registry_domain(home.name)):
                wrapped = []
                for epoch in (1, 2):
                    pseudonym = element
                    for converter in converters:
                        pseudonym = multiply(converter.factor(domain, epoch), pseudonym)
                    wrapped.append(wrap(key, pseudonym).hex())
                old, new = wrapped
                assert old not in held
                assert old not in everything
                found += new in held or new in everything
    assert found > 200  # the search finds what is there


@pytest.mark.parametrize("name", ["rotated", FRAMEWORK])
def test_wrapped_pseudonyms_are_nowhere_but_in_the_places_that_turn(
    name: str, rotated: Run, study: Callable[[str], Run]
) -> None:
    run = rotated if name == "rotated" else study(name)
    known = {place.kind for place in PLACES} | set(APART)
    seen: set[str] = set()
    for home in bodies(run):
        key = read_secret(home / "keys" / "wrapping")
        for kind, name_, data in records(home):
            if any(opens(key, text) for text in WRAPPED.findall(f"{name_} {data}")):
                seen.add(kind)
        for file in (home / "data" / "lake" / "tables").rglob("*.parquet"):
            table = pq.read_table(file)
            for column in table.column_names:
                texts = {str(value) for value in table[column].to_pylist() if value is not None}
                assert not any(WRAPPED.fullmatch(text) and opens(key, text) for text in texts)
    assert seen <= known
    assert {"registry", "held-list"} <= seen


def opens(key: bytes, text: str) -> bool:
    try:
        unwrap(key, bytes.fromhex(text))
    except TamperError:
        return False
    return True


def test_a_revoked_permit_closes_its_project(rotated: Run) -> None:
    (place,) = {
        home
        for home in bodies(rotated)
        for kind, key, data in records(home)
        if (kind, key) == ("project", "kidney") and json.loads(data)["state"] == "revoked"
    }
    project = place / "data" / "projects" / "kidney"
    assert not (project / "data").exists()
    assert not (project / "jobs").exists()
    assert (project / "released").exists()
    kinds: dict[str, Any] = {}
    for home in bodies(rotated):
        for kind, _, _ in records(home):
            kinds.setdefault(kind, set()).add(home.name)
    framework = load(find(FRAMEWORK, Path(__file__).parents[2]))
    converters = {framework.with_role(role)[0] for role in ("converter", "oversight")}  # type: ignore[arg-type]
    assert converters <= kinds["revoked"]


def test_the_folder_verifies_also_where_a_project_was_closed(rotated: Run) -> None:
    assert list((rotated.folder / "projects" / "kidney" / "data").glob("*.parquet"))
    assert verify(rotated.folder).problems == ()


def test_a_provider_that_is_told_of_a_leak_finds_its_patients_and_answers(rotated: Run) -> None:
    home, leak = rotated.folder / "bodies" / LEAKED, rotated.folder / "leak"
    found: dict[str, list[Any]] = {}
    for line in TileLog(home / "ledger").entries():
        entry = json.loads(line)
        found.setdefault(entry["kind"], []).append(entry["body"])
    (opened,) = found["incident.opened"]
    assert {one["provider"] for one in found["incident.notified"]} == {TOLD, "1310000002"}
    (answer,) = found["incident.acknowledged"]
    counts = json.loads((leak / "counts.json").read_bytes())
    assert counts["known"] == counts["names"] > 0  # each record is found again at its provider
    patients = json.loads((leak / "patients.json").read_bytes())
    assert (answer["provider"], answer["count"]) == (TOLD, len(patients))
    assert 0 < len(patients) <= opened["persons"]
    assert opened["incident"] in (leak / "case.html").read_text("utf-8")
    everything = "".join(map(str, found["incident.opened"] + found["incident.notified"]))
    assert not any(one["patient"] in everything for one in patients)
