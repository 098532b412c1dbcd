"""A choice from the desk to the registry, and the list from the registry to every holder.

The desk keeps the choice and a form that it cannot read; once a day the forms go to the history
service in a shuffled batch; the registry learns its own pseudonym of each person, never who it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import orjson
import pyarrow as pa

from sekisho.body.context import Body
from sekisho.body.flows import registered, transfer
from sekisho.body.flows.lists import issue, send_to_project
from sekisho.body.flows.permits import granted_permit
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.canonical import canonical_json
from sekisho.common.ids import IDENTITY, BodyId, Tag, new_id, new_tag, registry_domain
from sekisho.common.randomness import shuffle
from sekisho.control.optout import Choice, Sent
from sekisho.exchange import parcel
from sekisho.exchange.transfer import Reason
from sekisho.framework import forwards, registries, registry_of
from sekisho.pseudonym.group import Element

RECEIPT = "sekisho-choice-receipt"
VALID_DAYS = 7


def cut_off(body: Body) -> Outcome:
    """The daily batch: send the forms of recorded choices to the history service, shuffled."""
    waiting = [
        (ref, kept) for ref, kept in body.store.find("choice") if kept["state"] == "recorded"
    ]
    return send_batch(body, waiting)


def send_batch(body: Body, waiting: list[tuple[str, Json]]) -> Outcome:
    """Send choices as one batch. Their forms stay here until the registry has accounted for them,
    so that a batch that was lost can be sent again."""
    if not waiting:
        return Outcome()
    shuffle(body.random, waiting)
    batch = new_id(body.random)
    outcome = Outcome()
    told = {"refs": [ref for ref, _ in waiting], "on": body.today().isoformat(), "open": True}
    outcome.put.append(("choice-batch", batch, told))
    for ref, kept in waiting:
        outcome.put.append(("choice", ref, kept | {"state": "sent"}))
    forms = [bytes.fromhex(kept["form"]) for _, kept in waiting]
    outcome.send.append(
        Outgoing(
            body.auxiliary("history"),
            "history/identities",
            parcel.pack({"batch": batch}, forms),
            content_type=parcel.MEDIA_TYPE,
        )
    )
    return outcome


def convert_choices(body: Body, message: Incoming) -> Outcome:
    """Send what the history service encrypted through the converters to the registry."""
    header, ciphers = _encrypted(message.read())
    batch = body.store.get("choice-batch", header["batch"])
    if batch is None or batch.get("answered"):
        return Outcome()  # a history service that was restored answers what it answered before
    unreadable = set(header["unreadable"])
    outcome = Outcome(put=[("choice-batch", header["batch"], batch | {"answered": True})])
    readable = []
    for position, ref in enumerate(batch["refs"]):
        kept = body.store.get("choice", ref) or {}
        state = "unreadable" if position in unreadable else "converting"
        outcome.put.append(("choice", ref, kept | {"state": state}))
        if state == "converting":
            readable.append((Tag(ref), kept["choice"]))
    registry = registry_of(body.framework, BodyId(body.id))
    if not readable:
        if registry == body.id:  # nothing will come back from which the day's list would be made
            outcome.add(issue(body, {}))
        return outcome
    reason = Reason(
        id=f"choices:{header['batch']}",
        kind="choice",
        from_domain=IDENTITY,
        to_domain=registry_domain(registry),
        receiver=registry,
        room="opt_out",
        max_rows=len(readable),
        expires=(body.today() + timedelta(days=VALID_DAYS)).isoformat(),
        epoch=body.epoch,
    )
    persons = tuple((tag, cipher) for (tag, _), cipher in zip(readable, ciphers, strict=True))
    outcome.add(transfer.start_encrypted(body, reason, persons, _table(readable)))
    return outcome


def _encrypted(data: bytes) -> tuple[Json, list[bytes]]:
    """Return the history service's answer; where it could read no form it holds no ciphertext."""
    return parcel.unpack(data, needs=("batch", "unreadable"), empty=True)


def register(body: Body, arrived: transfer.Arrived) -> Outcome:
    """Keep choices under this registry's pseudonyms, tell other registries, issue a new list."""
    rows = zip(
        arrived.tables["choices"]["tag"].to_pylist(),
        arrived.tables["choices"]["choice"].to_pylist(),
        strict=True,
    )
    changed: dict[str, Json] = {}
    number = registered.next_list(body)
    outcome = Outcome()
    refs = []
    for tag, text in rows:
        choice = Choice.from_payload(orjson.loads(text))
        refs.append(choice.ref)
        wrapped = body.keys.wrap(arrived.pseudonyms[tag])
        kept = registered.known(body, wrapped, changed)
        now = registered.with_choices(kept, [choice.payload()], body.today().isoformat(), number)
        if now is not kept:
            changed[wrapped] = now
        if body.store.get("choice", choice.ref) is not None:
            own = body.store.get("choice", choice.ref) or {}
            outcome.put.append(("choice", choice.ref, own | {"state": "registered"}))
    came = f"{arrived.sender}/{arrived.reason.id}"
    said = {**msgspec.to_builtins(Sent.of(refs)), "list": number}
    outcome.put.append(("registered-batch", came, said))
    outcome.put += registered.puts(changed)
    if arrived.reason.kind == "choice":
        for other in forwards(body.framework, BodyId(body.id)):
            outcome.add(_forward(body, other, arrived))
    outcome.add(issue(body, registered.choices_of(changed)))
    return outcome


def _forward(body: Body, other: str, arrived: transfer.Arrived) -> Outcome:
    """Tell another registry of the choices that arrived."""
    texts = zip(
        arrived.tables["choices"]["tag"].to_pylist(),
        arrived.tables["choices"]["choice"].to_pylist(),
        strict=True,
    )
    known = [(arrived.pseudonyms[tag], orjson.loads(text)) for tag, text in texts]
    return forward(body, other, f"{arrived.reason.id}:{other}", known)


def forward(body: Body, other: str, name: str, known: Sequence[tuple[Element, Json]]) -> Outcome:
    """Tell another registry of choices, under fresh tags, for a reason called ``name``."""
    tagged = [(new_tag(body.random), element, choice) for element, choice in known]
    reason = Reason(
        id=name,
        kind="choice_forward",
        from_domain=registry_domain(body.id),
        to_domain=registry_domain(other),
        receiver=other,
        room="opt_out",
        max_rows=len(tagged),
        expires=(body.today() + timedelta(days=VALID_DAYS)).isoformat(),
        epoch=body.epoch,
    )
    told = {
        "to": other,
        "refs": [choice["ref"] for _, _, choice in tagged],
        "on": body.today().isoformat(),
        "open": True,
    }
    outcome = Outcome(put=[("forward-batch", name, told)])
    persons = [(tag, element) for tag, element, _ in tagged]
    rows = [(tag, choice) for tag, _, choice in tagged]
    outcome.add(transfer.start(body, reason, persons, _table(rows)))
    return outcome


def _table(rows: list[tuple[Tag, Any]]) -> dict[str, pa.Table]:
    ordered = sorted(rows)
    return {
        "choices": pa.table(
            {
                "tag": [tag for tag, _ in ordered],
                "choice": [canonical_json(choice).decode() for _, choice in ordered],
            }
        )
    }


def daily(body: Body) -> Outcome:
    """What a desk and a registry do at the cut-off of a day."""
    outcome = cut_off(body)
    unsettled = any(
        kept["state"] in {"recorded", "sent", "converting"} for _, kept in body.store.find("choice")
    )
    own = (
        registry_of(body.framework, BodyId(body.id)) == body.id
        if "opt_out" in body.rooms
        else False
    )
    if body.id in registries(body.framework) and not (own and unsettled):
        outcome.add(issue(body, {}))
    return outcome


def head(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Tell another body the number and digest of this registry's newest list."""
    return body.store.get("list-head", body.id) or {"number": 0}


def list_for_project(body: Body, message: Incoming) -> Outcome:
    """Send the newest list into a project's domain, for the gate in front of its environment."""
    return send_to_project(body, granted_permit(body, message.read().decode()))
