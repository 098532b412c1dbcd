"""Images from the provider to a body's disk: sealed there, named by nobody, gone when erased."""

from __future__ import annotations

import stat
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pydicom
import pytest

from dicom_files import image
from memory_town import ROOT, SEED, START, MemoryClient, MemoryTown
from sekisho.body.flows import quarantine
from sekisho.body.flows.submission import snapshot
from sekisho.body.incident import look
from sekisho.common.errors import PeerError, UserError
from sekisho.common.randomness import system_random
from sekisho.data.lake import Lake, Objects, Stored
from sekisho.exchange import jws
from sekisho.exchange.keys import SigningKey
from sekisho.exchange.transfer import RECEIPT
from sekisho.framework import CLASSES, DataKinds, desks, load_kinds, submission_routes
from sekisho.provider import Prepared, Profile, objects, prepare
from sekisho.provider.handover import Handed, Ready, Sender, hand_over, receipts
from sekisho.provider.holding import Held
from sekisho.provider.objects import Packed
from sekisho.provider.outbox import Outbox
from sekisho.provider.submission import repeatable
from sekisho.pseudonym.identifiers import parse_spec
from sekisho.synthetic import person_of

HOSPITAL, HOLDER, FRAMEWORK = "1310000001", "national", "1"
KEY = b"a key of the provider, 32 bytes."
FIRST, SECOND = 3, 4
"""Places in the population."""


@pytest.fixture
def town(tmp_path: Path) -> MemoryTown:
    text = (ROOT / "frameworks" / f"{FRAMEWORK}.toml").read_text("utf-8")
    assert 'effect = "stop_provision"' in text
    file = tmp_path / f"{FRAMEWORK}.toml"
    file.write_text(text.replace('effect = "stop_provision"', 'effect = "erase"'), "utf-8")
    made = MemoryTown(file, tmp_path / "town", actors=((HOSPITAL, "provider", ()),))
    made.begin(START)
    return made


@pytest.fixture
def kinds(root: Path) -> DataKinds:
    return load_kinds(root / "rules" / "data-kinds.toml")


def images(folder: Path, *, frames: int = 1, late: tuple[str, ...] = ()) -> list[Path]:
    """Write two images of one person and one of another; those of ``late`` are from the future."""
    folder.mkdir(exist_ok=True)
    of = ((FIRST, "1.2.9.1"), (FIRST, "1.2.9.2"), (SECOND, "1.2.9.3"))
    return [
        image(
            folder / uid,
            PatientID=f"CANARY{n}",
            SOPInstanceUID=uid,
            SeriesNumber=frames,
            StudyDate="20990101" if uid in late else "20260310",
        )
        for n, uid in of
    ]


def made_of(town: MemoryTown, kinds: DataKinds, files: list[Path]) -> Prepared:
    mapping = {f"CANARY{n}": parse_spec(person_of(SEED, n).spec(START)) for n in (FIRST, SECOND)}
    (route,) = submission_routes(town.framework, CLASSES, None)
    return prepare(
        files,
        "dicom",
        kinds.placed,
        KEY,
        {one: body for body, classes in route.parts for one in classes},
        repeatable(files, "dicom", KEY),
        profile=Profile(mapping=mapping, institution=HOSPITAL),
    )


def submit(town: MemoryTown, kinds: DataKinds, files: list[Path], outbox: Path) -> Handed:
    sender = sender_of(town)
    ready = Ready(
        "dicom",
        made_of(town, kinds, files),
        Held(),
        submission_routes(town.framework, CLASSES, None),
    )
    (handed,) = hand_over(sender, ready, Outbox(outbox))
    town.settle()
    return handed


def sender_of(town: MemoryTown) -> Sender:
    return Sender(
        code=HOSPITAL,
        key=SigningKey.read(town.folder / "actors" / HOSPITAL / "signing"),
        provider_key=KEY,
        client=MemoryClient(town, HOSPITAL),  # type: ignore[arg-type]  # speaks as a client does
        directory=town.deployment.directory,
        converter=town.framework.with_role("converter")[0],
        global_key=town.body(HOLDER).global_key,
        random=system_random,
        today=town.today,
    )


def held(town: MemoryTown) -> list[Path]:
    folder = town.body(HOLDER).folders.objects
    return sorted(path for path in folder.rglob("*") if path.is_file())


def waiting(town: MemoryTown) -> list[Path]:
    folder = town.body(HOLDER).folders.held_objects
    return sorted(path for path in folder.rglob("*") if path.is_file())


def let_out(town: MemoryTown) -> None:
    """Give the body other checks, which note a day in the future, and begin a day."""
    file = town.folder / "rules" / "collection.toml"
    rule = 'id = "date.after-submission"\n'
    text = file.read_text("utf-8").replace('version = "2026-', 'version = "later-2026-', 1)
    assert rule in text
    file.write_text(text.replace(rule, f'{rule}verdict = "note"\n'), "utf-8")
    town.begin()


def receipt(town: MemoryTown, handed: Handed) -> dict[str, Any]:
    (token,) = receipts(sender_of(town), handed.door, handed.submission)
    return dict(jws.verify(token, town.deployment.directory.resolve, RECEIPT).payload)


def test_images_reach_the_disk_sealed_and_the_receipt_counts_them(
    town: MemoryTown, kinds: DataKinds, tmp_path: Path
) -> None:
    files = images(tmp_path / "files")
    handed = submit(town, kinds, files, tmp_path / "outbox")
    body = town.body(HOLDER)
    places = held(town)
    assert len(places) == len(files)
    store, opened = Objects(body.folders.objects), []
    for place in places:
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
        raw = place.read_bytes()
        assert raw.startswith(b"age-encryption.org")
        data = store.read(place, body.keys.seal)
        assert b"anary" not in data.replace(b"CANARY", b"Canary")
        opened.append(pydicom.dcmread(BytesIO(data)))
    assert len({str(one.SOPInstanceUID) for one in opened}) == len(files)
    assert len({str(one.StudyInstanceUID) for one in opened}) == 1
    said = receipt(town, handed)["objects"]
    sizes = [len(store.read(place, body.keys.seal)) for place in places]
    assert (said["objects"], said["bytes"]) == (len(files), sum(sizes))
    (landed,) = town.entries(HOLDER, "submission.landed")
    assert landed["objects"] == 10  # counts in the ledger are tens


def test_every_row_leads_to_its_object(town: MemoryTown, kinds: DataKinds, tmp_path: Path) -> None:
    submit(town, kinds, images(tmp_path / "files"), tmp_path / "outbox")
    body = town.body(HOLDER)
    store, lake = Objects(body.folders.objects), Lake(body.folders.lake)
    rows = lake.everything(snapshot(body))["image_occurrence"].to_pylist()
    found = [
        store.place(
            row["data_class"],
            row["person_key"],
            row["provider"],
            row["source_id"],
            row["batch"],
            "dicom",
        )
        for row in rows
    ]
    assert sorted(found) == held(town)


def test_a_record_sent_again_has_its_new_object_and_the_old_one_stays_with_its_row(
    town: MemoryTown, kinds: DataKinds, tmp_path: Path
) -> None:
    submit(town, kinds, images(tmp_path / "files"), tmp_path / "outbox")
    before = held(town)
    submit(town, kinds, images(tmp_path / "files", frames=2), tmp_path / "outbox")
    after = held(town)
    assert set(before) < set(after)
    assert len(after) == 2 * len(before)
    assert submit(town, kinds, images(tmp_path / "files"), tmp_path / "outbox").new is False
    assert held(town) == after


def test_erasure_takes_a_persons_images_off_the_disk(
    town: MemoryTown, kinds: DataKinds, tmp_path: Path
) -> None:
    submit(town, kinds, images(tmp_path / "files"), tmp_path / "outbox")
    town.choose(desks(town.framework)[0], FIRST)
    town.begin()
    town.begin()
    assert len(held(town)) == 1
    (erased,) = town.entries(HOLDER, "person.erased")
    assert erased["objects"] == 10


def test_a_leak_of_the_folder_counts_images_and_whose_folders_they_lie_in(
    town: MemoryTown, kinds: DataKinds, tmp_path: Path
) -> None:
    submit(town, kinds, images(tmp_path / "files"), tmp_path / "outbox")
    found = look(town.body(HOLDER).folders.data)
    assert found.objects == 3
    assert len(found.everyone) == 2


def test_an_object_of_a_record_that_does_not_leave_stays_as_well(
    town: MemoryTown, kinds: DataKinds, tmp_path: Path
) -> None:
    part = made_of(town, kinds, images(tmp_path / "files")).parts[town.body(HOLDER).id]
    rows = part.tables["image_occurrence"].to_pylist()
    (alone,) = [tag for tag, n in Counter(row["tag"] for row in rows).items() if n == 1]
    left = part.tables.without(pa.array([alone]))
    sent = {source for some in Packed(part.objects, left).batches() for source in ids(some)}
    assert sent == {row["source_id"] for row in rows if row["tag"] != alone}
    every = {source for some in Packed(part.objects, part.tables).batches() for source in ids(some)}
    assert every == {row["source_id"] for row in rows}


def ids(pieces: pa.Table) -> list[str]:
    return list(pieces["source_id"].to_pylist())


def test_a_file_that_changed_after_it_was_read_is_not_sent(
    town: MemoryTown, kinds: DataKinds, tmp_path: Path
) -> None:
    files = images(tmp_path / "files")
    part = made_of(town, kinds, files).parts[town.body(HOLDER).id]
    files[0].write_bytes(b"something else")
    with pytest.raises(UserError, match=r"submission\.file-changed"):
        list(Packed(part.objects, part.tables).batches())


def test_pieces_are_one_object_again_and_out_of_order_they_are_refused(
    town: MemoryTown, kinds: DataKinds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "PIECE", 100)
    part = made_of(town, kinds, images(tmp_path / "files")).parts[town.body(HOLDER).id]
    rows = pa.concat_tables(Packed(part.objects, part.tables).batches())
    assert rows.num_rows > 20
    store, body = Objects(tmp_path / "objects"), town.body(HOLDER)
    persons = {str(tag): f"{n:032x}" for n, (tag, _) in enumerate(part.identities)}
    key = body.keys.seal

    def put(*batches: pa.Table) -> Stored:
        person = persons.__getitem__
        return store.put(batches, part.tables.values(), person, key, provider=HOSPITAL, batch=1)

    stored = put(rows)
    assert (stored.objects, stored.bytes) == (3, sum(map(len, rows["data"].to_pylist())))
    assert put(rows.slice(0, 7), rows.slice(7)) == stored
    for wrong in (rows.slice(1), rows.drop_columns(["piece"])):
        with pytest.raises(PeerError, match=r"objects\.malformed"):
            put(wrong)
    assert not list(store.folder.rglob("*.open"))


# Objects of records in quarantine

LATE = ("1.2.9.2", "1.2.9.3")


def test_an_object_waits_with_its_record_and_lands_with_it(
    town: MemoryTown, kinds: DataKinds, tmp_path: Path
) -> None:
    handed = submit(town, kinds, images(tmp_path / "files", late=LATE), tmp_path / "outbox")
    body, store = town.body(HOLDER), Objects(town.body(HOLDER).folders.objects)
    assert (len(held(town)), len(waiting(town))) == (1, 2)
    said = receipt(town, handed)
    assert (said["objects"]["objects"], said["objects_held"]["objects"]) == (1, 2)
    sealed = {path.read_bytes() for path in waiting(town)}
    assert all(one.startswith(b"age-encryption.org") for one in sealed)
    let_out(town)
    assert waiting(town) == []
    assert sealed < {path.read_bytes() for path in held(town)}
    rows = Lake(body.folders.lake).everything(snapshot(body))["image_occurrence"].to_pylist()
    named = [
        store.find(
            (row["person_key"], row["source_id"], row["data_class"]), row["provider"], row["batch"]
        )
        for row in rows
    ]
    assert sorted(filter(None, named)) == held(town)
    assert len(rows) == len(held(town)) == 3


def test_a_release_that_was_done_and_not_committed_comes_to_the_same_end(
    town: MemoryTown, kinds: DataKinds, tmp_path: Path
) -> None:
    submit(town, kinds, images(tmp_path / "files", late=LATE), tmp_path / "outbox")
    daily = quarantine.daily
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quarantine, "daily", lambda body: (daily(body), daily(body))[1])
        let_out(town)
    assert (len(held(town)), len(waiting(town))) == (3, 0)


def test_an_object_goes_when_its_record_is_sent_again(
    town: MemoryTown, kinds: DataKinds, tmp_path: Path
) -> None:
    submit(town, kinds, images(tmp_path / "files", late=LATE), tmp_path / "outbox")
    submit(town, kinds, images(tmp_path / "files"), tmp_path / "outbox")
    assert waiting(town) == []
    assert quarantine.figures(town.body(HOLDER))["mended"] == 2


def test_erasure_takes_the_object_of_a_held_record_as_well(
    town: MemoryTown, kinds: DataKinds, tmp_path: Path
) -> None:
    submit(town, kinds, images(tmp_path / "files", late=LATE), tmp_path / "outbox")
    assert look(town.body(HOLDER).folders.data).objects == 3
    town.choose(desks(town.framework)[0], FIRST)
    town.begin()
    town.begin()
    assert (len(held(town)), len(waiting(town))) == (0, 1)
    let_out(town)
    assert (len(held(town)), len(waiting(town))) == (1, 0)


def test_a_record_whose_object_is_not_there_is_not_let_out(
    town: MemoryTown, kinds: DataKinds, tmp_path: Path
) -> None:
    submit(town, kinds, images(tmp_path / "files", late=LATE), tmp_path / "outbox")
    waiting(town)[0].unlink()
    let_out(town)
    assert len(held(town)) == 2
    assert quarantine.figures(town.body(HOLDER)) == {"waiting": 1, "mended": 0, "released": 1}
