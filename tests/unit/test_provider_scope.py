"""Each body gets its own scope and no more, through as many doors as the framework has."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from memory_town import ROOT, START, MemoryClient
from provider_world import CODE, Place, placed
from sekisho.exchange import parcel, seal, tables
from sekisho.framework import CLASSES, framework_files, load, recipients
from sekisho.provider import home as homes
from submissions import condition, laboratory, ndjson, patient

FRAMEWORKS = [load(file, ROOT) for file in framework_files(ROOT)]
IDS = [fw.id for fw in FRAMEWORKS if fw.runs]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    people = [patient(n) for n in (1, 2, 3)]
    rows = [condition(n, n) for n in (1, 2)] + [laboratory(n, n) for n in (2, 3)]
    return ndjson(tmp_path / "all.ndjson", *people, *rows)


def handed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, framework: str, file: Path, **doors: str
) -> tuple[Place, Counter[str], dict[str, dict[str, set[str]]]]:
    """Submit; return the place, the provider's messages by receiver, and what each body opened."""
    certified = [b.id for b in load_by(framework).body if b.kind == "certified"]
    place = placed(
        folder,
        monkeypatch,
        framework,
        operator=certified[0] if certified else None,
        told_everyone_on=START - timedelta(days=60),
    )
    if doors:
        real = homes.load
        monkeypatch.setattr(
            homes,
            "load",
            lambda *args: (fw := real(*args)) and replace(fw, doors=replace(fw.doors, **doors)),
        )
    sent: Counter[str] = Counter()
    post = MemoryClient.post

    def counted(self, peer, path, body=b"", **more):  # type: ignore[no-untyped-def]
        if self.sender == CODE:
            sent[peer.id] += 1
        return post(self, peer, path, body, **more)

    opened: dict[str, dict[str, set[str]]] = {}
    with monkeypatch.context() as patched:
        patched.setattr(MemoryClient, "post", counted)
        patched.setattr(MemoryClient, "get", lambda self, peer, path, **_: post(self, peer, path))
        place.desk().submit([file], "fhir-ndjson")
        for service in place.town.services.values():
            store = service.body.store
            for message in store.received.values():  # type: ignore[attr-defined]
                if message.path == "collection/submission":
                    opened |= _opened(place, message.read())
    place.town.settle()
    return place, sent, opened


def _opened(place: Place, data: bytes) -> dict[str, dict[str, set[str]]]:
    """Open every sealed part with its receiver's key: tables with the classes of their rows."""
    header, blobs = parcel.unpack(data, needs=("bodies",), each="reasons")
    found = {}
    for body, sealed in zip(header["bodies"], blobs, strict=True):
        for other in place.town.services:
            if other != body:  # sealed to one receiver, unreadable to all others
                with pytest.raises(Exception, match="cannot be opened"):
                    seal.open_sealed(sealed, place.town.body(other).keys.seal)
        inside = tables.unpack(seal.open_sealed(sealed, place.town.body(body).keys.seal))
        found[body] = {
            name: set(rows["data_class"].to_pylist())
            for name, rows in inside.items()
            if "data_class" in rows.column_names
        }
    return found


def load_by(framework: str):  # type: ignore[no-untyped-def]
    return next(fw for fw in FRAMEWORKS if fw.id == framework)


@pytest.mark.parametrize("framework", IDS)
def test_the_bytes_that_go_to_a_body_are_of_its_scope_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: Path, framework: str
) -> None:
    place, _, opened = handed(tmp_path, monkeypatch, framework, file)
    fw, operator = place.town.framework, place.desk().home.config.operator
    due: dict[str, set[str]] = {}
    for data_class in CLASSES:
        body = recipients(fw, data_class, operator).body
        if body is not None and data_class in ("basic", "additional"):
            due.setdefault(body, set()).add(data_class)
    assert {body: set().union(*found.values()) for body, found in opened.items()} == due
    for body, classes in due.items():
        assert ("condition_occurrence" in opened[body]) == ("basic" in classes)
        assert ("measurement" in opened[body]) == ("additional" in classes)
        assert len(place.town.entries(body, "submission.landed")) == 1


def test_behind_a_shared_door_a_provider_sends_as_often_in_both_frameworks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    """One message at the door and one to the first converter, wherever the data go."""
    messages = {
        name: handed(tmp_path / name, monkeypatch, name, file, submission="shared")[1]
        for name in ("1", "2-1")
    }
    assert messages["1"] == messages["2-1"] == {"national": 1, "converter": 1}


def test_with_a_door_per_body_a_provider_hands_in_at_each_as_the_memo_describes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    """案②-1: basic data to the public body, additional data to the certified operator."""
    _, one, _ = handed(tmp_path / "1", monkeypatch, "1", file)
    _, two, _ = handed(tmp_path / "2-1", monkeypatch, "2-1", file)
    assert one == {"national": 1, "converter": 1}
    assert two == {"national": 1, "alpha": 1, "converter": 2}
