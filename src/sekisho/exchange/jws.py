"""Signed documents: JWS (RFC 7515) with Ed25519, in one spelling only.

A token says who signed (``kid``), what kind of document it is (``typ``) and the payload as
canonical JSON. Verification refuses every text that is not byte for byte what signing writes, so
that a file with one changed byte is never taken for the document, also where base64 or JSON
would read it the same. ``alg`` is ``Ed25519``: RFC 9864 retired the vague ``EdDSA``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from sekisho.common.canonical import canonical_json
from sekisho.common.errors import TamperError, UserError
from sekisho.exchange.keys import SigningKey, VerifyKey

ALGORITHM = "Ed25519"

Resolve = Callable[[str], VerifyKey | None]
"""From a signer's id to its key; ``None`` for whom we do not know."""


@dataclass(frozen=True)
class Signed:
    """A verified document of one signer."""

    payload: dict[str, Any]
    signer: str
    kind: str


@dataclass(frozen=True)
class SharedSigned:
    """A verified document that several signed, each the same payload."""

    payload: dict[str, Any]
    signers: tuple[str, ...]
    kind: str


@dataclass(frozen=True)
class Signature:
    """One signer's part of a shared document: protected header and signature, as base64url."""

    protected: str
    signature: str


def sign(payload: dict[str, Any], key: SigningKey, signer: str, kind: str) -> str:
    """Return the compact token; the same payload and key give the same text."""
    header = {"alg": ALGORITHM, "kid": signer, "typ": kind}
    return jws.serialize_compact(header, canonical_json(payload), _private(key), [ALGORITHM])


def verify(token: str | bytes, resolve: Resolve, kind: str) -> Signed:
    """Return what ``token`` says.

    Raises:
        TamperError: with a code of its own for a text that is malformed, not canonical, of another
            kind, of an unknown signer, or whose signature does not hold.
    """
    protected, body, signature = _split(token)
    header, payload = _header(protected), _payload(body)
    if header["typ"] != kind:
        raise TamperError("jws.wrong-kind", f"A signed {kind} was expected.")
    _check_spelling(protected, header, body, payload, signature)
    signer = header["kid"]
    key = resolve(signer)
    if key is None:
        raise TamperError(
            "jws.unknown-signer",
            f"The signer of this {kind} is not in the directory.",
            rule="who is not in the directory is refused",
        )
    try:
        jws.deserialize_compact(f"{protected}.{body}.{signature}", _public(key), [ALGORITHM])
    except JoseError as error:
        raise TamperError(
            "jws.bad-signature", f"The signature on this {kind} does not hold."
        ) from error
    return Signed(payload, signer, kind)


def sign_shared(payload: dict[str, Any], key: SigningKey, signer: str, kind: str) -> Signature:
    """Return one signer's signature over ``payload``, to be assembled with the others'."""
    protected, _, signature = sign(payload, key, signer, kind).split(".")
    return Signature(protected, signature)


def assemble(payload: dict[str, Any], signatures: Sequence[Signature]) -> str:
    """Return the general JSON serialisation; the order in which signatures came is forgotten."""
    if not signatures:
        raise UserError("jws.unsigned", "A shared document needs a signature.")
    ordered = sorted(signatures, key=lambda one: _header(one.protected)["kid"])
    members = [{"protected": one.protected, "signature": one.signature} for one in ordered]
    return canonical_json(
        {"payload": _encode(canonical_json(payload)), "signatures": members}
    ).decode()


def verify_shared(text: str | bytes, resolve: Resolve, kind: str) -> SharedSigned:
    """Return what a shared document says and who signed it, in order of their ids.

    Every signature in it must hold; whether the right ones are there is the caller's rule.

    Raises:
        TamperError: as `verify`, or two signatures of one signer.
    """
    raw = text.encode() if isinstance(text, str) else text
    body, signatures = _members(raw)
    signed = [
        verify(f"{one.protected}.{body}.{one.signature}", resolve, kind) for one in signatures
    ]
    signers = tuple(one.signer for one in signed)
    if len(set(signers)) != len(signers):
        raise TamperError("jws.twice", "One signer signed twice.")
    if assemble(signed[0].payload, signatures).encode() != raw:
        raise _not_canonical()
    return SharedSigned(signed[0].payload, signers, kind)


def _members(raw: bytes) -> tuple[str, list[Signature]]:
    try:
        document = orjson.loads(raw)
        body = document["payload"]
        signatures = [
            Signature(one["protected"], one["signature"]) for one in document["signatures"]
        ]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise _malformed() from error
    texts = [body, *(text for one in signatures for text in (one.protected, one.signature))]
    if not signatures or not all(isinstance(text, str) for text in texts):
        raise _malformed()
    return body, signatures


def _split(token: str | bytes) -> tuple[str, str, str]:
    try:
        text = token.decode("ascii") if isinstance(token, bytes) else token
        protected, body, signature = text.split(".")
    except ValueError as error:
        raise _malformed() from error
    return protected, body, signature


def _header(protected: str) -> dict[str, str]:
    header = _json(protected)
    known = isinstance(header, dict) and header.keys() == {"alg", "kid", "typ"}
    if not known or not all(isinstance(value, str) for value in header.values()):
        raise _malformed()
    if header["alg"] != ALGORITHM:
        raise _malformed()
    return dict(header)


def _payload(body: str) -> dict[str, Any]:
    payload = _json(body)
    if not isinstance(payload, dict):
        raise _malformed()
    return payload


def _json(segment: str) -> Any:
    try:
        return orjson.loads(_decode(segment))
    except orjson.JSONDecodeError as error:
        raise _malformed() from error


def _check_spelling(
    protected: str, header: dict[str, str], body: str, payload: dict[str, Any], signature: str
) -> None:
    try:
        again = _encode(canonical_json(header)), _encode(canonical_json(payload))
    except TypeError as error:
        raise _not_canonical() from error
    if (protected, body) != again or signature != _encode(_decode(signature)):
        raise _not_canonical()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(segment: str) -> bytes:
    try:
        padded = segment + "=" * (-len(segment) % 4)
        return base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise _malformed() from error


def _private(key: SigningKey) -> OKPKey:
    parts = {"d": _encode(key.seed), "x": _encode(key.public.raw)}
    return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", **parts})


def _public(key: VerifyKey) -> OKPKey:
    return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": _encode(key.raw)})


def _malformed() -> TamperError:
    return TamperError("jws.malformed", "Not a signed document of ours.")


def _not_canonical() -> TamperError:
    return TamperError(
        "jws.not-canonical",
        "The signed document is not spelled as signing spells it.",
        rule="a signed document has one spelling, so that no byte of its file can change",
    )
