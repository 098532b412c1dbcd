"""A choice stated at one operator's desk while another holds records, too; and its receipts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from runs import ROOT, Rehearsals, Run

from sekisho.body.flows.lists import LIST
from sekisho.body.flows.project import RECEIPT
from sekisho.body.receipts import Verified, verify_receipt
from sekisho.common.canonical import digest
from sekisho.common.errors import Refusal, SekishoError, TamperError
from sekisho.control.ledger import Entry, TileLog, TreeHead, origin_of
from sekisho.control.ledger.checkpoint import sign_head
from sekisho.exchange import jws
from sekisho.exchange.directory import Directory
from sekisho.exchange.keys import SigningKey
from sekisho.rehearsal.scenario import Scenario, read_scenario
from sekisho.rehearsal.verification import verify

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("elsewhere")]

APPLICATION = "pressure"
CHOSE = 5
"""Persons of the scenario who opt out; all are in the cohort."""
BOTH_OFF = ("holder-filter-off", "gate-filter-off")
Json = dict[str, Any]


def scenario(sync: str) -> Scenario:
    made = read_scenario(ROOT / "scenarios" / "opt-out-elsewhere.toml")
    return made.with_override("opt_out", "sync", sync)


@pytest.fixture(scope="module")
def shared(rehearsals: Rehearsals) -> Callable[[str], Run]:
    """Return sync → the scenario with that way to share choices."""
    return lambda sync: rehearsals.get(f"elsewhere-{sync}", lambda: scenario(sync))


@pytest.fixture(scope="module")
def unfiltered(rehearsals: Rehearsals) -> Run:
    return rehearsals.get("elsewhere-unfiltered", lambda: scenario("replicated"), faults=BOTH_OFF)


def receipt_of(folder: Path) -> Path:
    (found,) = folder.glob(f"bodies/*/documents/receipts/extract-{APPLICATION}.jws")
    return found


def measured(run: Run) -> tuple[int, int]:
    measures = run.report["measures"]
    assert run.report["failed"] == []
    return measures["used_after_opting_out"], measures["opt_out_unreached"]


def test_desks_that_share_nothing_leave_persons_used_after_they_opted_out(
    shared: Callable[[str], Run],
) -> None:
    used, unreached = measured(shared("none"))
    assert unreached == CHOSE  # each choice lacks the other of two holders
    assert 0 < used <= CHOSE
    alone, together = (
        shared(sync).report["projects"][APPLICATION]["counts"]["included"]
        for sync in ("none", "replicated")
    )
    assert alone - together == used  # they are the persons by whom the extract is larger


@pytest.mark.parametrize(
    "sync",
    [
        "replicated",
        pytest.param("lead", marks=pytest.mark.long),
        pytest.param("joint_registry", marks=pytest.mark.long),
    ],
)
def test_every_way_to_share_choices_ends_that_within_a_day(
    sync: str, shared: Callable[[str], Run]
) -> None:
    run = shared(sync)
    assert measured(run) == (0, 0)
    assert run.report["measures"]["opt_out_window_days"] == 1
    assert run.report["alarms"] == {}


def test_with_both_filters_off_the_third_body_finds_everyone_and_shuts_the_project(
    unfiltered: Run,
) -> None:
    found = unfiltered.report["countersigned"][APPLICATION]
    assert found == {"holds": False, "out": CHOSE, "partly": 0, "elsewhere": 0}
    assert unfiltered.report["projects"][APPLICATION]["state"] == "stopped"
    assert unfiltered.entries("extract.contradicted") == 1
    assert unfiltered.entries("gate.incident") == 0  # the gate itself saw nothing
    assert {one["code"] for body in unfiltered.report["alarms"].values() for one in body} == {
        "extract.opted-out-included"
    }
    with pytest.raises(Refusal) as refused:
        verify_receipt(receipt_of(unfiltered.folder).read_bytes(), unfiltered.folder)
    assert refused.value.code == "receipt.not-countersigned"


def test_a_sound_receipt_verifies_and_names_nobody(shared: Callable[[str], Run]) -> None:
    run = shared("replicated")
    found = verify_receipt(receipt_of(run.folder).read_bytes(), run.folder)
    assert isinstance(found, Verified)
    assert found.included == run.report["projects"][APPLICATION]["counts"]["included"]
    assert found.listed == CHOSE
    assert verify(run.folder).problems == ()


# A liar who has the environment's key, and even records what it forged


class Forger:
    """The environment with its key: signs another receipt and puts it into its own ledger."""

    def __init__(self, run: Run, folder: Path) -> None:
        self.folder = folder
        for name in ("directory.json", "rules", "bodies"):
            source = run.folder / name
            copy: Any = shutil.copytree if source.is_dir() else shutil.copyfile
            copy(source, folder / name)
        self.file = receipt_of(folder)
        self.home = self.file.parents[2]
        self.key = SigningKey.read(self.home / "keys" / "signing")
        self.resolve = Directory.read(folder / "directory.json").resolve
        self.receipt: Json = dict(jws.verify(self.file.read_text(), self.resolve, RECEIPT).payload)

    def judged(self, *, recorded: bool = True, **changed: Any) -> str:
        """Return the code with which the changed receipt is refused."""
        token = jws.sign({**self.receipt, **changed}, self.key, self.home.name, RECEIPT)
        if recorded:
            self.record(token)
        with pytest.raises(SekishoError) as refused:
            verify_receipt(token.encode(), self.folder)
        return refused.value.code

    def record(self, token: str) -> None:
        log = TileLog(self.home / "ledger")
        entries = [Entry.from_bytes(one) for one in log.entries()]
        made = [one for one in entries if one.kind == "extract.made"][-1]
        said = {**made.body, "receipt": digest(token.encode())}
        entry = Entry("extract.made", made.at, said).to_bytes()
        log.append([entry], self.seal)

    def seal(self, size: int, root: bytes) -> bytes:
        return sign_head(TreeHead(origin_of(self.home.name), size, root), self.key)

    def list_before(self, registry: str) -> Json:
        """Return what the receipt would say of the registry's list before the one that it used."""
        number = self.receipt["lists"][registry]["number"] - 1
        file = self.folder / "bodies" / registry / "documents" / "lists" / f"{number:08d}.jws"
        header = jws.verify(file.read_text(), self.resolve, LIST).payload
        said = {"number": number, "digest": header["digest"], "on": header["on"]}
        return {**said, "header": file.read_text()}


@pytest.fixture
def forger(shared: Callable[[str], Run], tmp_path: Path) -> Forger:
    return Forger(shared("replicated"), tmp_path)


def test_a_receipt_with_another_signature_or_byte_is_refused(forger: Forger) -> None:
    token = forger.file.read_bytes()
    for place in (10, len(token) // 2, len(token) - 3):
        other = b"A" if token[place : place + 1] != b"A" else b"B"
        with pytest.raises(TamperError):
            verify_receipt(token[:place] + other + token[place + 1 :], forger.folder)


def test_a_receipt_that_is_in_no_ledger_is_refused(forger: Forger) -> None:
    changed = {"counts": {**forger.receipt["counts"], "opted_out": 99}}
    assert forger.judged(recorded=False, **changed) == "receipt.not-in-ledger"


def test_a_receipt_of_another_permit_is_refused(forger: Forger) -> None:
    assert forger.judged(permit="0" * 64) == "receipt.differs"


def test_a_receipt_on_a_stale_list_is_refused(forger: Forger) -> None:
    registry = sorted(forger.receipt["lists"])[0]
    lists = {**forger.receipt["lists"], registry: forger.list_before(registry)}
    assert forger.judged(lists=lists) in {"opt-out.stale", "opt-out.below-minimum"}


def test_a_receipt_made_on_a_later_day_than_its_lists_allow_is_refused(forger: Forger) -> None:
    assert forger.judged(made_on="2026-05-20") == "opt-out.stale"


def test_a_receipt_with_a_list_that_its_registry_never_made_is_refused(forger: Forger) -> None:
    registry = sorted(forger.receipt["lists"])[0]
    said = forger.receipt["lists"][registry]
    header = {**jws.verify(said["header"], forger.resolve, LIST).payload}
    forged = jws.sign(header, forger.key, forger.home.name, LIST)
    other = next(one for one in sorted(forger.receipt["lists"]) if one != forger.home.name)
    lists = {**forger.receipt["lists"], other: {**said, "header": forged}}
    assert forger.judged(lists=lists) == "receipt.differs"


def test_a_receipt_that_says_other_than_its_holders_signed_is_refused(forger: Forger) -> None:
    name, part = sorted(forger.receipt["parts"].items())[0]
    parts = {**forger.receipt["parts"], name: {**part, "dropped": part["dropped"] + 1}}
    assert forger.judged(parts=parts) == "receipt.differs"


def test_a_countersignature_is_of_one_receipt(forger: Forger) -> None:
    counts = {**forger.receipt["counts"], "outside_cohort": 0}
    assert forger.judged(counts=counts) == "receipt.differs"
