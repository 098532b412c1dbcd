"""Keys: made from the randomness given, kept from others, spelled as age and Ed25519 spell them."""

from __future__ import annotations

import pyrage
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from sekisho.common.errors import Refusal, UserError
from sekisho.common.randomness import seeded
from sekisho.exchange import SealKey, SigningKey, VerifyKey
from sekisho.exchange.bech32 import bech32

# RFC 8032, 7.1, test 2.
SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def test_signatures_are_those_of_rfc_8032() -> None:
    key = SigningKey(SEED)
    assert key.public.text == PUBLIC
    assert key.sign(b"\x72") == SIGNATURE
    assert VerifyKey.from_text(PUBLIC).verifies(SIGNATURE, b"\x72")
    assert not VerifyKey.from_text(PUBLIC).verifies(SIGNATURE, b"\x73")


def test_bech32_is_that_of_bip_173() -> None:
    assert bech32("a", b"") == "a12uel5l"


def test_same_randomness_gives_the_same_keys() -> None:
    assert SigningKey.generate(seeded(7)) == SigningKey.generate(seeded(7))
    assert SealKey.generate(seeded(7)) == SealKey.generate(seeded(7))
    assert SealKey.generate(seeded(7)) != SealKey.generate(seeded(8))


@pytest.mark.parametrize("number", range(20))
def test_seal_keys_are_spelled_as_age_spells_them(number: int) -> None:
    raw = seeded("raw", number)(32)
    key = SealKey.from_bytes(raw)
    assert str(pyrage.x25519.Identity.from_str(key.identity)) == key.identity
    public = X25519PrivateKey.from_private_bytes(raw).public_key().public_bytes_raw()
    assert key.recipient == bech32("age", public)


def test_keys_survive_the_key_folder(tmp_path) -> None:
    signing, sealing = SigningKey.generate(seeded(1)), SealKey.generate(seeded(2))
    signing.write(tmp_path / "keys" / "signing")
    sealing.write(tmp_path / "keys" / "seal")
    assert SigningKey.read(tmp_path / "keys" / "signing") == signing
    assert SealKey.read(tmp_path / "keys" / "seal") == sealing
    assert (tmp_path / "keys" / "seal").stat().st_mode & 0o777 == 0o600


def test_a_key_that_others_can_read_is_refused(tmp_path) -> None:
    SigningKey.generate(seeded(1)).write(tmp_path / "signing")
    (tmp_path / "signing").chmod(0o644)
    with pytest.raises(Refusal):
        SigningKey.read(tmp_path / "signing")


def test_private_keys_are_not_printed() -> None:
    signing, sealing = SigningKey.generate(seeded(1)), SealKey.generate(seeded(1))
    assert signing.seed.hex() not in repr(signing)
    assert repr(signing.seed) not in repr(signing)
    assert sealing.identity not in repr(sealing)


@pytest.mark.parametrize("text", ["", "zz", "00" * 31, "00" * 33])
def test_malformed_keys_cannot_exist(text: str) -> None:
    with pytest.raises(UserError):
        VerifyKey.from_text(text)
    with pytest.raises(UserError):
        SealKey(text)
