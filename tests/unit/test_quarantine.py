"""Quarantine: what is sent again is waited for no longer, and other rules let out what passes."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from memory_town import START
from provider_world import Place, placed
from sekisho.body.flows import quarantine, submission
from sekisho.common.errors import SekishoError
from sekisho.data.lake import Lake
from submissions import condition, ndjson, patient

BIRTH = date(1980, 5, 17)  # of every patient of these tests
EARLY = "1979-12-31"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    told = START - timedelta(days=30)
    return placed(tmp_path, monkeypatch, "1", told_everyone_on=told)


def _submit(place: Place, file: Path) -> None:
    place.desk(place.town.today).submit([file], "fhir-ndjson")
    place.town.settle()


def _figures(place: Place) -> dict[str, int]:
    return quarantine.figures(place.town.body("national"))


def _diagnoses(place: Place) -> int:
    body = place.town.body("national")
    found = Lake(body.folders.lake).totals(submission.snapshot(body))
    return found.get("condition_occurrence", (0, 0))[0]


def _rules(place: Place, *changes: tuple[str, str]) -> None:
    """Give the body another file of checks, of another version."""
    file = place.town.folder / "rules" / "collection.toml"
    text = file.read_text("utf-8")
    for old, new in (('version = "2026-', 'version = "later-2026-'), *changes):
        assert old in text
        text = text.replace(old, new, 1)
    file.write_text(text)


WITHOUT_BIRTH_RULE = (
    'id = "date.before-birth"\ncheck = "not_before_birth"\nsort = "plausibility"\n',
    'id = "date.before-birth"\ncheck = "not_before_birth"\nsort = "plausibility"\n'
    'verdict = "note"\n',
)


def test_a_record_that_is_mended_and_sent_again_is_waited_for_no_longer(
    place: Place, tmp_path: Path
) -> None:
    bad = ndjson(
        tmp_path / "a.ndjson",
        patient(1),
        condition(1, onsetDateTime=EARLY),
        condition(2, onsetDateTime=EARLY),
        condition(3),
    )
    _submit(place, bad)
    assert _figures(place) == {"waiting": 2, "mended": 0, "released": 0}
    assert _diagnoses(place) == 1
    _submit(place, ndjson(tmp_path / "b.ndjson", patient(1), condition(1)))
    assert _figures(place) == {"waiting": 1, "mended": 1, "released": 0}
    assert _diagnoses(place) == 2
    (entry,) = place.town.entries("national", "quarantine.mended")
    assert entry["records"] == 10  # a ledger says nothing finer than tens


def test_a_record_that_comes_again_as_bad_as_before_waits_once(
    place: Place, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        file = ndjson(
            tmp_path / f"{name}.ndjson",
            patient(1),
            condition(1, onsetDateTime=EARLY),
            condition(2 if name == "a" else 3),
        )
        _submit(place, file)
    assert _figures(place) == {"waiting": 1, "mended": 1, "released": 0}


def test_other_rules_let_out_what_passes_and_nothing_else(place: Place, tmp_path: Path) -> None:
    file = ndjson(
        tmp_path / "a.ndjson",
        patient(1),
        condition(1, onsetDateTime=EARLY),
        condition(2, onsetDateTime="2090-01-01"),
        condition(3),
    )
    _submit(place, file)
    place.town.begin()
    assert _figures(place) == {"waiting": 2, "mended": 0, "released": 0}
    _rules(place, WITHOUT_BIRTH_RULE)
    place.town.begin()
    assert _figures(place) == {"waiting": 1, "mended": 0, "released": 1}
    assert _diagnoses(place) == 2
    (entry,) = place.town.entries("national", "quarantine.released")
    (snapshot,) = [
        one
        for one in place.town.entries("national", "snapshot.made")
        if one.get("reason") == "released"
    ]
    assert entry["snapshot"] == snapshot["snapshot"]
    place.town.begin()  # the same rules again let nothing out twice
    assert _figures(place) == {"waiting": 1, "mended": 0, "released": 1}
    assert _diagnoses(place) == 2
    # what lands afterwards finds a number of its own
    _submit(place, ndjson(tmp_path / "b.ndjson", patient(1), condition(9)))
    assert _diagnoses(place) == 3


def test_what_a_landed_birth_speaks_against_stays_in_quarantine(
    place: Place, tmp_path: Path
) -> None:
    """The person landed; only the diagnosis waits, and by itself it would look fine."""
    file = ndjson(tmp_path / "a.ndjson", patient(1), condition(1, onsetDateTime=EARLY))
    _submit(place, file)
    _rules(place)
    place.town.begin()
    assert _figures(place) == {"waiting": 1, "mended": 0, "released": 0}
    assert _diagnoses(place) == 0


def test_a_crash_before_the_day_is_done_comes_to_the_same_end(place: Place, tmp_path: Path) -> None:
    file = ndjson(tmp_path / "a.ndjson", patient(1), condition(1, onsetDateTime=EARLY))
    _submit(place, file)
    _rules(place, WITHOUT_BIRTH_RULE)
    body = place.town.body("national")
    first = quarantine.daily(body)  # done, and never committed
    assert any(kind == submission.RELEASED for kind, _, _ in first.put)
    place.town.begin()
    assert _figures(place) == {"waiting": 0, "mended": 0, "released": 1}
    assert _diagnoses(place) == 1
    folder = body.folders.data / "quarantine"
    assert list(folder.iterdir()) == []


def test_tables_are_held_against_the_receipt_the_next_day(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _submit(place, ndjson(tmp_path / "a.ndjson", patient(1), condition(1), condition(2)))
    place.town.begin()
    states = [one["state"] for one in place.town.records("national", "reconciled").values()]
    assert states == ["even"]
    assert place.town.alarms() == []
    _submit(place, ndjson(tmp_path / "b.ndjson", patient(1), condition(3)))
    count = Lake.records_in
    monkeypatch.setattr(Lake, "records_in", lambda self, batch: count(self, batch) - 1)
    place.town.begin()
    (alarm,) = place.town.alarms()
    assert alarm["code"] == "submission.tables-differ"
    assert alarm["owner"] == "collection-officer"


def test_a_wrong_rule_file_is_an_error_and_loses_nothing(place: Place, tmp_path: Path) -> None:
    _submit(place, ndjson(tmp_path / "a.ndjson", patient(1), condition(1, onsetDateTime=EARLY)))
    body: Any = place.town.body("national")
    (body.rules / "collection.toml").write_text("version = 1\n")
    with pytest.raises(SekishoError):
        quarantine.daily(body)
    assert _figures(place)["waiting"] == 1
