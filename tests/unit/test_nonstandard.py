"""What becomes of codes that are not standard ones, by the framework's word, is counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from memory_town import START
from provider_world import Place, placed
from sekisho.body.flows.figures import figures
from sekisho.body.flows.submission import snapshot
from sekisho.cdm import read_code_systems
from sekisho.data.lake import Lake
from sekisho.data.lake.sql import Sql
from sekisho.data.vocabulary import VocabularyStore
from sekisho.framework import load
from sekisho.framework.findings import unmeasured
from submissions import condition, ndjson, patient

ROOT = Path(__file__).resolve().parents[2]
OWN = "urn:hospital:own"
MAP = (
    "source_code,source_concept_id,source_vocabulary_id,source_code_description,target_concept_id,"
    "target_vocabulary_id,valid_start_date,valid_end_date,invalid_reason\n"
    f"DM,0,{OWN},,201826,SNOMED,1970-01-01,2099-12-31,\n"
)


def coded(number: int, system: str | None, code: str) -> dict[str, Any]:
    return condition(number, 1, code={"coding": [{"system": system, "code": code}]})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return ndjson(
        tmp_path / "records.ndjson",
        patient(1),
        coded(1, "http://snomed.info/sct", "44054006"),
        coded(2, OWN, "DM"),
        coded(3, OWN, "HT"),
    )


def framework(folder: Path, word: str) -> str:
    text = (ROOT / "frameworks" / "1.toml").read_text()
    file = folder / f"{word}.toml"
    file.write_text(text.replace('nonstandard = "convert"', f'nonstandard = "{word}"'))
    return str(file)


def store(folder: Path) -> VocabularyStore:
    (folder / "own.csv").write_text(MAP)
    made = VocabularyStore(folder / "vocabulary")
    systems = read_code_systems(ROOT / "rules" / "code-systems.toml")
    made.add([folder / "own.csv"], systems, START)
    return made


def with_vocabulary(place: Place, store: VocabularyStore) -> None:
    service = place.town.services["national"]
    config = msgspec.structs.replace(service.body.config, vocabulary=str(store.folder))
    service.body = replace(service.body, config=config)


def landed(place: Place, file: Path) -> dict[str, Any]:
    place.desk().submit([file], "fhir-ndjson")
    place.town.settle()
    [one] = place.town.records("national", "submission").values()
    payload: dict[str, Any] = one["payload"]
    return payload


def concepts(place: Place) -> list[tuple[str, int]]:
    body = place.town.body("national")
    lake, head = Lake(body.folders.lake), snapshot(body)
    with lake.reading(head, ["condition_occurrence"], meant=True) as session:
        rows = session.fetch(Sql("SELECT * FROM condition_occurrence")).to_pylist()
    found = [(row["condition_source_value"], row["condition_concept_id"]) for row in rows]
    return sorted(found)


WORDS = {
    "convert": {"mapped": 1, "as_they_came": 1, "refused": 0},
    "accept": {"mapped": 0, "as_they_came": 2, "refused": 0},
    "refuse": {"mapped": 0, "as_they_came": 0, "refused": 2},
}


@pytest.mark.parametrize("word", WORDS)
def test_each_word_of_the_framework_gives_another_receipt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: Path, word: str
) -> None:
    place = placed(tmp_path, monkeypatch, framework(tmp_path, word))
    made = store(tmp_path)
    with_vocabulary(place, made)
    payload = landed(place, file)
    newest = made.newest()
    assert newest is not None
    assert payload["codes"] == {
        "rule": word,
        "vocabulary": None if word == "accept" else newest.version,
        "rows": 3,
        "standard": 1,
        **WORDS[word],
    }
    [reported] = figures(place.town.body("national"))["submissions"]
    assert reported["codes"] == payload["codes"]
    broken = {one["rule"]: one["records"] for one in payload["breaches"]}
    assert broken.get("code.not-standard") == (2 if word == "refuse" else None)
    assert (
        concepts(place)
        == {
            "convert": [("44054006", 0), ("DM", 201826), ("HT", 0)],
            "accept": [("44054006", 0), ("DM", 0), ("HT", 0)],
            "refuse": [("44054006", 0)],
        }[word]
    )


def test_without_a_vocabulary_codes_stay_codes_and_the_receipt_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    codes = landed(placed(tmp_path, monkeypatch, "1"), file)["codes"]
    assert (codes["vocabulary"], codes["mapped"], codes["as_they_came"]) == (None, 0, 2)


def test_a_vocabulary_that_comes_later_counts_from_the_next_day_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    place = placed(tmp_path, monkeypatch, "1")
    landed(place, file)
    body = place.town.body("national")
    before = snapshot(body)
    with_vocabulary(place, store(tmp_path))
    assert dict(concepts(place))["DM"] == 0
    for _ in range(2):  # the second day finds nothing to do
        place.town.begin()
        place.town.settle()
    assert dict(concepts(place))["DM"] == 201826
    assert snapshot(body).number == before.number + 1
    made = place.town.entries("national", "snapshot.made")
    assert [entry["reason"].split(":")[0] for entry in made if "reason" in entry] == ["vocabulary"]


def test_a_provider_learns_before_sending_what_would_be_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    place = placed(tmp_path, monkeypatch, framework(tmp_path, "refuse"))
    desk = place.desk()
    [national] = desk.inspect(desk.ready([file], "fhir-ndjson")).bodies.values()
    broken = {one.rule: one.records for one in national.breaches}
    assert broken["code.not-standard"] == 2


def test_the_key_is_no_longer_said_to_be_unmeasured() -> None:
    keys = {key for key, _, _ in unmeasured(load(ROOT / "frameworks" / "1.toml", ROOT))}
    assert "open.nonstandard" not in keys
    assert "open.cost" in keys  # nor is the list empty by accident
