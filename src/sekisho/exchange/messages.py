"""Signed requests between bodies: HTTP Message Signatures (RFC 9421) with Ed25519.

Rules it keeps:
- every request names its sender (``keyid``), its receiver (``sekisho-to``), the message
  (``sekisho-message``) and what the message is about (``sekisho-meta``), all under the signature,
  with method, authority, path, query, content type and the digest of the body (RFC 9530);
- a request holds for minutes, and once: the nonce is fresh at every sending, so that the bytes of
  a request cannot be replayed, while a message that is sent again keeps its id and can be
  answered as before;
- what is not understood is refused.

It does not decide whether the sender may ask for what it asks: that is the receiver's rule.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from http_message_signatures import (
    HTTPMessageSignaturesException,
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    MappingKeyResolver,
)
from http_message_signatures.algorithms import ED25519

from sekisho.common.canonical import canonical_json, digest
from sekisho.common.errors import Refusal, UserError
from sekisho.exchange.keys import SigningKey, VerifyKey

TTL = timedelta(seconds=300)
SKEW = timedelta(seconds=30)
"""How far two bodies' clocks may lie apart."""
REMEMBER = TTL + 2 * SKEW
"""How long a receiver must remember nonces: no request is valid for longer."""
META_LIMIT = 16_384
"""Bytes of metadata in one message."""

_TAG = "sekisho"
_COVERED = (
    "@method",
    "@authority",
    "@path",
    "@query",
    "content-digest",
    "content-type",
    "sekisho-to",
    "sekisho-message",
    "sekisho-meta",
)

Seen = Callable[[str, str], bool]
"""Remembers (sender, nonce) and says whether it was remembered already, in one atomic step."""


@dataclass(frozen=True)
class Verified:
    """A request whose signature, digest, time and address hold."""

    sender: str
    message_id: str
    meta: dict[str, Any]


@dataclass
class _Request:
    method: str
    url: str
    headers: dict[str, str]


def kept_as(sender: str, message_id: str) -> str:
    """Return the id under which a receiver keeps a message.

    It is of its sender: nobody takes another's.
    """
    return digest(f"{sender}/{message_id}".encode())[:32]


def sign_request(
    *,
    method: str,
    url: str,
    body: bytes | Path,
    sender: str,
    recipient: str,
    key: SigningKey,
    message_id: str,
    nonce: str,
    now: datetime,
    meta: Mapping[str, Any] | None = None,
    content_type: str = "application/octet-stream",
    ttl: timedelta = TTL,
) -> dict[str, str]:
    """Return the headers to send with the request, all of them signed.

    ``url`` must be spelled as it goes on the wire. ``nonce`` is fresh at every sending. A body in a
    file is read in pieces.
    """
    about = base64.b64encode(canonical_json(dict(meta or {}))).decode()
    if len(about) > META_LIMIT:
        raise UserError("message.meta-too-large", "A message's metadata are over 16 KiB.")
    headers = {
        "Content-Type": content_type,
        "Sekisho-To": recipient,
        "Sekisho-Message": message_id,
        "Sekisho-Meta": about,
        "Content-Digest": _content_digest(body, "sha-256"),
    }
    request = _Request(method, url, headers)
    keys = MappingKeyResolver(public_keys={}, private_keys={sender: key.private_key})
    HTTPMessageSigner(signature_algorithm=ED25519, key_resolver=keys).sign(
        request,
        key_id=sender,
        created=now,
        expires=now + ttl,
        nonce=nonce,
        label=_TAG,
        tag=_TAG,
        covered_component_ids=_COVERED,
        use_existing_digest=True,
    )
    return headers


def verify_request(
    *,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | Path,
    resolve: Callable[[str], VerifyKey | None],
    recipient: str,
    now: datetime,
    seen: Seen,
    authority: str | None = None,
) -> Verified:
    """Return who sent this request and what it is about.

    ``recipient`` is this body's id; ``authority`` (host and port), where given, is the only one at
    which it answers. ``seen`` is asked last, so that a request that is refused uses up no nonce.

    Raises:
        Refusal: ``message.unsigned``, ``.unknown-key``, ``.bad-signature``, ``.expired``,
            ``.not-yet-valid``, ``.misaddressed``, ``.digest-mismatch``, ``.replayed``.
    """
    request = _Request(method, url, dict(headers))
    parameters, fields = _verified(request, resolve)
    sender = str(parameters["keyid"])
    _check_time(parameters, now)
    if fields["sekisho-to"] != recipient or authority not in (None, fields["@authority"]):
        raise _refuse("misaddressed", "The message is addressed to another body.")
    stated = fields["content-digest"]
    if stated != _content_digest(body, stated.partition("=")[0]):
        raise _refuse("digest-mismatch", "The body is not the one that was signed.")
    meta = _meta(fields["sekisho-meta"])
    if seen(sender, str(parameters["nonce"])):
        raise _refuse("replayed", "This very request was answered before.")
    return Verified(sender, fields["sekisho-message"], meta)


def _content_digest(body: bytes | Path, algorithm: str) -> str:
    """Return the field Content-Digest (RFC 9530) of a body; an unknown algorithm is SHA-256."""
    known = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
    name = algorithm if algorithm in known else "sha-256"
    found = known[name]()
    if isinstance(body, bytes):
        found.update(body)
    else:
        with body.open("rb") as source:
            while piece := source.read(2**18):
                found.update(piece)
    return f"{name}=:{base64.b64encode(found.digest()).decode()}:"


class _TimelessVerifier(HTTPMessageVerifier):
    """The library reads the machine's clock; here time is passed in and checked by us."""

    def validate_created_and_expires(self, sig_input: Any, max_age: Any = None) -> None:
        del sig_input, max_age


def _verified(
    request: _Request, resolve: Callable[[str], VerifyKey | None]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the signature's parameters and the signed fields by name."""
    names = {name.lower() for name in request.headers}
    if not {"signature", "signature-input"} <= names:
        raise _refuse("unsigned", "The message carries no signature.")
    keys = _Keys(resolve)
    try:
        [result] = _TimelessVerifier(signature_algorithm=ED25519, key_resolver=keys).verify(
            request, expect_tag=_TAG, require_components=_COVERED, max_age=None
        )
    except (HTTPMessageSignaturesException, ValueError) as error:
        if keys.unknown:
            raise _refuse("unknown-key", "The sender is not in the directory.") from error
        raise _refuse(
            "bad-signature", "The signature does not hold over all that must be signed."
        ) from error
    parameters = result.parameters
    if not {"created", "expires", "nonce", "keyid"} <= parameters.keys():
        raise _refuse("bad-signature", "The signature lacks its times or its nonce.")
    fields = {name.strip('"'): value for name, value in result.covered_components.items()}
    return parameters, fields


class _Keys(HTTPSignatureKeyResolver):
    """The directory as the library asks for it; remembers that it did not know a sender."""

    def __init__(self, resolve: Callable[[str], VerifyKey | None]) -> None:
        self.resolve = resolve
        self.unknown = False

    def resolve_public_key(self, key_id: str) -> Any:
        key = self.resolve(key_id)
        self.unknown = key is None
        return None if key is None else key.public_key


def _check_time(parameters: Mapping[str, Any], now: datetime) -> None:
    seconds, skew = now.timestamp(), SKEW.total_seconds()
    created, expires = parameters["created"], parameters["expires"]
    if seconds < created - skew:
        raise _refuse("not-yet-valid", "The message was signed in the future.")
    # A sender that grants itself a longer life would outlive our memory of its nonce.
    if seconds > min(expires, created + TTL.total_seconds()) + skew:
        raise _refuse("expired", "The message has expired.")


def _meta(text: str) -> dict[str, Any]:
    try:
        meta = orjson.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, orjson.JSONDecodeError) as error:
        raise _refuse("malformed", "The message's metadata cannot be read.") from error
    if not isinstance(meta, dict):
        raise _refuse("malformed", "The message's metadata are not an object.")
    return meta


def _refuse(case: str, message: str) -> Refusal:
    return Refusal(
        f"message.{case}",
        message,
        rule="bodies answer only signed, fresh, well-addressed messages (RFC 9421)",
        next_step="sign the request anew with the key that the directory names",
    )
