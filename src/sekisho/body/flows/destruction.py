"""A converter's secret of a former epoch is destroyed, as a ceremony, when nothing needs it.

On the word of the converter's own operator it asks every body what it still needs of the epoch
(`formerneeds`); an answer that does not come counts as a need. The record that it signs goes to
every body, so that a converter that comes back from an older backup learns of it before it uses a
secret: it follows the record first (`follow`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import msgspec

from sekisho.body.context import Body
from sekisho.body.flows import epochs, exit, expulsion, formerneeds, resending
from sekisho.body.flows.keyshares import CONVERTERS
from sekisho.body.keyring import converter_file
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.canonical import digest
from sekisho.common.errors import PeerError, Refusal, SekishoError, TamperError, UserError
from sekisho.exchange import jws
from sekisho.exchange.destruction import KIND, Destruction, read_destruction

ORDER = "key-destruction"
"""The newest order for each epoch, and what became of it, for the operator to see."""
FOLDER = "destroyed-keys"
DOOR = "status/key-destroyed"
UNHEARD = "no answer"


class _Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    epoch: int
    order: str
    """A name of the order, by which its operator finds the answer."""


# At the converter


def destroy(body: Body, message: Incoming) -> Outcome:
    """Destroy this converter's secret of a former epoch, or say what still needs it."""
    if message.sender != body.id:
        raise Refusal("keys.not-operator", "Only a converter's own operator may order this.")
    try:
        order = msgspec.json.decode(message.read(), type=_Order, strict=True)
    except msgspec.DecodeError as error:
        raise UserError("keys.malformed", "The order names an epoch.") from error
    outcome, said = Outcome(), {"order": order.order}
    if order.epoch in body.keys.converter().destroyed:
        outcome.put.append((ORDER, str(order.epoch), said | {"state": "destroyed"}))
        return outcome
    needed: dict[str, str] = {}
    try:
        _check_over(body, order.epoch)
        needed.update(_needs(body, order.epoch))
        _check_needed(order.epoch, needed)
    except Refusal as refusal:
        entry = {"epoch": order.epoch, "phase": "refused", "code": refusal.code}
        outcome.fact("key.destruction", **entry, needed_by=sorted(needed))
        kept = said | {"state": "refused", "problem": refusal.as_problem()}
        outcome.put.append((ORDER, str(order.epoch), kept))
        return outcome
    outcome = _destroyed(body, order.epoch)
    outcome.put.append((ORDER, str(order.epoch), said | {"state": "destroyed"}))
    return outcome


def _check_over(body: Body, epoch: int) -> None:
    body.keys.converter().of(epoch)
    newest, former = epochs.accepted(body)
    if epoch >= newest:
        raise _refusal(
            "in-force",
            f"Epoch {epoch} is in force.",
            "begin a new epoch first: sekisho keys rotate",
        )
    ended = epochs.ended_on(body, epoch)
    if epoch == former or ended is None:
        raise _refusal(
            "rotation-running",
            f"The rotation from epoch {epoch} is not over.",
            "wait until all bodies have turned, or until its deadline",
        )
    days = resending.rule(body).keep_sent_days
    if body.today() <= (until := ended + timedelta(days=days)):
        raise _refusal(
            "may-be-asked",
            f"Until {until} a restored body may ask again for what was sent in epoch {epoch}.",
            "destroy it after that day",
        )


def _check_needed(epoch: int, needed: Mapping[str, str]) -> None:
    if needed:
        told = "; ".join(f"{name} ({what})" for name, what in needed.items())
        raise _refusal(
            "needed",
            f"Epoch {epoch} is still needed by {told}.",
            "wait until those permits end, and see to bodies that have not turned or do not answer",
        )


def _refusal(code: str, message: str, next_step: str) -> Refusal:
    return Refusal(
        f"keys.{code}",
        message,
        rule="a former epoch's secret is destroyed when nothing needs it any more",
        next_step=next_step,
    )


def _others(body: Body) -> list[str]:
    """Return the other bodies that are still part of the deployment."""
    gone = expulsion.revoked(body) | set(exit.left(body)) | {body.id}
    return [party.id for party in body.directory.of_kind("body") if party.id not in gone]


def _needs(body: Body, epoch: int) -> Iterator[tuple[str, str]]:
    """Yield who still needs the epoch, and what for."""
    for name in (body.id, *_others(body)):
        try:
            found = formerneeds.needs(body, epoch) if name == body.id else _ask(body, name, epoch)
        except SekishoError:
            yield name, UNHEARD
            continue
        if found:
            yield name, ", ".join(f"{what}: {count}" for what, count in sorted(found.items()))


def _ask(body: Body, name: str, epoch: int) -> dict[str, int]:
    path = f"/exchange/status/needs-epoch?epoch={epoch}"
    answer = body.client.get(body.directory.find(name), path).json()
    return {str(what): int(count) for what, count in answer["needs"].items()}


def _destroyed(body: Body, epoch: int) -> Outcome:
    record = body.documents.read(f"global-keys/{epoch}.json")
    said = Destruction(
        epoch=epoch,
        converter=body.id,
        on=body.today().isoformat(),
        record=digest(record.encode()),
    )
    token = jws.sign(msgspec.to_builtins(said), body.keys.signing, body.id, KIND)
    outcome = _kept(said, token)
    outcome.remove.append(converter_file(body.keys.folder, epoch))
    for name in _others(body):
        outcome.send.append(Outgoing(name, DOOR, token.encode(), content_type="application/jose"))
    return outcome


def ordered(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Tell a converter's operator what became of the newest order for an epoch."""
    if sender != body.id:
        raise Refusal("keys.not-operator", "Only a converter's own operator may ask this.")
    return body.store.get(ORDER, params.get("epoch", "")) or {"order": "", "state": "none"}


# At every body


def take(body: Body, message: Incoming) -> Outcome:
    """Keep a converter's record that it destroyed a secret."""
    token = message.read().decode("ascii", "replace")
    said = read_destruction(token, body.directory)
    if said.converter not in {body.auxiliary(role) for role in CONVERTERS}:
        raise Refusal("keys.not-converter", "Only a converter has a secret of an epoch.")
    return Outcome() if body.documents.exists(_name(said)) else _kept(said, token)


def _kept(said: Destruction, token: str) -> Outcome:
    outcome = Outcome(documents=[(_name(said), token)])
    outcome.fact(
        "key.destroyed",
        converter=said.converter,
        epoch=said.epoch,
        on=said.on,
        digest=digest(token.encode()),
    )
    return outcome


def records(folder: Path) -> list[Path]:
    """Return the records of destroyed secrets among a body's documents."""
    return sorted((folder / FOLDER).glob("*.jws"))


def destroyed_epochs(body: Body) -> frozenset[int]:
    """Return the epochs of which a converter's secret was destroyed, as far as this body knows."""
    found = records(body.folders.documents)
    return frozenset(int(file.name.partition(".")[0]) for file in found)


def shown(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Show the records to a body that was restored and may not have them any more."""
    return {"records": [file.read_text() for file in records(body.folders.documents)]}


def _name(said: Destruction) -> str:
    return f"{FOLDER}/{said.epoch}.{said.converter}.jws"


# At a converter that came from a backup


def follow(body: Body) -> Outcome:
    """Destroy what this converter's own records, kept by the others, say was destroyed.

    Raises:
        PeerError: a body does not answer yet; no secret is used before all have.
    """
    outcome = Outcome()
    tokens: set[str] = set()
    for name in _others(body):
        try:
            peer = body.directory.find(name)
            said = body.client.get(peer, "/exchange/status/destroyed-keys").json()
        except PeerError as away:
            raise PeerError("peer.unreachable", f"{name} has not answered yet.") from away
        tokens.update(said["records"])
    for token in sorted(tokens):
        try:
            record = read_destruction(token, body.directory)
        except TamperError:
            continue  # not this converter's word
        file = converter_file(body.keys.folder, record.epoch)
        if record.converter != body.id or not file.exists():
            continue
        outcome.add(_kept(record, token))
        outcome.remove.append(file)
        outcome.fact("key.destruction", epoch=record.epoch, phase="followed")
    return outcome
