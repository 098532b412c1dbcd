"""No body but the history service has a person's number, name or contact anywhere on disk."""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from runs import FRAMEWORKS, Run
from searching import SHORTEST, contents, number_spellings, search, widths

from sekisho.exchange import seal, tables
from sekisho.exchange.keys import SealKey

pytestmark = pytest.mark.acceptance
in_first_study = pytest.mark.xdist_group("first-study")
in_foreign = pytest.mark.xdist_group("foreign")
every_framework = pytest.mark.parametrize("framework", FRAMEWORKS)
Runs = Callable[[str], Run]


@in_first_study
@every_framework
def test_no_identifier_of_the_first_study_is_on_a_disk(study: Runs, framework: str) -> None:
    run = study(framework)
    files = sorted((run.folder / "providers").glob("*/fhir/*.ndjson"))
    receipts = sorted((run.folder / "providers").glob("*/uke/*"))
    wanted = identifiers(files, receipts)
    assert len(wanted) > 5_000
    assert search(run.folder, wanted) == {}


@in_foreign
@every_framework
def test_no_identifier_of_foreign_files_is_on_a_disk(foreign: Runs, framework: str) -> None:
    run = foreign(framework)
    sent = {one.format: one.files for one in run.scenario.submission}
    hospitals = [f for one in run.scenario.submission if one.format != "uke" for f in one.files]
    wanted = identifiers(hospitals, sent["uke"])
    assert len(wanted) > 500
    assert search(run.folder, wanted) == {}


@in_first_study
def test_a_planted_name_is_found_wherever_it_is(study: Runs, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(study(FRAMEWORKS[0]).folder, folder)
    body = next(home for home in (folder / "bodies").iterdir() if (home / "data/lake").is_dir())
    name = "関守 太郎左衛門"
    planted = _plant(body, name)
    for file in planted:
        assert file.is_file()
    found = search(folder, {name})
    places = {place.removesuffix(" (unpacked)") for place in found}
    assert places == {file.relative_to(folder).as_posix() for file in planted}


@in_first_study
def test_every_kind_of_place_is_looked_into(study: Runs) -> None:
    places = [place for place, _ in contents(study(FRAMEWORKS[0]).folder)]
    for part in (
        "control.sqlite3 (unpacked)",
        ".parquet (unpacked)",
        "_delta_log/",
        "/ledger/tile/entries/",
        "/documents/receipts/",
        "/log/",
        "released/",
        "projects/",
        "report.json",
    ):
        assert any(part in place for place in places), part
    assert not any(place.startswith(("bodies/history/", "providers/")) for place in places)


def identifiers(fhir: Iterable[Path], receipts: Iterable[Path]) -> set[str]:
    """Return whole person keys, names and contacts in a provider's files, in all spellings."""
    found = set[str]()
    for file in fhir:
        if file.name.startswith("Patient"):
            with file.open(encoding="utf-8") as lines:
                for patient in map(json.loads, lines):
                    found |= set(_of_patient(patient))
    for file in receipts:
        with file.open(encoding="cp932", newline="") as stream:
            found |= set(_of_receipts(list(csv.reader(stream))))
    return {text for text in found if len(text) >= SHORTEST}


def _of_patient(patient: dict[str, Any]) -> Iterator[str]:
    for identifier in patient["identifier"]:
        value = identifier["value"]
        if "us-ssn" in identifier["system"]:
            yield from (value, value.replace("-", ""))
        elif ":" in value:
            parts = value.split(":")
            yield from number_spellings(*parts)
            yield from number_spellings(*parts[:3])
    for name in patient.get("name", ()):
        family, given = name["family"], " ".join(name["given"])
        for text in (family, *name["given"], given, name.get("text", "")):
            yield from widths(text)
        for mark in ("", " ", "　", ", ", "^", "・"):
            yield from (f"{family}{mark}{given}", f"{given}{mark}{family}")
    for contact in patient.get("telecom", ()):
        yield contact["value"]
        yield contact["value"].replace("-", "")
    for address in patient.get("address", ()):
        yield from (text for text in (*address.get("line", ()), address.get("text", "")) if text)


def _of_receipts(lines: list[list[str]]) -> Iterator[str]:
    payer: list[str] = []
    for line in lines:
        if line[0] == "RE":
            yield from widths(line[4])
            yield line[4].replace("　", "").replace(" ", "")
        elif line[0] == "HO":
            payer = line[1:4]
            yield from number_spellings(*payer)
        elif line[0] == "SN" and line[1] == "1" and line[6]:
            yield from number_spellings(*payer, line[6])
        elif line[0] == "KO":
            yield from number_spellings(line[1], line[2])


def _plant(body: Path, name: str) -> list[Path]:
    """Put a name where a careless body would leave it, packed as such a place packs it."""
    log = body / "log" / "process.log"
    with log.open("a", encoding="cp932") as stream:
        stream.write(f"could not read the patient {name}\n")
    database = body / "control.sqlite3"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE careless (args TEXT)")
        connection.execute("INSERT INTO careless VALUES (?)", (json.dumps({"args": [name]}),))
    table = pa.table({"name": [name] * 50})
    page = body / "data" / "lake" / "tables" / "careless.parquet"
    pq.write_table(table, page, compression="zstd")
    part = body / "data" / "projects" / "careless" / "incoming" / "x.y.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(tables.pack({"person": table}))
    payload = body / "data" / "spool" / "transfers" / "careless" / "payload"
    payload.parent.mkdir(parents=True)
    recipient = SealKey.read(body / "keys" / "seal").recipient
    payload.write_bytes(seal.seal(tables.pack({"person": table}), recipient))
    upload = body / "data" / "spool" / "in" / "careless"
    upload.parent.mkdir(parents=True, exist_ok=True)
    upload.write_bytes(b"\0\1" + name.encode("utf-16-le") + b"\0")
    return [log, database, page, part, payload, upload]
