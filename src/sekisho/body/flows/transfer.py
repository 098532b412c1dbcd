"""Receiving a transfer: the payload from its sender, the pseudonyms from the second converter.

Whichever half comes last completes it. What a completed transfer means depends on the kind of its
reason; the table `COMPLETE` says which flow takes it from there.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from sekisho.body.context import Body
from sekisho.body.flows import alarms, epochs, keyshares
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.atomicfile import write_pieces
from sekisho.common.canonical import canonical_json, digest
from sekisho.common.errors import Refusal, TamperError
from sekisho.common.ids import Tag
from sekisho.exchange import jws, parcel, seal, tables
from sekisho.exchange.transfer import (
    REASON,
    Encrypted,
    Payload,
    Reason,
    key_digest,
    seal_and_sign,
    sign_reason,
)
from sekisho.pseudonym.batch import Batch, pack
from sekisho.pseudonym.group import SIZE as ELEMENT_SIZE
from sekisho.pseudonym.group import Element
from sekisho.pseudonym.pieces import BatchPieces, Encrypting, Packed
from sekisho.pseudonym.stored import StoredBatch, open_stored
from sekisho.pseudonym.tagged import Tagged, tagged

COMPLETE = {
    "submission": "submission:land",
    "choice": "optout:register",
    "choice_forward": "optout:register",
    "opt_out_list": "lists:arrived",
    "permit": "extract:arrived",
    "alias": "aliases:arrived",
    "enclave_links": "links:arrived",
    "list_return": "listback:returned",
    "succession": "succession:arrived",
    "use": "uses:arrived",
}
BATCHES, SEALED = "batches", "sealed"
"""Folders of the spool where the halves of a transfer are made; they go with its outcome."""
OPENED = "opened"
"""Folder of the spool for pseudonyms that came without a payload; its files have no names."""
ALONE = {"view": "person:match"}
"""Kinds whose persons come without a payload: what is to be told stands in the signed reason."""


@dataclass(frozen=True)
class Arrived:
    """A whole transfer: why it came, from whom, its tables, and each tag's pseudonym here.

    The epoch of its reason is this body's own, into which the pseudonyms were brought.
    """

    reason: Reason
    sender: str
    tables: Mapping[str, pa.Table]
    pseudonyms: Tagged[Element]


def start(
    body: Body,
    reason: Reason,
    persons: Sequence[tuple[Tag, Element]],
    payload: Payload,
) -> Outcome:
    """Send a transfer of ours: payload to the receiver, batch to the first converter."""
    return _start(body, reason, Encrypting(persons, body.global_key, body.random), payload)


def start_encrypted(body: Body, reason: Reason, persons: Encrypted, payload: Payload) -> Outcome:
    """Like `start`, for persons whom another body encrypted (the history service)."""
    return _start(body, reason, packed(body, persons), payload)


def packed(body: Body, persons: Encrypted) -> Packed:
    """Return persons whom another encrypted as a batch under the global key."""
    return Packed(pack(Batch(persons, body.global_key)))


def _start(body: Body, reason: Reason, batch: BatchPieces, payload: Payload) -> Outcome:
    recipient = body.directory.find(reason.receiver).seal_recipient or ""
    sealed = body.folders.spool / SEALED / digest(canonical_json(reason.payload()))
    token = seal_and_sign(reason, body.id, body.keys.signing, recipient, payload, sealed)
    outcome = pass_on(reason.receiver, f"{reason.room}/payload", token, parcel.Stored.whole(sealed))
    outcome.remove.append(sealed)
    outcome.add(_to_converters(body, [(token, batch)]))
    return outcome


def pass_on(to: str, path: str, token: str, sealed: parcel.Stored) -> Outcome:
    """Send the payload half of a transfer, as it is, in a file beside that in which it lies."""
    file = sealed.file.with_name(f"{sealed.file.name}.{sealed.start}.parcel")
    parcel.write(file, {"reason": token}, [sealed])
    sent = Outgoing(to, path, b"", content_type=parcel.MEDIA_TYPE, file=file)
    return Outcome(send=[sent], remove=[file])


def start_alone(body: Body, transfers: Sequence[tuple[Reason, BatchPieces]]) -> Outcome:
    """Send persons who go without a payload in one message, each batch for its own reason."""
    batches = []
    for reason, batch in transfers:
        recipient = body.directory.find(reason.receiver).seal_recipient
        batches.append((sign_reason(reason, body.id, body.keys.signing, recipient), batch))
    return _to_converters(body, batches)


def _to_converters(body: Body, batches: Sequence[tuple[str, BatchPieces]]) -> Outcome:
    """Send batches to the first converter; they are encrypted while they are written to a file."""
    tokens = [token for token, _ in batches]
    head = parcel.head({"reasons": tokens}, [batch.size for _, batch in batches])
    pieces = chain([head], *(batch.pieces() for _, batch in batches))
    file = body.folders.spool / BATCHES / digest("".join(tokens).encode())
    write_pieces(file, pieces)
    to = body.auxiliary("converter")
    sent = Outgoing(to, "conversion/batch", b"", content_type=parcel.MEDIA_TYPE, file=file)
    return Outcome(send=[sent], remove=[file])


def receive_payload(body: Body, message: Incoming) -> Outcome:
    """Keep the sealed half."""
    header, blobs = parcel.open_file(message.file, needs=("reason",))
    return keep_payload(body, header["reason"], blobs[0])


def keep_payload(body: Body, token: str, sealed: parcel.Stored) -> Outcome:
    """Keep a sealed payload whose reason is ``token``."""
    reason, sender = verify_reason(body, token)
    if sealed.digest() != reason.sealed:
        raise TamperError(
            "transfer.other-payload",
            f"The payload is not the one that {sender} signed for.",
            rule="a reason names the digest of the payload that goes with it",
            next_step="ask the sender for the transfer again, and find out who passed it on",
        )
    return _keep_half(body, reason, sender, "payload", sealed.pieces())


def receive_pseudonyms(body: Body, message: Incoming) -> Outcome:
    """Keep the converted half; only the second converter may bring it."""
    if message.sender != body.auxiliary("oversight"):
        raise Refusal("transfer.not-second", "Pseudonyms come from the second converter only.")
    header, blobs = parcel.open_file(message.file, each="reasons")
    received = [
        (*verify_reason(body, token), blob)
        for token, blob in zip(header["reasons"], blobs, strict=True)
    ]
    if all(reason.kind in ALONE for reason, _, _ in received):
        return _arrived_alone(body, received)
    reason, sender, blob = received[0]
    return _keep_half(body, reason, sender, "pseudonyms", blob.pieces())


def _arrived_alone(body: Body, received: Sequence[tuple[Reason, str, parcel.Stored]]) -> Outcome:
    """Complete transfers that have no payload; those of one kind are one matter."""
    outcome = Outcome()
    for kind in dict.fromkeys(reason.kind for reason, _, _ in received):
        arrivals = [
            Arrived(
                replace(reason, epoch=body.epoch),
                sender,
                {},
                _opened(
                    body,
                    reason,
                    StoredBatch.open(blob.file, blob.start, blob.size),
                    body.folders.spool / OPENED,
                ),
            )
            for reason, sender, blob in received
            if reason.kind == kind
        ]
        outcome.add(_flow(ALONE[kind])(body, arrivals))
    return outcome


def verify_reason(body: Body, token: str) -> tuple[Reason, str]:
    """Return a signed reason addressed to this body, and who signed it."""
    signed = jws.verify(token, body.directory.resolve, REASON)
    reason = Reason.from_payload(signed.payload)
    if reason.receiver != body.id:
        raise Refusal("transfer.misaddressed", "The transfer is meant for another body.")
    if reason.receiver_key != key_digest(body.keys.seal.recipient):
        raise Refusal(
            "transfer.other-key",
            "The transfer is sealed to another key than this body's.",
            next_step="compare the sender's directory with this body's key",
        )
    return reason, signed.signer


def _keep_half(
    body: Body, reason: Reason, sender: str, half: str, data: Iterable[bytes]
) -> Outcome:
    """Keep one half; the second one completes the transfer, and later ones change nothing.

    A transfer is its sender's: nobody can put a half under an id that another will use.
    """
    key = digest(f"{sender}/{reason.id}".encode())
    kept: Json = body.store.get("transfer", key) or {"halves": [], "state": "waiting"}
    if kept["state"] != "waiting":
        return Outcome()
    write_pieces(_folder(body, key) / half, data)
    halves = sorted({*kept["halves"], half})
    since = kept.get("since", body.today().isoformat())
    state = {"halves": halves, "state": "waiting", "reason": reason.payload(), "sender": sender}
    state["since"] = since
    if len(halves) < 2:
        return Outcome(put=[("transfer", key, state)])
    outcome = _complete(body, reason, sender, _folder(body, key))
    alarms.clear(outcome, body, _alarm(key))
    outcome.put.append(("transfer", key, state | {"state": "complete"}))
    outcome.remove.append(_folder(body, key))
    return outcome


def _complete(body: Body, reason: Reason, sender: str, home: Path) -> Outcome:
    """Open the payload into a file for as long as its flow reads it."""
    plain = home / "plain"
    try:
        seal.open_sealed_file(home / "payload", plain, body.keys.seal)
        arrived = Arrived(
            reason=replace(reason, epoch=body.epoch),
            sender=sender,
            tables=tables.StoredTables(plain),
            pseudonyms=_opened(body, reason, _kept(home), home),
        )
        return _flow(COMPLETE[reason.kind])(body, arrived)
    finally:
        plain.unlink(missing_ok=True)


def _kept(home: Path) -> StoredBatch:
    file = home / "pseudonyms"
    return StoredBatch.open(file, 0, file.stat().st_size)


def _opened(body: Body, reason: Reason, batch: StoredBatch, folder: Path) -> Tagged[Element]:
    secret = keyshares.domain_secret(body, reason.to_domain, reason.epoch, reason.permit)
    opened = open_stored(batch, secret)
    own = epochs.into_own(body, reason.to_domain, reason.epoch, opened)
    return tagged(own, ELEMENT_SIZE, folder)


def _flow(named: str) -> Callable[..., Outcome]:
    module, _, name = named.partition(":")
    flows: Any = importlib.import_module(f"sekisho.body.flows.{module}")
    found: Callable[..., Outcome] = getattr(flows, name)
    return found


def _alarm(key: str) -> str:
    return f"transfer:{key[:16]}"


def daily(body: Body) -> Outcome:
    """Alarm on every transfer of which one half came on an earlier day and the other has not.

    What nobody can complete any longer, or needs no longer, ends: its reason has expired, or it was
    a list and a newer one is held.
    """
    outcome = Outcome()
    today = body.today().isoformat()
    for key, kept in body.store.find("transfer"):
        if kept["state"] != "waiting" or kept["since"] >= today:
            continue
        over = kept["reason"]["expires"] < today or _superseded(body, kept)
        if over and alarms.stands(body, _alarm(key)):
            outcome.put.append(("transfer", key, kept | {"state": "ended"}))
            outcome.remove.append(_folder(body, key))
            alarms.clear(outcome, body, _alarm(key))
        else:
            (lost,) = {"payload", "pseudonyms"} - set(kept["halves"])
            alarms.raise_(
                outcome,
                body,
                _alarm(key),
                "transfer.half-missing",
                half=lost,
                kind=kept["reason"]["kind"],
                peer=kept["sender"],
            )
    return outcome


def _superseded(body: Body, kept: Json) -> bool:
    if kept["reason"]["kind"] != "opt_out_list":
        return False
    held = body.store.get("held-list", kept["sender"])
    number = int(kept["reason"]["id"].split(":")[2])
    return held is not None and held["header"]["number"] >= number


def only_pseudonyms(body: Body, kind: str) -> Iterator[tuple[Reason, Tag, Element]]:
    """Yield the persons of transfers of our own whose payload never came: it was lost with us."""
    for key, kept in _halved(body, kind):
        reason = Reason.from_payload(kept["reason"])
        secret = keyshares.domain_secret(body, reason.to_domain, reason.epoch, reason.permit)
        for tag, element in open_stored(_kept(_folder(body, key)), secret):
            yield reason, tag, element


def end_halved(body: Body, kind: str) -> Outcome:
    """End the transfers of our own whose payload was lost: nobody can complete them."""
    outcome = Outcome()
    for key, kept in _halved(body, kind):
        outcome.put.append(("transfer", key, kept | {"state": "ended"}))
        outcome.remove.append(_folder(body, key))
        alarms.clear(outcome, body, _alarm(key))
    return outcome


def _halved(body: Body, kind: str) -> Iterator[tuple[str, Json]]:
    for key, kept in body.store.find("transfer"):
        ours = kept["state"] == "waiting" and kept["sender"] == body.id
        if ours and kept["halves"] == ["pseudonyms"] and kept["reason"]["kind"] == kind:
            yield key, kept


def _folder(body: Body, key: str) -> Path:
    return body.folders.spool / "transfers" / key
