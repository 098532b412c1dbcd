"""Receipts held against what was sent: what is lost, late, changed or miscounted is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from memory_town import START, MemoryStore
from provider_world import CODE, Place, placed
from sekisho.commands import app
from sekisho.common.clock import FixedClock
from sekisho.common.errors import PeerError, TamperError, UserError
from sekisho.exchange import jws
from sekisho.exchange.transfer import RECEIPT
from sekisho.provider import desk as desks
from sekisho.provider.desk import Receipts
from sekisho.provider.reconciling import KINDS, Difference
from submissions import condition, laboratory, ndjson, patient

RUNNER = CliRunner()
TOMORROW = START + timedelta(days=1)
BODY = "national"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A provider whose submission landed: three records go, one of them to quarantine."""
    made = placed(tmp_path, monkeypatch, "1", told_everyone_on=START - timedelta(days=30))
    early = condition(2, 1, onsetDateTime="1950-01-01")
    file = ndjson(tmp_path / "a.ndjson", patient(1), condition(1, 1), early, laboratory(1, 1))
    made.desk().submit([file], "fhir-ndjson")
    return made


@pytest.fixture
def landed(place: Place) -> Place:
    place.town.settle()
    return place


def differences(place: Place, on: date = START) -> list[Difference]:
    """Fetch what is missing and return what then differs."""
    desk = place.desk(on)
    desk.collect_receipts()
    return desk.differences()


def codes(place: Place, on: date = START) -> list[tuple[str, str]]:
    return [(one.code, one.about) for one in differences(place, on)]


def doors(place: Place) -> dict[str, bytes]:
    """Return the receipts that the door keeps, by key."""
    store = place.town.body(BODY).store
    assert isinstance(store, MemoryStore)
    return store.records["receipt"]


def doctored(place: Place, change: Callable[[dict[str, Any]], None], signer: str = BODY) -> None:
    """Put another receipt into the door's store, signed all the same."""
    body = place.town.body(signer)
    for key, kept in list(doors(place).items()):
        token = json.loads(kept)["receipt"]
        payload = jws.verify(token, body.directory.resolve, RECEIPT).payload
        change(payload)
        again = jws.sign(payload, body.keys.signing, signer, RECEIPT)
        doors(place)[key] = json.dumps({"receipt": again}).encode()


def test_a_receipt_that_says_what_was_sent_is_even_also_with_quarantine(landed: Place) -> None:
    assert differences(landed, TOMORROW) == []
    [one] = landed.desk().journal.submissions()
    assert one["receipts"] == [BODY]
    assert one["expected"][BODY]["held"] == [["Condition", "basic", 1]]


def test_a_late_receipt_is_named_the_next_day_and_mended_when_it_comes(place: Place) -> None:
    assert differences(place) == []
    assert codes(place, TOMORROW) == [("receipt.late", "")]
    place.town.settle()
    assert differences(place, TOMORROW) == []


def test_a_lost_receipt_is_named_until_it_is_there_again(landed: Place) -> None:
    kept = dict(doors(landed))
    doors(landed).clear()
    assert differences(landed) == []
    assert codes(landed, TOMORROW) == [("receipt.late", "")]
    doors(landed).update(kept)
    assert differences(landed, TOMORROW) == []
    [file] = (landed.folder / "receipts").iterdir()
    file.unlink()  # what is lost here is fetched again
    assert differences(landed, TOMORROW) == []


def test_a_receipt_changed_on_the_disk_is_named_and_fetched_again(landed: Place) -> None:
    landed.desk().collect_receipts()
    [file] = (landed.folder / "receipts").iterdir()
    token = file.read_bytes()
    file.write_bytes(token[:-6] + (b"AAAAAA" if token[-6:] != b"AAAAAA" else b"BBBBBB"))
    assert [one.code for one in landed.desk().differences()] == ["receipt.forged"]
    assert differences(landed) == []
    assert file.read_bytes() == token


def test_another_body_cannot_sign_in_the_bodys_place(landed: Place) -> None:
    kept = dict(doors(landed))
    doctored(landed, lambda payload: None, signer="history")
    assert codes(landed) == [("receipt.forged", "")]
    doors(landed).update(kept)
    assert differences(landed) == []


def _line(payload: dict[str, Any], record_type: str) -> dict[str, Any]:
    return next(one for one in payload["balance"] if one["record_type"] == record_type)


def _lost_one(payload: dict[str, Any]) -> None:
    line = _line(payload, "Observation")
    line["landed"] -= 1
    line["sent"] -= 1


def _held_more(payload: dict[str, Any]) -> None:
    line = _line(payload, "Observation")
    line["landed"] -= 1
    line["quarantined"] += 1


def _fewer_rows(payload: dict[str, Any]) -> None:
    payload["rows"]["measurement"] -= 1


def _by_choice(payload: dict[str, Any]) -> None:
    line = _line(payload, "Observation")
    line["landed"] -= 1
    line["set_aside"] += 1
    payload["rows"]["measurement"] -= 1
    payload["content"] = "0" * 64


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_lost_one, [("receipt.counts", "Observation"), ("receipt.counts", "Observation (sent)")]),
        (_held_more, [("receipt.held", "Observation")]),
        (_fewer_rows, [("receipt.rows", "measurement")]),
        (lambda payload: payload.update(content="0" * 64), [("receipt.content", "")]),
        (lambda payload: payload.update(quarantined="0" * 64), [("receipt.content", "")]),
        (lambda payload: payload.update(files=["0" * 64]), [("receipt.other", "files")]),
        (lambda payload: payload.update(format="uke"), [("receipt.other", "format")]),
        (lambda payload: payload.pop("balance"), [("receipt.other", "form")]),
        (lambda payload: payload.update(withdrawn=1), [("receipt.withdrawn", "")]),
        (lambda payload: payload.update(objects={"objects": 1}), [("receipt.objects", "")]),
        (_by_choice, []),
    ],
)
def test_what_a_signed_receipt_says_otherwise_is_named(
    landed: Place, change: Callable[[dict[str, Any]], None], told: list[tuple[str, str]]
) -> None:
    doctored(landed, change)
    assert codes(landed) == told


def test_a_difference_stands_until_it_is_settled_and_another_one_is_told(landed: Place) -> None:
    doctored(landed, _fewer_rows)
    [one] = differences(landed)
    assert (one.sent, one.told) == (1, 0)
    assert differences(landed, TOMORROW) == [one]
    desk = landed.desk()
    with pytest.raises(UserError, match="no difference"):
        desk.settle("0" * 32, "nothing")
    desk.settle(one.submission, "the body counted again")
    assert differences(landed) == []
    doctored(landed, lambda payload: payload["rows"].update(measurement=7))
    assert [(x.sent, x.told) for x in differences(landed)] == [(1, 7)]


def test_commands_name_differences_in_plain_words_and_do_not_end_with_zero(
    landed: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desks.clocks, "today", lambda clock: START)
    doctored(landed, _fewer_rows)
    folder = str(landed.folder)
    told = RUNNER.invoke(app, ["submit", "--provider", folder, "--receipts"])
    assert told.exit_code == PeerError.exit_code
    status = RUNNER.invoke(app, ["provider", "status", folder])
    assert status.exit_code == PeerError.exit_code
    for said in (told.stdout, status.stdout):
        assert "differs" in said
        assert "1行送りましたが" in said
        assert "Tell the receiving body" in said
    later = ndjson(tmp_path / "b.ndjson", patient(2), condition(9, 2))
    again = RUNNER.invoke(
        app,
        ["submit", "--provider", folder, "--format", "fhir-ndjson", "--json", str(later)],
    )
    assert again.exit_code == PeerError.exit_code
    report = json.loads(again.stdout)
    assert [one["new"] for one in report["submissions"][0]["handed"]] == [True]
    [difference] = report["differences"]
    assert difference["code"] == "receipt.rows"
    settled = ["provider", "settle", folder, difference["submission"], "--why", "counted again"]
    assert RUNNER.invoke(app, settled).exit_code == 0
    landed.town.settle()
    even = RUNNER.invoke(app, ["submit", "--provider", folder, "--receipts", "--json"])
    assert even.exit_code == 0, even.output
    assert {one["state"] for one in json.loads(even.stdout)["submissions"]} == {"even"}
    [file] = (landed.folder / "receipts").glob(f"{difference['submission']}.*")
    file.write_bytes(b"nothing")
    forged = RUNNER.invoke(app, ["provider", "status", folder])
    assert forged.exit_code == TamperError.exit_code


def test_while_a_program_runs_each_difference_is_told_once_and_doors_are_not_asked_all_the_time(
    place: Place,
) -> None:
    desk = place.desk(TOMORROW)
    receipts = Receipts(desk)
    assert [one.code for one in receipts.look(at_once=True)] == ["receipt.late"]
    assert list(receipts.look(at_once=True)) == []
    place.town.settle()
    assert list(receipts.look(at_once=False)) == []
    assert desk.journal.submissions()[0]["receipts"] == []
    at = desk.clock.now() + desks.RECEIPTS_EVERY
    receipts.desk = replace(desk, clock=FixedClock(at))
    assert list(receipts.look(at_once=False)) == []
    assert desk.journal.submissions()[0]["receipts"] == [BODY]


@pytest.mark.parametrize("code", sorted(KINDS))
def test_every_difference_says_what_is_wrong_and_what_to_do(code: str) -> None:
    one = Difference("0" * 32, BODY, code, "Observation", 3, 2)
    for language in ("ja", "en"):
        said = one.message(language)
        assert "{" not in said
        assert len(said) > 40
    assert CODE not in json.dumps(one.report())
