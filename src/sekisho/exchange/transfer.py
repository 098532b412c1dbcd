"""The one way in which records of persons move between parties (design section 5).

The sender gives every distinct person a fresh random tag. The payload goes under tags, sealed to
the receiver; the pairs (tag, pseudonym encrypted under the global key) go through both converters,
which check the signed reason, and reach the receiver in its own domain. Neither half alone says
anything to anyone; a party that relays sees sizes only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from sekisho.common.canonical import digest, file_digest
from sekisho.common.errors import Refusal
from sekisho.common.ids import Domain, Tag
from sekisho.common.randomness import RandomBytes
from sekisho.exchange import jws, parcel, seal, tables
from sekisho.exchange.keys import SigningKey
from sekisho.pseudonym.convert import Batch
from sekisho.pseudonym.convert import pack as pack_batch
from sekisho.pseudonym.elgamal import encrypt_many
from sekisho.pseudonym.group import Element

REASON = "sekisho-reason"
RECEIPT = "sekisho-landing-receipt"
"""What a body signs for a provider when its submission has landed."""


@dataclass(frozen=True)
class Reason:
    """Why pseudonyms may be converted: signed by the sender, checked by both converters.

    ``kind`` is one that the converters know; for permit, use and enclave_links the ``permit``
    itself (a JWS of the lanes that granted it) comes along. ``room`` is where the receiver expects
    the transfer.
    ``expires`` is an ISO date, the last day on which it holds. ``about`` is what the signer tells
    the receiver of kinds that have no payload; the converters see it. ``receiver_key`` names the
    key to which the payload and the receiver's key shares are sealed (`key_digest`), ``sealed`` the
    digest of the sealed payload, so that nobody on the way can put another in its place;
    `sign_reason` states both.
    """

    id: str
    kind: str
    from_domain: Domain
    to_domain: Domain
    receiver: str
    room: str
    max_rows: int
    expires: str
    epoch: int = 0
    permit: str | None = None
    about: str = ""
    receiver_key: str = ""
    sealed: str = ""

    def __post_init__(self) -> None:
        if not self.id or self.max_rows < 1:
            raise Refusal("reason.invalid", "A reason names a transfer and a number of persons.")

    def payload(self) -> dict[str, Any]:
        named = {
            "id": self.id,
            "kind": self.kind,
            "from": self.from_domain,
            "to": self.to_domain,
            "receiver": self.receiver,
            "receiver_key": self.receiver_key,
            "room": self.room,
            "max_rows": self.max_rows,
            "expires": self.expires,
            "epoch": self.epoch,
            "about": self.about,
            "sealed": self.sealed,
        }
        return named if self.permit is None else {**named, "permit": self.permit}

    @classmethod
    def from_payload(cls, payload: dict[str, Any]) -> Reason:
        """Read a verified payload.

        Raises:
            Refusal: a field is missing or of another type.
        """
        try:
            return cls(
                id=str(payload["id"]),
                kind=str(payload["kind"]),
                from_domain=Domain(payload["from"]),
                to_domain=Domain(payload["to"]),
                receiver=str(payload["receiver"]),
                receiver_key=str(payload["receiver_key"]),
                room=str(payload["room"]),
                max_rows=int(payload["max_rows"]),
                expires=str(payload["expires"]),
                epoch=int(payload["epoch"]),
                permit=payload.get("permit"),
                about=str(payload["about"]),
                sealed=str(payload["sealed"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise Refusal("reason.invalid", "The reason lacks a field it must have.") from error


def key_digest(recipient: str | None) -> str:
    """Return the name of a sealing key (``age1…``) in reasons and permits: its digest."""
    return digest((recipient or "").encode())


@dataclass(frozen=True)
class Transfer:
    """Both halves of one transfer, ready to be sent: the sealed payload and the batch."""

    token: str
    sealed: parcel.Stored
    batch: bytes


Payload = Mapping[str, "pa.Table | tables.Batched"]
"""Tables that go under tags; a large one is read in batches."""


Encrypted = tuple[tuple[Tag, bytes], ...]
"""Tags with ciphertexts under the global key."""


def encrypt_persons(
    persons: Sequence[tuple[Tag, Element]], global_key: Element, random: RandomBytes
) -> Encrypted:
    """Encrypt the pseudonyms (or hashed identities) of distinct persons under the global key."""
    ciphers = encrypt_many([element for _, element in persons], global_key, random)
    return tuple((tag, cipher) for (tag, _), cipher in zip(persons, ciphers, strict=True))


def make_transfer(
    reason: Reason,
    *,
    signer: str,
    key: SigningKey,
    persons: Encrypted,
    payload: Payload,
    recipient: str,
    global_key: Element,
    sealed: Path,
) -> Transfer:
    """Sign the reason, seal the payload to ``recipient``, pack the persons for the converters.

    Args:
        sealed: the file that is written; it is the caller's.
    """
    token = seal_and_sign(reason, signer, key, recipient, payload, sealed)
    batch = pack_batch(Batch(persons, global_key))
    return Transfer(token, parcel.Stored.whole(sealed), batch)


def seal_and_sign(
    reason: Reason, signer: str, key: SigningKey, recipient: str, payload: Payload, sealed: Path
) -> str:
    """Write ``payload`` to the file ``sealed``, in bounded memory; return the reason as a token.

    It lies beside it in a file of this user alone for as long as it is being sealed.
    """
    sealed.parent.mkdir(parents=True, exist_ok=True)
    plain = sealed.with_name(f"{sealed.name}.plain")
    try:
        tables.write(plain, payload)
        seal.seal_file(plain, sealed, recipient)
    finally:
        plain.unlink(missing_ok=True)
    return sign_reason(reason, signer, key, recipient, file_digest(sealed))


def sign_reason(
    reason: Reason, signer: str, key: SigningKey, recipient: str | None, sealed: str = ""
) -> str:
    """Return the reason as a token, bound to the receiver's key and to the sealed payload.

    Args:
        sealed: the sealed payload's digest; empty where there is no payload.
    """
    bound = replace(reason, receiver_key=key_digest(recipient), sealed=sealed)
    return jws.sign(bound.payload(), key, signer, REASON)


def batch_parcel(batches: Sequence[tuple[str, bytes]]) -> bytes:
    """Return the message for a converter: reasons (tokens) with their batches."""
    return parcel.pack({"reasons": [token for token, _ in batches]}, [data for _, data in batches])
