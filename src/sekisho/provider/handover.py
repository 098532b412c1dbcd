"""Handing a prepared submission over: one message at each door, one to the first converter.

What leaves is sealed to the body that must have it; the door behind which several bodies stand
passes on what it cannot read. Handing the same files over again gives the first receipts; what a
crash cut off goes on with the same bytes.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from sekisho.common.atomicfile import write_atomically
from sekisho.common.canonical import canonical_json
from sekisho.common.errors import PeerError
from sekisho.common.ids import IDENTITY, body_domain
from sekisho.common.randomness import RandomBytes
from sekisho.exchange import parcel
from sekisho.exchange.client import Client
from sekisho.exchange.directory import Directory
from sekisho.exchange.globalkey import read_global_key
from sekisho.exchange.keys import SigningKey
from sekisho.exchange.transfer import (
    Payload,
    Reason,
    Transfer,
    batch_parcel,
    encrypt_persons,
    make_transfer,
)
from sekisho.framework import SubmissionRoute
from sekisho.provider.holding import Held
from sekisho.provider.objects import Packed
from sekisho.provider.outbox import Outbox, Parcels, message_id
from sekisho.provider.submission import Part, Prepared
from sekisho.pseudonym.group import Element
from sekisho.pseudonym.identifiers import element_of

VALID_DAYS = 7
MANIFEST, METHODS, OBJECTS = "manifest", "methods", "objects"


@dataclass(frozen=True)
class Sender:
    """A provider as the exchange knows it."""

    code: str
    key: SigningKey
    provider_key: bytes
    client: Client
    directory: Directory
    converter: str
    global_key: Element
    random: RandomBytes
    today: date
    epoch: int = 0


@dataclass(frozen=True)
class Agreed:
    """What the converters agreed on: in which epoch to sign, under which key to encrypt."""

    epoch: int
    global_key: Element


def agreed(client: Client, directory: Directory, converter: str) -> Agreed:
    """Ask the first converter; the key counts only with both converters' signatures."""
    answer = client.get(directory.find(converter), "/exchange/conversion/epoch").json()
    record = read_global_key(answer["record"], directory)
    if record.epoch != answer["epoch"]:
        raise PeerError("peer.unreadable", "The converter named another epoch than its key's.")
    return Agreed(record.epoch, record.key)


@dataclass(frozen=True)
class Handed:
    """What one door was given: its submission's id, whether it was new, messages and bytes sent."""

    door: str
    submission: str
    bodies: tuple[str, ...]
    new: bool
    messages: int
    bytes: int


@dataclass(frozen=True)
class Ready:
    """A submission as it goes: prepared, without the persons held back, with its way."""

    format: str
    prepared: Prepared
    held: Held
    routes: tuple[SubmissionRoute, ...]


def hand_over(sender: Sender, ready: Ready, outbox: Outbox) -> tuple[Handed, ...]:
    """Hand ``ready`` over at every door of its routes that does not have it already."""
    return tuple(_at_door(sender, ready, route, outbox) for route in ready.routes)


def submission_id(code: str, provider_key: bytes, ready: Ready, door: str) -> str:
    """Return the id that the same files of the same persons always have at the same door."""
    files = sorted(ready.prepared.file_digests.values())
    held = [ready.held.mark] if ready.held.mark else []
    message = canonical_json([code, ready.format, door, files, *held])
    return hmac.digest(provider_key, message, "sha256").hex()[:32]


def receipts(sender: Sender, door: str, submission: str) -> list[str]:
    """Return the signed receipts that the door has for a submission, one from each body."""
    peer = sender.directory.find(door)
    path = f"/exchange/collection/receipts?submission={submission}"
    answer = sender.client.get(peer, path).json()
    return [str(token) for token in answer["receipts"]]


def standing(sender: Sender, door: str) -> dict[str, Any]:
    """Return what a body asks this provider for, what has come, and what it has credited."""
    answer = sender.client.get(sender.directory.find(door), "/exchange/collection/standing")
    told: dict[str, Any] = answer.json()
    return told


def wait_for_receipts(
    sender: Sender, handed: Handed, *, seconds: float, pause: Callable[[float], None] = time.sleep
) -> list[str]:
    """Return the receipts of all bodies of a submission, waiting up to ``seconds`` for them."""
    waited = 0.0
    while True:
        found = receipts(sender, handed.door, handed.submission)
        if len(found) >= len(handed.bodies):
            return found
        if waited >= seconds:
            raise PeerError(
                "submission.no-receipt",
                f"{len(handed.bodies) - len(found)} bodies have not confirmed the submission yet.",
                next_step="ask again later: the submission is kept and is not lost",
            )
        pause(0.5)
        waited += 0.5


def _at_door(sender: Sender, ready: Ready, route: SubmissionRoute, outbox: Outbox) -> Handed:
    submission = submission_id(sender.code, sender.provider_key, ready, route.door)
    parts = [
        ready.prepared.parts[body]
        for body, _ in route.parts
        if _has_something(ready.prepared, body)
    ]
    bodies = tuple(str(part.body) for part in parts)
    if not parts or len(receipts(sender, route.door, submission)) >= len(bodies):
        outbox.forget(submission)
        return Handed(route.door, submission, bodies, False, 0, 0)
    expires = sender.today + timedelta(days=VALID_DAYS)

    def make(parcels: Parcels) -> None:
        made = []
        for part in parts:
            sealed = parcels.folder / part.body
            made.append(
                _transfer(sender, part, ready.format, submission, route.door, expires, sealed)
            )
        _write_door(parcels.door, ready, submission, parts, made)
        pairs = [(transfer.token, transfer.batch) for transfer in made]
        write_atomically(parcels.batch, batch_parcel(pairs))
        for transfer in made:
            transfer.sealed.file.unlink()

    parcels = outbox.parcels(
        submission, epoch=sender.epoch, today=sender.today, expires=expires, make=make
    )
    sent = parcels.size
    _post(sender, route.door, "collection/submission", parcels.door)
    _post(sender, sender.converter, "conversion/batch", parcels.batch)
    parcels.sent()
    return Handed(route.door, submission, bodies, True, 2, sent)


def _write_door(
    file: Path, ready: Ready, submission: str, parts: Sequence[Part], made: Sequence[Transfer]
) -> None:
    """Write the door's message. It says when the last of the persons in it was given notice."""
    days = [ready.held.given_on.get(part.body) for part in parts]
    given = max((day for day in days if day is not None), default=None)
    parcel.write(
        file,
        {
            "submission": submission,
            "bodies": [str(part.body) for part in parts],
            "reasons": [t.token for t in made],
            "notice_given_on": None if given is None else given.isoformat(),
        },
        [transfer.sealed for transfer in made],
    )


def _has_something(prepared: Prepared, body: str) -> bool:
    return any(str(part) == body and prepared.parts[part].identities for part in prepared.parts)


def _transfer(
    sender: Sender,
    part: Part,
    format_id: str,
    submission: str,
    door: str,
    expires: date,
    sealed: Path,
) -> Transfer:
    reason = Reason(
        id=f"{submission}:{part.body}",
        kind="submission",
        from_domain=IDENTITY,
        to_domain=body_domain(part.body),
        receiver=part.body,
        room="collection",
        max_rows=len(part.identities),
        expires=expires.isoformat(),
        epoch=sender.epoch,
    )
    persons = [(tag, element_of(key)) for tag, key in part.identities]
    return make_transfer(
        reason,
        signer=sender.code,
        key=sender.key,
        persons=encrypt_persons(persons, sender.global_key, sender.random),
        payload=payload(part, format_id, submission, door),
        recipient=sender.directory.find(part.body).seal_recipient or "",
        global_key=sender.global_key,
        sealed=sealed,
    )


def payload(part: Part, format_id: str, submission: str, door: str) -> Payload:
    """Return the tables that are sealed to the part's body: all that it gets but pseudonyms."""
    said = canonical_json(manifest(part, format_id, submission, door)).decode()
    return {
        **part.tables.rows,
        **({OBJECTS: Packed(part.objects, part.tables)} if part.objects else {}),
        MANIFEST: pa.table({"json": [said]}),
        METHODS: pa.table(
            {
                "tag": pa.array([tag for tag, _ in part.identities], pa.string()),
                "method": pa.array([key.method for _, key in part.identities], pa.string()),
            }
        ),
    }


def manifest(part: Part, format_id: str, submission: str, door: str) -> dict[str, Any]:
    """Return what is said beside the tables: counts and refusals, no value and no file's name."""
    return {
        "submission": submission,
        "door": door,
        "format": format_id,
        "declared": part.declared(),
        "refusals": [
            {
                "file": r.file,
                "line": r.line,
                "code": r.code,
                "record_type": r.record_type,
                "count": r.count,
                "rule": r.rule,
            }
            for r in part.refusals
        ],
        "files": list(part.file_digests),
        "withdrawn": sorted(name for names in part.withdrawn.values() for name in names),
    }


def _post(sender: Sender, to: str, path: str, file: Path) -> None:
    sender.client.post(
        sender.directory.find(to),
        f"/exchange/{path}",
        file,
        content_type=parcel.MEDIA_TYPE,
        message_id=message_id(file),
    )
