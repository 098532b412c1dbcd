"""A restored registry gets its newest list back from those who hold it.

Holders return it through the converters; the registry takes it as choices and issues the list that
follows the newest one that anybody has seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

import orjson
import pyarrow as pa

from sekisho.body import closed
from sekisho.body.closed import NOW, OPEN, RESTORED
from sekisho.body.context import Body
from sekisho.body.flows import lists, registered, transfer
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.canonical import canonical_json, digest
from sekisho.common.errors import Refusal, TamperError
from sekisho.common.ids import BodyId, Tag, body_domain, new_tag, registry_domain
from sekisho.control.optout import GENESIS, Choice, ListHeader, effective
from sekisho.exchange.transfer import Reason
from sekisho.framework import list_recipients

RETURNED = "list-returned"
VALID_DAYS = 7
"""Days for which a reason holds, here and at a desk (`flows.optout`)."""


def ask_for_lists(body: Body, now: Json, message: Incoming) -> Outcome:
    """Ask the holders that have a newer list than ours to return it."""
    head = body.store.get("list-head", body.id) or {"number": 0, "digest": GENESIS, "on": ""}
    own = {name: head[name] for name in ("number", "digest", "on")}
    said = {
        holder: body.client.get(
            body.directory.find(holder), f"/exchange/collection/held-list?registry={body.id}"
        ).json()
        for holder in list_recipients(body.framework, BodyId(body.id))
        if holder != body.id
    }
    newest = max([own, *said.values()], key=lambda one: int(one["number"]))
    holders = sorted(h for h, one in said.items() if one["number"] == newest["number"])
    if any(one["number"] == newest["number"] and one != newest for one in (own, *said.values())):
        raise TamperError(
            "restore.two-lists",
            f"There are different lists of this registry with the number {newest['number']}.",
            rule="lists are numbered and chained; every body takes every list, in order",
        )
    if newest["on"] > body.today().isoformat():
        closed.wait_for(["the day on which the newest list was made"])
    outcome = Outcome()
    ask = holders if newest != own else []
    if ask:
        question = canonical_json({"number": newest["number"], "backup": now["backup"]})
        outcome.send += [Outgoing(one, "collection/return-list", question) for one in ask]
    outcome.put.append((RESTORED, NOW, now | {"step": "returning", "from": ask, "head": newest}))
    outcome.send.append(Outgoing(body.id, OPEN, message.read()))
    return outcome


def not_returned(body: Body, now: Json) -> list[str]:
    returned = {key for key, _ in body.store.find(RETURNED, f"{now['backup']}:")}
    return [
        f"the list back from {holder}"
        for holder in now["from"]
        if f"{now['backup']}:{holder}" not in returned
    ]


def held_list(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Tell a registry which of its lists this holder has."""
    kept = body.store.get("held-list", sender)
    if kept is None:
        return {"number": 0, "digest": GENESIS, "on": ""}
    return {name: kept["header"][name] for name in ("number", "digest", "on")}


def return_list(body: Body, message: Incoming) -> Outcome:
    """Send a registry its own newest list back through the converters."""
    asked = orjson.loads(message.read())
    kept = body.store.get("held-list", message.sender)
    if kept is None:
        raise Refusal("restore.no-list", f"{body.id} holds no list of {message.sender}.")
    header = ListHeader.from_payload(kept["header"])
    entries = sorted(kept["entries"].items())
    tags = {wrapped: new_tag(body.random) for wrapped, _ in entries}
    persons = [(tags[wrapped], body.keys.unwrap(wrapped)) for wrapped, _ in entries]
    persons += lists.padding(body, len(persons))
    rows = sorted((tags[wrapped], scopes) for wrapped, scopes in entries)
    reason = Reason(
        id=f"list-return:{asked['backup']}:{body.id}",
        kind="list_return",
        from_domain=body_domain(body.id),
        to_domain=registry_domain(message.sender),
        receiver=message.sender,
        room="opt_out",
        max_rows=len(persons),
        expires=(body.today() + timedelta(days=VALID_DAYS)).isoformat(),
        epoch=body.epoch,
        about=asked["backup"],
    )
    payload = {
        "header": pa.table({"json": [canonical_json(header.payload()).decode()]}),
        "rows": pa.table(
            {
                "tag": pa.array([tag for tag, _ in rows], pa.string()),
                "scopes": pa.array([scopes for _, scopes in rows], pa.list_(pa.string())),
            }
        ),
    }
    return transfer.start(body, reason, persons, payload)


def returned(body: Body, arrival: transfer.Arrived) -> Outcome:
    """Take back a list of ours: who is on it stays out, as from the list's own day.

    Only added, never taken away: a choice that was undone after the backup counts as in force
    until it is undone again. That is the safe side.
    """
    now = closed.state(body)
    if now is None or arrival.reason.about != now["backup"]:
        return Outcome()
    header = ListHeader.from_payload(orjson.loads(arrival.tables["header"]["json"][0].as_py()))
    table = arrival.tables["rows"]
    here = arrival.pseudonyms.take(map(Tag, table["tag"].to_pylist()))
    outcome, added = Outcome(), 0
    for tag, scopes in zip(table["tag"].to_pylist(), table["scopes"].to_pylist(), strict=True):
        wrapped = body.keys.wrap(here[Tag(tag)])
        record = registered.known(body, wrapped, {})
        extra = _missing_choices(body, record, wrapped, scopes, header.on, now["backup"])
        if extra:
            # Lists up to the returned one rested on words that were lost; the next rests on these.
            number = int(now["head"]["number"]) + 1
            grown = registered.with_choices(record, extra, body.today().isoformat(), number)
            outcome.put.append((registered.REGISTRY, wrapped, grown))
            added += len(extra)
    key = f"{now['backup']}:{arrival.sender}"
    outcome.put.append((RETURNED, key, {"header": header.payload(), "added": added}))
    outcome.fact("optout.returned", holder=arrival.sender, number=header.number, added=added)
    return outcome


def _missing_choices(
    body: Body, record: Json, wrapped: str, scopes: Iterable[str], day: date, backup: str
) -> list[Json]:
    """Return a choice for each scope of a returned list that our own choices do not give."""
    known = list(record["choices"])
    choices = [Choice.from_payload(one) for one in known]
    in_force = {str(scope) for scope in effective(choices, body.today(), body.today())}
    added: list[Json] = []
    for scope in sorted(set(scopes) - in_force):
        ref = digest(f"{backup}/{wrapped}/{scope}".encode())[:32]
        added.append(_choice(body, ref, scope, day, [*known, *added]))
    return added


def list_again(body: Body, now: Json, message: Incoming) -> Outcome:
    """Issue the list that follows the newest one that anybody has seen."""
    outcome, changed = _unheard(body, now["head"])
    for kind in ("choice", "opt_out_list"):
        outcome.add(transfer.end_halved(body, kind))
    outcome.add(lists.issue(body, registered.choices_of(changed), after=now["head"]))
    held = body.store.get("held-list", body.id)
    for holder in now["from"][:1] if held else ():
        # As a holder of our own list we missed the same ones; while closed nobody reads it.
        back = body.store.get(RETURNED, f"{now['backup']}:{holder}") or {}
        outcome.put.append(("held-list", body.id, {**(held or {}), "header": back["header"]}))
    outcome.put.append((RESTORED, NOW, now | {"step": "listed"}))
    outcome.send.append(Outgoing(body.id, OPEN, message.read()))
    return outcome


def _unheard(body: Body, head: Json) -> tuple[Outcome, dict[str, Json]]:
    """Take choices of which only the person is known: what was chosen was lost with the body.

    The desk was this body itself, so that nobody can send the words again. Where the newest list
    (``head``) cannot hold the choice, the person stays out of everything until it is stated again.
    """
    changed: dict[str, Json] = {}
    for reason, tag, element in transfer.only_pseudonyms(body, "choice"):
        stated_on = date.fromisoformat(reason.expires) - timedelta(days=VALID_DAYS)
        wrapped = body.keys.wrap(element)
        record = registered.known(body, wrapped, changed)
        late = stated_on.isoformat() > head["on"]
        if not late and (record["choices"] or stated_on.isoformat() < head["on"]):
            continue
        choice = _choice(body, tag, "all", body.today(), record["choices"])
        number, today = int(head["number"]) + 1, body.today().isoformat()
        changed[wrapped] = registered.with_choices(record, [choice], today, number)
    outcome = Outcome(put=registered.puts(changed))
    if changed:
        outcome.fact("optout.unheard", count=len(changed))
    return outcome, changed


def _choice(body: Body, ref: str, scope: str, since: date, known: list[Json]) -> Json:
    """Return a choice that a restored registry takes as stated, the last word in its scope."""
    return Choice.from_payload(
        {
            "ref": ref,
            "scope": scope,
            "effective_from": since.isoformat(),
            "recorded_on": body.today().isoformat(),
            "serial": 1 + max((int(one["serial"]) for one in known), default=0),
        }
    ).payload()
