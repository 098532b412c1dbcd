"""How a provider gets into the bodies' directory: a request that it signs with the key it names."""

from __future__ import annotations

from typing import Final

import msgspec

from sekisho.common.canonical import canonical_json
from sekisho.common.errors import Refusal, TamperError, UserError
from sekisho.exchange import jws
from sekisho.exchange.directory import Directory, Peer
from sekisho.exchange.keys import SigningKey

REQUEST: Final = "sekisho-registration"
KEY_DIGITS: Final = 16
"""Fewest hex digits of a key that are compared (64 bits)."""


class _Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    peer: Peer
    signed: str


def request(peer: Peer, key: SigningKey) -> bytes:
    """Return the file that a provider gives to the operator of each body."""
    payload = msgspec.to_builtins(peer)
    token = jws.sign(payload, key, peer.id, REQUEST)
    return canonical_json({"peer": payload, "signed": token})


def admit(data: bytes, directory: Directory, key: str) -> Directory:
    """Return the directory with the provider of a request in it.

    The signature proves that who asks has the key; that the key is the provider's, the operator
    must know from elsewhere.

    Args:
        key: the provider's key, or its first 16 digits or more, as told by another way.

    Raises:
        UserError: the file is no request.
        TamperError: it is not signed by the key that it names.
        Refusal: it asks to be anything but a provider, or is known with another key.
    """
    try:
        asked = msgspec.json.decode(data, type=_Request, strict=True)
    except msgspec.DecodeError as error:
        raise UserError(
            "registration.unreadable", "The file is no registration request."
        ) from error
    peer = asked.peer
    signed = jws.verify(asked.signed, lambda who: peer.key if who == peer.id else None, REQUEST)
    if canonical_json(signed.payload) != canonical_json(msgspec.to_builtins(peer)):
        raise TamperError("registration.changed", "What is signed is not what the request says.")
    if peer.kind != "provider" or peer.roles or peer.url or peer.seal_recipient:
        raise Refusal(
            "registration.not-a-provider",
            "The request asks for more than to be a provider.",
            rule="a registration request makes a provider, with no role and no address",
        )
    if len(key) < KEY_DIGITS or not peer.verify_key.startswith(key.lower()):
        raise Refusal(
            "registration.other-key",
            "The request names another key than the one that was told.",
            rule="a key is compared by another way before it is believed",
            next_step="ask the provider again, by another way than the request came",
        )
    if peer.id in directory:
        if directory.find(peer.id) == peer:
            return directory
        raise Refusal(
            "registration.known",
            f"{peer.id} is in the directory with another key.",
            rule="one id, one key, one entry",
            next_step="have the operator remove the old entry first, when its loss is sure",
        )
    return Directory([*directory, peer])
