"""Signed documents: one spelling, and every changed byte is seen."""

from __future__ import annotations

import base64

import orjson
import pytest
from joserfc import jws as library
from joserfc.jwk import OKPKey

from sekisho.common.errors import SekishoError, TamperError
from sekisho.common.randomness import seeded
from sekisho.exchange import SigningKey, jws

KEYS = {name: SigningKey.generate(seeded(name)) for name in ("alpha", "beta", "gate")}
RECEIPT = {"counts": {"landed": 12, "refused": 0}, "provider": "1310000001", "title": "受領"}


def resolve(signer: str):
    return KEYS[signer].public if signer in KEYS else None


def flips(text: str):
    """Every text that differs from ``text`` in one byte: three flips a byte."""
    raw = text.encode()
    for place in range(len(raw)):
        for mask in (0x01, 0x20, 0x80):
            yield raw[:place] + bytes([raw[place] ^ mask]) + raw[place + 1 :]


def test_what_was_signed_is_read_back() -> None:
    token = jws.sign(RECEIPT, KEYS["alpha"], "alpha", "receipt")
    assert jws.verify(token, resolve, "receipt") == jws.Signed(RECEIPT, "alpha", "receipt")
    assert jws.sign(dict(reversed(RECEIPT.items())), KEYS["alpha"], "alpha", "receipt") == token


def test_the_token_is_an_ordinary_jws() -> None:
    token = jws.sign(RECEIPT, KEYS["alpha"], "alpha", "receipt")
    x = base64.urlsafe_b64encode(KEYS["alpha"].public.raw).rstrip(b"=").decode()
    key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": x})
    assert orjson.loads(library.deserialize_compact(token, key, ["Ed25519"]).payload) == RECEIPT


def test_every_flipped_byte_of_a_token_is_detected() -> None:
    token = jws.sign(RECEIPT, KEYS["alpha"], "alpha", "receipt")
    for changed in flips(token):
        with pytest.raises(TamperError):
            jws.verify(changed, resolve, "receipt")


def test_every_flipped_byte_of_a_shared_document_is_detected() -> None:
    signatures = [
        jws.sign_shared(RECEIPT, KEYS[name], name, "permit") for name in ("beta", "alpha")
    ]
    text = jws.assemble(RECEIPT, signatures)
    assert jws.assemble(RECEIPT, signatures[::-1]) == text
    assert jws.verify_shared(text, resolve, "permit").signers == ("alpha", "beta")
    for changed in flips(text):
        with pytest.raises(TamperError):
            jws.verify_shared(changed, resolve, "permit")


def test_the_same_json_spelled_otherwise_is_refused() -> None:
    """The signature holds; the spelling does not."""
    loose = orjson.dumps(RECEIPT, option=orjson.OPT_INDENT_2)
    key = OKPKey.import_key(
        {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": base64.urlsafe_b64encode(KEYS["alpha"].public.raw).rstrip(b"=").decode(),
            "d": base64.urlsafe_b64encode(KEYS["alpha"].seed).rstrip(b"=").decode(),
        }
    )
    header = {"alg": "Ed25519", "kid": "alpha", "typ": "receipt"}
    for protected, payload in (
        (header, loose),
        (header, b'{"a":1,"a":1}'),
        (header, b'{"a":1.0}'),
        (header, b"[1]"),
        (dict(reversed(header.items())), b"{}"),
        (header | {"cty": "x"}, b"{}"),
    ):
        token = library.serialize_compact(protected, payload, key, ["Ed25519"])
        with pytest.raises(TamperError):
            jws.verify(token, resolve, "receipt")


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "a.b.c.d", "\u3042.b.c", "e30.e30."])
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(TamperError):
        jws.verify(text, resolve, "receipt")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"payload":1,"signatures":[{}]}',
        '{"payload":"e30","signatures":[]}',
    ],
)
def test_what_is_no_shared_document_is_refused(text: str) -> None:
    with pytest.raises(TamperError):
        jws.verify_shared(text, resolve, "permit")


def codes(run) -> str:
    with pytest.raises(SekishoError) as caught:
        run()
    return caught.value.code


def test_strangers_and_other_kinds_are_refused_by_name() -> None:
    own = jws.sign(RECEIPT, KEYS["alpha"], "alpha", "receipt")
    assert codes(lambda: jws.verify(own, resolve, "permit")) == "jws.wrong-kind"
    stranger = jws.sign(RECEIPT, SigningKey.generate(seeded("x")), "mallory", "receipt")
    assert codes(lambda: jws.verify(stranger, resolve, "receipt")) == "jws.unknown-signer"
    forged = jws.sign(RECEIPT, SigningKey.generate(seeded("x")), "alpha", "receipt")
    assert codes(lambda: jws.verify(forged, resolve, "receipt")) == "jws.bad-signature"


def test_one_bad_signature_spoils_a_shared_document() -> None:
    good = jws.sign_shared(RECEIPT, KEYS["alpha"], "alpha", "permit")
    other = jws.sign_shared(RECEIPT | {"more": 1}, KEYS["beta"], "beta", "permit")
    text = jws.assemble(RECEIPT, [good, other])
    assert codes(lambda: jws.verify_shared(text, resolve, "permit")) == "jws.bad-signature"
    twice = jws.assemble(RECEIPT, [good, good])
    assert codes(lambda: jws.verify_shared(twice, resolve, "permit")) == "jws.twice"
