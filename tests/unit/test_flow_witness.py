"""Witnesses of ledgers in running bodies: what only grew is co-signed, else an alarm."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from memory_town import ROOT, START, MemoryTown, fast_write
from sekisho.body.flows import alarms, witness
from sekisho.body.ports import Incoming
from sekisho.common.errors import PeerError, TamperError
from sekisho.common.ids import new_id
from sekisho.common.randomness import system_random
from sekisho.control.ledger import (
    Ledger,
    MemoryPending,
    origin_of,
    read_cosigned,
    verify_ledger,
)
from sekisho.framework import framework_files, load

BODY = "alpha"


@pytest.fixture
def town(tmp_path: Path) -> MemoryTown:
    made = MemoryTown(ROOT / "frameworks" / "2-1.toml", tmp_path)
    made.begin(START)
    made.begin()
    made.begin()
    return made


def oversight(town: MemoryTown) -> str:
    return town.framework.with_role("oversight")[0]


def cosigned(town: MemoryTown, name: str) -> int:
    """Return how far the witness of a body has co-signed what lies beside its ledger."""
    body = town.body(name)
    by = witness.witness_for(town.framework, name)
    found = read_cosigned(
        body.ledger.log.files,
        origin_of(name),
        body.keys.signing.public,
        by,
        town.body(by).keys.signing.public,
    )
    assert found is not None
    return found.head.size


def standing(town: MemoryTown) -> list[str]:
    return [one["code"] for one in alarms.shown(town.body(oversight(town))) if not one["cleared"]]


def rewritten(town: MemoryTown, entries: list[bytes]) -> None:
    """Let a body replace its whole ledger by another, signed with its own key."""
    body = town.body(BODY)
    shutil.rmtree(body.folders.ledger)
    store = MemoryPending()
    for entry in entries:
        store.stage(entry)
    key = body.keys.signing
    Ledger(body.folders.ledger, origin_of(BODY), key, store, write=fast_write).integrate()


@pytest.mark.parametrize("file", framework_files(ROOT), ids=lambda file: file.stem)
def test_every_body_of_every_framework_has_one_witness_that_is_another(file: Path) -> None:
    framework = load(file, ROOT)
    every = [one.id for one in framework.body]
    seen = [b for w in every for b in witness.witnessed_by(framework, w)]
    assert sorted(seen) == sorted(every)
    for body in every:
        assert witness.witness_for(framework, body) != body


def test_every_ledger_is_co_signed_daily_and_says_so(town: MemoryTown) -> None:
    first = {name: cosigned(town, name) for name in town.services}
    town.begin()
    for name, before in first.items():
        assert cosigned(town, name) >= before
    assert cosigned(town, oversight(town)) > first[oversight(town)]
    said = town.entries(oversight(town), "ledger.cosigned")
    assert set(said[0]["sizes"]) == set(town.services) - {oversight(town)}
    assert standing(town) == []


def test_what_did_not_grow_is_not_signed_again(town: MemoryTown) -> None:
    body = town.body(oversight(town))
    quiet = witness.daily(body)
    town.settle()
    told = {out.to for out in quiet.send}
    assert "history" not in told


def test_a_late_co_signature_or_a_strangers_is_not_kept(town: MemoryTown) -> None:
    body = town.body(BODY)
    file = body.folders.ledger / "cosigned" / oversight(town)
    early = file.read_bytes()
    town.begin()
    latest = file.read_bytes()
    for sender in (oversight(town), "beta"):
        peer = town.deployment.directory.find(BODY)
        town.services[sender].body.client.post(peer, "/exchange/status/cosigned", early)
        town.settle()
        assert file.read_bytes() == latest
    refused = [one["code"] for one in town.entries(BODY, "message.refused")]
    assert refused == ["ledger.other-witness"]


def test_another_history_raises_an_alarm_and_gets_no_co_signature(town: MemoryTown) -> None:
    """Edited, deleted, reordered, truncated and forked; the true ledger put back clears it."""
    body, witnessing = town.body(BODY), town.body(oversight(town))
    true, before = list(body.ledger.log.entries()), cosigned(town, BODY)
    assert len(true) >= before >= 2
    histories = {
        "edited": [true[1], *true[1:]],
        "deleted": [*true[1:], true[0], true[0]],
        "reordered": [true[1], true[0], *true[2:]],
        "truncated": true[: before - 1],
        "forked": [*true[: before - 1], true[0], true[0]],
    }
    saved = town.folder / "saved"
    shutil.copytree(body.folders.ledger, saved)
    for name, entries in histories.items():
        rewritten(town, entries)
        key = body.keys.signing.public
        assert verify_ledger(body.folders.ledger, origin_of(BODY), key) == [], name
        visit(town)
        finding = "rollback" if name == "truncated" else "fork"
        assert standing(town) == [f"ledger.{finding}"], name
        said = town.entries(oversight(town), "ledger.other-history")[-1]
        assert (said["body"], said["finding"], said["seen"]) == (BODY, finding, before)
        assert not (body.folders.ledger / "cosigned").exists()
        # Both checkpoints are kept, and the same forgery is recorded once.
        evidence = town.records(oversight(town), witness.EVIDENCE)[BODY]
        assert evidence["seen"]["note"] != evidence["shown"]["note"]
        assert witness.daily(witnessing).facts == []
        shutil.rmtree(body.folders.ledger)
        shutil.copytree(saved, body.folders.ledger)
        visit(town)  # the folder put back lacks what was co-signed last, and gets it again
        assert standing(town) in ([], ["ledger.not-kept"]), name
        visit(town)
        assert standing(town) == [], name
        before = cosigned(town, BODY)
    assert len(town.entries(oversight(town), "ledger.other-history")) == len(histories)


def visit(town: MemoryTown) -> None:
    """Let oversight do its duty once more today."""
    service = town.services[oversight(town)]
    service.commit(witness.daily(service.body), _message(town), "done")
    town.settle()


def _message(town: MemoryTown) -> Incoming:
    """Return a message of a name of its own, for which an outcome can be committed."""
    store = town.body(oversight(town)).store
    file = store.write_spool("in", new_id(system_random), b"{}")
    message = Incoming(file.name, oversight(town), "status/day", {}, "application/json", file)
    store.received[message.id] = message
    return message


def test_a_body_that_is_away_is_asked_again_and_an_alarm_stands_meanwhile(
    town: MemoryTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: object) -> None:
        raise PeerError("peer.unreachable", "It does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(town.body(BODY).ledger, "show", away)
        town.begin()
        assert standing(town) == ["ledger.not-shown"]
        before = cosigned(town, BODY)
        assert cosigned(town, "beta") >= before
    town.begin()
    assert standing(town) == []
    assert cosigned(town, BODY) > before


def test_a_body_does_not_keep_what_is_not_its_history(town: MemoryTown) -> None:
    note = (town.body("beta").folders.ledger / "cosigned" / oversight(town)).read_bytes()
    key = town.body(oversight(town)).keys.signing.public
    with pytest.raises(TamperError):
        town.body(BODY).ledger.keep_cosigned(note, oversight(town), key)
