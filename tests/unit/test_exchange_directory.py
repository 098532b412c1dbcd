"""The directory: who is not in it, or not in that role, is refused."""

from __future__ import annotations

import pytest

from sekisho.common.errors import Refusal, UserError
from sekisho.common.randomness import seeded
from sekisho.exchange import Directory, Peer, SealKey, SigningKey


def peer(name: str, kind="body", roles=(), **more) -> Peer:
    key = SigningKey.generate(seeded(name)).public.text
    return Peer(name, kind, key, roles=roles, **more)


SEAL = SealKey.generate(seeded("seal")).recipient
DIRECTORY = Directory(
    [
        peer("oversight", roles=("converter", "oversight"), url="http://127.0.0.1:8102"),
        peer("alpha", url="http://127.0.0.1:8101", seal_recipient=SEAL),
        peer("1310000001", "provider"),
        peer("reviewer-1", "reviewer"),
    ]
)


def test_it_survives_its_file_in_one_spelling(tmp_path) -> None:
    DIRECTORY.write(tmp_path / "directory.json")
    again = Directory.read(tmp_path / "directory.json")
    assert list(again) == list(DIRECTORY)
    assert again.to_json() == DIRECTORY.to_json()


def test_strangers_are_refused() -> None:
    assert DIRECTORY.resolve("mallory") is None
    assert DIRECTORY.roles("mallory") == frozenset()
    assert "mallory" not in DIRECTORY
    with pytest.raises(Refusal):
        DIRECTORY.find("mallory")
    with pytest.raises(Refusal):
        DIRECTORY.check_can_act("mallory", kind="body")


def test_a_role_counts_only_if_it_was_given() -> None:
    assert DIRECTORY.check_can_act("oversight", kind="body", role="converter").id == "oversight"
    assert DIRECTORY.roles("oversight") == {"body", "converter", "oversight"}
    assert [one.id for one in DIRECTORY.with_role("converter")] == ["oversight"]
    assert [one.id for one in DIRECTORY.of_kind("provider")] == ["1310000001"]
    for wrong in ({"kind": "reviewer"}, {"role": "history"}, {"kind": "body", "role": "history"}):
        with pytest.raises(Refusal):
            DIRECTORY.check_can_act("alpha", **wrong)


def test_the_key_in_it_verifies_what_its_owner_signs() -> None:
    key = DIRECTORY.resolve("alpha")
    assert key is not None
    assert key.verifies(SigningKey.generate(seeded("alpha")).sign(b"x"), b"x")


def test_two_entries_of_one_party_or_one_key_are_refused() -> None:
    with pytest.raises(UserError):
        Directory([peer("alpha"), peer("alpha", "provider")])
    with pytest.raises(UserError):
        Directory([peer("alpha"), Peer("beta", "body", peer("alpha").verify_key)])


@pytest.mark.parametrize(
    "change",
    [
        {"id": "../x"},
        {"id": ""},
        {"verify_key": "00"},
        {"url": "file:///etc/passwd"},
        {"url": "http://127.0.0.1:1/"},
        {"kind": "king"},
        {"extra": 1},
    ],
)
def test_a_malformed_file_is_refused(change: dict) -> None:
    import orjson

    good = {"id": "a", "kind": "body", "verify_key": "00" * 32}
    Directory.from_json(orjson.dumps({"peers": [good]}))
    with pytest.raises(UserError):
        Directory.from_json(orjson.dumps({"peers": [good | change]}))
    with pytest.raises(UserError):
        Directory.from_json(b"nonsense")
