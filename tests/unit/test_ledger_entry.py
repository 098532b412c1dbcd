"""Entries: only what the table declares, in one spelling."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from sekisho.common.errors import Defect, TamperError
from sekisho.control.ledger import Entry, kinds

NOON = datetime(2026, 4, 1, 12, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=9)))
LANDED = {"submission": "s-1", "provider": "1310000001", "landed": {"Condition": 12}}


def test_the_bytes_are_canonical_and_in_utc_to_the_second() -> None:
    entry = Entry("submission.landed", NOON, LANDED)
    assert entry.to_bytes() == (
        b'{"at":"2026-04-01T03:00:00Z","body":{"landed":{"Condition":20},"provider":"1310000001",'
        b'"submission":"s-1"},"kind":"submission.landed"}'
    )
    assert Entry.from_bytes(entry.to_bytes()) == entry


def test_every_declared_type_is_known_and_every_kind_explained() -> None:
    assert len(kinds()) >= 26
    assert all(kind.means for kind in kinds().values())


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("submission.lost", LANDED),
        ("submission.landed", LANDED | {"patient": "x"}),
        ("submission.landed", {"submission": "s-1", "provider": "p"}),
        ("submission.landed", LANDED | {"landed": {"Condition": -1}}),
        ("submission.landed", LANDED | {"landed": {"Condition": True}}),
        ("submission.landed", LANDED | {"landed": {"Condition": "12"}}),
        ("submission.landed", LANDED | {"landed": {"a": {"b": {"c": {"d": 1}}}}}),
        ("submission.landed", LANDED | {"landed": {"Condition": 2**53}}),
        ("submission.landed", LANDED | {"digest": "0" * 63}),
        ("submission.landed", LANDED | {"provider": "two words"}),
        ("submission.landed", LANDED | {"provider": "x" * 201}),
        ("submission.landed", LANDED | {"again": 1}),
        ("optout.choice", {"ref": "r", "scope": "all", "revoke": False, "from": "1 April"}),
        ("snapshot.made", {"snapshot": 1, "tables": {}, "hidden": ["1"]}),
    ],
)
def test_what_is_not_declared_does_not_stand(kind: str, body: dict) -> None:
    with pytest.raises(Defect) as caught:
        Entry(kind, NOON, body)
    assert caught.value.code == "ledger.entry-not-allowed"
    assert "two words" not in str(caught.value)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(Defect):
        Entry("submission.landed", datetime(2026, 4, 1), LANDED)


def test_an_entry_that_no_bundle_can_hold_is_refused() -> None:
    with pytest.raises(Defect, match="64 KiB"):
        Entry("body.started", NOON, {"framework": "f", "rooms": ["x" * 200] * 400})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b'{"at":1,"body":{},"kind":"x"}',
        b'{"at":"2026-04-01T03:00:00Z","body":{},"kind":"submission.lost"}',
        b'{"at":"2026-13-01T03:00:00Z","body":{"framework":"f"},"kind":"body.started"}',
        b'{"at":"2026-04-01T03:00:00Z","body":[],"kind":"body.started"}',
        b'{"at":"2026-04-01T03:00:00Z","kind":"body.started","body":{"framework":"f"}}',
        b'{"at":"2026-04-01T03:00:00Z","body":{"framework":"f"},"kind":"body.started"} ',
    ],
)
def test_what_is_no_entry_is_not_read(data: bytes) -> None:
    with pytest.raises(TamperError):
        Entry.from_bytes(data)


def test_years_are_four_digits() -> None:
    entry = Entry("body.started", datetime(999, 1, 1, tzinfo=UTC), {"framework": "f"})
    assert Entry.from_bytes(entry.to_bytes()) == entry


ABOUT_PERSONS = {
    "persons", "rows", "sent", "landed", "quarantined", "refused", "superseded", "set_aside",
    "received", "dropped", "dropped_persons", "reasons", "unreadable", "choices",
}  # fmt: skip


def test_what_counts_persons_or_their_records_is_counted_in_tens() -> None:
    """A new kind of entry that counts people exactly fails here: decide, and say `tens`."""
    exact = [
        f"{kind}.{name}"
        for kind, one in kinds().items()
        for name, wanted in one.fields.items()
        if name in ABOUT_PERSONS and wanted.removesuffix("?") in {"count", "counts"}
    ]
    assert exact == []


def test_a_count_of_one_looks_as_a_count_of_ten() -> None:
    body = {"permit": "p", "rows": {"person": 1, "visit": 11, "none": 0}, "persons": 1}
    entry = Entry("extract.sent", datetime(2026, 4, 1, 9, 30, tzinfo=UTC), body)
    assert entry.body["rows"] == {"person": 10, "visit": 20, "none": 0}
    assert entry.body["persons"] == 10
    assert Entry.from_bytes(entry.to_bytes()) == entry
    exact = entry.to_bytes().replace(b'"persons":10', b'"persons":1')
    with pytest.raises(TamperError):
        Entry.from_bytes(exact)


def test_a_choice_is_entered_by_its_day_and_says_nothing_of_itself() -> None:
    at = datetime(2026, 4, 1, 9, 30, 12, tzinfo=UTC)
    entry = Entry("optout.choice", at, {"ref": "r"})
    assert entry.at == datetime(2026, 4, 1, tzinfo=UTC)
    with pytest.raises(TamperError):
        Entry.from_bytes(entry.to_bytes().replace(b"T00:00:00Z", b"T09:30:12Z"))
    with pytest.raises(Defect):
        Entry("optout.choice", at, {"ref": "r", "scope": "all"})
