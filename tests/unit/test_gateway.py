"""The gateway: who may send, what is taken, and that nothing is lost or doubled on the way."""

from __future__ import annotations

import base64
import hashlib
import json
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from falcon import testing
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from memory_town import START
from provider_world import made_home, placed
from sekisho.commands import app
from sekisho.common.clock import FixedClock
from sekisho.common.errors import PeerError, UserError
from sekisho.common.randomness import system_random
from sekisho.provider import FORMATS, Limits
from sekisho.provider.desk import Desk
from sekisho.provider.findings import EXPLANATIONS
from sekisho.provider.gateway import Clients, Forwarder, GatewayConfig, Jobs, Uploads
from sekisho.provider.gateway.clients import ROLES
from sekisho.provider.gateway.clins import PUSHED
from sekisho.provider.gateway.doors import DOORS, Door
from sekisho.provider.gateway.jobs import STATES, State
from sekisho.provider.gateway.serving import Gateway, clients_of
from sekisho.provider.home import Home
from submissions import condition, patient

NOW = datetime(2026, 4, 1, tzinfo=UTC)
INSURED = "http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID"


class World:
    """A gateway without a network; one client of each role, and a second that submits."""

    def __init__(self, folder: Path, home: Path | None = None) -> None:
        self.home = home or made_home(folder / "p", "1")[0]
        desk = Desk(Home.open(self.home), FixedClock(NOW), system_random)
        self.keys = {
            name: clients_of(self.home).add(name, role, system_random)  # type: ignore[arg-type]
            for name, role in [*zip(ROLES, ROLES, strict=True), ("other", "submit")]
        }
        self.start(desk)

    def start(self, desk: Desk, config: GatewayConfig | None = None) -> None:
        self.gateway = Gateway(desk, config or GatewayConfig(), desk.clock, system_random)
        self.client = testing.TestClient(self.gateway.app)

    def call(
        self, method: str, path: str, who: str | None = "submit", **more: Any
    ) -> testing.Result:
        headers = dict(more.pop("headers", {}))
        if who is not None:
            headers["Authorization"] = f"Bearer {self.keys.get(who, who)}"
        return self.client.simulate_request(method, path, headers=headers, **more)

    def jobs(self) -> list[dict[str, Any]]:
        return list(self.call("GET", "/jobs", "operate").json["jobs"])


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


# Who may


@pytest.mark.parametrize("door", DOORS, ids=lambda d: f"{d.method} {d.path}")
@pytest.mark.parametrize("who", [None, "sgw_stranger", *ROLES])
def test_every_door_opens_to_its_roles_and_to_nobody_else(
    world: World, door: Door, who: str | None
) -> None:
    path = door.path.replace("{name}", "0" * 32).replace("{format}", "fhir-ndjson")
    answer = world.call(door.method, path, who)
    if not door.roles or who in door.roles:
        assert answer.status_code not in (401, 403)
        assert answer.status_code in (*door.answers, 400, 404, 415)
    else:
        assert answer.status_code == (403 if who in ROLES else 401)
        assert ("www-authenticate" in answer.headers) == (answer.status_code == 401)
    assert world.jobs() == []


def test_what_is_no_door_is_refused_and_the_table_is_what_is_described(world: World) -> None:
    for method, path in (("GET", "/"), ("PUT", "/jobs"), ("GET", "/files/uke"), ("GET", "/fhir")):
        answer = world.call(method, path)
        assert answer.status_code in (404, 405)
        assert answer.json["type"].endswith("gateway.no-such-door")
    described = world.call("GET", "/openapi.json", None).json
    found = {(m.upper(), path) for path, of in described["paths"].items() for m in of}
    assert found == {(door.method, door.path) for door in DOORS}
    assert described["openapi"] == "3.1.0"


def test_a_key_is_kept_as_a_digest_and_a_removed_one_opens_nothing(world: World) -> None:
    file = clients_of(world.home).path
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for key in world.keys.values():
        assert key.encode() not in file.read_bytes()
    assert world.call("GET", "/jobs", "other").status_code == 200
    assert clients_of(world.home).remove("other")
    assert world.call("GET", "/jobs", "other").status_code == 401
    with pytest.raises(UserError):
        Clients(file).add("submit", "submit", system_random)


def test_a_client_sees_its_own_jobs_and_uploads_only(world: World) -> None:
    world.call("POST", "/files/fhir-ndjson", body=b'{"a": 1}')
    [mine] = world.call("GET", "/jobs").json["jobs"]
    assert world.call("GET", "/jobs", "other").json["jobs"] == []
    assert world.call("GET", f"/jobs/{mine['id']}", "other").status_code == 404
    assert world.call("GET", f"/jobs/{mine['id']}", "operate").status_code == 200
    begun = begin(world, 10)
    assert world.call("HEAD", begun, "other").status_code == 404
    assert patch(world, begun, 0, b"x" * 10, who="other").status_code == 404


# Files


def test_a_file_is_a_job_on_the_disk_before_it_is_answered_and_once_only(world: World) -> None:
    first = world.call("POST", "/files/fhir-ndjson", body=b'{"a": 1}')
    again = world.call("POST", "/files/fhir-ndjson", body=b'{"a": 1}')
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json["id"] == again.json["id"]
    kept = world.gateway.jobs.find(first.json["id"])
    assert kept is not None
    file = world.gateway.jobs.file(kept)
    assert file.read_bytes() == b'{"a": 1}'
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not any((world.gateway.folder / "inbox").iterdir())


def test_one_idempotency_key_means_one_content(world: World) -> None:
    named = {"Idempotency-Key": "k1"}
    assert world.call("POST", "/files/uke", body=b"1", headers=named).status_code == 202
    assert world.call("POST", "/files/uke", body=b"1", headers=named).status_code == 200
    other = world.call("POST", "/files/uke", body=b"2", headers=named)
    assert other.status_code == 409
    assert other.json["type"].endswith("gateway.key-reused")


def test_what_cannot_be_taken_is_refused_with_the_next_step(world: World) -> None:
    assert world.call("POST", "/files/unknown", body=b"1").status_code == 400
    assert world.call("POST", "/files/uke", body=b"").status_code == 400
    assert world.jobs() == []


def test_a_body_longer_than_one_request_may_be_is_refused_and_told_the_way(world: World) -> None:
    world.start(world.gateway.desk, GatewayConfig(request_bytes=3, upload_bytes=5))
    answer = world.call("POST", "/files/uke", body=b"1234")
    assert answer.status_code == 413
    assert "/uploads" in answer.json["next"]
    metadata = "format " + base64.b64encode(b"uke").decode()
    headers = {"Upload-Length": "6", "Upload-Metadata": metadata}
    assert world.call("POST", "/uploads", headers=headers).status_code == 413


# JP-CLINS


def bundle(testdata: Path) -> dict[str, Any]:
    file = testdata / "jp-clins-examples" / "Bundle-Bundle-CLINS-Observations-Example-01.json"
    return dict(json.loads(file.read_bytes()))


def push(world: World, value: Any) -> testing.Result:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return world.call("POST", "/fhir/Bundle", body=data)


def test_a_bundle_of_the_guide_is_taken_as_it_is(world: World, testdata: Path) -> None:
    file = testdata / "jp-clins-examples" / "Bundle-Bundle-CLINS-Observations-Example-01.json"
    answer = push(world, file.read_bytes())
    assert answer.status_code == 202
    assert answer.json["resourceType"] == "OperationOutcome"
    [job] = world.jobs()
    kept = world.gateway.jobs.find(job["id"])
    assert kept is not None
    assert world.gateway.jobs.file(kept).read_bytes() == file.read_bytes()
    changed = bundle(testdata)
    changed["entry"][1]["resource"]["status"] = "amended"
    assert push(world, changed).status_code == 202  # a correction under the same name
    assert [one["number"] for one in world.jobs()] == [1, 2]


def test_a_patient_alone_is_taken_for_it_takes_a_report_back(world: World, testdata: Path) -> None:
    made = bundle(testdata)
    del made["entry"][1:]
    del made["meta"]["tag"]
    assert push(world, made).status_code == 202
    [job] = world.jobs()
    assert job["format"] == "jp-clins"


def test_a_document_is_no_collection(world: World, testdata: Path) -> None:
    for name in ("PCS-Example-01", "Referral-Example-01"):
        file = testdata / "jp-clins-examples" / f"Bundle-Bundle-CLINS-{name}.json"
        answer = push(world, file.read_bytes())
        assert answer.status_code == 400
        assert answer.json["issue"][0]["details"]["coding"][0]["code"] == "clins.not-a-collection"


FAULTS = (
    "json.malformed",
    "clins.not-a-collection",
    "clins.identifier",
    "clins.patient",
    "clins.patient-twice",
    "clins.full-url",
    "clins.no-insured-number",
    "clins.mixed",
    "clins.mixed-tag",
    "clins.other-type",
    "clins.subject",
    "clins.local-code",
    "clins.no-key",
    "date.impossible",
)
"""What a Bundle may do wrong: the code of its refusal, and which way where there are two."""


def faulty(testdata: Path, fault: str) -> Any:
    """Return a Bundle that breaks one rule of the contract."""
    made = bundle(testdata)
    entry = made["entry"]
    match fault:
        case "json.malformed":
            return b"{"
        case "clins.not-a-collection":
            made["type"] = "document"
        case "clins.identifier":
            made["identifier"]["value"] = "131881479^2024^x"
        case "clins.patient":
            entry.pop(0)
        case "clins.patient-twice":
            entry.append(entry[0] | {"fullUrl": "urn:uuid:6d6f1c0e-0000-4000-8000-000000000000"})
        case "clins.full-url":
            entry[2]["fullUrl"] = entry[1]["fullUrl"]
        case "clins.no-insured-number":
            entry[0]["resource"]["identifier"] = entry[0]["resource"]["identifier"][:1]
        case "clins.mixed":
            entry[2]["resource"]["resourceType"] = "Condition"
        case "clins.mixed-tag":
            made["meta"]["tag"][0]["code"] = "Condition"
        case "clins.other-type":
            for one in entry[1:]:
                one["resource"]["resourceType"] = "Procedure"
        case "clins.subject":
            entry[1]["resource"]["subject"]["reference"] = "Patient/another"
        case "clins.local-code":
            del entry[1]["resource"]["code"]["coding"]
        case "clins.no-key":
            del entry[1]["resource"]["identifier"]
        case "date.impossible":
            entry[1]["resource"]["effectiveDateTime"] = "yesterday"
    return made


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bundle_that_breaks_the_contract_is_refused_whole_in_both_languages(
    world: World, testdata: Path, fault: str, tmp_path: Path
) -> None:
    made = faulty(testdata, fault)
    answer = push(world, made)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/fhir+json"
    code = fault.removesuffix("-twice").removesuffix("-tag")
    texts = PUSHED.get(code) or EXPLANATIONS[code]
    [issue] = answer.json["issue"]
    assert issue["details"]["coding"][0]["code"] == code
    assert issue["details"]["text"] == texts.ja
    translated = issue["details"]["_text"]["extension"][0]["extension"]
    assert {"url": "content", "valueString": texts.en} in translated
    assert issue["expression"]
    assert world.jobs() == []
    # What the reader would refuse is refused here by the reader's own code.
    file = tmp_path / "pushed.json"
    file.write_bytes(made if isinstance(made, bytes) else json.dumps(made).encode())
    read = [one.code for one in FORMATS["jp-clins"].read(file, Limits())]
    assert code in PUSHED or code in read
    for canary in ("1318814790", "00012345", "000999739"):
        assert canary not in answer.text


# Uploads (tus)


def begin(world: World, length: int, **said: str) -> str:
    metadata = {"format": "fhir-ndjson", **said}
    text = ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in metadata.items())
    answer = world.call(
        "POST", "/uploads", headers={"Upload-Length": str(length), "Upload-Metadata": text}
    )
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


def patch(
    world: World, path: str, offset: int, data: bytes, who: str = "submit", **more: str
) -> testing.Result:
    headers = {
        "Content-Type": "application/offset+octet-stream",
        "Upload-Offset": str(offset),
        **{name.replace("_", "-"): text for name, text in more.items()},
    }
    return world.call("PATCH", path, who, body=data, headers=headers)


def sha256(data: bytes) -> str:
    return "sha256 " + base64.b64encode(hashlib.sha256(data).digest()).decode()


def test_an_upload_goes_on_where_it_stopped_and_becomes_one_job(world: World) -> None:
    data = bytes(range(256)) * 40
    path = begin(world, len(data))
    for start in range(0, len(data), 3000):
        offset = int(world.call("HEAD", path).headers["upload-offset"])
        assert offset == start
        piece = data[start : start + 3000]
        answer = patch(world, path, offset, piece, Upload_Checksum=sha256(piece))
        assert answer.status_code == 204
    job = answer.headers["sekisho-job"]
    kept = world.gateway.jobs.find(job)
    assert kept is not None
    assert world.gateway.jobs.file(kept).read_bytes() == data
    # A client that did not hear the last answer asks again.
    assert world.call("HEAD", path).headers["sekisho-job"] == job
    assert len(world.jobs()) == 1


def test_a_piece_with_a_wrong_checksum_or_offset_leaves_nothing(world: World) -> None:
    path = begin(world, 10)
    assert patch(world, path, 0, b"12345", Upload_Checksum=sha256(b"other")).status_code == 460
    assert world.call("HEAD", path).headers["upload-offset"] == "0"
    assert patch(world, path, 0, b"12345").status_code == 204
    assert patch(world, path, 0, b"12345").status_code == 409
    assert patch(world, path, 5, b"123456").status_code == 400
    assert patch(world, path, 5, b"x", Upload_Checksum="md5 eA==").status_code == 400
    assert world.call("HEAD", path).headers["upload-offset"] == "5"
    assert world.jobs() == []


def test_bytes_that_a_crash_left_beyond_the_offset_are_dropped(world: World) -> None:
    path = begin(world, 8)
    patch(world, path, 0, b"1234")
    with (world.gateway.folder / "uploads" / path.rpartition("/")[2] / "data").open("ab") as file:
        file.write(b"torn")
    answer = patch(world, path, 4, b"5678")
    kept = world.gateway.jobs.find(answer.headers["sekisho-job"])
    assert kept is not None
    assert world.gateway.jobs.file(kept).read_bytes() == b"12345678"


def test_uploads_expire_and_can_be_dropped(world: World, tmp_path: Path) -> None:
    path = begin(world, 8)
    assert world.call("DELETE", path).status_code == 204
    assert world.call("HEAD", path).status_code == 404
    uploads = Uploads(tmp_path / "u", Jobs(tmp_path), system_random)
    made = uploads.begin("a", "uke", 5, None, NOW, days=7)
    assert uploads.find(made.id, "a", NOW + timedelta(days=7, seconds=-1)) is not None
    assert uploads.find(made.id, "a", NOW + timedelta(days=7)) is None
    assert uploads.sweep(NOW + timedelta(days=7)) == 1
    assert not any((tmp_path / "u").iterdir())


def test_two_uploads_of_the_same_bytes_are_one_job(world: World) -> None:
    found = {patch(world, begin(world, 4), 0, b"same").headers["sekisho-job"] for _ in range(2)}
    assert len(found) == 1


# Sending on


class Cut:
    """Ends the program, once, before its ``point``-th step on a disk."""

    def __init__(self, patched: pytest.MonkeyPatch, point: int) -> None:
        self.left, self.done = point, False
        step = self.step

        class Book(sqlite3.Connection):
            def execute(self, *given: Any) -> sqlite3.Cursor:
                step()
                return super().execute(*given)

            def executemany(self, *given: Any) -> sqlite3.Cursor:
                step()
                return super().executemany(*given)

        patched.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Book))
        for name in ("unlink", "chmod"):
            real = getattr(Path, name)
            patched.setattr(Path, name, lambda *a, real=real, **k: (step(), real(*a, **k))[1])

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise SystemExit

    def __enter__(self) -> Cut:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        self.done = kind is SystemExit
        return self.done


class Doors:
    """Takes submissions by their files' bytes; may be away, or end the program at a point."""

    def __init__(self) -> None:
        self.got: list[list[bytes]] = []
        self.away = False
        self.refuses = {b"bad"}

    def __call__(self, files: Sequence[Path], format_id: str) -> dict[str, Any]:
        data = [file.read_bytes() for file in files]
        if self.away:
            raise PeerError("peer.unreachable", "Nobody answers.")
        if self.refuses.intersection(data):
            raise UserError("submission.nothing-readable", "Nothing can be sent.")
        if data not in self.got:  # the same files are the same submission
            self.got.append(data)
        return {"handed": [{"submission": f"s{self.got.index(data)}"}], "findings": []}


@pytest.fixture
def spool(tmp_path: Path) -> Jobs:
    return Jobs(tmp_path / "gateway")


def forwarder(spool: Jobs, doors: Doors) -> Forwarder:
    return Forwarder(spool, doors, FixedClock(NOW), system_random)


def taken(spool: Jobs, data: bytes, client: str = "a", format_id: str = "uke") -> str:
    file = spool.folder.parent / system_random(4).hex()
    file.write_bytes(data)
    return spool.take(client, format_id, file, None, NOW)[0].id


def test_jobs_go_together_by_client_and_format_in_order_of_arrival(spool: Jobs) -> None:
    for client, format_id, data in (
        ("a", "uke", b"1"), ("b", "uke", b"2"), ("a", "fhir-ndjson", b"3"), ("a", "uke", b"0"),
    ):  # fmt: skip
        taken(spool, data, client, format_id)
    doors = Doors()
    forwarder(spool, doors).run()
    assert doors.got == [[b"1", b"0"], [b"2"], [b"3"]]
    assert {job.state for job in spool.all()} == {"sent"}
    assert not any(spool.file(job).exists() for job in spool.all())


def test_a_body_that_is_away_is_asked_again_with_the_same_batch(spool: Jobs) -> None:
    taken(spool, b"1")
    doors = Doors()
    doors.away = True
    assert forwarder(spool, doors).run() == []
    taken(spool, b"2")
    doors.away = False
    forwarder(spool, doors).run()
    assert doors.got == [[b"1"], [b"2"]]


def test_what_is_refused_fails_alone_and_keeps_its_bytes(spool: Jobs) -> None:
    bad = taken(spool, b"bad", "a")
    taken(spool, b"1", "b")
    doors = Doors()
    forwarder(spool, doors).run()
    assert doors.got == [[b"1"]]
    job = spool.find(bad)
    assert job is not None
    assert (job.state, spool.file(job).read_bytes()) == ("failed", b"bad")
    assert job.report is not None
    assert job.report["type"].endswith("submission.nothing-readable")


def failed(world: World, who: str, data: bytes = b"bad") -> str:
    """Let a client's job fail; return its id."""
    job = world.call("POST", "/files/uke", who, body=data).json["id"]
    kept = world.gateway.jobs.find(job)
    assert kept is not None
    world.gateway.jobs.finish("failed", {kept.id: {"type": "urn:sekisho:problem:some.reason"}}, NOW)
    return str(job)


@pytest.mark.parametrize("who", [*ROLES, "other"])
@pytest.mark.parametrize(
    ("method", "end", "status"), [("POST", "/retry", 202), ("DELETE", "", 204)]
)
def test_a_failed_job_is_tried_again_or_dropped_by_its_client_or_an_operator(
    world: World, method: str, end: str, status: int, who: str
) -> None:
    job = failed(world, "submit")
    expected = {"submit": status, "operate": status, "watch": 403, "other": 404}[who]
    assert world.call(method, f"/jobs/{job}{end}", who).status_code == expected
    [*left] = [(one["id"], one["state"]) for one in world.jobs()]
    done = [(job, "waiting")] if method == "POST" else []
    assert left == (done if expected == status else [(job, "failed")])


def test_jobs_are_told_in_order_some_at_a_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sekisho.provider.gateway.answers.JOBS_AT_ONCE", 2)
    mine = [world.call("POST", "/files/uke", body=b"%d" % n).json["id"] for n in range(3)]
    other = world.call("POST", "/files/uke", "other", body=b"other").json["id"]
    for who, expected in (("submit", mine), ("other", [other]), ("operate", [*mine, other])):
        path, found = "/jobs", list[str]()
        while path:
            answer = world.call("GET", path, who)
            assert 1 <= len(answer.json["jobs"]) <= 2
            found += [one["id"] for one in answer.json["jobs"]]
            path = answer.json["next"]
            assert (path is not None) == ("rel=next" in answer.headers.get("link", ""))
        assert found == expected


@pytest.mark.parametrize("after", ["-1", "x", str(2**63), "1.5"])
def test_a_parameter_that_cannot_be_is_named_as_such(world: World, after: str) -> None:
    answer = world.call("GET", f"/jobs?after={after}")
    assert (answer.status_code, answer.json["type"]) == (
        400, "urn:sekisho:problem:gateway.parameter",
    )  # fmt: skip


@pytest.mark.parametrize("state", ["waiting", "sent"])
def test_what_has_not_failed_is_neither_tried_again_nor_dropped(world: World, state: Any) -> None:
    job = world.call("POST", "/files/uke", body=b"good").json["id"]
    if state == "sent":
        world.gateway.jobs.finish(state, {job: {}}, NOW)
    for method, end in (("POST", "/retry"), ("DELETE", "")):
        answer = world.call(method, f"/jobs/{job}{end}")
        assert (answer.status_code, answer.json["type"].rpartition(":")[2]) == (
            409, "gateway.not-failed",
        )  # fmt: skip
    assert [one["state"] for one in world.jobs()] == [state]


def test_an_old_job_overtakes_later_ones_only_where_that_is_said(world: World) -> None:
    job = failed(world, "submit")
    later = world.call("POST", "/files/uke", body=b"later").json["id"]
    world.gateway.jobs.finish("sent", {later: {}}, NOW)
    refused = world.call("POST", f"/jobs/{job}/retry")
    assert refused.status_code == 409
    assert "overtake" in refused.json["next"]
    assert world.call("POST", f"/jobs/{job}/retry?overtake=true").status_code == 202
    described = world.call("GET", "/openapi.json", None).json["paths"]["/jobs/{name}/retry"]
    assert "overtake" in {one["name"] for one in described["post"]["parameters"]}
    # Another client's later job, and one that did not go, are nothing to overtake.
    mine, _ = failed(world, "other", b"mine"), failed(world, "other", b"after")
    assert world.call("POST", f"/jobs/{mine}/retry", "other").status_code == 202


def command(world: World, what: str, *words: str) -> Any:
    return CliRunner().invoke(app, ["gateway", what, str(world.home), *words])


def test_the_commands_show_try_again_and_drop_what_failed(world: World) -> None:
    again, gone = failed(world, "submit", b"1"), failed(world, "other", b"2")
    shown = json.loads(command(world, "jobs", "--state", "failed", "--json").stdout)["jobs"]
    assert {one["id"] for one in shown} == {again, gone}
    assert "some.reason" in command(world, "jobs").stdout
    assert command(world, "retry", again).exit_code == 0
    assert command(world, "drop", gone).exit_code == 0
    assert [(one["id"], one["state"]) for one in world.jobs()] == [(again, "waiting")]
    for what, job, code in (
        ("retry", again, "gateway.not-failed"), ("drop", gone, "gateway.no-job"),
    ):  # fmt: skip
        refused = command(world, what, job).exception
        assert isinstance(refused, UserError)
        assert refused.code == code


def test_a_job_tried_again_is_sent_from_its_bytes_and_a_dropped_one_leaves_none(
    spool: Jobs,
) -> None:
    bad, beside = taken(spool, b"bad"), taken(spool, b"1")
    doors = Doors()
    forwarder(spool, doors).run()
    assert {job.state for job in spool.all()} == {"failed"}
    dropped, again = spool.find(bad), spool.find(beside)
    assert dropped is not None
    assert again is not None
    spool.drop(dropped)
    spool.retry(again)
    forwarder(spool, doors).run()
    assert doors.got == [[b"1"]]
    assert [(job.id, job.state) for job in spool.all()] == [(beside, "sent")]
    assert not [file for file in spool.folder.rglob("*") if file.is_file() and bad in str(file)]
    assert taken(spool, b"bad") == bad  # the same file again is taken anew
    assert [job.state for job in spool.all()] == ["sent", "waiting"]


@pytest.mark.parametrize("way", ["send", "take"])
def test_a_program_ended_at_any_step_loses_and_doubles_nothing(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every question to the book and every change of a file is a step at which it is ended once."""
    for point in range(1, 200):
        spool, doors = Jobs(tmp_path / str(point) / "gateway"), Doors()
        spool.folder.mkdir(parents=True)
        taken(spool, b"1")
        if way == "send":
            taken(spool, b"2")
        with monkeypatch.context() as patched, Cut(patched, point) as cut:
            if way == "send":
                forwarder(spool, doors).run()
            else:
                taken(spool, b"2")
        spool.sweep()  # the program starts again; who was not answered sends again
        assert taken(spool, b"2") != taken(spool, b"1")
        forwarder(spool, doors).run()
        assert sorted(data for sent in doors.got for data in sent) == [b"1", b"2"]
        assert [(job.state, job.digest) for job in spool.all()] == [
            ("sent", hashlib.sha256(data).hexdigest()) for data in (b"1", b"2")
        ]
        assert not any((spool.folder / "jobs").iterdir())
        if not cut.done:
            assert point > 8  # it was ended at least so often
            return
    raise AssertionError("it never came to its end")


def test_what_comes_in_lands_at_the_bodies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = placed(tmp_path, monkeypatch, "1")
    world = World(tmp_path, place.folder)
    world.start(place.desk(START))
    lines = [json.dumps(one).encode() for one in (patient(1), condition(1, 1))]
    for _ in range(2):
        world.call("POST", "/files/fhir-ndjson", body=b"\n".join(lines))
    world.gateway.round()
    place.town.settle()
    world.gateway.round()
    place.town.settle()
    assert len(place.town.entries("national", "submission.landed")) == 1
    [job] = world.jobs()
    told = world.call("GET", f"/jobs/{job['id']}").json
    assert (told["state"], told["report"]["sent"]) == ("sent", 3)
    assert place.desk().journal.submissions()[0]["receipts"] == ["national"]


# Killed


@pytest.fixture
def running(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A gateway in a process of its own; `start` starts it again."""
    home, _ = made_home(tmp_path / "p", "1")
    key = clients_of(home).add("his", "submit", system_random)
    port = _free_port()
    (home / "gateway.toml").write_text(f'listen = "127.0.0.1:{port}"\n')
    place: dict[str, Any] = {"url": f"http://127.0.0.1:{port}", "key": key, "home": home}

    def start() -> None:
        place["process"] = subprocess.Popen(
            [sys.executable, "-m", "sekisho", "gateway", "serve", str(home)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(600):
            try:
                requests.get(place["url"] + "/health", timeout=5)
                return
            except requests.ConnectionError:
                time.sleep(0.1)
        raise AssertionError("the gateway does not answer")

    place["start"] = start
    start()
    yield place
    place["process"].kill()
    place["process"].wait()


def _free_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_a_gateway_killed_in_the_middle_of_an_upload_has_every_byte_once(
    running: dict[str, Any],
) -> None:
    data = system_random(300_000)
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {running['key']}"
    begun = session.post(
        running["url"] + "/uploads",
        headers={
            "Upload-Length": str(len(data)),
            "Upload-Metadata": "format " + base64.b64encode(b"fhir-ndjson").decode(),
        },
        timeout=20,
    )
    url = running["url"] + begun.headers["Location"]

    def send(start: int, end: int) -> requests.Response:
        return session.patch(
            url,
            data=data[start:end],
            headers={
                "Content-Type": "application/offset+octet-stream",
                "Upload-Offset": str(start),
                "Upload-Checksum": sha256(data[start:end]),
            },
            timeout=20,
        )

    assert send(0, 100_000).status_code == 204

    def torn() -> Iterator[bytes]:
        yield data[100_000:150_000]
        running["process"].send_signal(signal.SIGKILL)
        running["process"].wait()
        yield data[150_000:200_000]

    with pytest.raises(requests.RequestException):
        session.patch(
            url,
            data=torn(),
            headers={
                "Content-Type": "application/offset+octet-stream",
                "Upload-Offset": "100000",
            },
            timeout=20,
        )
    running["start"]()
    offset = int(session.head(url, timeout=20).headers["Upload-Offset"])
    assert offset == 100_000
    last = send(offset, len(data))
    job = last.headers["Sekisho-Job"]
    running["process"].send_signal(signal.SIGKILL)
    running["process"].wait()
    running["start"]()
    told = session.get(f"{running['url']}/jobs/{job}", timeout=20).json()
    assert told["digest"] == hashlib.sha256(data).hexdigest()
    listed = session.get(running["url"] + "/jobs", timeout=20).json()["jobs"]
    assert [one["id"] for one in listed] == [job]


def test_jobs_that_come_at_once_have_numbers_of_their_own_and_no_number_comes_again(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "gateway"
    files = [tmp_path / f"{n}.ndjson" for n in range(21)]
    for n, file in enumerate(files):
        file.write_text(f"{n}\n")

    def take(file: Path) -> int:
        return Jobs(folder).take("his", "fhir-ndjson", file, None, NOW)[0].number

    with ThreadPoolExecutor(8) as threads:
        numbers = list(threads.map(take, files[:20]))
    assert sorted(numbers) == list(range(1, 21))
    jobs = Jobs(folder)
    last = jobs.all()[-1]
    jobs.finish("failed", {last.id: {}}, NOW)
    jobs.drop(last)
    assert [job.number for job in jobs.all()] == list(range(1, 20))
    assert take(files[20]) == 21


def test_of_one_file_that_comes_many_times_at_once_there_is_one_job(tmp_path: Path) -> None:
    jobs, file = Jobs(tmp_path / "gateway"), tmp_path / "one"
    file.write_bytes(b"1")
    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(lambda _: jobs.take("a", "uke", file, "k", NOW), range(20)))
    assert len({job.id for job, _ in taken}) == 1
    assert [new for _, new in taken].count(True) == 1
    [job] = jobs.all()
    assert jobs.file(job).read_bytes() == b"1"


# At volume


def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Note every question to a book of jobs, with how SQLite finds the answer."""
    found: list[tuple[str, str]] = []

    class Book(sqlite3.Connection):
        def execute(self, sql: str, given: Sequence[Any] = ()) -> sqlite3.Cursor:
            if sql.split()[0] in ("SELECT", "UPDATE", "DELETE"):
                plan = super().execute(f"EXPLAIN QUERY PLAN {sql}", given)
                found.extend((sql, row[3]) for row in plan.fetchall())
            return super().execute(sql, given)

        def executemany(self, sql: str, rows: Any) -> sqlite3.Cursor:
            for row in (rows := list(rows)):
                self.execute(sql, row)
            return super().executemany(sql, rows)

    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Book))
    return found


def settled(spool: Jobs, data: bytes, state: State, at: datetime = NOW) -> str:
    job = taken(spool, data)
    spool.finish(state, {job: {"handed": [], "findings": ["told"]}}, at, ["s1"])
    return job


def test_a_round_and_a_retry_look_nowhere_but_at_what_waits(
    spool: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(20):
        settled(spool, b"old %d" % n, "sent")
    failed = settled(spool, b"failed", "failed")
    taken(spool, b"1")
    with closing(sqlite3.connect(spool.folder / "jobs.sqlite3")) as book, book:
        # Whoever reads a settled job will now fail.
        book.execute("UPDATE job SET report = 'no JSON' WHERE state = 'sent'")
    doors = Doors()
    plans = asked(monkeypatch)
    forwarder(spool, doors).run()
    job = spool.find(failed)
    assert job is not None
    spool.retry(job, overtake=True)
    spool.forget(NOW, 1, 1)
    assert spool.counts() == {"waiting": 1, "sent": 21, "failed": 0}
    assert doors.got == [[b"1"]]
    reads = [one for one in plans if one[1].startswith(("SCAN", "SEARCH"))]
    assert len(reads) > 5
    assert [one for one in reads if "INDEX" not in one[1] and "PRIMARY KEY" not in one[1]] == []


@given(
    ages=st.lists(st.tuples(st.integers(0, 40), st.sampled_from(STATES)), max_size=12),
    job_days=st.integers(1, 15),
    key_days=st.integers(1, 15),
)
@settings(max_examples=30, deadline=None)
def test_a_sent_job_loses_its_report_and_then_goes_at_the_stated_times_and_nothing_else_goes(
    ages: list[tuple[int, State]], job_days: int, key_days: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spool = Jobs(Path(folder) / "gateway")
        spool.folder.mkdir()
        names = [taken(spool, b"%d" % n, client=f"c{n}") for n in range(len(ages))]
        for name, (age, state) in zip(names, ages, strict=True):
            if state != "waiting":
                spool.finish(state, {name: {"a": 1}}, NOW - timedelta(days=age), ["s"])
        for _ in range(2):
            spool.forget(NOW, job_days, key_days)
        for name, (age, state) in zip(names, ages, strict=True):
            job = spool.find(name)
            if state == "sent" and age > job_days + key_days:
                assert job is None
                continue
            assert job is not None
            assert job.state == state
            told = state == "failed" or (state == "sent" and age <= job_days)
            assert (job.report is not None) == told
            assert job.shown()["report_removed"] == (state == "sent" and not told)
            assert job.submissions == (() if state == "waiting" else ("s",))


def test_a_key_is_the_same_job_after_its_report_is_gone_and_the_answer_says_so(
    world: World,
) -> None:
    named = {"Idempotency-Key": "k1"}
    job = world.call("POST", "/files/uke", body=b"1", headers=named).json["id"]
    world.gateway.jobs.finish("sent", {job: {"findings": []}}, NOW, ["s1"])
    assert world.call("GET", f"/jobs/{job}").json["report_removed"] is False
    later = NOW + timedelta(days=GatewayConfig().job_days, seconds=1)
    desk = Desk(world.gateway.desk.home, FixedClock(later), system_random)
    world.start(desk)
    world.gateway.round()
    again = world.call("POST", "/files/uke", body=b"1", headers=named)
    assert again.status_code == 200
    told = {"id": job, "state": "sent", "submissions": ["s1"], "report": None}
    assert again.json.items() >= (told | {"report_removed": True}).items()
    other = world.call("POST", "/files/uke", body=b"2", headers=named)
    assert (other.status_code, len(world.jobs())) == (409, 1)


def test_what_a_failed_job_would_overtake_is_known_as_long_as_that_job_is_there(
    spool: Jobs,
) -> None:
    before, old = settled(spool, b"0", "sent"), settled(spool, b"old", "failed")
    after = settled(spool, b"1", "sent")
    spool.forget(NOW + timedelta(days=9), 1, 1)
    assert spool.find(before) is None
    assert spool.find(after) is not None
    job = spool.find(old)
    assert job is not None
    with pytest.raises(UserError) as refused:
        spool.retry(job)
    assert refused.value.code == "gateway.overtakes"
    spool.drop(job)
    spool.forget(NOW + timedelta(days=9), 1, 1)
    assert spool.all() == []


def test_a_full_disk_refuses_a_file_and_ends_no_round(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.call("POST", "/files/uke", body=b"1")

    class Full(sqlite3.Connection):
        def execute(self, sql: str, given: Sequence[Any] = ()) -> sqlite3.Cursor:
            if sql == "BEGIN IMMEDIATE":
                raise sqlite3.OperationalError("database or disk is full")
            return super().execute(sql, given)

    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Full))
        assert world.call("POST", "/files/uke", body=b"2").status_code == 507
        world.gateway.round()
    assert [job["state"] for job in world.jobs()] == ["waiting"]
