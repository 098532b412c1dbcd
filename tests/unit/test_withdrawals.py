"""What is gone at the source counts no more at a body that holds it; nothing else goes."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from checkup_files import HEIGHT, checkup, item
from lake_rows import condition as held_condition
from lake_rows import held
from memory_town import MemoryTown
from provider_world import placed
from sekisho.body.flows.submission import snapshot
from sekisho.common.errors import UserError
from sekisho.data import collection
from sekisho.data.lake import Lake, Snapshot
from sekisho.provider import Prepared
from sekisho.pseudonym.identifiers import NOBODY
from ssmix_files import message, sent
from submissions import NORTH, SOUTH, condition, even, laboratory, ndjson, patient, prepared

BODY = "national"


def deletions(*urls: str) -> dict[str, Any]:
    entries = [{"request": {"method": "DELETE", "url": url}} for url in urls]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def units(one: Prepared, table: str) -> set[str]:
    found = [p.tables[table].to_pylist() for p in one.parts.values() if table in p.tables]
    return {row["source_id"].partition(".")[0] for rows in found for row in rows}


def taken_back(one: Prepared) -> dict[str, tuple[str, ...]]:
    return {
        str(body): tuple(name for names in part.withdrawn.values() for name in names)
        for body, part in one.parts.items()
    }


# At the provider


@pytest.mark.parametrize("form", ["bundle", "deleted"])
def test_a_deletion_names_what_an_earlier_submission_sent(tmp_path: Path, form: str) -> None:
    first = prepared([ndjson(tmp_path / "a.ndjson", patient(1), condition(1), laboratory(1))])
    gone = deletions("Condition/c1", "https://hospital.example/fhir/Observation/o1")
    if form == "bundle":
        (tmp_path / "b.json").write_text(json.dumps(gone))
        second = prepared([tmp_path / "b.json"], "fhir-bundle")
    else:
        second = prepared([ndjson(tmp_path / "deleted.ndjson", gone)])
    even(second)
    assert taken_back(second) == {
        NORTH: tuple(units(first, "condition_occurrence")),
        SOUTH: tuple(units(first, "measurement")),
    }
    assert {key.system for p in second.parts.values() for _, key in p.identities} == {NOBODY}
    assert second.set_aside == {("Condition", "withdrawn"): 1, ("Observation", "withdrawn"): 1}


@pytest.mark.parametrize(
    "url", ["Condition?code=1", "Condition", "Condition/c1/x", "Nothing/c1", "", "Condition/ä"]
)
def test_a_deletion_of_no_one_resource_is_refused(tmp_path: Path, url: str) -> None:
    (tmp_path / "b.json").write_text(json.dumps(deletions(url)))
    with pytest.raises(UserError, match=r"fhir\.deletion"):
        prepared([tmp_path / "b.json"], "fhir-bundle")


def test_what_comes_again_in_the_same_submission_is_not_taken_back(tmp_path: Path) -> None:
    entries = [
        *deletions("Condition/c1", "Condition/c2")["entry"],
        *({"resource": one} for one in (patient(1), condition(1))),
    ]
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    (tmp_path / "b.json").write_text(json.dumps(bundle))
    one = prepared([tmp_path / "b.json"], "fhir-bundle")
    even(one)
    assert len(taken_back(one)[NORTH]) == 1
    assert not units(one, "condition_occurrence") & set(taken_back(one)[NORTH])


def test_a_record_that_was_entered_in_error_takes_itself_back(tmp_path: Path) -> None:
    first = prepared([ndjson(tmp_path / "a.ndjson", patient(1), condition(1))])
    wrong = condition(1, verificationStatus={"coding": [{"code": "entered-in-error"}]})
    second = prepared([ndjson(tmp_path / "b.ndjson", patient(1), wrong)])
    assert set(taken_back(second)[NORTH]) == units(first, "condition_occurrence")


def test_a_deleted_file_of_a_storage_takes_back_its_order(tmp_path: Path, root: Path) -> None:
    kinds = root / "rules" / "data-kinds.toml"
    drug = ("PV1||O", "ORC|NW|1||1|||||20260310", "RXE||108665201^x^HOT9|1||||||||15", "TQ1|1")
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        message(folder, "ADT-00", day="-")
    message(old, "OMP-01", *drug)
    message(new, "OMP-01", *drug, condition="0", moment="20260311120000000")
    first, second = sent(old, kinds=kinds), sent(new, kinds=kinds)
    assert set(taken_back(second)[NORTH]) == units(first, "drug_exposure")


def test_a_deletion_request_takes_back_the_checkup(tmp_path: Path) -> None:
    old, new = tmp_path / "old.xml", tmp_path / "new.xml"
    old.write_bytes(checkup(item(HEIGHT, "PQ", value="160", unit="cm")))
    new.write_bytes(checkup(report="19"))
    first, second = prepared([old], "checkup-cda"), prepared([new], "checkup-cda")
    assert set(taken_back(second)[SOUTH]) == units(first, "measurement")


# In a lake


def rows(lake: Lake, snapshot: Snapshot) -> list[tuple[str, str]]:
    found = lake.everything(snapshot).get("condition_occurrence")
    made = [] if found is None else found.to_pylist()
    return sorted((r["provider"], r["source_id"]) for r in made)


def test_a_unit_taken_back_is_gone_with_all_its_parts_until_it_comes_again(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    parts = [held_condition("x", "a.0"), held_condition("x", "a.1"), held_condition("x", "b")]
    first = lake.land(1, "1", {"condition_occurrence": held("condition_occurrence", parts)})
    other = held("condition_occurrence", [held_condition("x", "a.0")], 2, "p2")
    lake.land(2, "2", {"condition_occurrence": other})
    before = Snapshot(3, lake.land(3, "3", {}, withdrawn=[("p1", "a"), ("p1", "unknown")]))
    assert rows(lake, before) == [("p1", "b"), ("p2", "a.0")]
    assert rows(lake, Snapshot(1, first)) == [("p1", "a.0"), ("p1", "a.1"), ("p1", "b")]
    again = held("condition_occurrence", [held_condition("x", "a.0")], 4)
    after = Snapshot(4, lake.land(4, "4", {"condition_occurrence": again}))
    assert rows(lake, after) == [("p1", "a.0"), ("p1", "b"), ("p2", "a.0")]


def test_what_was_sent_before_it_was_taken_back_stays_gone_when_it_lands_late(
    tmp_path: Path,
) -> None:
    lake = Lake(tmp_path)
    lake.land(2, "2", {}, withdrawn=[("p1", "a")])
    late = held("condition_occurrence", [held_condition("x", "a")], 1)
    assert rows(lake, Snapshot(1, lake.land(1, "1", {"condition_occurrence": late}))) == []


def test_landing_a_withdrawal_again_changes_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    once = lake.land(1, "1", {}, withdrawn=[("p1", "a")])
    assert lake.land(1, "1", {}, withdrawn=[("p1", "a")]) == once


@pytest.mark.parametrize("raw", [["x"], ["A" * 32], "a", [1], None])
def test_names_that_no_provider_makes_are_refused(raw: Any) -> None:
    with pytest.raises(UserError, match="taken back"):
        collection.read_withdrawn(raw)


# From a provider to a body


def kept(town: MemoryTown) -> dict[str, int]:
    body = town.body(BODY)
    found = Lake(body.folders.lake).everything(snapshot(body))
    return {name: table.num_rows for name, table in found.items()}


def test_a_body_forgets_what_its_provider_takes_back_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = placed(tmp_path, monkeypatch, "1")

    def submit(name: str, *resources: Any) -> None:
        place.desk().submit([ndjson(tmp_path / name, *resources)], "fhir-ndjson")
        place.town.settle()

    submit("a.ndjson", patient(1), condition(1), condition(2), laboratory(1))
    assert kept(place.town) == {"person": 2, "condition_occurrence": 2, "measurement": 1}
    persons = Lake(place.town.body(BODY).folders.lake).persons()
    submit("deleted.ndjson", deletions("Condition/c1", "Observation/o1"))
    assert kept(place.town) == {"person": 2, "condition_occurrence": 1}
    assert Lake(place.town.body(BODY).folders.lake).persons() == persons
    landed = place.town.entries(BODY, "submission.landed")
    assert [entry["withdrawn"] for entry in landed] == [0, 10]  # the ledger keeps tens
    receipt = place.town.records(BODY, "submission")
    told = [one["payload"]["withdrawn"] for one in receipt.values()]
    assert sorted(told) == [0, 2]
    submit("again.ndjson", patient(1), condition(1))
    assert kept(place.town)["condition_occurrence"] == 2


def test_a_report_taken_back_by_its_patient_alone_is_gone_at_the_body(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, testdata: Path
) -> None:
    source = testdata / "jp-clins-examples" / "Bundle-Bundle-CLINS-Observations-Example-01.json"
    report = json.loads(source.read_bytes())
    other, back = copy.deepcopy(report), copy.deepcopy(report)
    other["identifier"]["value"] = "1318814790^2024^other"
    back["entry"] = back["entry"][:1]
    del back["meta"]["tag"]
    place = placed(tmp_path, monkeypatch, "1")

    def submit(name: str, bundles: Sequence[Any]) -> None:
        files = [tmp_path / f"{name}{n}.json" for n in range(len(bundles))]
        for file, bundle in zip(files, bundles, strict=True):
            file.write_text(json.dumps(bundle))
        place.desk().submit(files, "jp-clins")
        place.town.settle()

    submit("a", [report, other])
    assert kept(place.town)["measurement"] == 8
    submit("b", [back])
    assert kept(place.town)["measurement"] == 4
