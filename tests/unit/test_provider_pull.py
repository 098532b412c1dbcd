"""Pull: an export to the specification, through every fault, once and with nothing skipped."""

from __future__ import annotations

import gzip
import json
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from joserfc.jwk import ECKey, RSAKey
from msgspec import structs

from bulk_server import LATER_TIME, TIME, BulkServer, lines_of, serving
from provider_world import CODE, placed
from sekisho.common.errors import PeerError, Refusal, UserError
from sekisho.common.randomness import system_random
from sekisho.common.secretfile import write_secret
from sekisho.provider.pull import Export, Pulls, Source, Web, read_sources
from sekisho.provider.pull.config import SignIn
from sekisho.provider.pull.manifest import deletions
from sekisho.provider.pull.web import backoff, retry_after
from submissions import condition, laboratory, patient

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@dataclass
class Machine:
    """A clock that stands until somebody waits; what was waited is remembered."""

    at: datetime = NOW
    waited: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.at

    def pause(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.at += timedelta(seconds=seconds)


@dataclass
class Hospital:
    """A server, and the provider that pulls from it."""

    server: BulkServer
    folder: Path
    machine: Machine = field(default_factory=Machine)
    submitted: list[list[bytes]] = field(default_factory=list)
    refuse: int = 0
    options: dict[str, Any] = field(default_factory=dict)

    def export(self) -> Export:
        """Return the pull as a program that has just been started has it."""
        source = Source(name="his", base=f"{self.server.url}/fhir", **self.options)
        web = Web(source, self.folder, self.machine, system_random, self.machine.pause)
        return Export(source, web, self.folder / "pull" / "his", self._submit, self.machine)

    def _submit(self, files: Sequence[Path], format_id: str) -> dict[str, Any]:
        assert format_id == "fhir-ndjson"
        if self.refuse:
            self.refuse -= 1
            raise PeerError("peer.unreachable", "Nobody answers.")
        data = [line for file in files for line in file.read_bytes().splitlines() if line]
        if data == [b"bad"]:
            raise UserError("submission.nothing-readable", "Nothing can be sent.")
        if data not in self.submitted:
            self.submitted.append(data)
        return {"files": len(files)}


PEOPLE = lines_of(patient(1), patient(2))
FACTS = lines_of(laboratory(1, 1), laboratory(2, 2))


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Hospital]:
    files = [("output", "Patient", PEOPLE), ("output", "Observation", FACTS)]
    with serving(BulkServer(files)) as server:
        yield Hospital(server, tmp_path)


def codes(report: Any) -> list[tuple[str, int, int]]:
    return [(one.code, one.file, one.count) for one in report.problems]


def test_an_export_is_asked_for_waited_for_fetched_handed_over_and_released(
    hospital: Hospital,
) -> None:
    hospital.options = {"types": ("Patient", "Observation"), "level": "group", "group": "g1"}
    report = hospital.export().run()
    assert hospital.submitted == [PEOPLE + FACTS]
    assert (report.files, report.resources, report.problems) == (2, 4, ())
    [kicked] = hospital.server.kicked
    assert kicked["path"] == "/fhir/Group/g1/$export"
    assert kicked["_outputFormat"] == "application/fhir+ndjson"
    assert "_since" not in kicked
    assert hospital.server.jobs == {"/job/1": "deleted"}
    # As the server said first, then our own.
    assert hospital.machine.waited == [120, 2.0]
    assert not (hospital.folder / "pull" / "his" / "files").exists()


def test_the_next_export_begins_at_the_servers_own_time(hospital: Hospital) -> None:
    hospital.export().run()
    assert not hospital.export().due()
    hospital.machine.at += timedelta(hours=24)
    assert hospital.export().due()
    changed = lines_of(laboratory(3, 2))
    hospital.server.files = [("output", "Observation", changed)]
    hospital.server.time = LATER_TIME
    report = hospital.export().run()
    assert hospital.server.kicked[1]["_since"] == TIME
    assert report.since == LATER_TIME
    # The record's Patient did not change: it is known from the first export.
    assert hospital.submitted[1] == [PEOPLE[1], *changed]
    kept = hospital.folder / "pull" / "his" / "patients.db"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


@pytest.mark.parametrize("fault", ["429", "503", "500"])
def test_a_server_that_is_busy_is_asked_again_when_it_wants(hospital: Hospital, fault: str) -> None:
    hospital.server.faults = {fault: 3}
    assert hospital.export().run().problems == ()
    if fault == "500":
        assert hospital.machine.waited[:3] == [1.0, 2.0, 4.0]
    else:
        assert hospital.machine.waited[:3] == [7.0, 7.0, 7.0]


def test_a_server_that_stays_away_ends_the_run_and_the_next_goes_on(hospital: Hospital) -> None:
    hospital.server.polls = 0
    hospital.server.faults = {"503": 6}
    with pytest.raises(PeerError) as away:
        hospital.export().run()
    assert away.value.code == "pull.server-away"
    assert hospital.export().run().problems == ()
    assert len(hospital.server.kicked) == 1


@pytest.mark.parametrize("stop", range(1, 12))
def test_a_program_ended_at_any_request_goes_on_and_hands_over_once(
    hospital: Hospital, stop: int
) -> None:
    export = hospital.export()
    real, left = export.web._once, [stop]

    def cut(*args: Any, **more: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise SystemExit
        return real(*args, **more)

    export.web._once = cut  # type: ignore[method-assign]
    ended = False
    try:
        export.run()
    except SystemExit:
        ended = True
    if ended:
        hospital.export().run()
    assert hospital.submitted == [PEOPLE + FACTS]
    assert "running" not in hospital.server.jobs.values()
    # Only a kick-off that was cut off is asked for again: nobody knows its address.
    assert len(hospital.server.kicked) == 1


def test_while_the_bodies_are_away_the_files_wait(hospital: Hospital) -> None:
    hospital.refuse = 1
    with pytest.raises(PeerError):
        hospital.export().run()
    fetched = sum(path.startswith("/open/") for _, path in hospital.server.asked)
    hospital.export().run()
    assert hospital.submitted == [PEOPLE + FACTS]
    assert sum(path.startswith("/open/") for _, path in hospital.server.asked) == fetched


def test_a_cut_file_is_fetched_again_and_reported_if_it_stays_so(hospital: Hospital) -> None:
    hospital.server.faults = {"cut-1": 1}
    assert hospital.export().run().problems == ()
    hospital.machine.at += timedelta(hours=24)
    hospital.server.faults = {"cut-1": 2}
    hospital.server.time = LATER_TIME
    report = hospital.export().run()
    assert codes(report) == [("pull.cut", 1, 1), ("pull.unreadable", 1, 1)]
    assert report.since == TIME  # nothing is skipped: the next export asks for it again


def test_a_wrong_count_a_missing_file_and_an_error_file_keep_the_time_where_it_was(
    hospital: Hospital,
) -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]}
    told = {"resourceType": "OperationOutcome", "issue": [{"severity": "information"}]}
    hospital.server.files += [
        ("output", "Condition", lines_of(condition(1, 1))),
        ("error", "OperationOutcome", lines_of(outcome, told)),
    ]
    hospital.server.counts = {1: 5}
    hospital.server.faults = {"missing-2": 1}
    report = hospital.export().run()
    assert codes(report) == [
        ("pull.count", 1, 3),
        ("pull.error-file", 3, 1),
        ("pull.file-missing", 2, 1),
    ]
    assert report.since is None
    assert hospital.submitted == [PEOPLE + FACTS]  # what came goes on
    hospital.machine.at += timedelta(hours=24)
    hospital.server.counts = {}
    hospital.server.files.pop()
    assert hospital.export().run().since == TIME
    assert "_since" not in hospital.server.kicked[1]


def test_an_error_in_the_place_of_data_is_no_data(hospital: Hospital) -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]}
    hospital.server.files[1] = ("output", "Observation", lines_of(outcome, laboratory(1, 1)))
    report = hospital.export().run()
    assert codes(report) == [("pull.error-in-file", 1, 1)]


def test_deletions_are_handed_over_and_a_deleted_patient_is_forgotten(hospital: Hospital) -> None:
    hospital.export().run()
    hospital.machine.at += timedelta(hours=24)
    gone = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"request": {"method": "DELETE", "url": "Patient/p2"}},
            {"request": {"method": "DELETE", "url": "Observation/o1"}},
        ],
    }
    hospital.server.files = [
        ("deleted", "Bundle", lines_of(gone)),
        ("output", "Observation", lines_of(laboratory(9, 2))),
    ]
    report = hospital.export().run()
    assert report.deleted == 2
    assert hospital.submitted[1] == lines_of(gone, laboratory(9, 2))


def test_an_export_that_the_server_refuses_or_forgets_is_told_and_begun_anew(
    hospital: Hospital,
) -> None:
    hospital.server.faults = {"refuse": 1}
    with pytest.raises(PeerError) as refused:
        hospital.export().run()
    assert refused.value.code == "pull.refused"
    hospital.server.polls = 1
    hospital.machine.pause = lambda seconds: hospital.server.jobs.clear()  # type: ignore[method-assign]
    with pytest.raises(PeerError) as expired:
        hospital.export().run()
    assert expired.value.code == "pull.expired"
    del hospital.machine.pause
    assert hospital.export().run().problems == ()


def test_an_export_that_is_never_ready_is_given_up_and_released(hospital: Hospital) -> None:
    hospital.server.polls = 10**6
    hospital.options = {"patience_hours": 1}
    with pytest.raises(PeerError) as late:
        hospital.export().run()
    assert late.value.code == "pull.too-long"
    assert hospital.server.jobs == {"/job/1": "deleted"}
    assert len(hospital.machine.waited) < 40  # the longer it takes, the rarer it is asked


def test_what_no_body_can_use_is_reported_and_does_not_block(hospital: Hospital) -> None:
    hospital.server.files = [("output", "", [b"bad"])]
    report = hospital.export().run()
    assert ("pull.not-submitted", 0, 1) in codes(report)
    assert report.since is None


# Sign-in


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_signed_in_by_a_signed_assertion_and_again_when_a_token_has_expired(
    tmp_path: Path, algorithm: str
) -> None:
    made: ECKey | RSAKey = (
        ECKey.generate_key("P-384") if algorithm == "ES384" else RSAKey.generate_key(2048)
    )
    write_secret(tmp_path / "keys" / "pull", orjson.dumps(made.as_dict(private=True)))
    sign_in = SignIn(client_id="gateway", key="keys/pull", key_id="k1", algorithm=algorithm)  # type: ignore[arg-type]
    files = [("output", "Patient", PEOPLE)]
    with serving(BulkServer(files, key=made, faults={"expired": 1})) as server:
        hospital = Hospital(server, tmp_path, options={"sign_in": sign_in})
        assert hospital.export().run().problems == ()
        # One after the expired one, one because the first wait was longer than a token holds.
        assert server.tokens >= 2
        assert all(path.startswith("/file/") for m, path in server.asked if "/file" in path)
        assert hospital.submitted == [PEOPLE]


def test_a_server_that_does_not_let_us_in_is_a_refusal(tmp_path: Path) -> None:
    made = ECKey.generate_key("P-384")
    write_secret(tmp_path / "keys" / "pull", orjson.dumps(made.as_dict(private=True)))
    sign_in = SignIn(client_id="stranger", key="keys/pull", key_id="k1")
    with serving(BulkServer([], key=made)) as server:
        hospital = Hospital(server, tmp_path, options={"sign_in": sign_in})
        with pytest.raises(Refusal) as refused:
            hospital.export().run()
        assert refused.value.code == "pull.sign-in"


def test_neither_a_token_nor_a_file_goes_to_another_host(hospital: Hospital) -> None:
    hospital.server.file_host = "http://127.0.0.1:9"
    with pytest.raises(Refusal) as refused:
        hospital.export().run()
    assert refused.value.code == "pull.other-host"
    assert "127.0.0.1" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        'name = "a"\nbase = "http://example.org/fhir"',
        'name = "a"\nbase = "https://example.org/fhir/"',
        'name = "a"\nbase = "https://example.org"\nlevel = "group"',
        'name = "a"\nbase = "https://example.org"\nlevel = "group"\ngroup = "a/../b"',
    ],
)
def test_a_source_that_is_not_safe_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "pull.toml").write_text(f"[[source]]\n{text}\n")
    with pytest.raises(UserError):
        read_sources(tmp_path)


def test_waiting_follows_the_server_and_grows() -> None:
    assert retry_after({"Retry-After": "120"}, NOW) == 120
    assert retry_after({"Retry-After": "Mon, 01 Jun 2026 00:01:00 GMT"}, NOW) == 60
    assert retry_after({"Retry-After": "soon"}, NOW) is None
    assert [backoff(n, None) for n in (1, 2, 3, 20)] == [1, 2, 4, 300]
    assert backoff(1, 30) == 30


# As the collecting body wants it


def test_a_body_that_collects_by_pull_says_how_often_and_one_that_does_not_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = placed(tmp_path, monkeypatch, "1")
    assert Pulls(place.desk(), ()).wanted() is None
    for service in place.town.services.values():
        fw = service.body.framework
        by_pull = structs.replace(fw, open=structs.replace(fw.open, mode="pull"))
        service.body = replace(service.body, framework=by_pull)
    assert Pulls(place.desk(), ()).wanted() == 24
    rule = place.town.folder / "rules" / "pull.toml"
    own = f'[[provider]]\ncode = "{CODE}"\nevery_hours = 168\n'
    rule.write_text(rule.read_text() + own)
    assert Pulls(place.desk(), ()).wanted() == 168


def test_what_the_body_wants_goes_before_the_providers_own_time(hospital: Hospital) -> None:
    hospital.options = {"every_hours": 24}
    hospital.export().run()
    hospital.machine.at += timedelta(hours=24)
    assert hospital.export().due()
    assert not hospital.export().due(every_hours=168)
    hospital.machine.at += timedelta(hours=144)
    assert hospital.export().due(every_hours=168)


def test_what_is_pulled_lands_and_a_server_that_is_away_hinders_no_other(
    hospital: Hospital, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = placed(tmp_path, monkeypatch, "1")
    away = Source(name="away", base="http://127.0.0.1:9/fhir", attempts=1)
    there = Source(name="his", base=f"{hospital.server.url}/fhir")
    hospital.server.polls = 0
    found = list(Pulls(place.desk(), (away, there), lambda seconds: None).run())
    place.town.settle()
    assert [one.error.code if one.error else None for one in found] == ["pull.server-away", None]
    assert found[1].report is not None
    assert found[1].report.problems == ()
    assert len(place.town.entries("national", "submission.landed")) == 1
    # Its time has not come again; the other is tried anew.
    again = list(Pulls(place.desk(), (away, there), lambda seconds: None).run())
    assert [one.source for one in again] == ["away"]


# What others exported


def test_the_incomplete_export_of_others_is_reported_and_not_crashed_on(
    hospital: Hospital, testdata: Path
) -> None:
    """Observation is missing, and the log's count of files (0) is not that of the files."""
    folder = testdata / "bulk-fhir-10-patients"
    files = []
    expected = 0
    for file in sorted(folder.glob("[A-Z]*.ndjson.gz")):
        data = gzip.decompress(file.read_bytes()).splitlines()
        files.append(("output", file.name.partition(".")[0], data))
        expected += len(data)
    files.append(("output", "Observation", []))
    log = [
        json.loads(x) for x in gzip.decompress((folder / "log.ndjson.gz").read_bytes()).splitlines()
    ]
    said = next(one for one in log if one["eventId"] == "manifest_complete")["eventDetail"]
    hospital.server.files = files
    hospital.server.counts = {len(files) - 1: 7, 0: said["totalOutputFileCount"]}
    hospital.server.faults = {f"missing-{len(files) - 1}": 1}
    report = hospital.export().run()
    assert codes(report) == [
        ("pull.count", 0, len(files[0][2])),
        ("pull.file-missing", len(files) - 1, 1),
    ]
    assert report.resources == expected
    assert report.since is None


def test_deletions_of_any_shape_are_read(tmp_path: Path) -> None:
    file = tmp_path / "d"
    file.write_bytes(
        b'{"entry": [{"request": {"method": "DELETE", "url": "https://x/fhir/Patient/1"}}]}\n'
        b'{"entry": [{"request": {"method": "PUT", "url": "Patient/2"}}, 7]}\n[]\n{broken\n'
    )
    assert deletions(file) == {"Patient/1"}
