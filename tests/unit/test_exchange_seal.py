"""Sealing: only the receiver reads, whole or not at all, and no error shows the data."""

from __future__ import annotations

import pytest

from sekisho.common.errors import PeerError, UserError
from sekisho.common.randomness import seeded
from sekisho.exchange import SealKey, seal

KEY, OTHER = SealKey.generate(seeded("a")), SealKey.generate(seeded("b"))
SECRET = b"canary-4711 " * 20_000


def test_the_receiver_opens_what_was_sealed() -> None:
    sealed = seal.seal(SECRET, KEY.recipient)
    assert b"canary" not in sealed
    assert seal.open_sealed(sealed, KEY) == SECRET


def test_another_key_opens_nothing() -> None:
    with pytest.raises(PeerError, match="cannot be opened") as caught:
        seal.open_sealed(seal.seal(SECRET, KEY.recipient), OTHER)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("keep", [0, 10, 100, 70_000, -1])
def test_a_sealed_file_cut_short_leaves_no_file(tmp_path, keep: int) -> None:
    (tmp_path / "plain").write_bytes(SECRET)
    seal.seal_file(tmp_path / "plain", tmp_path / "sealed", KEY.recipient)
    (tmp_path / "cut").write_bytes((tmp_path / "sealed").read_bytes()[:keep])
    with pytest.raises(PeerError):
        seal.open_sealed_file(tmp_path / "cut", tmp_path / "opened", KEY)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["cut", "plain", "sealed"]


def test_files_round_trip_and_are_for_their_owner_only(tmp_path) -> None:
    (tmp_path / "plain").write_bytes(SECRET)
    seal.seal_file(tmp_path / "plain", tmp_path / "sealed", KEY.recipient)
    seal.open_sealed_file(tmp_path / "sealed", tmp_path / "opened", KEY)
    assert (tmp_path / "opened").read_bytes() == SECRET
    assert (tmp_path / "opened").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("recipient", [None, "", "age1notakey", KEY.identity])
def test_a_receiver_without_a_key_is_refused(recipient: str | None) -> None:
    with pytest.raises(UserError) as caught:
        seal.seal(SECRET, recipient)
    assert KEY.identity not in str(caught.value)
