"""Bad files and rude messages: each is told with file and line, the rest lands, nothing is lost.

The files carry canaries (names, numbers, texts) in every malformed place: none of them comes to a
body's log, database, ledger or problem document (promise 9).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from runs import ROOT, Rehearsals, Run
from searching import search

from sekisho.exchange import parcel, seal
from sekisho.provider import EXPLANATIONS
from sekisho.rehearsal import cast
from sekisho.rehearsal.play import Play
from sekisho.rehearsal.scenario import read_scenario
from sekisho.rehearsal.verification import verify
from submissions import condition, laboratory, ndjson, patient, receipt, uke

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("bad-input")]

HOSPITAL, CLINIC, EMPTY = "1310000001", "1311234567", "1410000003"
CANARIES = (
    *("Canaryfamily", "Canarygiven", "Canarytext", "Canarynote", "カナリア", "山田カナリア"),
    *("canary-id-1", "CanaryZebra", "canary-1980-05-17", "999-77-1234", "999771234", "CANARY55"),
)


def write_files(folder: Path) -> None:
    """Write a hospital's and a clinic's files, good and bad, and those of one with nothing."""
    for name in ("hospital", "clinic", "empty"):
        (folder / name).mkdir()
    hospital = folder / "hospital"
    ndjson(
        hospital / "good.ndjson",
        *(patient(n) for n in (1, 2, 3)),
        *(condition(n, n) for n in (1, 2, 3)),
        laboratory(1, 1),
        laboratory(2, 2, valueQuantity={"value": "CANARY55"}),
        patient(4, identifier=[{"system": "urn:other", "value": "999-77-1234"}]),
    )
    cut = ndjson(hospital / "truncated.ndjson", condition(11, 1))
    cut.write_bytes(cut.read_bytes() + b'{"resourceType":"Condition","id":"canary-id-1","subj')
    broken = json.dumps(condition(99)).encode().replace(b"Canarytext", b"Canarytext\x83\x41")
    ndjson(hospital / "encoding.ndjson", condition(12, 1), broken)
    zebra = {"resourceType": "CanaryZebra", "id": "canary-id-1"}
    ndjson(hospital / "unknown.ndjson", zebra, condition(13, 2))
    # the name of a file may hold a person's: it stays at the provider
    ndjson(hospital / "山田カナリア.ndjson", condition(14, subject={"display": "Canaryfamily"}))
    again = {"coding": [{"system": "http://snomed.info/sct", "code": "38341003"}]}
    ndjson(hospital / "twice.ndjson", condition(15, 1), condition(15, 1, code=again))
    ndjson(
        hospital / "dates.ndjson",
        condition(16, 1, onsetDateTime="9999-12-31"),
        condition(17, 1, onsetDateTime="canary-1980-05-17"),
        condition(18, 77),
    )
    (hospital / "zero.ndjson").touch()
    clinic = folder / "clinic"
    good = receipt(1, "SY,8833421,20260301,1,,,01,", "ZZ,CANARY55", "SY,8833421,99991231,1,,,,")
    uke(clinic / "good.UKE", good, receipt(2, "SY,2500015,20260301,1,,,01,"))
    uke(clinic / "cut.UKE", receipt(3, month="202602"), go="")
    utf8 = uke(clinic / "utf8.UKE", receipt(4, month="202601"))
    utf8.write_bytes(utf8.read_bytes().decode("cp932").encode())
    (folder / "empty" / "zero.ndjson").touch()


def write_scenario(folder: Path, more: str = "") -> Path:
    lines = ['framework = "2-1"', "start = 2026-04-01", "seed = 3"]
    for code, operator in ((HOSPITAL, "alpha"), (CLINIC, "beta"), (EMPTY, "beta")):
        lines += ["[[provider]]", f'code = "{code}"', 'name = "X"', f'operator = "{operator}"']
    for code, kind, files in (
        (HOSPITAL, "fhir-ndjson", "hospital/*.ndjson"),
        (CLINIC, "uke", "clinic/*.UKE"),
        (EMPTY, "fhir-ndjson", "empty/*.ndjson"),
    ):
        lines += ["[[submission]]", f'provider = "{code}"', "day = 0"]
        lines += [f'format = "{kind}"', f'files = ["{files}"]']
    for day in (1, 2, 3):
        who = f'system = "http://hl7.org/fhir/sid/us-ssn", value = "999-00-000{day}"'
        lines += ["[[opt_out]]", f"day = {day}", 'scope = "all"', f"person = {{ {who} }}"]
    path = folder / "bad.toml"
    path.write_text("\n".join(lines) + f"\n{more}\n", "utf-8")
    return path


class Rude(Play):
    """Sends what no honest program sends, properly signed, before and after the real messages."""

    def choose(self, choice: Any) -> None:
        desk = self.record.choices[0]["desk"] if self.record.choices else self._desk()
        history = self.stage.deployment.directory.find(self.framework.with_role("history")[0])
        sealed = seal.seal(b'{"insured": "CANARY55"}', history.seal_recipient or "")
        for form, scope in (
            (sealed.hex(), "all"),
            (sealed.hex(), "all カナリア"),
            (sealed.hex(), "data:山田カナリア"),
        ):
            stated = {"scope": scope, "revoke": False, "form": form}
            self.stage.tell(cast.DESK, desk, "opt_out/choice", stated)
        self.stage.tell(cast.DESK, desk, "opt_out/choice", b'{"scope": "Canaryfamily')
        super().choose(choice)

    def submit(self, sent: Any) -> None:
        for message in (
            b"Canaryfamily",
            parcel.pack({"name": "Canaryfamily"}, []),
            parcel.pack({"submission": "x", "bodies": [], "reasons": ["Canaryfamily"]}, [b"x"]),
            parcel.pack({"submission": "x", "bodies": [], "reasons": []}, [b"Canaryfamily"]),
        ):
            for room in ("collection/submission", "conversion/batch"):
                body = self._desk() if room.startswith("coll") else self._converter()
                self.stage.tell(sent.provider, body, room, message, content_type=parcel.MEDIA_TYPE)
        super().submit(sent)

    def _desk(self) -> str:
        from sekisho.framework import desks

        return desks(self.framework)[0]

    def _converter(self) -> str:
        return self.framework.with_role("converter")[0]


class NoForm(Play):
    """A desk's program that hands in a form which is none."""

    def choose(self, choice: Any) -> None:
        super().choose(choice)
        stated = {"scope": "all", "revoke": False, "form": "not a sealed form"}
        self.stage.tell(cast.DESK, self.record.choices[0]["desk"], "opt_out/choice", stated)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("bad")
    write_files(made)
    write_scenario(made)
    return made


@pytest.fixture(scope="module")
def run(rehearsals: Rehearsals, folder: Path) -> Run:
    return rehearsals.get("bad-input", lambda: read_scenario(folder / "bad.toml"))


@pytest.fixture(scope="module")
def rude(rehearsals: Rehearsals, folder: Path) -> Run:
    return rehearsals.get("rude", lambda: read_scenario(folder / "bad.toml"), play=Rude)


both = pytest.mark.parametrize("which", ["run", "rude"])


def _findings(run: Run, code: str, kind: str) -> set[tuple[str, int, str]]:
    (report,) = (run.folder / "providers" / code).glob(f"quality-{kind}-*.json")
    found = [
        one for one in json.loads(report.read_bytes())["problems"] if one["code"] in EXPLANATIONS
    ]
    assert all(one["title"]["ja"] and one["mend"]["en"] for one in found)
    return {(at["file"], at["line"], one["code"]) for one in found for at in one["places"]}


def test_every_finding_names_file_and_line(run: Run) -> None:
    assert _findings(run, HOSPITAL, "fhir-ndjson") == {
        ("good.ndjson", 9, "person.no-identifier"),
        ("truncated.ndjson", 2, "json.truncated"),
        ("encoding.ndjson", 2, "line.encoding"),
        ("山田カナリア.ndjson", 1, "person.no-subject"),
        ("dates.ndjson", 1, "date.impossible"),
        ("dates.ndjson", 2, "date.impossible"),
        ("dates.ndjson", 3, "person.unknown"),
        ("zero.ndjson", 0, "file.empty"),
        ("good.ndjson", 8, "fhir.shape"),
    }
    found = _findings(run, CLINIC, "uke")
    assert ("cut.UKE", 4, "uke.go-missing") in found
    assert ("good.UKE", 7, "date.impossible") in found
    assert {file for file, _, _ in found} == {"cut.UKE", "good.UKE", "utf8.UKE"}


@both
def test_the_rest_lands_and_the_balance_holds(request: Any, which: str) -> None:
    one: Run = request.getfixturevalue(which)
    lines = [line for receipt in one.receipts() for line in receipt["balance"]]
    for line in lines:
        became = ("landed", "quarantined", "refused", "superseded", "set_aside")
        assert line["sent"] == sum(line[name] for name in became)
    counted = {line["record_type"]: line for line in lines if line["data_class"] == "basic"}
    # 1, 2, 3, 11, 12, 13 and the later 15 land; 14, 16, 17 and 18 are refused
    assert counted["Condition"]["landed"] == 7
    assert counted["Condition"]["superseded"] == 1
    assert counted["Condition"]["refused"] == 4
    assert counted["Condition"]["sent"] == 12
    assert counted["Patient"]["landed"] == 3
    assert counted["SY"]["landed"] == 2
    for kind in ("other", "ZZ"):  # what no reader knows
        assert sum(line["set_aside"] for line in lines if line["record_type"] == kind) == 1


@both
def test_a_provider_with_nothing_to_read_is_told_and_stops_nobody(request: Any, which: str) -> None:
    one: Run = request.getfixturevalue(which)
    (told,) = (s for s in one.report["submissions"] if s["provider"] == EMPTY)
    assert told["error"] == "submission.nothing-readable"
    assert {receipt["provider"] for receipt in one.receipts()} == {HOSPITAL, CLINIC}
    assert verify(one.folder).problems == ()


def test_bad_files_are_no_failure_of_ours(run: Run) -> None:
    assert run.report["failed"] == []
    assert run.report["refused"] == {}


def test_malformed_messages_are_no_failure_of_ours(rude: Run) -> None:
    assert rude.report["failed"] == []


def test_malformed_messages_are_refused_with_a_reason(rude: Run) -> None:
    codes = Counter(
        one["type"].rpartition(":")[2]
        for problems in rude.report["refused"].values()
        for one in problems
    )
    assert codes["parcel.malformed"] >= 3
    assert codes["opt-out.scope"] == 2 * 3  # on each of three days
    assert codes["opt-out.form"] == 3  # on each of three days: not JSON at all


def test_a_form_that_nobody_can_read_holds_up_no_choice(rude: Run) -> None:
    assert _listed(rude) == 3  # each goes out with the day after it was stated


def test_a_form_that_is_none_holds_up_no_choice(rehearsals: Rehearsals, folder: Path) -> None:
    run = rehearsals.get("no-form", lambda: read_scenario(folder / "bad.toml"), play=NoForm)
    assert run.report["failed"] == []
    assert _listed(run) == 3


def _listed(run: Run) -> int:
    """Return how many persons are on the newest list."""
    (issued,) = (one["issued"] for one in run.report["lists"].values() if one["issued"])
    return int(issued["count"])


def test_no_canary_of_bad_files_comes_to_a_body(run: Run) -> None:
    assert search(run.folder, CANARIES) == {}


def test_no_canary_of_rude_messages_comes_to_a_log_or_a_problem(rude: Run) -> None:
    found = search(rude.folder, CANARIES)
    # a message that failed waits in the spool as it came, for whoever mends it
    assert {place: texts for place, texts in found.items() if "/spool/in/" not in place} == {}


def test_the_canaries_were_there(run: Run, folder: Path) -> None:
    read = [file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()]
    texts = b"\n".join(read) + str(sorted(folder.rglob("*"))).encode()
    texts += texts.decode("cp932", "ignore").encode() + b"999771234"
    for canary in CANARIES:
        assert canary.encode() in texts, canary


# On the command line: what can be known before anything runs


def _sekisho(*given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sekisho", *given],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "300"},
    )


Spoil = Callable[[str], str]
WRONG: dict[str, tuple[Spoil, str, str]] = {
    "unknown key": (lambda t: t + 'colour = "red"\n', "colour", "toml.invalid"),
    "unknown key in a table": (
        lambda t: t.replace("day = 0", "day = 0\nweekday = 3", 1),
        "weekday",
        "toml.invalid",
    ),
    "a folder": (lambda t: t.replace("clinic/*.UKE", "clinic"), "clinic", "scenario.folder"),
    "a missing file": (lambda t: t.replace("clinic/*.UKE", "no.UKE"), "no.UKE", "scenario.no-file"),
    "no TOML": (lambda t: t + "[[[", "TOML", "toml.syntax"),
    "an unknown provider": (
        lambda t: t.replace(f'provider = "{EMPTY}"', 'provider = "9999999999"'),
        "9999999999",
        "scenario.no-provider",
    ),
    "an unknown framework": (
        lambda t: t.replace('framework = "2-1"', 'framework = "9"'),
        "9",
        "framework.not-found",
    ),
    "a date of no calendar": (
        lambda t: t.replace("2026-04-01", '"9999-99-99"'),
        "start",
        "toml.invalid",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_scenario_is_refused_with_its_line(folder: Path, tmp_path: Path, case: str) -> None:
    spoil, named, code = WRONG[case]
    text = (folder / "bad.toml").read_text("utf-8")
    wrong = folder / f"{case.replace(' ', '-')}.toml"
    wrong.write_text(spoil(text), "utf-8")
    ended = _sekisho("run", str(wrong), "--out", str(tmp_path / "out"))
    assert ended.returncode == 2
    assert code in ended.stderr
    assert named in ended.stderr
    assert "Traceback" not in ended.stderr
    if code not in ("framework.not-found", "toml.syntax"):
        assert f"{wrong}:" in ended.stderr


def test_a_scenario_that_is_a_folder_or_not_text_is_refused(tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    ended = _sekisho("run", str(tmp_path), "--out", out)
    assert (ended.returncode, "scenario.folder" in ended.stderr) == (2, True)
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe\x00")
    ended = _sekisho("run", str(tmp_path / "x.toml"), "--out", out)
    assert (ended.returncode, "file.unreadable" in ended.stderr) == (2, True)
    ended = _sekisho("run", str(tmp_path / "none.toml"), "--out", out)
    assert (ended.returncode, "scenario.not-found" in ended.stderr) == (2, True)


def test_a_run_does_not_write_into_a_folder_that_has_something(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine").touch()
    ended = _sekisho("run", str(folder / "bad.toml"), "--out", str(tmp_path))
    assert (ended.returncode, "rehearsal.out-not-empty" in ended.stderr) == (2, True)
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]
