"""Messages: signed, fresh, addressed, answered once; everything else is refused by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sekisho.common.errors import Refusal, UserError
from sekisho.common.randomness import seeded
from sekisho.exchange import SigningKey, messages

NOW = datetime(2026, 4, 1, 9, 0, tzinfo=UTC)
KEY = SigningKey.generate(seeded("alpha"))
URL = "http://127.0.0.1:8101/exchange/landing?day=3"


class Inbox:
    """A receiver's memory of nonces."""

    def __init__(self) -> None:
        self.nonces: set[tuple[str, str]] = set()

    def __call__(self, sender: str, nonce: str) -> bool:
        known = (sender, nonce) in self.nonces
        self.nonces.add((sender, nonce))
        return known


def signed(**changes) -> dict[str, str]:
    arguments = {
        "method": "POST",
        "url": URL,
        "body": b"payload",
        "sender": "alpha",
        "recipient": "national",
        "key": KEY,
        "message_id": "m-1",
        "nonce": "n-1",
        "now": NOW,
        "meta": {"kind": "submission", "name": "第一病院"},
    }
    return messages.sign_request(**(arguments | changes))


def received(headers: dict[str, str], **changes) -> messages.Verified:
    arguments = {
        "method": "POST",
        "url": URL,
        "headers": headers,
        "body": b"payload",
        "resolve": lambda sender: KEY.public if sender == "alpha" else None,
        "recipient": "national",
        "now": NOW,
        "seen": Inbox(),
    }
    return messages.verify_request(**(arguments | changes))


def refused(headers: dict[str, str], **changes) -> str:
    with pytest.raises(Refusal) as caught:
        received(headers, **changes)
    return caught.value.code.removeprefix("message.")


def test_a_good_message_says_who_sent_it_and_what_it_is_about() -> None:
    got = received(signed(), authority="127.0.0.1:8101")
    assert (got.sender, got.message_id) == ("alpha", "m-1")
    assert got.meta == {"kind": "submission", "name": "第一病院"}


def test_header_names_are_read_in_any_case() -> None:
    headers = {name.upper(): value for name, value in signed().items()}
    assert received(headers).sender == "alpha"


def test_an_unsigned_message_is_refused() -> None:
    headers = signed()
    for name in ("Signature", "Signature-Input"):
        without = {key: value for key, value in headers.items() if key != name}
        assert refused(without) == "unsigned"
    assert refused({}) == "unsigned"


def test_a_stranger_is_refused() -> None:
    assert refused(signed(sender="mallory")) == "unknown-key"
    assert refused(signed(key=SigningKey.generate(seeded("x")))) == "bad-signature"


@pytest.mark.parametrize(
    "name", ["Content-Type", "Sekisho-To", "Sekisho-Message", "Sekisho-Meta", "Content-Digest"]
)
def test_a_changed_header_breaks_the_signature(name: str) -> None:
    headers = signed()
    headers[name] = signed(body=b"x", recipient="b", message_id="m-2", meta={}, content_type="a/b")[
        name
    ]
    assert refused(headers) == "bad-signature"


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"url": URL.replace("landing", "optout")},
        {"url": URL.replace("day=3", "day=4")},
        {"url": URL.replace("8101", "8102")},
    ],
)
def test_a_message_holds_only_where_it_was_sent(change: dict) -> None:
    assert refused(signed(), **change) == "bad-signature"


def test_another_body_is_noticed() -> None:
    assert refused(signed(), body=b"payloae") == "digest-mismatch"
    assert refused(signed(), body=b"") == "digest-mismatch"


def test_a_message_for_another_is_refused() -> None:
    assert refused(signed(recipient="beta")) == "misaddressed"
    assert refused(signed(), authority="127.0.0.1:9999") == "misaddressed"


def test_a_message_holds_for_minutes_only() -> None:
    assert refused(signed(), now=NOW + messages.REMEMBER) == "expired"
    assert refused(signed(), now=NOW - timedelta(minutes=2)) == "not-yet-valid"
    assert received(signed(), now=NOW + timedelta(minutes=5)).sender == "alpha"


def test_a_sender_cannot_grant_itself_a_longer_life() -> None:
    headers = signed(ttl=timedelta(days=365))
    assert refused(headers, now=NOW + messages.REMEMBER) == "expired"


def test_the_same_request_twice_is_refused_and_the_same_message_is_not() -> None:
    inbox, headers = Inbox(), signed()
    assert received(headers, seen=inbox).message_id == "m-1"
    assert refused(headers, seen=inbox) == "replayed"
    assert received(signed(nonce="n-2"), seen=inbox).message_id == "m-1"


def test_a_refused_request_uses_up_no_nonce() -> None:
    inbox, headers = Inbox(), signed()
    assert refused(headers, seen=inbox, body=b"x") == "digest-mismatch"
    assert received(headers, seen=inbox).message_id == "m-1"


def test_a_signature_over_less_is_refused() -> None:
    headers = signed()
    headers["Signature-Input"] = headers["Signature-Input"].replace('"sekisho-to" ', "")
    assert refused(headers) == "bad-signature"


@pytest.mark.parametrize("value", ["", "x", "sekisho=()", "sekisho=1", "=", "sekisho=(\x00)"])
def test_garbage_for_a_signature_is_refused(value: str) -> None:
    assert refused(signed() | {"Signature-Input": value}) == "bad-signature"
    assert refused(signed() | {"Signature": value}) == "bad-signature"


def test_metadata_stay_small() -> None:
    with pytest.raises(UserError):
        signed(meta={"text": "x" * 20_000})


def test_a_query_without_a_body_is_signed_too() -> None:
    headers = signed(method="GET", body=b"")
    assert received(headers, method="GET", body=b"").sender == "alpha"
    assert refused(headers, method="GET", body=b"x") == "digest-mismatch"
