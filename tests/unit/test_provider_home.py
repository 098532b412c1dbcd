"""A provider of its own: keys, registration, a look before anything leaves, and what leaves."""

from __future__ import annotations

import json
import stat
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
from typer.testing import CliRunner

from memory_town import START
from provider_world import CODE, made_home, placed
from sekisho.commands import app
from sekisho.common.errors import PeerError, Refusal, TamperError, UserError
from sekisho.common.randomness import system_random
from sekisho.data.lake import Lake
from sekisho.exchange import parcel, seal, tables
from sekisho.exchange.directory import Directory
from sekisho.exchange.keys import SigningKey
from sekisho.provider.home import Home
from sekisho.provider.registration import admit, request
from sekisho.provider.showing import show
from submissions import condition, laboratory, ndjson, patient

RUNNER = CliRunner()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return ndjson(
        tmp_path / "records.ndjson", patient(1), patient(2), condition(1, 1), laboratory(1, 2)
    )


def opened(place, name: str, message: bytes) -> bytes:  # type: ignore[no-untyped-def]
    """Open what was sealed to a body in a door's message."""
    header, blobs = parcel.unpack(message, needs=("bodies",), each="reasons")
    return seal.open_sealed(blobs[header["bodies"].index(name)], place.town.body(name).keys.seal)


# Keys and registration


def test_keys_are_their_owners_alone_and_a_folder_is_never_written_over(tmp_path: Path) -> None:
    folder, _ = made_home(tmp_path / "p", "1")
    for name in ("signing", "records"):
        assert stat.S_IMODE((folder / "keys" / name).stat().st_mode) == 0o600
    with pytest.raises(UserError) as refused:
        made_home(folder, "1")
    assert refused.value.code == "provider.home-not-empty"


def test_a_folder_stands_alone_with_copies_of_the_rules_it_needs(tmp_path: Path) -> None:
    folder, _ = made_home(tmp_path / "p", "2-1", operator="alpha")
    home = Home.open(folder)
    assert home.rules.rule
    assert home.kinds.formats
    assert home.submitter().recipients()["additional"] == "alpha"


def test_a_request_is_believed_with_its_own_signature_and_the_key_that_was_told(
    tmp_path: Path,
) -> None:
    folder, asked = made_home(tmp_path / "p", "1")
    key = SigningKey.read(folder / "keys" / "signing").public.text
    known = admit(asked, Directory([]), key)
    assert known.roles(CODE) == {"provider"}
    assert admit(asked, known, key[:16]).ids() == (CODE,)
    with pytest.raises(Refusal):
        admit(asked, Directory([]), "0" * 64)
    with pytest.raises(Refusal):
        admit(asked, Directory([]), "")


def test_a_request_that_was_changed_or_asks_for_more_is_refused(tmp_path: Path) -> None:
    folder, asked = made_home(tmp_path / "p", "1")
    signing = SigningKey.read(folder / "keys" / "signing")
    peer = next(iter(admit(asked, Directory([]), signing.public.text)))
    changed = json.loads(asked)
    changed["peer"]["roles"] = ["converter"]
    with pytest.raises(TamperError):
        admit(json.dumps(changed).encode(), Directory([]), signing.public.text)
    from msgspec.structs import replace

    more = request(replace(peer, kind="body", roles=("converter",)), signing)
    with pytest.raises(Refusal):
        admit(more, Directory([]), signing.public.text)
    other = SigningKey.generate(system_random)
    second = request(replace(peer, verify_key=other.public.text), other)
    with pytest.raises(Refusal) as refused:
        admit(second, admit(asked, Directory([]), signing.public.text), other.public.text)
    assert refused.value.code == "registration.known"


# Before anything leaves


def test_a_check_needs_nobody_and_says_what_would_leave(tmp_path: Path, file: Path) -> None:
    folder, _ = made_home(tmp_path / "p", "1")
    said = RUNNER.invoke(
        app,
        ["submit", "--provider", str(folder), "--format", "fhir-ndjson", "--check", "--json",
         str(file)],
    )  # fmt: skip
    assert said.exit_code == 0, said.output
    report = json.loads(said.stdout)
    assert report["read"] == {"Condition": 1, "Observation": 1, "Patient": 2}
    assert sum(one["sent"] for one in report["balance"]) == 6  # a patient goes with both classes
    assert not (folder / "outbox").exists()
    assert not (folder / "sent").exists()


@pytest.mark.parametrize(
    ("resources", "options", "code"),
    [
        ((patient(1), b"{broken"), {}, UserError.exit_code),
        ((patient(1), laboratory(1, 9)), {}, UserError.exit_code),
        ((patient(1), condition(1, 1, onsetDateTime="2099-01-01")), {}, UserError.exit_code),
        ((patient(1), condition(1, 1)), {"framework": "4-several"}, Refusal.exit_code),
    ],
)
def test_the_exit_code_of_a_check_says_whose_fault_it_is(
    tmp_path: Path, resources: tuple[object, ...], options: dict[str, str], code: int
) -> None:
    folder, _ = made_home(tmp_path / "p", options.get("framework", "1"))
    file = ndjson(tmp_path / "x.ndjson", *resources)
    said = RUNNER.invoke(
        app, ["submit", "--provider", str(folder), "--format", "fhir-ndjson", "--check", str(file)]
    )
    assert said.exit_code == code, said.output


def test_what_is_shown_is_byte_for_byte_what_is_sealed_to_each_body(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    place = placed(tmp_path, monkeypatch, "2-1", operator="alpha", told_everyone_on=START
                   - timedelta(days=30))  # fmt: skip
    desk = place.desk()
    ready = desk.ready([file], "fhir-ndjson")
    shown = show(desk.home, ready, tmp_path / "shown")
    assert {one.name for one in shown} == {"national", "alpha"}
    desk.submit([file], "fhir-ndjson")
    for name in ("national", "alpha"):
        store = place.town.body(name).store
        [message] = [m for m in store.received.values() if m.path == "collection/submission"]  # type: ignore[attr-defined]
        sealed = opened(place, name, message.read())
        assert sealed == (tmp_path / "shown" / name / "payload").read_bytes()
        inside = tables.unpack(sealed)
        for table, rows in inside.items():
            if table != "manifest":
                beside = parquet.read_table(tmp_path / "shown" / name / f"{table}.parquet")
                assert beside.equals(rows)
        for canary in (b"999-00-0001", b"Canary", b"records.ndjson"):
            assert canary not in sealed
    persons = {
        name: json.loads((tmp_path / "shown" / name / "manifest.json").read_text())["persons"]
        for name in ("national", "alpha")
    }
    assert persons == {"national": 2, "alpha": 2}


# On the way


def test_a_submission_lands_once_and_its_receipts_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    place = placed(tmp_path, monkeypatch, "2-1", operator="alpha",
                   told_everyone_on=START - timedelta(days=30))  # fmt: skip
    desk = place.desk()
    first = desk.submit([file], "fhir-ndjson")
    assert [one.door for one in first.handed] == ["national", "alpha"]
    assert all(one.new for one in first.handed)
    place.town.settle()
    [report] = (place.folder / "reports").glob("*.json")
    assert json.loads(report.read_bytes())["sent"] is True
    assert desk.collect_receipts() == 2
    again = desk.submit([file], "fhir-ndjson")
    assert not any(one.new for one in again.handed)
    assert desk.collect_receipts() == 0
    found = sorted(one["receipts"] for one in desk.journal.submissions())
    assert found == [["alpha"], ["national"]]
    landed = [place.town.entries(name, "submission.landed") for name in ("national", "alpha")]
    assert [len(one) for one in landed] == [1, 1]
    assert not list((place.folder / "outbox").iterdir())


def test_after_a_crash_between_the_two_halves_the_same_bytes_go_on_and_land_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    place = placed(tmp_path, monkeypatch, "1")
    from memory_town import MemoryClient

    sent: list[bytes] = []
    post = MemoryClient.post

    def cut(self, peer, path, body=b"", **more):  # type: ignore[no-untyped-def]
        if path.endswith("conversion/batch") and self.sender == CODE and len(sent) < 1:
            sent.append(body.read_bytes())
            raise PeerError("peer.unreachable", "The line was cut.")
        if path.endswith("conversion/batch") and self.sender == CODE:
            sent.append(body.read_bytes())
        return post(self, peer, path, body, **more)

    monkeypatch.setattr(MemoryClient, "post", cut)
    desk = place.desk()
    with pytest.raises(PeerError):
        desk.submit([file], "fhir-ndjson")
    place.town.settle()
    [done] = desk.submit([file], "fhir-ndjson").handed
    place.town.settle()
    assert done.new
    assert sent[0] == sent[1]
    assert len(place.town.entries("national", "submission.landed")) == 1


def test_persons_held_back_go_by_themselves_when_their_period_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    place = placed(tmp_path, monkeypatch, "4-single")
    told = tmp_path / "told.csv"
    late = START - timedelta(days=29)
    told.write_text(
        "system,value,told_on\n"
        f"http://hl7.org/fhir/sid/us-ssn,999-00-0001,{START - timedelta(days=30)}\n"
        f"http://hl7.org/fhir/sid/us-ssn,999-00-0002,{late}\n"
    )
    noted = RUNNER.invoke(app, ["provider", "notice", str(place.folder), "--file", str(told),
                                "--json"])  # fmt: skip
    assert noted.exit_code == 0, noted.output
    clocks = json.loads(noted.stdout)["clocks"]
    assert [(one["told_on"], one["persons"]) for one in clocks] == [
        (str(START - timedelta(days=30)), 1),
        (str(late), 1),
    ]
    done = place.desk().submit([file], "fhir-ndjson")
    place.town.settle()
    assert done.ready.held.persons == {"notice-period": 1}
    lake = Lake(place.town.body("alpha").folders.lake)
    assert lake.persons() == 1
    file.unlink()  # the provider keeps what it still has to send
    assert place.desk().submit_due() == []
    place.town.begin()
    tomorrow = place.desk(START + timedelta(days=1))
    [later] = tomorrow.submit_due()
    place.town.settle()
    assert later.ready.held.persons == {}
    assert lake.persons() == 2
    assert len(place.town.entries("alpha", "submission.landed")) == 2
    assert tomorrow.journal.waiting() == []
