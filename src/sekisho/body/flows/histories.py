"""The history service (履歴照会): takes changes of numbers in, tells holders and registries.

It alone stores identifiers. Once a day it sends what is new to every receiver in one padded,
shuffled batch, numbered and chained; who has not acknowledged a batch by the next day gets it
again. It learns neither tags nor pseudonyms of others, only that a receiver took a batch.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Literal

import msgspec
import orjson
import pyarrow as pa

from sekisho.body.context import Body
from sekisho.body.flows import alarms, transfer
from sekisho.body.ports import Incoming, Json, Outcome
from sekisho.common.canonical import digest
from sekisho.common.errors import Refusal, SekishoError, UserError
from sekisho.common.ids import IDENTITY, Domain, Tag, new_tag
from sekisho.common.randomness import shuffle
from sekisho.exchange import jws, parcel, seal
from sekisho.exchange.aliases import ALIASES, GENESIS, AliasHeader, AliasRow, make_header
from sekisho.exchange.transfer import Reason
from sekisho.framework import alias_receivers
from sekisho.pseudonym.group import Element, random_element
from sekisho.pseudonym.identifiers import PersonKey, canonical, element_of, parse_spec, spec_of

VALID_DAYS = 7
TAKEN = "alias-taken"
"""Kind of the records of what receivers took of a service that was lost."""
PADDING = 16
"""A batch is filled up to a multiple of this, so that its size says little."""


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an insurer's sealed form says. ``split`` takes an earlier statement back."""

    old: Json
    new: Json
    valid_from: date
    reason: Literal["insurer-change", "age-75", "household", "correction"]
    split: bool = False


def record(body: Body, message: Incoming) -> Outcome:
    """Keep the changes of a parcel of sealed forms; say how many could not be read."""
    _, forms = parcel.unpack(message.read())
    outcome = Outcome()
    standing: dict[str, str | None] = {}
    fresh: list[str] = []
    speaking: dict[str, list[str]] = {}
    counts = {"recorded": 0, "unreadable": 0, "revoked": 0, "repeated": 0}
    for position, form in enumerate(forms):
        try:
            change, old, new = _read(form, body)
        except (SekishoError, msgspec.MsgspecError):
            counts["unreadable"] += 1
            continue
        pair = _pair(body, old, new)
        if pair not in standing:
            standing[pair] = (body.store.get("change-of", pair) or {}).get("ref")
        if change.split != (standing[pair] is not None):
            counts["repeated"] += 1
            continue
        # From the message, so that a change handled again after a crash keeps its reference.
        ref = digest(f"{message.id}/{position}".encode())[:32]
        kept = {
            "old": spec_of(old),
            "new": spec_of(new),
            "valid_from": change.valid_from.isoformat(),
            "recorded_on": body.today().isoformat(),
            "reason": change.reason,
            "revokes": standing[pair] if change.split else None,
        }
        standing[pair] = None if change.split else ref
        fresh.append(ref)
        for key in (old, new):
            name = _named(body, key)
            speaking.setdefault(name, _speaking_of(body, name)).append(ref)
        counts["revoked" if change.split else "recorded"] += 1
        outcome.put.append(("change", ref, kept))
    outcome.put += [("change-of", pair, {"ref": ref}) for pair, ref in standing.items()]
    outcome.put += [("number", name, {"refs": refs}) for name, refs in speaking.items()]
    if fresh:
        outcome.put.append(("change-open", body.id, {"refs": [*_open(body), *fresh]}))
    outcome.fact("alias.recorded", sender=message.sender, counts=counts)
    return outcome


def daily(body: Body) -> Outcome:
    """Send what is new to every receiver; send again what nobody acknowledged in time."""
    outcome = Outcome()
    receivers = alias_receivers(body.framework)
    for to in receivers:
        late = [sent for _, sent in body.store.find("alias-sent", f"{to}:") if _late(body, sent)]
        alarm, code = f"aliases-to:{to}", "alias.unacknowledged"
        alarms.settle(outcome, body, alarm, code, bool(late), to=to, batches=len(late))
        for sent in late:
            outcome.add(_send(body, to, sent))
    waiting = _changes(body, _open(body))
    if not waiting or not receivers:
        return outcome
    number = head_number(body) + 1
    outcome.put.append(("alias-issued", body.id, {"number": number}))
    outcome.put.append(("change-open", body.id, {"refs": []}))
    outcome.put.append(("change-batch", f"{number:08d}", {"refs": sorted(waiting)}))
    for to in receivers:
        previous = _digest_of(body, to, number - 1)
        rows, persons = _rows(body, to, waiting)
        made = make_header(to, number, previous, body.today(), rows)
        sent = {"header": made.payload(), "kept": False, "tries": 0}
        outcome.add(_sent(body, to, made, sent, rows, persons))
    outcome.fact("alias.batch", number=number, count=len(waiting), receivers=len(receivers))
    return outcome


def _digest_of(body: Body, to: Domain, number: int) -> str:
    """Return the digest of a batch that was sent, also of one that only its receiver kept."""
    sent = body.store.get("alias-sent", _key(to, number))
    if sent is not None:
        return str(sent["header"]["digest"])
    back = body.store.get(TAKEN, to) or {"number": 0, "digest": GENESIS}
    return str(back["digest"])


def go_on(body: Body, since: str) -> Outcome:
    """Go on, at a restored history service, after the newest batch that each receiver took.

    Changes that insurers told since ``since`` may be lost: they are to tell them again.
    """
    outcome, newest = Outcome(), head_number(body)
    for to in alias_receivers(body.framework):
        peer = body.directory.find(_owner(to))
        path = f"/exchange/{alias_receivers(body.framework)[to]}/aliases-taken?to={to}"
        said: Json = body.client.get(peer, path).json()
        outcome.put.append((TAKEN, to, said))
        newest = max(newest, int(said["number"]))
    outcome.put.append(("alias-issued", body.id, {"number": newest}))
    outcome.fact("alias.lost", since=since, until=body.today().isoformat())
    return outcome


def numbers_of(body: Body, person: PersonKey) -> list[PersonKey]:
    """Return every number that is this person's by what stands today, theirs first."""
    found = {_named(body, person): person}
    todo = [person]
    while todo:
        for ref in _speaking_of(body, _named(body, todo.pop())):
            kept = body.store.get("change", ref)
            if kept is None or kept["revokes"] is not None:
                continue
            old, new = parse_spec(kept["old"]), parse_spec(kept["new"])
            if (body.store.get("change-of", _pair(body, old, new)) or {}).get("ref") != ref:
                continue  # taken back since
            for key in (old, new):
                if (name := _named(body, key)) not in found:
                    found[name] = key
                    todo.append(key)
    return list(found.values())


def head_number(body: Body) -> int:
    """Return the number of the newest batch; 0 before the first."""
    kept = body.store.get("alias-issued", body.id)
    return 0 if kept is None else int(kept["number"])


def head(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Tell another body how many batches there are."""
    return {"number": head_number(body)}


def again(body: Body, message: Incoming) -> Outcome:
    """Send a receiver its batches after the last one that it has."""
    asked: Json = orjson.loads(message.read())
    to = Domain(str(asked.get("to")))
    since = asked.get("since")
    _require_owner(to, message.sender)
    if type(since) is not int or since < 0:
        raise UserError("alias.since", "A receiver says after which batch it wants the others.")
    outcome = Outcome()
    for number in range(since + 1, head_number(body) + 1):
        sent = body.store.get("alias-sent", _key(to, number))
        if sent is not None:
            outcome.add(_send(body, to, sent))
    return outcome


def kept(body: Body, message: Incoming) -> Outcome:
    """Note a receiver's word that it keeps a batch; a wrong digest is no such word."""
    said: Json = orjson.loads(message.read())
    to, number = Domain(str(said.get("to"))), int(said.get("number", 0))
    _require_owner(to, message.sender)
    sent = body.store.get("alias-sent", _key(to, number))
    if sent is None or sent["header"]["digest"] != said.get("digest"):
        raise Refusal("alias.other-batch", "No batch with this number and digest was sent there.")
    return Outcome(put=[("alias-sent", _key(to, number), sent | {"kept": True})])


def _read(form: bytes, body: Body) -> tuple[Change, PersonKey, PersonKey]:
    change = msgspec.json.decode(seal.open_sealed(form, body.keys.seal), type=Change)
    old, new = parse_spec(change.old), parse_spec(change.new)
    if old == new:
        raise UserError("alias.same", "A number is no alias of itself.")
    return change, old, new


def _late(body: Body, sent: Json) -> bool:
    return not sent["kept"] and date.fromisoformat(sent["sent_on"]) < body.today()


def _send(body: Body, to: Domain, sent: Json) -> Outcome:
    """Send a batch again: the same events under the same header, under fresh tags."""
    header = AliasHeader.from_payload(sent["header"])
    batch = body.store.get("change-batch", f"{header.number:08d}") or {"refs": []}
    rows, persons = _rows(body, to, _changes(body, batch["refs"]))
    return _sent(body, to, header, sent, rows, persons)


def _sent(
    body: Body,
    to: Domain,
    header: AliasHeader,
    sent: Json,
    rows: Sequence[AliasRow],
    persons: list[tuple[Tag, Element]],
) -> Outcome:
    tries = sent["tries"] + 1
    reason = Reason(
        id=f"alias:{to}:{header.number}:{tries}",
        kind="alias",
        from_domain=IDENTITY,
        to_domain=to,
        receiver=_owner(to),
        room=alias_receivers(body.framework)[to],
        max_rows=len(persons),
        expires=(body.today() + timedelta(days=VALID_DAYS)).isoformat(),
        epoch=body.epoch,
    )
    token = jws.sign(header.payload(), body.keys.signing, body.id, ALIASES)
    outcome = transfer.start(body, reason, persons, alias_tables(token, rows))
    state = sent | {"tries": tries, "sent_on": body.today().isoformat()}
    outcome.put.append(("alias-sent", _key(to, header.number), state))
    return outcome


def alias_tables(token: str, rows: Sequence[AliasRow]) -> dict[str, pa.Table]:
    """Return the sealed half of a batch: its signed header and its rows."""
    columns = {
        name: [getattr(row, name) for row in rows]
        for name in ("ref", "tag_old", "tag_new", "reason", "revokes")
    }
    days = {
        name: [getattr(row, name).isoformat() for row in rows]
        for name in ("valid_from", "recorded_on")
    }
    texts = {name: pa.array(values, pa.string()) for name, values in (columns | days).items()}
    return {"header": pa.table({"token": [token]}), "aliases": pa.table(texts)}


def _rows(
    body: Body, to: Domain, changes: Mapping[str, Json]
) -> tuple[list[AliasRow], list[tuple[Tag, Element]]]:
    """Return shuffled rows, and each number once under its tag among nobody's elements."""
    tags: dict[bytes, Tag] = {}
    persons: list[tuple[Tag, Element]] = []

    def tag_of(spec: Json) -> Tag:
        key = parse_spec(spec)
        name = canonical(key)
        if name not in tags:
            tags[name] = new_tag(body.random)
            persons.append((tags[name], element_of(key)))
        return tags[name]

    def named(ref: str) -> str:
        return hmac.digest(body.keys.wrapping, f"alias/{to}/{ref}".encode(), "sha256").hex()[:32]

    rows = [
        AliasRow(
            named(ref),
            tag_of(kept["old"]),
            tag_of(kept["new"]),
            date.fromisoformat(kept["valid_from"]),
            date.fromisoformat(kept["recorded_on"]),
            kept["reason"],
            named(kept["revokes"]) if kept["revokes"] else None,
        )
        for ref, kept in changes.items()
    ]
    missing = PADDING - len(persons) % PADDING
    persons += [(new_tag(body.random), random_element(body.random)) for _ in range(missing)]
    shuffle(body.random, rows)
    shuffle(body.random, persons)
    return rows, persons


def _open(body: Body) -> list[str]:
    """Return the changes that no batch has carried yet."""
    return list((body.store.get("change-open", body.id) or {"refs": []})["refs"])


def _changes(body: Body, refs: Sequence[str]) -> dict[str, Json]:
    found = {ref: body.store.get("change", ref) for ref in refs}
    return {ref: kept for ref, kept in found.items() if kept is not None}


def _speaking_of(body: Body, name: str) -> list[str]:
    """Return the changes in which a number stands."""
    return list((body.store.get("number", name) or {"refs": []})["refs"])


def _named(body: Body, key: PersonKey) -> str:
    """Return what names a number in the index of changes."""
    both = b"number/" + canonical(key)
    return hmac.digest(body.keys.wrapping, both, "sha256").hex()[:32]


def _pair(body: Body, old: PersonKey, new: PersonKey) -> str:
    """Return what names two numbers of one person in the index of what stands."""
    both = b"change/" + canonical(old) + canonical(new)
    return hmac.digest(body.keys.wrapping, both, "sha256").hex()[:32]


def _key(to: Domain, number: int) -> str:
    return f"{to}:{number:08d}"


def _owner(to: Domain) -> str:
    return to.partition(":")[2]


def _require_owner(to: Domain, sender: str) -> None:
    if _owner(to) != sender:
        raise Refusal("alias.not-yours", "A body speaks of its own domains only.")
